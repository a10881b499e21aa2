/* machine.c - see machine.h. */
#include "machine.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/decoder.h>
#include <sluice/handler.h>

struct walk {
  machine_t *m;
  sluice_decoder_t *d;
  const build_t *stream;
  size_t at;
  sluice_encoder_t *e; /* NULL: only read */
  bool is_described_anew;
  sluice_decl_t decl; /* of the open payload */
  char name[SLUICE_NAME_MAX + 1];
  size_t bytes;
  unsigned byte_items;
};

static void feed(struct walk *w) {
  void *space;
  size_t len;

  if (w->at == w->stream->len) {
    sluice_decoder_eof(w->d);
    return;
  }
  sluice_decoder_space(w->d, &space, &len);
  len = len < w->stream->len - w->at ? len : w->stream->len - w->at;
  memcpy(space, w->stream->data + w->at, len);
  sluice_decoder_fill(w->d, len);
  w->at += len;
}

static void ok(struct walk *w, int r) {
  ck_assert_msg(r == 0, "%d %s", r, sluice_encoder_error(w->e)->message);
}

static void take_header(struct walk *w, const sluice_header_t *h) {
  (void)snprintf(w->m->host, sizeof(w->m->host), "%s", h->host);
  w->m->has_configuration = h->host[0] != '\0';
  if (w->e != NULL) {
    ok(w, sluice_encoder_header(w->e));
  }
}

static void take_note(struct walk *w, const sluice_note_t *n) {
  bool is_description = strcmp(n->name, SLUICE_NOTE_QEMU_DESCRIPTION) == 0;

  if (is_description && w->m->description == NULL) {
    w->m->description = json_loadb((const char *)n->data, n->len, 0, NULL);
    ck_assert_ptr_nonnull(w->m->description);
  }
  if (strcmp(n->name, SLUICE_NOTE_QEMU_FOOTERS) == 0) {
    w->m->has_footers = n->data[0] != 0;
  }
  if (w->e != NULL && !(is_description && w->is_described_anew)) {
    ok(w, sluice_encoder_note(w->e, n->name, n->data, n->len));
  }
}

static void take_section(struct walk *w, const sluice_item_t *item) {
  w->decl = item->u.decl;
  (void)snprintf(w->name, sizeof(w->name), "%s", item->u.decl.name);
  w->bytes = 0;
  w->byte_items = 0;
  if (w->e != NULL) {
    ok(w, sluice_encoder_open(w->e, item->kind, &item->u.decl));
  }
}

static void take_close(struct walk *w) {
  if ((w->decl.flags & SLUICE_SECTION_LIVE) == 0) {
    ck_assert_uint_le(w->byte_items, 1);
    json_array_append_new(w->m->devices,
                          json_pack("{s:s, s:I, s:I, s:I}", "name", w->name,
                                    "instance_id", (json_int_t)w->decl.instance,
                                    "version", (json_int_t)w->decl.version,
                                    "size", (json_int_t)w->bytes));
  }
  if (w->e != NULL) {
    ok(w, sluice_encoder_close(w->e));
  }
}

static void take_region(struct walk *w, const sluice_region_t *r) {
  machine_region_t *region = &w->m->regions[r->index];
  uint32_t index;

  if (w->e != NULL) {
    ok(w, sluice_encoder_region(w->e, r->name, r->bytes, r->page_size, &index));
    ck_assert_uint_eq(index, r->index);
    return;
  }
  ck_assert_uint_lt(r->index, MACHINE_REGIONS_MAX);
  (void)snprintf(region->name, sizeof(region->name), "%s", r->name);
  region->bytes = r->bytes;
  region->memory = calloc(1, r->bytes);
  ck_assert_ptr_nonnull(region->memory);
  w->m->region_count++;
}

static void take_run(struct walk *w, const sluice_item_t *item) {
  const sluice_run_t *run = &item->u.run;
  uint8_t *to = w->m->regions[run->region].memory + run->offset;

  if (item->kind == SLUICE_ITEM_PAGES) {
    memcpy(to, run->data, run->len);
  } else if (item->kind == SLUICE_ITEM_ZEROS) {
    memset(to, run->fill, run->count * run->page_size);
  } else {
    ck_assert_int_eq(
        sluice_delta_apply(to, run->page_size, run->data, run->len, NULL), 0);
  }
  if (w->e != NULL) {
    ok(w, sluice_encoder_pages(w->e, run->region, run->offset, to, run->count));
  }
}

static void take_bytes(struct walk *w, const sluice_bytes_t *b) {
  ck_assert_int_eq(b->is_open, 0);
  w->bytes += b->len;
  w->byte_items++;
  if (w->e != NULL) {
    ok(w, sluice_encoder_bytes(w->e, b->data, b->len));
  }
}

static void take_item(struct walk *w, const sluice_item_t *item) {
  switch (item->kind) {
  case SLUICE_ITEM_HEADER: take_header(w, &item->u.header); break;
  case SLUICE_ITEM_NOTE: take_note(w, &item->u.note); break;
  case SLUICE_ITEM_SECTION:
  case SLUICE_ITEM_PART:
  case SLUICE_ITEM_END: take_section(w, item); break;
  case SLUICE_ITEM_CLOSE: take_close(w); break;
  case SLUICE_ITEM_REGION: take_region(w, &item->u.region); break;
  case SLUICE_ITEM_PAGES:
  case SLUICE_ITEM_ZEROS:
  case SLUICE_ITEM_DELTA: take_run(w, item); break;
  case SLUICE_ITEM_BYTES: take_bytes(w, &item->u.bytes); break;
  case SLUICE_ITEM_COMMAND:
  case SLUICE_ITEM_ABORT:
  case SLUICE_ITEM_TRAILER: break;
  }
}

static void walk_stream(struct walk *w) {
  const sluice_decoder_options_t options = {
      .size = sizeof(options), .payload_ends = SLUICE_ENDS_BY_DESCRIPTION};
  sluice_error_t err = {0};
  sluice_item_t item;
  int r;

  ck_assert_int_eq(sluice_decoder_new(&w->d, &options, NULL), 0);
  while ((r = sluice_decoder_next(w->d, &item, &err)) > 0) {
    if (r == SLUICE_WAIT) {
      feed(w);
    } else {
      take_item(w, &item);
    }
  }
  ck_assert_msg(r == 0, "%d %s @%llu %s", r, err.section,
                (unsigned long long)err.offset, err.message);
  sluice_decoder_free(w->d);
}

void machine_read(machine_t *m, const build_t *stream) {
  struct walk w = {.m = m, .stream = stream};

  memset(m, 0, sizeof(*m));
  m->devices = json_array();
  walk_stream(&w);
}

void machine_rewrite(machine_t *m, const build_t *stream, collect_t *again,
                     bool is_described_anew) {
  struct walk w = {.m = m, .stream = stream};
  sluice_encoder_options_t options = {.size = sizeof(options),
                                      .format = SLUICE_FORMAT_QEMU3};
  sluice_output_t output = collect_output(again);

  options.host = m->host;
  options.no_footers = !m->has_footers;
  options.no_configuration = !m->has_configuration;
  options.no_frames = 1;
  w.is_described_anew = is_described_anew;
  ck_assert_int_eq(sluice_encoder_new(&w.e, &options, &output, NULL), 0);
  json_array_clear(m->devices);
  walk_stream(&w);
  ok(&w, sluice_encoder_finish(w.e));
  sluice_encoder_free(w.e);
}

void machine_done(machine_t *m) {
  for (uint32_t i = 0; i < m->region_count; i++) {
    free(m->regions[i].memory);
  }
  json_decref(m->devices);
  json_decref(m->description);
}

const machine_region_t *machine_region(const machine_t *m, const char *name) {
  for (uint32_t i = 0; i < m->region_count; i++) {
    if (strcmp(m->regions[i].name, name) == 0) {
      return &m->regions[i];
    }
  }
  return NULL;
}
