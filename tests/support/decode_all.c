/* decode_all.c - see decode_all.h. */
#include "decode_all.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/handler.h>

#include "require.h"

typedef struct feed_s {
  const uint8_t *data;
  size_t left;
  size_t step;
} feed_t;

static void feed(sluice_decoder_t *d, feed_t *f) {
  void *space;
  size_t n;

  if (f->left == 0) {
    sluice_decoder_eof(d);
    return;
  }
  sluice_decoder_space(d, &space, &n);
  REQUIRE(n > 0);
  n = n < f->left ? n : f->left;
  n = f->step > 0 && f->step < n ? f->step : n;
  memcpy(space, f->data, n);
  sluice_decoder_fill(d, n);
  f->data += n;
  f->left -= n;
}

static int run(sluice_decoder_t *d, feed_t *f, decode_cb on_item, void *ctx,
               sluice_error_t *err) {
  for (;;) {
    sluice_item_t item;
    int r = sluice_decoder_next(d, &item, err);

    if (r == SLUICE_MORE && on_item != NULL) {
      on_item(ctx, &item);
    } else if (r == SLUICE_WAIT) {
      feed(d, f);
    } else if (r == SLUICE_DONE || r < 0) {
      REQUIRE(sluice_decoder_next(d, &item, err) == r);
      return r;
    }
  }
}

int decode_all(const uint8_t *data, size_t len, size_t step,
               const sluice_decoder_options_t *options,
               const sluice_alloc_t *alloc, decode_cb on_item, void *ctx,
               sluice_error_t *err, uint64_t *out_offset) {
  feed_t f = {data, len, step};
  sluice_decoder_t *d;
  int r = sluice_decoder_new(&d, options, alloc);

  if (r < 0) {
    return r;
  }
  r = run(d, &f, on_item, ctx, err);
  if (out_offset != NULL) {
    *out_offset = sluice_decoder_offset(d);
  }
  sluice_decoder_free(d);
  return r;
}

__attribute__((format(printf, 2, 3))) static void add(char **to,
                                                      const char *format, ...) {
  size_t len = *to == NULL ? 0 : strlen(*to);
  va_list ap;
  int n;

  *to = realloc(*to, len + 1024);
  va_start(ap, format);
  n = vsnprintf(*to + len, 1024, format, ap);
  va_end(ap);
  REQUIRE(n < 1024);
}

static void describe_decl(char **to, const char *what,
                          const sluice_decl_t *decl) {
  add(to,
      "%s id=%" PRIu32 " %s#%" PRIu32 " v%" PRIu32 " flags=%" PRIu32
      " payload=%d type=%s schema=%.*s\n",
      what, decl->id, decl->name, decl->instance, decl->version, decl->flags,
      (int)decl->payload, decl->type, (int)decl->schema_len,
      decl->schema == NULL ? "" : (const char *)decl->schema);
}

static void describe_run(char **to, const sluice_item_t *item) {
  const sluice_run_t *run = &item->u.run;

  if (item->kind == SLUICE_ITEM_ZEROS) {
    add(to, "ZEROS %" PRIu32 " %" PRIu64 "+%" PRIu64 "x%" PRIu32 "\n",
        run->region, run->offset, run->count, run->page_size);
    return;
  }
  for (uint64_t i = 0; i < run->count; i++) {
    add(to,
        "PAGE %" PRIu32 " %" PRIu64 " x%" PRIu32 " at %" PRIu64 " first=%02x\n",
        run->region, run->offset + i * run->page_size, run->page_size,
        item->offset + i * run->page_size, run->data[i * run->page_size]);
  }
}

static void describe_bytes(char **to, const char *what, const uint8_t *data,
                           size_t len) {
  add(to, "%s", what);
  for (size_t i = 0; i < len && i < 16; i++) {
    add(to, " %02x", data[i]);
  }
  add(to, " (%zu)\n", len);
}

void describe_item(char **to, const sluice_item_t *item) {
  switch (item->kind) {
  case SLUICE_ITEM_HEADER:
    add(to, "HEADER v%" PRIu32 " %s %s optional=%" PRIu64 "\n",
        item->u.header.version, item->u.header.host,
        item->u.header.host_version, item->u.header.features_optional);
    return;
  case SLUICE_ITEM_NOTE:
    add(to, "%s: ", item->u.note.name);
    describe_bytes(to, "NOTE", item->u.note.data, item->u.note.len);
    return;
  case SLUICE_ITEM_SECTION: describe_decl(to, "SECTION", &item->u.decl); return;
  case SLUICE_ITEM_PART: add(to, "PART %s\n", item->u.decl.name); return;
  case SLUICE_ITEM_END: add(to, "END %s\n", item->u.decl.name); return;
  case SLUICE_ITEM_CLOSE:
    add(to, "CLOSE %" PRIu64 "\n", item->u.payload_bytes);
    return;
  case SLUICE_ITEM_REGION:
    add(to, "REGION %" PRIu32 " %s of %" PRIu32 ": %" PRIu64 "x%" PRIu32 "\n",
        item->u.region.index, item->u.region.name, item->u.region.section_id,
        item->u.region.bytes, item->u.region.page_size);
    return;
  case SLUICE_ITEM_PAGES:
  case SLUICE_ITEM_ZEROS: describe_run(to, item); return;
  case SLUICE_ITEM_BYTES:
    describe_bytes(to, "BYTES", item->u.bytes.data, item->u.bytes.len);
    return;
  case SLUICE_ITEM_ABORT:
    add(to, "ABORT %d '%s' '%s'\n", item->u.abort.code, item->u.abort.section,
        item->u.abort.message);
    return;
  case SLUICE_ITEM_TRAILER:
    add(to,
        "TRAILER %" PRIu64 " bytes %" PRIu64 " records %" PRIu64
        " pages %" PRIu64 " zeros\n",
        item->u.totals.bytes, item->u.totals.records, item->u.totals.pages_data,
        item->u.totals.pages_zero);
    return;
  case SLUICE_ITEM_DELTA:
  case SLUICE_ITEM_COMMAND: REQUIRE(item == NULL); /* not native */
  }
}
