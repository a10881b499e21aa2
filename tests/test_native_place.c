/* test_native_place.c - pages that are put where they belong before they are
 * verified.
 *
 * The oracle is the way through the window: whatever the stream, and however it
 * comes in pieces, both ways end in the same memory, or in the same error to
 * the letter. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include <sluice/encoder.h>
#include <sluice/handler.h>

#include "place_streams.h"
#include "stream/decoder.h"
#include "stream/native/format.h"
#include "suite.h"

enum {
  PIECES_MAX = 64,
  PARTS = 16 /* of sweeps */
};

typedef enum pieces_e {
  BYTE_BY_BYTE,
  ODD,
  MIDDLING,
  LARGE,
  ALL_AT_ONCE,
  PIECES
} pieces_t;

typedef struct run_s {
  bool places;      /* put in place what can be */
  bool has_holes;   /* region 2 has no place */
  bool is_by_turns; /* into the window all the same, now and then */
  pieces_t pieces;
  seed_t random;
  const uint8_t *data;
  size_t len, used;
  uint64_t placed; /* bytes */
  uint64_t lent_in_place;
  sluice_decoder_t *decoder;

  int result;
  sluice_error_t err;
  sluice_totals_t totals;
  uint8_t *memory[PLACE_REGIONS];
} run_t;

static memory_output_t out;
static uint32_t regions; /* of the stream */
static seed_t chance;

static void setup(void) {
  chance = seed_open(0);
  memory_output_init(&out);
  regions = 1;
}

static void teardown(void) {
  memory_output_done(&out);
}

/* --- the reader --- */

static uint8_t *find_place(void *ctx, const sluice_run_t *run) {
  const run_t *r = ctx;

  ck_assert_uint_lt(run->region, PLACE_REGIONS);
  ck_assert_uint_eq(run->page_size, place_page_sizes[run->region]);
  ck_assert_uint_le(run->offset + run->count * run->page_size,
                    place_region_bytes(run->region));
  return r->has_holes && run->region == 2
             ? NULL
             : r->memory[run->region] + run->offset;
}

static size_t piece(run_t *r) {
  switch (r->pieces) {
  case BYTE_BY_BYTE: return 1;
  case ODD: return 1 + seed_pick(&r->random, 300);
  case MIDDLING: return 1 + seed_pick(&r->random, 9000);
  case LARGE: return 1 + seed_pick(&r->random, 300000);
  case ALL_AT_ONCE:
  case PIECES: break;
  }
  return SIZE_MAX;
}

static size_t take(run_t *r, void *to, size_t len) {
  size_t left = r->len - r->used;
  size_t n = len < left ? len : left;

  memcpy(to, r->data + r->used, n);
  r->used += n;
  return n;
}

static bool put_in_place(run_t *r) {
  struct iovec places[PIECES_MAX];
  size_t most = 1 + seed_pick(&r->random, 300000);
  int max = 2 + (int)seed_pick(&r->random, PIECES_MAX - 1);
  int count =
      r->places ? sluice__decoder_places(r->decoder, places, max, most) : 0;
  size_t limit = piece(r);
  size_t got = 0;

  ck_assert_int_le(count, max);
  if (count == 0 || (r->is_by_turns && seed_pick(&r->random, 3) == 0)) {
    return false;
  }
  for (int i = 0; i < count && got < limit; i++) {
    size_t len = places[i].iov_len;

    ck_assert_uint_gt(len, 0);
    got += take(r, places[i].iov_base, len < limit - got ? len : limit - got);
  }
  if (got == 0) {
    return false;
  }
  sluice__decoder_placed(r->decoder, got);
  r->placed += got;
  return true;
}

static void feed(run_t *r) {
  void *buf;
  size_t len;
  size_t limit;

  if (r->used == r->len) {
    sluice_decoder_eof(r->decoder);
    return;
  }
  if (put_in_place(r)) {
    return;
  }
  sluice_decoder_space(r->decoder, &buf, &len);
  limit = piece(r);
  sluice_decoder_fill(r->decoder, take(r, buf, len < limit ? len : limit));
}

static void apply(run_t *r, const sluice_item_t *item) {
  const sluice_run_t *run = &item->u.run;
  uint8_t *to;

  if (item->kind == SLUICE_ITEM_TRAILER) {
    r->totals = item->u.totals;
  }
  if (item->kind != SLUICE_ITEM_PAGES && item->kind != SLUICE_ITEM_ZEROS) {
    return;
  }
  to = r->memory[run->region] + run->offset;
  if (item->kind == SLUICE_ITEM_ZEROS) {
    memset(to, 0, run->count * run->page_size);
  } else if (run->data == to) {
    r->lent_in_place += run->len;
  } else {
    memcpy(to, run->data, run->len);
  }
}

static void run_stream(run_t *r, const uint8_t *data, size_t len,
                       size_t max_memory) {
  const sluice_decoder_options_t o = {.size = sizeof(o),
                                      .max_memory = max_memory};
  const sluice__decode_hooks_t hooks = {.ctx = r, .place = find_place};
  sluice_item_t item;

  r->data = data;
  r->len = len;
  r->random.state = seed_next(&chance);
  for (uint32_t i = 0; i < regions; i++) {
    r->memory[i] = calloc(1, place_region_bytes(i));
  }
  ck_assert_int_eq(sluice_decoder_new(&r->decoder, &o, NULL), 0);
  sluice__decoder_set_hooks(r->decoder, &hooks);
  do {
    r->result = sluice_decoder_next(r->decoder, &item, &r->err);
    if (r->result == SLUICE_MORE) {
      apply(r, &item);
    } else if (r->result == SLUICE_WAIT) {
      feed(r);
    }
  } while (r->result > 0);
  sluice_decoder_free(r->decoder);
}

static void run_done(run_t *r) {
  for (uint32_t i = 0; i < regions; i++) {
    free(r->memory[i]);
  }
}

static void assert_same_end(const run_t *a, const run_t *b) {
  ck_assert_int_eq(a->result, b->result);
  ck_assert_int_eq(a->err.code, b->err.code);
  ck_assert_str_eq(a->err.message, b->err.message);
  ck_assert_str_eq(a->err.section, b->err.section);
  ck_assert_uint_eq(a->err.offset, b->err.offset);
  ck_assert_mem_eq(&a->totals, &b->totals, sizeof(a->totals));
  for (uint32_t i = 0; a->result == SLUICE_DONE && i < regions; i++) {
    ck_assert_mem_eq(a->memory[i], b->memory[i], place_region_bytes(i));
  }
}

/* Both ways; returns how many bytes were put in place, and how it ended. */
static uint64_t compare(run_t *direct, const uint8_t *data, size_t len,
                        size_t max_memory, sluice_error_t *err) {
  run_t plain = {.pieces = MIDDLING};
  int result;

  run_stream(&plain, data, len, max_memory);
  direct->places = true;
  run_stream(direct, data, len, max_memory);
  assert_same_end(&plain, direct);
  result = direct->result;
  if (result == SLUICE_DONE) {
    ck_assert(direct->lent_in_place > 0 || direct->placed == 0);
  }
  *err = direct->err;
  run_done(&plain);
  run_done(direct);
  return direct->placed;
}

/* --- tests --- */

static void write_all(int keep_last) {
  regions = PLACE_REGIONS;
  place_write_stream(&out, &chance, keep_last);
}

START_TEST(random_streams_end_in_the_same_memory) {
  sluice_error_t err;
  run_t direct = {.pieces = (pieces_t)(ODD + _i % (PIECES - ODD)),
                  .is_by_turns = _i / (PIECES - ODD) % 2 != 0,
                  .has_holes = _i / (PIECES - ODD) / 2 % 2 != 0};

  write_all(_i % 2);
  (void)compare(&direct, out.data, out.len, 0, &err);
  ck_assert_int_eq(direct.result, SLUICE_DONE);
}
END_TEST

START_TEST(byte_by_byte_is_the_same) {
  run_t direct = {.pieces = BYTE_BY_BYTE, .is_by_turns = _i != 0};
  sluice_error_t err;

  place_write_small(&out, &chance);
  (void)compare(&direct, out.data, out.len, 0, &err);
  ck_assert_int_eq(direct.result, SLUICE_DONE);
  ck_assert_uint_eq(direct.lent_in_place, 80 * 256);
}
END_TEST

/* The last word counts, within a record as well. */
START_TEST(a_page_that_a_record_has_twice_is_the_later_one) {
  static const unsigned order[][3] = {{0, 0, 0}, {30, 0, 10}, {0, 10, 30}};
  sluice_output_t output = memory_output_of(&out);
  sluice_decl_t decl = place_decl(0);
  run_t direct = {.pieces = (pieces_t)(ODD + _i % (PIECES - ODD))};
  static uint8_t data[60 * 256];
  sluice_encoder_t *e = place_begin_small(&output, &decl);
  sluice_error_t err;

  for (unsigned i = 0; i < 3; i++) {
    memset(data, (int)(i + 1), sizeof(data));
    (void)sluice_encoder_pages(e, 0, order[_i / (PIECES - ODD)][i] * 256u, data,
                               60);
  }
  place_end_small(e, &decl);
  (void)compare(&direct, out.data, out.len, 256 * 1024, &err);
  ck_assert_int_eq(direct.result, SLUICE_DONE);
  /* START, REGION, one PLACE_PAGES, END, INDEX, TRAILER */
  ck_assert_uint_eq(direct.totals.records, 6);
  ck_assert_uint_eq(direct.totals.pages_data, 180);
}
END_TEST

static void flip_and_compare(size_t byte, unsigned bit) {
  run_t direct = {.pieces = (pieces_t)(ODD + byte % (PIECES - ODD))};
  sluice_error_t err;

  out.data[byte] ^= (uint8_t)(1u << bit);
  (void)compare(&direct, out.data, out.len, 256 * 1024, &err);
  ck_assert_int_lt(direct.result, 0);
  out.data[byte] ^= (uint8_t)(1u << bit);
}

/* Where the pages are: 80 of them, on a multiple of 4096. */
static size_t find_data(void) {
  size_t at = SLUICE__NATIVE_ALIGN;

  while (out.data[at] % 2 == 0 || out.data[at + 1] % 2 == 0 ||
         out.data[at + 2] % 2 == 0) { /* all bytes of pages are odd */
    at += SLUICE__NATIVE_ALIGN;
  }
  return at;
}

START_TEST(each_byte_that_is_damaged_is_found_at_the_same_place) {
  size_t from;
  size_t to;

  place_write_small(&out, &chance);
  from = out.len * (size_t)_i / PARTS;
  to = out.len * ((size_t)_i + 1) / PARTS;
  for (size_t i = from; i < to; i++) {
    flip_and_compare(i, (unsigned)(i % 8));
  }
}
END_TEST

/* And that place is the page. */
START_TEST(a_damaged_page_is_named) {
  run_t direct = {.pieces = ODD};
  sluice_error_t err;
  char name[64];
  size_t data;
  size_t at;

  place_write_small(&out, &chance);
  data = find_data();
  at = data + (size_t)_i * 256 + seed_pick(&chance, 256);
  out.data[at] ^= 0x10;
  (void)compare(&direct, out.data, out.len, 256 * 1024, &err);
  (void)snprintf(name, sizeof(name), "page at %u of region 'low'",
                 ((unsigned)_i + (_i < 75 ? 0 : 5)) * 256);
  ck_assert_int_eq(err.code, SLUICE_ECORRUPT);
  ck_assert_msg(strstr(err.message, name) != NULL, "%s", err.message);
  ck_assert_str_eq(err.section, "first");
  ck_assert_uint_eq(err.offset, data + (size_t)_i * 256);
}
END_TEST

START_TEST(a_stream_cut_short_at_any_byte_is_so_in_the_same_words) {
  place_write_small(&out, &chance);
  for (size_t len = (size_t)_i; len < out.len; len += PARTS) {
    run_t direct = {.pieces = (pieces_t)(ODD + len % (PIECES - ODD)),
                    .is_by_turns = len % 3 == 0};
    sluice_error_t err;

    (void)compare(&direct, out.data, len, 256 * 1024, &err);
    ck_assert_int_eq(direct.result, SLUICE_ETRUNCATED);
  }
}
END_TEST

static int lost;

static uint8_t *lose_place(void *ctx, const sluice_run_t *run) {
  return lost++ == 0 ? find_place(ctx, run) : NULL;
}

START_TEST(a_place_that_is_taken_back_is_the_handlers_error) {
  run_t r = {.places = true, .pieces = LARGE};
  const sluice_decoder_options_t o = {.size = sizeof(o),
                                      .max_memory = 64 * 1024};
  const sluice__decode_hooks_t hooks = {.ctx = &r, .place = lose_place};
  sluice_item_t item;
  sluice_error_t err = {0};
  int result;

  place_write_small(&out, &chance);
  r.data = out.data;
  r.len = out.len;
  r.random.state = 5;
  r.memory[0] = calloc(1, place_region_bytes(0));
  ck_assert_int_eq(sluice_decoder_new(&r.decoder, &o, NULL), 0);
  sluice__decoder_set_hooks(r.decoder, &hooks);
  r.pieces = ODD;
  do {
    result = sluice_decoder_next(r.decoder, &item, &err);
    if (result == SLUICE_WAIT) {
      feed(&r);
    }
  } while (result > 0);
  ck_assert_int_eq(result, SLUICE_EHANDLER);
  sluice_decoder_free(r.decoder);
  free(r.memory[0]);
}
END_TEST

Suite *native_place_suite(void) {
  Suite *s = suite_create("native_place");
  TCase *core = tcase_create("core");

  tcase_add_checked_fixture(core, setup, teardown);
  tcase_add_loop_test(core, random_streams_end_in_the_same_memory, 0, 48);
  tcase_add_loop_test(core, byte_by_byte_is_the_same, 0, 2);
  tcase_add_loop_test(core, a_page_that_a_record_has_twice_is_the_later_one, 0,
                      3 * (PIECES - ODD));
  tcase_add_loop_test(
      core, each_byte_that_is_damaged_is_found_at_the_same_place, 0, PARTS);
  tcase_add_loop_test(core, a_damaged_page_is_named, 0, 80);
  tcase_add_loop_test(
      core, a_stream_cut_short_at_any_byte_is_so_in_the_same_words, 0, PARTS);
  tcase_add_test(core, a_place_that_is_taken_back_is_the_handlers_error);
  suite_add_tcase(s, core);
  return s;
}
