/* inspect.c - sluice inspect: what is in a stream.
 *
 * One pass over the input, in memory that depends on how many sections and
 * regions there are and not on how large they are. What is printed is up to the
 * views. */
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include <sluice/handler.h>

#include "cli/args.h"
#include "cli/command.h"
#include "files/input.h"
#include "show/inspect_fields.h"
#include "show/inspect_view.h"

enum { OPTION_PAGE_SIZE = 256 };

static const args_option_t options[] = {
    {'j', "json", NULL, "print one JSON object"},
    {'f', "fields", NULL,
     "print values by name, of all sections or of SECTION"},
    {OPTION_PAGE_SIZE, "page-size", "SIZE",
     "of a QEMU stream that does not say it (4096)"},
};

static const args_spec_t spec = {
    .command = "inspect",
    .usage = "[--json] [--fields] FILE|- [SECTION]",
    .about =
        "Shows what is in a stream: its sections, regions and devices. Of "
        "a stream that is\ndamaged or truncated, what comes before that.\n",
    .examples = "  sluice inspect vm.qevm\n"
                "  sluice inspect --json vm.sluice | jq .devices\n"
                "  sluice inspect --fields vm.qevm mc146818rtc\n"
                "  ssh host cat vm.qevm | sluice inspect -\n",
    .options = options,
    .option_count = sizeof(options) / sizeof(options[0]),
    .min_operands = 1,
    .max_operands = 2,
};

struct inspection {
  const inspect_view_t *view;
  input_t in;
  regions_t regions;
  devices_t devices;
  inspect_section_t open;
  bool has_header;
  bool is_complete;
  failure_t failure;
};

const char *inspect_kind_name(const inspect_section_t *s) {
  if (s->kind == SLUICE_ITEM_SECTION) {
    return s->is_live ? "start" : "full";
  }
  return s->kind == SLUICE_ITEM_PART ? "part" : "end";
}

bool inspect_id_text(char out[33], const uint8_t id[16]) {
  bool is_set = false;

  for (int i = 0; i < 16; i++) {
    (void)snprintf(out + 2 * (size_t)i, 3, "%02x", id[i]);
    is_set = is_set || id[i] != 0;
  }
  return is_set;
}

static void open_section(struct inspection *s, const sluice_item_t *item) {
  const sluice_decl_t *decl = &item->u.decl;

  s->open.offset = item->offset;
  s->open.kind = item->kind;
  s->open.is_live = (decl->flags & SLUICE_SECTION_LIVE) != 0;
  s->open.id = decl->id;
  s->open.instance = decl->instance;
  s->open.version = decl->version;
  (void)snprintf(s->open.name, sizeof(s->open.name), "%s", decl->name);
}

static void show(struct inspection *s, const sluice_item_t *item) {
  switch (item->kind) {
  case SLUICE_ITEM_HEADER:
    s->has_header = true;
    s->view->header(&item->u.header);
    break;
  case SLUICE_ITEM_SECTION:
  case SLUICE_ITEM_PART:
  case SLUICE_ITEM_END: open_section(s, item); break;
  case SLUICE_ITEM_CLOSE:
    s->open.payload_bytes = item->u.payload_bytes;
    s->view->section(&s->open);
    break;
  case SLUICE_ITEM_NOTE:
  case SLUICE_ITEM_REGION:
  case SLUICE_ITEM_PAGES:
  case SLUICE_ITEM_ZEROS:
  case SLUICE_ITEM_DELTA:
  case SLUICE_ITEM_BYTES:
  case SLUICE_ITEM_COMMAND:
  case SLUICE_ITEM_ABORT:
  case SLUICE_ITEM_TRAILER: break;
  }
}

static int note(struct inspection *s, const sluice_item_t *item) {
  int r = regions_note(&s->regions, item);

  if (r == 0) {
    r = devices_note(&s->devices, item);
  }
  if (r < 0) {
    return fail_with(&s->failure, s->in.name, r, "no memory to inspect it");
  }
  return ferror(stdout)
             ? fail_with(&s->failure, output_name("-"), UV_EIO, "cannot write")
             : 0;
}

static void run(struct inspection *s) {
  sluice_item_t item;
  int r;

  while ((r = input_next(&s->in, &item, &s->failure)) == SLUICE_MORE) {
    show(s, &item);
    if (note(s, &item) < 0) {
      return;
    }
  }
  s->is_complete = r == SLUICE_DONE;
}

static void show_end(struct inspection *s) {
  inspect_end_t end = {
      .has_header = s->has_header,
      .is_complete = s->is_complete,
      .bytes = input_offset(&s->in),
      .regions = &s->regions,
      .devices = &s->devices,
      .failure = &s->failure,
  };

  s->view->end(&end);
  if (fflush(stdout) != 0 || ferror(stdout)) {
    (void)fail_stdout(&s->failure);
  }
}

static int inspect(struct inspection *s, const char *path, uint32_t page_size) {
  const input_options_t how = {.page_size = page_size};

  if (input_open(&s->in, path, &how, &s->failure) == 0) {
    run(s);
    show_end(s);
  }
  input_close(&s->in);
  regions_done(&s->regions);
  devices_done(&s->devices);
  return s->failure.error.code == 0 ? TOOL_OK : report_failure(&s->failure);
}

static int run_inspect(int argc, char **argv) {
  struct inspection s = {.view = &inspect_text};
  uint32_t page_size = 0;
  bool has_fields = false;
  args_t args;
  int letter;

  args_begin(&args, &spec, argc, argv);
  while ((letter = args_next(&args)) > 0) {
    if (letter == 'j') {
      s.view = &inspect_json;
    } else if (letter == 'f') {
      has_fields = true;
    } else if (args_page_size(&args, &page_size) != TOOL_OK) {
      return TOOL_USAGE;
    }
  }
  if (letter < 0) {
    return args.exit_code;
  }
  if (has_fields) {
    return inspect_fields(args.operands[0],
                          args.operand_count > 1 ? args.operands[1] : NULL,
                          s.view == &inspect_json);
  }
  if (args.operand_count > 1) {
    return args_refuse(&args, "'%s' is one operand too many", args.operands[1]);
  }
  return inspect(&s, args.operands[0], page_size);
}

const command_t command_inspect = {
    .name = "inspect",
    .summary = "show what is in a stream",
    .run = run_inspect,
};
