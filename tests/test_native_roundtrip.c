/* test_native_roundtrip.c - what is encoded is what is decoded.
 *
 * Random streams are viewed twice in the same words: once as the calls are
 * made, once as the items come back. */
#include <check.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include <sluice/decoder.h>
#include <sluice/encoder.h>
#include <sluice/handler.h>

#include "counting_alloc.h"
#include "decode_all.h"
#include "memory_output.h"
#include "seed.h"
#include "stream_view.h"
#include "suite.h"

enum { SECTIONS = 6, REGIONS = 4, PAGES = 300 };

/* The writing side: a random stream. */
typedef struct plan_s {
  seed_t random;
  sluice_encoder_t *e;
  view_t *v;
  sluice_decl_t decls[SECTIONS];
  char names[SECTIONS][32];
  uint32_t page_sizes[SECTIONS * REGIONS];
  uint8_t *scratch;
} plan_t;

enum { SCRATCH = 700 * 1024 };

static void random_fill(plan_t *p, uint8_t *to, size_t len) {
  for (size_t i = 0; i < len; i += 8) {
    uint64_t x = seed_next(&p->random);

    memcpy(to + i, &x, len - i < 8 ? len - i : 8);
  }
}

static void plan_note(plan_t *p) {
  static const uint32_t sizes[] = {1, 100, 5000, SCRATCH};
  size_t len = seed_pick(&p->random, sizes[seed_pick(&p->random, 4)]);

  random_fill(p, p->scratch, len);
  ck_assert_int_eq(sluice_encoder_note(p->e, "note", p->scratch, len), 0);
  view_say(p->v, "note", len, view_digest(0, p->scratch, len));
}

static void plan_bytes(plan_t *p) {
  static const uint32_t sizes[] = {2, 40, 5000, SCRATCH};
  size_t len = seed_pick(&p->random, sizes[seed_pick(&p->random, 4)]);

  random_fill(p, p->scratch, len);
  ck_assert_int_eq(sluice_encoder_bytes(p->e, p->scratch, len), 0);
  view_bytes(p->v, p->scratch, len);
}

/* A run in a region of the section, some of its pages zero. */
static void plan_run(plan_t *p, uint32_t region) {
  uint32_t page_size = p->page_sizes[region];
  uint32_t pages = (uint32_t)(p->v->region_bytes[region] / page_size);
  uint32_t first = seed_pick(&p->random, pages);
  uint32_t count = 1 + seed_pick(&p->random, pages - first);
  uint64_t offset = (uint64_t)first * page_size;

  if (count > SCRATCH / page_size) {
    count = SCRATCH / page_size;
  }
  if (seed_pick(&p->random, 5) == 0) {
    ck_assert_int_eq(sluice_encoder_zeros(p->e, region, offset, count), 0);
    view_pages(p->v, region, offset, NULL, count * page_size);
    return;
  }
  random_fill(p, p->scratch, count * page_size);
  for (uint32_t i = 0; i < count; i++) {
    if (seed_pick(&p->random, 3) == 0) {
      memset(p->scratch + i * page_size, 0, page_size);
    }
  }
  ck_assert_int_eq(
      sluice_encoder_pages(p->e, region, offset, p->scratch, count), 0);
  view_pages(p->v, region, offset, p->scratch, count * page_size);
}

static void plan_payload(plan_t *p, uint32_t section) {
  uint32_t actions = seed_pick(&p->random, 4);

  for (uint32_t i = 0; i < actions; i++) {
    uint32_t region = seed_pick(&p->random, SECTIONS * REGIONS);

    if (p->decls[section].payload == SLUICE_PAYLOAD_BYTES ||
        seed_pick(&p->random, 8) == 0) {
      plan_bytes(p);
    } else if (region < p->v->region_count &&
               p->v->region_section[region] == p->decls[section].id) {
      plan_run(p, region);
    }
  }
  ck_assert_int_eq(sluice_encoder_close(p->e), 0);
  view_close(p->v);
}

static void plan_regions(plan_t *p) {
  static const uint32_t page_sizes[] = {256, 1024, 4096, 16384, 65536};
  uint32_t count = seed_pick(&p->random, REGIONS);

  for (uint32_t i = 0; i < count; i++) {
    uint32_t page_size = page_sizes[seed_pick(&p->random, 5)];
    uint32_t most = page_size > 4096 ? 10 : PAGES;
    uint32_t pages = 1 + seed_pick(&p->random, most);
    uint32_t index = 0;

    ck_assert_int_eq(sluice_encoder_region(p->e, "region",
                                           (uint64_t)pages * page_size,
                                           page_size, &index),
                     0);
    p->page_sizes[index] = page_size;
    view_region(p->v, index, (size_t)pages * page_size);
  }
}

static void plan_section(plan_t *p, uint32_t i) {
  sluice_decl_t *decl = &p->decls[i];

  (void)snprintf(p->names[i], sizeof(p->names[i]), "section%u", i);
  decl->id = (uint32_t)seed_next(&p->random) / SECTIONS * SECTIONS + i;
  decl->instance = (uint32_t)seed_next(&p->random);
  decl->version = (uint32_t)seed_next(&p->random);
  decl->flags = seed_pick(&p->random, 4);
  decl->payload = (sluice_payload_t)seed_pick(&p->random, 2);
  decl->name = p->names[i];
  decl->type = "type";
  ck_assert_int_eq(sluice_encoder_open(p->e, SLUICE_ITEM_SECTION, decl), 0);
  view_say(p->v, decl->name, decl->flags, decl->id);
  view_say(p->v, decl->type, decl->instance, decl->version);
  view_open(p->v, decl->id, 0);
  if (decl->payload == SLUICE_PAYLOAD_PAGES) {
    plan_regions(p);
  }
  plan_payload(p, i);
}

static void plan_more(plan_t *p, sluice_item_kind_t kind, uint32_t i) {
  if ((p->decls[i].flags & SLUICE_SECTION_LIVE) == 0) {
    return;
  }
  ck_assert_int_eq(sluice_encoder_open(p->e, kind, &p->decls[i]), 0);
  if (kind == SLUICE_ITEM_END) {
    view_say(p->v, "end", p->decls[i].id, 0);
  }
  view_open(p->v, p->decls[i].id, kind == SLUICE_ITEM_PART);
  plan_payload(p, i);
}

static void plan_stream(plan_t *p) {
  ck_assert_int_eq(sluice_encoder_header(p->e), 0);
  plan_note(p);
  for (uint32_t i = 0; i < SECTIONS; i++) {
    plan_section(p, i);
    if (seed_pick(&p->random, 3) == 0) {
      ck_assert_int_eq(sluice_encoder_flush(p->e), 0);
    }
  }
  for (uint32_t i = 0; i < 20; i++) {
    plan_more(p, SLUICE_ITEM_PART, seed_pick(&p->random, SECTIONS));
  }
  for (uint32_t i = 0; i < SECTIONS; i++) {
    plan_more(p, SLUICE_ITEM_END, i);
  }
  plan_note(p);
  ck_assert_int_eq(sluice_encoder_finish(p->e), 0);
}

static void write_random(seed_t seed, memory_output_t *m, view_t *v,
                         const sluice_encoder_options_t *options) {
  plan_t p = {.random = seed, .v = v, .scratch = malloc(SCRATCH)};
  sluice_output_t output;
  sluice_totals_t totals;

  memory_output_init(m);
  output = memory_output_of(m);
  ck_assert_int_eq(sluice_encoder_new(&p.e, options, &output, NULL), 0);
  plan_stream(&p);
  sluice_encoder_totals(p.e, &totals, sizeof(totals));
  ck_assert_uint_eq(totals.bytes, m->len);
  sluice_encoder_free(p.e);
  free(p.scratch);
}

static void check_decodes(const memory_output_t *m, const view_t *expected,
                          size_t step) {
  view_t *v = view_new();
  sluice_error_t err = {0};
  counting_alloc_t count;
  sluice_alloc_t alloc;
  int r;

  counting_alloc_init(&count);
  alloc = counting_alloc_of(&count);
  r = decode_all(m->data, m->len, step, NULL, &alloc, view_item, v, &err, NULL);
  ck_assert_msg(r == SLUICE_DONE, "%d at %" PRIu64 ": %s", r, err.offset,
                err.message);
  ck_assert_str_eq(v->text, expected->text);
  ck_assert_uint_eq(count.live, 0);
  view_free(v);
}

static void check_random(int salt, size_t step,
                         const sluice_encoder_options_t *options) {
  seed_t seed = seed_open(salt);
  view_t *v = view_new();
  memory_output_t m;

  write_random(seed, &m, v, options);
  check_decodes(&m, v, step);
  memory_output_done(&m);
  view_free(v);
}

START_TEST(random_streams_come_back_as_they_were) {
  check_random(_i, 0, NULL);
}
END_TEST

START_TEST(input_in_odd_pieces_makes_no_difference) {
  check_random(100 + _i, (size_t)(1000 + 977 * _i), NULL);
}
END_TEST

START_TEST(input_byte_by_byte_makes_no_difference) {
  check_random(200 + _i, 1, NULL);
}
END_TEST

START_TEST(a_stream_without_index_comes_back_as_well) {
  sluice_encoder_options_t options = {.size = sizeof(options), .no_index = 1};

  check_random(300 + _i, 0, &options);
}
END_TEST

START_TEST(equal_input_gives_equal_bytes) {
  seed_t seed = seed_open(400);
  view_t *v = view_new();
  view_t *w = view_new();
  memory_output_t a;
  memory_output_t b;

  write_random(seed, &a, v, NULL);
  write_random(seed, &b, w, NULL);
  ck_assert_uint_eq(a.len, b.len);
  ck_assert_int_eq(memcmp(a.data, b.data, a.len), 0);
  memory_output_done(&a);
  memory_output_done(&b);
  view_free(v);
  view_free(w);
}
END_TEST

/* Small pieces of input to the encoder are gathered: how it was given its bytes
 * does not show. */
static void write_bytes(memory_output_t *m, const uint8_t *data, size_t len,
                        size_t piece) {
  sluice_decl_t decl = {.name = "s", .type = "t"};
  sluice_output_t output;
  sluice_encoder_t *e;

  memory_output_init(m);
  output = memory_output_of(m);
  ck_assert_int_eq(sluice_encoder_new(&e, NULL, &output, NULL), 0);
  ck_assert_int_eq(sluice_encoder_header(e), 0);
  ck_assert_int_eq(sluice_encoder_open(e, SLUICE_ITEM_SECTION, &decl), 0);
  for (size_t at = 0; at < len; at += piece) {
    size_t n = len - at < piece ? len - at : piece;

    ck_assert_int_eq(sluice_encoder_bytes(e, data + at, n), 0);
  }
  ck_assert_int_eq(sluice_encoder_close(e), 0);
  ck_assert_int_eq(sluice_encoder_finish(e), 0);
  sluice_encoder_free(e);
}

START_TEST(bytes_given_in_small_pieces_are_gathered) {
  enum { LEN = 600 * 1000 };
  uint8_t *data = malloc(LEN);
  memory_output_t a;
  memory_output_t b;

  for (size_t i = 0; i < LEN; i++) {
    data[i] = (uint8_t)(i * 31 >> 3);
  }
  write_bytes(&a, data, LEN, LEN);
  write_bytes(&b, data, LEN, 7);
  ck_assert_uint_eq(a.len, b.len);
  ck_assert_int_eq(memcmp(a.data, b.data, a.len), 0);
  memory_output_done(&a);
  memory_output_done(&b);
  free(data);
}
END_TEST

/* Pages of zeros are merged over calls; the last word on a page wins, in any
 * order of data and zeros. */
START_TEST(the_last_word_on_a_page_wins) {
  static const uint8_t page[256] = {1};
  static const uint8_t other[256] = {2};
  sluice_decl_t decl = {
      .payload = SLUICE_PAYLOAD_PAGES, .name = "s", .type = "t"};
  view_t *v = view_new();
  memory_output_t m;
  sluice_output_t output;
  sluice_encoder_t *e;
  sluice_error_t err = {0};
  uint32_t region;

  memory_output_init(&m);
  output = memory_output_of(&m);
  ck_assert_int_eq(sluice_encoder_new(&e, NULL, &output, NULL), 0);
  ck_assert_int_eq(sluice_encoder_header(e), 0);
  ck_assert_int_eq(sluice_encoder_open(e, SLUICE_ITEM_SECTION, &decl), 0);
  ck_assert_int_eq(sluice_encoder_region(e, "r", 1024, 256, &region), 0);
  ck_assert_int_eq(sluice_encoder_pages(e, region, 0, page, 1), 0);
  ck_assert_int_eq(sluice_encoder_zeros(e, region, 0, 2), 0);
  ck_assert_int_eq(sluice_encoder_pages(e, region, 256, other, 1), 0);
  ck_assert_int_eq(sluice_encoder_zeros(e, region, 512, 1), 0);
  ck_assert_int_eq(sluice_encoder_pages(e, region, 512, page, 1), 0);
  ck_assert_int_eq(sluice_encoder_zeros(e, region, 512, 1), 0);
  ck_assert_int_eq(sluice_encoder_close(e), 0);
  ck_assert_int_eq(sluice_encoder_finish(e), 0);
  sluice_encoder_free(e);
  ck_assert_int_eq(
      decode_all(m.data, m.len, 0, NULL, NULL, view_item, v, &err, NULL),
      SLUICE_DONE);
  ck_assert_uint_eq(v->regions[0][0], 0);
  ck_assert_uint_eq(v->regions[0][256], 2);
  ck_assert_uint_eq(v->regions[0][512], 0);
  ck_assert_uint_eq(v->regions[0][768], 0xee); /* never written */
  memory_output_done(&m);
  view_free(v);
}
END_TEST

/* The rest of a record comes again when only a part of it was used. */
START_TEST(bytes_that_were_not_used_come_again) {
  memory_output_t m;
  sluice_decoder_t *d;
  sluice_item_t item;
  sluice_error_t err = {0};
  void *space;
  size_t room;

  write_bytes(&m, (const uint8_t *)"abcdef", 6, 6);
  ck_assert_int_eq(sluice_decoder_new(&d, NULL, NULL), 0);
  sluice_decoder_space(d, &space, &room);
  memcpy(space, m.data, m.len);
  sluice_decoder_fill(d, m.len);
  do {
    ck_assert_int_eq(sluice_decoder_next(d, &item, &err), SLUICE_MORE);
  } while (item.kind != SLUICE_ITEM_BYTES);
  ck_assert_uint_eq(item.u.bytes.len, 6);
  sluice_decoder_consume(d, 2);
  ck_assert_int_eq(sluice_decoder_next(d, &item, &err), SLUICE_MORE);
  ck_assert_mem_eq(item.u.bytes.data, "cdef", 4);
  sluice_decoder_consume(d, 4);
  ck_assert_int_eq(sluice_decoder_next(d, &item, &err), SLUICE_MORE);
  ck_assert_int_eq(item.kind, SLUICE_ITEM_CLOSE);
  ck_assert_uint_eq(item.u.payload_bytes, 6);
  sluice_decoder_free(d);
  memory_output_done(&m);
}
END_TEST

START_TEST(a_piece_longer_than_its_record_is_refused_by_name) {
  memory_output_t m;
  sluice_decoder_t *d;
  sluice_item_t item;
  sluice_error_t err = {0};
  void *space;
  size_t room;

  write_bytes(&m, (const uint8_t *)"abcdef", 6, 6);
  ck_assert_int_eq(sluice_decoder_new(&d, NULL, NULL), 0);
  sluice_decoder_space(d, &space, &room);
  memcpy(space, m.data, m.len);
  sluice_decoder_fill(d, m.len);
  do {
    ck_assert_int_eq(sluice_decoder_next(d, &item, &err), SLUICE_MORE);
  } while (item.kind != SLUICE_ITEM_BYTES);
  sluice_decoder_consume(d, 0);
  ck_assert_int_eq(sluice_decoder_next(d, &item, &err), SLUICE_ELIMIT);
  ck_assert_str_eq(err.section, "s");
  sluice_decoder_free(d);
  memory_output_done(&m);
}
END_TEST

Suite *native_roundtrip_suite(void) {
  Suite *s = suite_create("native_roundtrip");
  TCase *core = tcase_create("core");

  tcase_add_loop_test(core, random_streams_come_back_as_they_were, 0, 30);
  tcase_add_loop_test(core, input_in_odd_pieces_makes_no_difference, 0, 10);
  tcase_add_loop_test(core, input_byte_by_byte_makes_no_difference, 0, 2);
  tcase_add_loop_test(core, a_stream_without_index_comes_back_as_well, 0, 4);
  tcase_add_test(core, equal_input_gives_equal_bytes);
  tcase_add_test(core, bytes_given_in_small_pieces_are_gathered);
  tcase_add_test(core, the_last_word_on_a_page_wins);
  tcase_add_test(core, bytes_that_were_not_used_come_again);
  tcase_add_test(core, a_piece_longer_than_its_record_is_refused_by_name);
  suite_add_tcase(s, core);
  return s;
}
