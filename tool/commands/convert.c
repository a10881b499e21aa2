/* convert.c - sluice convert: one format into another.
 *
 * To a native image in one pass. To QEMU's stream from an image in one pass,
 * too; from another QEMU stream by way of an image in a scratch file, because
 * only that can apply XBZRLE to pages written before. */
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include <sluice/handler.h>

#include "cli/args.h"
#include "cli/bar.h"
#include "cli/command.h"
#include "cli/format.h"
#include "files/transcode.h"

enum { OPTION_PAGE_SIZE = 256 };

static const args_option_t options[] = {
    {'t', "to", "FORMAT", "native or qemu3"},
    {OPTION_PAGE_SIZE, "page-size", "SIZE",
     "of a QEMU stream that does not say it (4096)"},
    {'v', "verbose", NULL, "tell what is left out, and the totals"},
};

static const args_spec_t spec = {
    .command = "convert",
    .usage = "--to native|qemu3 IN|- OUT|-",
    .about =
        "Converts between QEMU's migration streams and native images. An image "
        "has every\npage once, checksummed; a stream made of it is loaded by "
        "QEMU and holds the same\nmemory and devices. OUT appears when it is "
        "complete, or not at all.\n",
    .examples =
        "  sluice convert --to native vm.qevm vm.sluice\n"
        "  sluice convert --to qemu3 vm.sluice - | ssh host 'cat > vm.qevm'\n"
        "  qemu-system-x86_64 ... -incoming 'exec:sluice convert --to qemu3 "
        "vm.sluice -'\n",
    .options = options,
    .option_count = sizeof(options) / sizeof(options[0]),
    .min_operands = 2,
    .max_operands = 2,
};

struct conversion {
  const char *from;
  const char *to;
  input_options_t input;
  transcode_t work;
  failure_t failure;
};

static int read_header(input_t *in, sluice_item_t *item, failure_t *f) {
  int r = input_next(in, item, f);

  if (r < 0) {
    return r;
  }
  if (r != SLUICE_MORE || item->kind != SLUICE_ITEM_HEADER) {
    return fail_with(f, in->name, SLUICE_EFORMAT, "expected a header");
  }
  return 0;
}

static int write_target(struct conversion *c, input_t *in,
                        const sluice_header_t *header) {
  bool must_seek = c->work.to == SLUICE_FORMAT_NATIVE;
  target_t out;
  int r = target_open(&out, c->to, must_seek, &c->failure);

  if (r == 0) {
    r = transcode(&c->work, in, header, &out, &c->failure);
  }
  if (r == 0) {
    r = target_commit(&out, &c->failure);
  }
  target_close(&out);
  return r;
}

/* What was read already can be read again, and what was written be dropped. */
static bool can_repeat(const struct conversion *c, const input_t *in) {
  target_t out;
  failure_t f = {0};
  bool is_file = target_open(&out, c->to, false, &f) == 0 && !out.is_stream;

  target_close(&out);
  return is_file && lseek(in->fd, 0, SEEK_CUR) >= 0;
}

static int repeat(struct conversion *c, const input_t *in) {
  sluice_item_t item;
  input_t again;
  int r;

  if (!can_repeat(c, in)) {
    return fail_with(&c->failure, in->name, UV_ESPIPE,
                     "expected sections %s footers; that this stream is "
                     "otherwise shows at its end only: convert it from a file "
                     "to a file",
                     c->work.footers_found == FOOTERS_ON ? "without" : "with");
  }
  c->work.footers = c->work.footers_found;
  r = input_open_fd(&again, in->fd, in->name, &c->failure);
  if (r == 0) {
    r = read_header(&again, &item, &c->failure);
  }
  if (r == 0) {
    r = write_target(c, &again, &item.u.header);
  }
  input_close(&again);
  return r;
}

static int convert_directly(struct conversion *c, input_t *in,
                            const sluice_header_t *header) {
  int r = write_target(c, in, header);

  return r == SLUICE_ESTATE && c->failure.error.code == 0 ? repeat(c, in) : r;
}

static int convert_scratch(struct conversion *c, const target_t *scratch,
                           const char *name) {
  sluice_item_t item;
  input_t image;
  int r;

  c->work.to = SLUICE_FORMAT_QEMU3;
  c->work.footers = c->work.footers_found;
  r = input_open_fd(&image, scratch->fd, name, &c->failure);
  if (r == 0) {
    r = read_header(&image, &item, &c->failure);
  }
  if (r == 0) {
    r = write_target(c, &image, &item.u.header);
  }
  input_close(&image);
  return r;
}

static int convert_twice(struct conversion *c, input_t *in,
                         const sluice_header_t *header) {
  target_t scratch;
  int r = target_open_scratch(&scratch, c->to, &c->failure);

  c->work.to = SLUICE_FORMAT_NATIVE;
  if (r == 0) {
    r = transcode(&c->work, in, header, &scratch, &c->failure);
  }
  if (r == 0) {
    r = convert_scratch(c, &scratch, in->name);
  }
  target_close(&scratch);
  return r;
}

static int choose_way(struct conversion *c, input_t *in,
                      const sluice_header_t *header) {
  if (c->work.to == SLUICE_FORMAT_NATIVE ||
      header->format == SLUICE_FORMAT_NATIVE) {
    return convert_directly(c, in, header);
  }
  if (header->format == SLUICE_FORMAT_QEMU2) {
    return fail_with(&c->failure, in->name, SLUICE_EFEATURE,
                     "expected a stream of version 3, found version 2: no QEMU "
                     "that reads version 3 has devices that old");
  }
  return convert_twice(c, in, header);
}

static int convert(struct conversion *c) {
  sluice_item_t item;
  input_t in;
  int r = input_open(&in, c->from, &c->input, &c->failure);

  if (r == 0) {
    r = read_header(&in, &item, &c->failure);
  }
  if (r == 0) {
    r = choose_way(c, &in, &item.u.header);
  }
  input_close(&in);
  if (r < 0) {
    return report_failure(&c->failure);
  }
  if (c->work.is_verbose) {
    report_detail("%s: %" PRIu64 " bytes, %" PRIu64 " pages of data, %" PRIu64
                  " of zeros",
                  output_name(c->to), c->work.totals.bytes,
                  c->work.totals.pages_data, c->work.totals.pages_zero);
  }
  return TOOL_OK;
}

static int take_format(struct conversion *c, const args_t *args) {
  c->work.to = format_of(args->value);
  if (c->work.to != SLUICE_FORMAT_NATIVE && c->work.to != SLUICE_FORMAT_QEMU3) {
    return args_refuse(args, "cannot convert to '%s'", args->value);
  }
  return TOOL_OK;
}

static int take_option(void *ctx, const args_t *args, int letter) {
  struct conversion *c = ctx;

  switch (letter) {
  case 't': return take_format(c, args);
  case 'v': c->work.is_verbose = true; return TOOL_OK;
  default: return args_page_size(args, &c->input.page_size);
  }
}

static int run_convert(int argc, char **argv) {
  struct conversion c = {.from = NULL};
  args_t args;

  args_begin(&args, &spec, argc, argv);
  if (!args_take(&args, take_option, &c)) {
    return args.exit_code;
  }
  if (c.work.to == SLUICE_FORMAT_UNKNOWN) {
    return args_refuse(&args, "expected --to");
  }
  c.from = args.operands[0];
  c.to = args.operands[1];
  return convert(&c);
}

const command_t command_convert = {
    .name = "convert",
    .summary = "turn QEMU's streams into images and back",
    .run = run_convert,
};
