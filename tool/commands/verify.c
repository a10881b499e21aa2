/* verify.c - sluice verify: is a stream whole and undamaged?
 *
 * The decoder checks all that the format can tell; here is what takes the whole
 * stream to know: that XBZRLE pages can be decoded, and totals for the summary.
 * One line either way. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

#include <sluice/handler.h>

#include "cli/args.h"
#include "cli/bar.h"
#include "cli/command.h"
#include "cli/format.h"
#include "contents/regions.h"
#include "files/input.h"

enum { OPTION_PAGE_SIZE = 256 };

static const args_option_t options[] = {
    {OPTION_PAGE_SIZE, "page-size", "SIZE",
     "of a QEMU stream that does not say it (4096)"},
};

static const args_spec_t spec = {
    .command = "verify",
    .usage = "FILE|-",
    .about =
        "Reads a stream to its end and checks all that can be checked: of a "
        "native image\nevery checksum, the sequence of records, the index and "
        "the trailer; of QEMU's\nstream its structure, the footers and the "
        "description (it has no checksums).\nPrints one line, or names the "
        "first fault with its offset and section.\n",
    .examples = "  sluice verify vm.sluice && echo good\n"
                "  ssh host cat vm.qevm | sluice verify -\n",
    .options = options,
    .option_count = sizeof(options) / sizeof(options[0]),
    .min_operands = 1,
    .max_operands = 1,
};

struct verification {
  input_t in;
  regions_t regions;
  uint64_t sections;
  uint64_t payloads;
  bool has_description;
  bool has_footers;
  failure_t failure;
};

/* Whatever the page was: it is the encoding that is looked at. */
static int check_delta(struct verification *v, const sluice_item_t *item) {
  static uint8_t page[SLUICE_PAGE_MAX];
  sluice_error_t error = {0};
  const sluice_run_t *run = &item->u.run;
  int r = sluice_delta_apply(page, run->page_size, run->data, run->len, &error);

  if (r < 0) {
    error.offset = item->offset;
    (void)fail_stream(&v->failure, v->in.name, &error);
  }
  return r;
}

static void take_note(struct verification *v, const sluice_note_t *note) {
  if (strcmp(note->name, SLUICE_NOTE_QEMU_DESCRIPTION) == 0) {
    v->has_description = true;
  }
  if (strcmp(note->name, SLUICE_NOTE_QEMU_FOOTERS) == 0) {
    v->has_footers = note->len == 1 && note->data[0] == 1;
  }
}

static int check(struct verification *v, const sluice_item_t *item) {
  int r = regions_note(&v->regions, item);

  if (r < 0) {
    return fail_with(&v->failure, v->in.name, r, "no memory to verify it");
  }
  switch (item->kind) {
  case SLUICE_ITEM_NOTE: take_note(v, &item->u.note); break;
  case SLUICE_ITEM_SECTION: v->sections++; break;
  case SLUICE_ITEM_CLOSE: v->payloads++; break;
  case SLUICE_ITEM_DELTA: return check_delta(v, item);
  case SLUICE_ITEM_HEADER:
  case SLUICE_ITEM_PART:
  case SLUICE_ITEM_END:
  case SLUICE_ITEM_REGION:
  case SLUICE_ITEM_PAGES:
  case SLUICE_ITEM_ZEROS:
  case SLUICE_ITEM_BYTES:
  case SLUICE_ITEM_COMMAND:
  case SLUICE_ITEM_ABORT:
  case SLUICE_ITEM_TRAILER: break;
  }
  return 0;
}

static void print_checked(const struct verification *v) {
  switch (sluice_decoder_format(v->in.decoder)) {
  case SLUICE_FORMAT_NATIVE:
    (void)fputs("checksums, sequence, index, trailer\n", stdout);
    break;
  case SLUICE_FORMAT_QEMU3:
    (void)printf("structure%s%s (it has no checksums)\n",
                 v->has_footers ? ", footers" : "",
                 v->has_description ? ", description" : "");
    break;
  case SLUICE_FORMAT_QEMU2:
    (void)fputs("structure (it has no checksums)\n", stdout);
    break;
  case SLUICE_FORMAT_UNKNOWN: break;
  }
}

static void print_summary(struct verification *v) {
  uint64_t data = regions_count(&v->regions, PAGE_DATA);
  uint64_t zero = regions_count(&v->regions, PAGE_ZERO);

  (void)printf("%s: whole: %s, %" PRIu64 " bytes; sections %" PRIu64
               " (pieces %" PRIu64 "), regions %zu, pages %" PRIu64
               " (data %" PRIu64 ", zeros %" PRIu64 "); checked: ",
               v->in.name, format_name(sluice_decoder_format(v->in.decoder)),
               input_offset(&v->in), v->sections, v->payloads, v->regions.count,
               data + zero, data, zero);
  print_checked(v);
  if (fflush(stdout) != 0) {
    (void)fail_stdout(&v->failure);
  }
}

static int verify(struct verification *v, const char *path,
                  uint32_t page_size) {
  const input_options_t how = {.page_size = page_size, .check_index = true};
  int r = input_open(&v->in, path, &how, &v->failure);
  sluice_item_t item;

  while (r >= 0 &&
         (r = input_next(&v->in, &item, &v->failure)) == SLUICE_MORE) {
    r = check(v, &item);
  }
  return r;
}

static int run_verify(int argc, char **argv) {
  struct verification v = {0};
  uint32_t page_size = 0;
  args_t args;
  int letter;

  args_begin(&args, &spec, argc, argv);
  while ((letter = args_next(&args)) > 0) {
    if (args_page_size(&args, &page_size) != TOOL_OK) {
      return TOOL_USAGE;
    }
  }
  if (letter < 0) {
    return args.exit_code;
  }
  if (verify(&v, args.operands[0], page_size) == SLUICE_DONE) {
    bar_end();
    print_summary(&v);
  }
  input_close(&v.in);
  regions_done(&v.regions);
  return v.failure.error.code == 0 ? TOOL_OK : report_failure(&v.failure);
}

const command_t command_verify = {
    .name = "verify",
    .summary = "check that a stream is whole and undamaged",
    .run = run_verify,
};
