/* transcode.c - see transcode.h. Must know no bytes of any format. */
#include "files/transcode.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <uv.h>

#include <sluice/handler.h>

#include "files/image_output.h"
#include "qemu/run_state.h"

struct work {
  transcode_t *t;
  input_t *in;
  target_t *out;
  failure_t *failure;
  sluice_header_t header; /* its strings are below */
  char host[SLUICE_NAME_MAX + 1];
  char host_version[SLUICE_NAME_MAX + 1];
  image_output_t *output;
  sluice_encoder_t *encoder; /* NULL until the item after the header */
  bool has_configuration;
  uint32_t page_sections;
  bool is_run_state; /* the open section says whether the machine runs */
  uint8_t page[SLUICE_PAGE_MAX];
};

static bool is_to_qemu(const struct work *w) {
  return w->t->to == SLUICE_FORMAT_QEMU3;
}

/* The encoder's side failed: the disk, if it was that, knows best why. */
static int fail_encoder(struct work *w, int code) {
  if (image_output_finish(w->output, w->failure) < 0) {
    return w->failure->error.code;
  }
  if (w->encoder == NULL || sluice_encoder_error(w->encoder)->code == 0) {
    return fail_with(w->failure, w->out->name, code, "cannot write it: %s",
                     sluice_strerror(code));
  }
  return fail_stream(w->failure, w->out->name,
                     sluice_encoder_error(w->encoder));
}

/* An image of QEMU's stream is an image of its own; one of an image has the
 * same state in it and remains what it was. */
static int choose_id(struct work *w, uint8_t id[16]) {
  memcpy(id, w->header.image_id, 16);
  if (w->header.format == SLUICE_FORMAT_NATIVE) {
    return 0;
  }
  return getrandom(id, 16, 0) == 16 ? 0 : UV_EIO;
}

/* Streams of QEMU's machines up to 2.3 have neither configuration nor footers,
 * all others have both. */
static bool assume_footers(const struct work *w) {
  switch (w->t->footers) {
  case FOOTERS_UNKNOWN: return w->has_configuration || w->host[0] != '\0';
  case FOOTERS_OFF: return false;
  case FOOTERS_ON: return true;
  }
  return true;
}

static int begin(struct work *w) {
  sluice_encoder_options_t options = {
      .size = sizeof(options),
      .format = w->t->to,
      .host = w->host,
      .host_version = w->host_version,
      .parent_id = w->header.parent_id,
      .keep_last = !is_to_qemu(w),
      .no_footers = !assume_footers(w),
      .no_frames = w->has_configuration || w->host[0] == '\0',
  };
  sluice_output_t calls;
  uint8_t id[16];
  int r = choose_id(w, id);

  options.image_id = id;
  if (image_output_new(&w->output, w->out, w->failure) < 0) {
    return w->failure->error.code;
  }
  calls = image_output_calls(w->output);
  if (r == 0) {
    r = sluice_encoder_new(&w->encoder, &options, &calls, NULL);
  }
  if (r == 0) {
    r = sluice_encoder_header(w->encoder);
  }
  return r;
}

/* Items: each returns 0 or the encoder's code. */

static int take_footers(struct work *w, const sluice_note_t *note) {
  if (note->len == 1) {
    w->t->footers_found = note->data[0] != 0 ? FOOTERS_ON : FOOTERS_OFF;
  }
  return 0;
}

static int take_note(struct work *w, const sluice_note_t *note) {
  if (strcmp(note->name, SLUICE_NOTE_QEMU_FOOTERS) == 0) {
    (void)take_footers(w, note);
  } else if (is_to_qemu(w) && w->t->is_verbose &&
             strncmp(note->name, "qemu.", 5) != 0) {
    report_detail("%s: note '%s' is left out: QEMU has no room for it",
                  w->in->name, note->name);
  }
  return sluice_encoder_note(w->encoder, note->name, note->data, note->len);
}

static int take_region(struct work *w, const sluice_region_t *region) {
  uint32_t index = region->index;
  int r = sluice_encoder_region(w->encoder, region->name, region->bytes,
                                region->page_size, &index);

  assert(r < 0 || index == region->index); /* both count from 0 */
  return r;
}

static int take_delta(struct work *w, const sluice_run_t *run) {
  sluice_error_t error = {0};
  int r = sluice_encoder_fetch(w->encoder, run->region, run->offset, w->page);

  if (r < 0) {
    return r;
  }
  r = sluice_delta_apply(w->page, run->page_size, run->data, run->len, &error);
  if (r < 0) {
    error.offset = input_offset(w->in);
    return fail_stream(w->failure, w->in->name, &error);
  }
  return sluice_encoder_pages(w->encoder, run->region, run->offset, w->page, 1);
}

/* QEMU of 2008 could send pages full of any byte. */
static int take_zeros(struct work *w, const sluice_run_t *run) {
  int r = 0;

  if (run->fill == 0) {
    return sluice_encoder_zeros(w->encoder, run->region, run->offset,
                                run->count);
  }
  memset(w->page, run->fill, run->page_size);
  for (uint64_t i = 0; i < run->count && r == 0; i++) {
    r = sluice_encoder_pages(w->encoder, run->region,
                             run->offset + i * run->page_size, w->page, 1);
  }
  return r;
}

static int take_command(struct work *w, const sluice_command_t *command) {
  if (w->t->is_verbose) {
    report_detail("%s: command %s is left out: it is between two QEMUs",
                  w->in->name, command->name);
  }
  return 0;
}

static int take_section(struct work *w, const sluice_item_t *item) {
  w->page_sections += item->kind == SLUICE_ITEM_SECTION &&
                      item->u.decl.payload == SLUICE_PAYLOAD_PAGES;
  w->is_run_state = run_state_is(&item->u.decl);
  return sluice_encoder_open(w->encoder, item->kind, &item->u.decl);
}

static int take_bytes(struct work *w, const sluice_bytes_t *bytes) {
  uint8_t running[RUN_STATE_BYTES];

  if (w->is_run_state && w->t->was_running &&
      run_state_resume(bytes->data, bytes->len, running)) {
    return sluice_encoder_bytes(w->encoder, running, sizeof(running));
  }
  return sluice_encoder_bytes(w->encoder, bytes->data, bytes->len);
}

static int take(struct work *w, const sluice_item_t *item) {
  const sluice_run_t *run = &item->u.run;

  switch (item->kind) {
  case SLUICE_ITEM_NOTE: return take_note(w, &item->u.note);
  case SLUICE_ITEM_SECTION:
  case SLUICE_ITEM_PART:
  case SLUICE_ITEM_END: return take_section(w, item);
  case SLUICE_ITEM_CLOSE: return sluice_encoder_close(w->encoder);
  case SLUICE_ITEM_REGION: return take_region(w, &item->u.region);
  case SLUICE_ITEM_PAGES:
    return sluice_encoder_pages(w->encoder, run->region, run->offset, run->data,
                                run->count);
  case SLUICE_ITEM_ZEROS: return take_zeros(w, run);
  case SLUICE_ITEM_DELTA: return take_delta(w, run);
  case SLUICE_ITEM_BYTES: return take_bytes(w, &item->u.bytes);
  case SLUICE_ITEM_COMMAND: return take_command(w, &item->u.command);
  case SLUICE_ITEM_HEADER:
  case SLUICE_ITEM_ABORT: /* a failure by now */
  case SLUICE_ITEM_TRAILER: return 0;
  }
  return 0;
}

/* What the end of the input told about the whole of it. */
static int check_qemu(struct work *w) {
  bool is_qemus = w->has_configuration || w->t->footers_found;
  footers_t written = assume_footers(w) ? FOOTERS_ON : FOOTERS_OFF;

  if (!is_qemus && w->host[0] == '\0') {
    return fail_with(w->failure, w->in->name, UV_EINVAL,
                     "expected the name of a machine for QEMU, found an image "
                     "of a host without a name");
  }
  if (w->page_sections != 1) {
    return fail_with(w->failure, w->in->name, UV_EINVAL,
                     "expected one section of pages, 'ram', for QEMU, found %u",
                     w->page_sections);
  }
  if (w->t->footers_found != FOOTERS_UNKNOWN &&
      w->t->footers_found != written) {
    return SLUICE_ESTATE; /* no failure: to be repeated */
  }
  return 0;
}

static int copy_items(struct work *w) {
  sluice_item_t item;
  int r;

  while ((r = input_next(w->in, &item, w->failure)) == SLUICE_MORE) {
    if (w->encoder == NULL) {
      w->has_configuration =
          item.kind == SLUICE_ITEM_NOTE &&
          strcmp(item.u.note.name, SLUICE_NOTE_QEMU_CONFIGURATION) == 0;
      r = begin(w);
    }
    if (r >= 0 && w->t->watch != NULL) {
      r = w->t->watch(w->t->ctx, &item, w->failure);
    }
    r = r < 0 ? r : take(w, &item);
    if (r < 0) {
      return w->failure->error.code != 0 ? r : fail_encoder(w, r);
    }
  }
  return r;
}

static int finish(struct work *w) {
  int r = is_to_qemu(w) ? check_qemu(w) : 0;

  if (r == 0) {
    r = sluice_encoder_finish(w->encoder);
    if (r < 0) {
      return fail_encoder(w, r);
    }
    sluice_encoder_totals(w->encoder, &w->t->totals, sizeof(w->t->totals));
    r = image_output_finish(w->output, w->failure);
  }
  return r;
}

static void copy_header(struct work *w, const sluice_header_t *header) {
  w->header = *header;
  (void)snprintf(w->host, sizeof(w->host), "%s", header->host);
  (void)snprintf(w->host_version, sizeof(w->host_version), "%s",
                 header->host_version);
}

int transcode(transcode_t *t, input_t *in, const sluice_header_t *header,
              target_t *out, failure_t *f) {
  struct work *w = calloc(1, sizeof(*w));
  int r;

  if (w == NULL) {
    return fail_with(f, in->name, UV_ENOMEM, "no memory to convert it");
  }
  w->t = t;
  w->in = in;
  w->out = out;
  w->failure = f;
  copy_header(w, header);
  r = copy_items(w);
  if (r == SLUICE_DONE) {
    r = finish(w);
  }
  sluice_encoder_free(w->encoder);
  image_output_free(w->output);
  free(w);
  return r;
}
