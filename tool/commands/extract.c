/* extract.c - sluice extract: one region or one device, as a file.
 *
 * The whole stream is read: the last copy of a page counts, and of a stream
 * that is damaged nothing is extracted. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include <sluice/handler.h>

#include "cli/args.h"
#include "cli/bar.h"
#include "cli/command.h"
#include "files/input.h"
#include "files/region_file.h"

enum { OPTION_PAGE_SIZE = 256, SEEN_MAX = 100 };

static const args_option_t options[] = {
    {'o', "output", "OUT", "where to; - is standard output"},
    {OPTION_PAGE_SIZE, "page-size", "SIZE",
     "of a QEMU stream that does not say it (4096)"},
};

static const args_spec_t spec = {
    .command = "extract",
    .usage = "FILE|- region NAME -o OUT|-\n"
             "       sluice extract FILE|- device NAME INSTANCE -o OUT|-",
    .about = "Writes the final content of a region, with holes where it is "
             "zero, or the\nsaved state of a device. OUT appears when it is "
             "complete, or not at all.\n`sluice inspect` shows the names.\n",
    .examples = "  sluice extract vm.qevm region pc.ram -o ram.bin\n"
                "  sluice extract vm.sluice device timer 0 -o - | xxd\n",
    .options = options,
    .option_count = sizeof(options) / sizeof(options[0]),
    .min_operands = 3,
    .max_operands = 4,
};

struct extraction {
  const char *name;
  bool is_region;
  uint32_t instance;
  input_t in;
  target_t out;
  bool has_found;
  bool is_open;   /* device: the open payload is the one */
  uint32_t index; /* region: the one */
  region_file_t file;
  char seen[SEEN_MAX]; /* regions there are, for the message */
  bool has_more;
  failure_t failure;
};

static void remember(struct extraction *x, const char *name) {
  size_t used = strlen(x->seen);

  if (x->has_more) {
    return;
  }
  if (used + strlen(name) + sizeof(", , ...") <= sizeof(x->seen)) {
    (void)snprintf(x->seen + used, sizeof(x->seen) - used, "%s%s",
                   used == 0 ? "" : ", ", name);
  } else {
    (void)snprintf(x->seen + used, sizeof(x->seen) - used, ", ...");
    x->has_more = true;
  }
}

static int take_region(struct extraction *x, const sluice_region_t *region) {
  remember(x, region->name);
  if (x->has_found || strcmp(region->name, x->name) != 0) {
    return 0;
  }
  x->has_found = true;
  x->index = region->index;
  return region_file_begin(&x->file, &x->out, region, &x->failure);
}

static int take_run(struct extraction *x, const sluice_item_t *item) {
  return x->has_found && item->u.run.region == x->index
             ? region_file_take(&x->file, item, &x->failure)
             : 0;
}

static int region_item(struct extraction *x, const sluice_item_t *item) {
  switch (item->kind) {
  case SLUICE_ITEM_REGION: return take_region(x, &item->u.region);
  case SLUICE_ITEM_PAGES:
  case SLUICE_ITEM_ZEROS:
  case SLUICE_ITEM_DELTA: return take_run(x, item);
  case SLUICE_ITEM_TRAILER:
    return x->has_found ? region_file_flush(&x->file, &x->failure) : 0;
  case SLUICE_ITEM_HEADER:
  case SLUICE_ITEM_NOTE:
  case SLUICE_ITEM_SECTION:
  case SLUICE_ITEM_PART:
  case SLUICE_ITEM_END:
  case SLUICE_ITEM_CLOSE:
  case SLUICE_ITEM_BYTES:
  case SLUICE_ITEM_COMMAND:
  case SLUICE_ITEM_ABORT: return 0;
  }
  return 0;
}

static int take_payload(struct extraction *x, const sluice_decl_t *decl) {
  x->is_open = decl->payload == SLUICE_PAYLOAD_BYTES &&
               decl->instance == x->instance &&
               strcmp(decl->name, x->name) == 0;
  x->has_found = x->has_found || x->is_open;
  return 0;
}

static int device_item(struct extraction *x, const sluice_item_t *item) {
  switch (item->kind) {
  case SLUICE_ITEM_SECTION:
  case SLUICE_ITEM_PART:
  case SLUICE_ITEM_END: return take_payload(x, &item->u.decl);
  case SLUICE_ITEM_BYTES:
    return x->is_open ? target_write(&x->out, item->u.bytes.data,
                                     item->u.bytes.len, &x->failure)
                      : 0;
  case SLUICE_ITEM_HEADER:
  case SLUICE_ITEM_NOTE:
  case SLUICE_ITEM_CLOSE:
  case SLUICE_ITEM_REGION:
  case SLUICE_ITEM_PAGES:
  case SLUICE_ITEM_ZEROS:
  case SLUICE_ITEM_DELTA:
  case SLUICE_ITEM_COMMAND:
  case SLUICE_ITEM_ABORT:
  case SLUICE_ITEM_TRAILER: return 0;
  }
  return 0;
}

static int read_all(struct extraction *x) {
  sluice_item_t item;
  int r;

  while ((r = input_next(&x->in, &item, &x->failure)) == SLUICE_MORE) {
    r = x->is_region ? region_item(x, &item) : device_item(x, &item);
    if (r < 0) {
      break;
    }
  }
  return r;
}

static int check_found(struct extraction *x) {
  if (x->has_found) {
    return 0;
  }
  if (x->is_region) {
    return fail_with(&x->failure, x->in.name, UV_ENOENT,
                     "there is no region '%.60s'; there are: %s", x->name,
                     x->seen[0] == '\0' ? "none" : x->seen);
  }
  return fail_with(&x->failure, x->in.name, UV_ENOENT,
                   "there is no device '%.60s', instance %u", x->name,
                   x->instance);
}

static int extract(struct extraction *x, const char *from, const char *to,
                   uint32_t page_size) {
  const input_options_t how = {.page_size = page_size};
  int r = input_open(&x->in, from, &how, &x->failure);

  /* Nothing of a damaged stream goes out, be it into a pipe. */
  if (r == 0) {
    r = target_open(&x->out, to, true, &x->failure);
  }
  if (r == 0) {
    r = read_all(x);
  }
  if (r == 0) {
    r = check_found(x);
  }
  if (r == 0) {
    r = target_commit(&x->out, &x->failure);
  }
  target_close(&x->out);
  region_file_done(&x->file);
  input_close(&x->in);
  return r == 0 ? TOOL_OK : report_failure(&x->failure);
}

static int take_instance(struct extraction *x, const args_t *args) {
  const char *text = args->operands[3];
  char *end;
  unsigned long n = strtoul(text, &end, 10);

  if (text[0] < '0' || text[0] > '9' || *end != '\0' || n > UINT32_MAX) {
    return args_refuse(args, "'%s' is no instance", text);
  }
  x->instance = (uint32_t)n;
  return TOOL_OK;
}

static int take_operands(struct extraction *x, const args_t *args) {
  const char *kind = args->operands[1];

  x->name = args->operands[2];
  x->is_region = strcmp(kind, "region") == 0;
  if (!x->is_region && strcmp(kind, "device") != 0) {
    return args_refuse(args, "expected region or device, found '%s'", kind);
  }
  if (args->operand_count != (x->is_region ? 3 : 4)) {
    return args_refuse(args, x->is_region ? "a region has no instance"
                                          : "expected the device's instance");
  }
  return x->is_region ? TOOL_OK : take_instance(x, args);
}

static int run_extract(int argc, char **argv) {
  struct extraction x = {.out = {.fd = -1, .stream = -1}};
  const char *to = NULL;
  uint32_t page_size = 0;
  args_t args;
  int letter;
  int r;

  args_begin(&args, &spec, argc, argv);
  while ((letter = args_next(&args)) > 0) {
    if (letter == 'o') {
      to = args.value;
    } else if (args_page_size(&args, &page_size) != TOOL_OK) {
      return TOOL_USAGE;
    }
  }
  if (letter < 0) {
    return args.exit_code;
  }
  if (to == NULL) {
    return args_refuse(&args, "expected -o");
  }
  r = take_operands(&x, &args);
  return r != TOOL_OK ? r : extract(&x, args.operands[0], to, page_size);
}

const command_t command_extract = {
    .name = "extract",
    .summary = "write one region or device to a file",
    .run = run_extract,
};
