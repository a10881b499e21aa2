/* test_native_large.c - offsets over 4 GiB: in a region, and in the stream.
 *
 * What is emitted goes straight into a decoder, so nothing is stored. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include <sluice/decoder.h>
#include <sluice/encoder.h>
#include <sluice/handler.h>

#include "suite.h"

#define GIB (UINT64_C(1) << 30)

typedef struct pipe_s {
  uint8_t *chunk;
  sluice_decoder_t *d;
  uint64_t emitted;
  uint64_t region_offsets[16]; /* of PAGES and ZEROS, the first ones */
  uint64_t counts[16];
  uint8_t firsts[16]; /* their first bytes */
  int count;
  uint64_t pages;
  sluice_totals_t totals;
  int is_whole;
} pipe_t;

static void on_item(pipe_t *p, const sluice_item_t *item) {
  if (item->kind == SLUICE_ITEM_PAGES || item->kind == SLUICE_ITEM_ZEROS) {
    if (p->count < 16) {
      p->region_offsets[p->count] = item->u.run.offset;
      p->counts[p->count] = item->u.run.count;
      p->firsts[p->count] = item->u.run.data == NULL ? 0 : item->u.run.data[0];
      p->count++;
    }
    p->pages += item->u.run.count;
  } else if (item->kind == SLUICE_ITEM_TRAILER) {
    p->totals = item->u.totals;
  }
}

static void drain(pipe_t *p) {
  sluice_error_t err = {0};
  sluice_item_t item;
  int r;

  while ((r = sluice_decoder_next(p->d, &item, &err)) == SLUICE_MORE) {
    on_item(p, &item);
  }
  ck_assert_msg(r >= 0, "%s", err.message);
  p->is_whole = r == SLUICE_DONE;
}

static int lend(void *ctx, uint8_t **out) {
  *out = ((pipe_t *)ctx)->chunk;
  return 0;
}

static int emit(void *ctx, uint8_t *base, size_t skip, size_t len) {
  pipe_t *p = ctx;
  const uint8_t *from = base + skip;

  p->emitted += len;
  while (len > 0) {
    void *space;
    size_t n;

    sluice_decoder_space(p->d, &space, &n);
    n = n < len ? n : len;
    memcpy(space, from, n);
    sluice_decoder_fill(p->d, n);
    from += n;
    len -= n;
    drain(p);
  }
  return 0;
}

static void pipe_init(pipe_t *p) {
  memset(p, 0, sizeof(*p));
  p->chunk = aligned_alloc(SLUICE_CHUNK_ALIGN, SLUICE_CHUNK_BYTES);
  ck_assert_int_eq(sluice_decoder_new(&p->d, NULL, NULL), 0);
}

static void pipe_done(pipe_t *p) {
  sluice_decoder_eof(p->d);
  drain(p);
  ck_assert_int_eq(p->is_whole, 1);
  ck_assert_uint_eq(p->totals.bytes, p->emitted);
  sluice_decoder_free(p->d);
  free(p->chunk);
}

static sluice_encoder_t *start(pipe_t *p, uint64_t bytes) {
  sluice_decl_t decl = {
      .payload = SLUICE_PAYLOAD_PAGES, .name = "ram", .type = "ram"};
  sluice_output_t output = {
      .size = sizeof(output), .ctx = p, .lend = lend, .emit = emit};
  sluice_encoder_t *e;
  uint32_t region;

  ck_assert_int_eq(sluice_encoder_new(&e, NULL, &output, NULL), 0);
  ck_assert_int_eq(sluice_encoder_header(e), 0);
  ck_assert_int_eq(sluice_encoder_open(e, SLUICE_ITEM_SECTION, &decl), 0);
  ck_assert_int_eq(sluice_encoder_region(e, "r", bytes, 4096, &region), 0);
  return e;
}

static void end(sluice_encoder_t *e) {
  ck_assert_int_eq(sluice_encoder_close(e), 0);
  ck_assert_int_eq(sluice_encoder_finish(e), 0);
  sluice_encoder_free(e);
}

START_TEST(pages_and_zeros_far_into_a_region_keep_their_places) {
  static const uint8_t page[4096] = {42};
  pipe_t p;
  sluice_encoder_t *e;

  pipe_init(&p);
  e = start(&p, 8 * GIB);
  ck_assert_int_eq(sluice_encoder_pages(e, 0, 0, page, 1), 0);
  ck_assert_int_eq(sluice_encoder_zeros(e, 0, 1 * GIB, 5 * GIB / 4096), 0);
  ck_assert_int_eq(sluice_encoder_pages(e, 0, 6 * GIB, page, 1), 0);
  ck_assert_int_eq(sluice_encoder_pages(e, 0, 8 * GIB - 4096, page, 1), 0);
  end(e);
  pipe_done(&p);
  ck_assert_int_eq(p.count, 4);
  ck_assert_uint_eq(p.region_offsets[0], 0);
  ck_assert_uint_eq(p.region_offsets[1], 6 * GIB);
  ck_assert_uint_eq(p.region_offsets[2], 8 * GIB - 4096);
  ck_assert_uint_eq(p.firsts[2], 42);
  ck_assert_uint_eq(p.region_offsets[3], 1 * GIB);
  ck_assert_uint_eq(p.counts[3], 5 * GIB / 4096);
  ck_assert_uint_eq(p.totals.pages_zero, 5 * GIB / 4096);
}
END_TEST

START_TEST(a_stream_over_4_gib_is_whole) {
  enum { PAGES = 4096 };
  uint8_t *data = malloc((size_t)PAGES * 4096);
  uint64_t written = 0;
  pipe_t p;
  sluice_encoder_t *e;

  for (size_t i = 0; i < (size_t)PAGES * 4096; i++) {
    data[i] = (uint8_t)(i % 251 + 1);
  }
  pipe_init(&p);
  e = start(&p, 8 * GIB);
  while (sluice_encoder_offset(e) <= 4 * GIB + (GIB >> 4)) {
    ck_assert_int_eq(sluice_encoder_pages(e, 0, written * 4096, data, PAGES),
                     0);
    written += PAGES;
  }
  end(e);
  pipe_done(&p);
  ck_assert_uint_gt(p.emitted, 4 * GIB);
  ck_assert_uint_eq(p.pages, written);
  free(data);
}
END_TEST

Suite *native_large_suite(void) {
  Suite *s = suite_create("native_large");
  TCase *limits = tcase_create("limits");

  tcase_add_test(limits, pages_and_zeros_far_into_a_region_keep_their_places);
  tcase_add_test(limits, a_stream_over_4_gib_is_whole);
  suite_add_tcase(s, limits);
  return s;
}
