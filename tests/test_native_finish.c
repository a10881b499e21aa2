/* test_native_finish.c - a stream that is finished in steps: the same bytes as
 * in one call, and it may be given up in between. */
#include <check.h>
#include <string.h>
#include <uv.h>

#include <sluice/encoder.h>
#include <sluice/handler.h>

#include "counting_alloc.h"
#include "decode_all.h"
#include "memory_output.h"
#include "seed.h"
#include "stream/encoder.h"
#include "suite.h"

enum { PAGE = 256, PAGES = 5000, REGIONS = 3 };

static void put_some(sluice_encoder_t *e, seed_t *seed, uint32_t region) {
  static uint8_t data[64 * PAGE];
  uint64_t page = seed_below(seed, PAGES - 64);
  uint64_t count = 1 + seed_below(seed, 64);

  if (seed_below(seed, 4) == 0) {
    ck_assert_int_eq(sluice_encoder_zeros(e, region, page * PAGE, count), 0);
    return;
  }
  memset(data, (int)seed_below(seed, 256), sizeof(data));
  ck_assert_int_eq(sluice_encoder_pages(e, region, page * PAGE, data, count),
                   0);
}

/* Three regions, the middle one never written. */
static sluice_encoder_t *write_pages(memory_output_t *m, seed_t seed,
                                     const sluice_alloc_t *alloc) {
  static const char *const names[REGIONS] = {"a", "b", "c"};
  sluice_decl_t decl = {
      .payload = SLUICE_PAYLOAD_PAGES, .name = "s", .type = "t"};
  sluice_output_t output;
  sluice_encoder_t *e;
  uint32_t index;

  memory_output_init(m);
  output = memory_output_of(m);
  ck_assert_int_eq(sluice_encoder_new(&e, NULL, &output, alloc), 0);
  ck_assert_int_eq(sluice_encoder_header(e), 0);
  ck_assert_int_eq(sluice_encoder_open(e, SLUICE_ITEM_SECTION, &decl), 0);
  for (int i = 0; i < REGIONS; i++) {
    ck_assert_int_eq(sluice_encoder_region(e, names[i], (uint64_t)PAGES * PAGE,
                                           PAGE, &index),
                     0);
  }
  for (int i = 0; i < 200; i++) {
    put_some(e, &seed, i % 2 == 0 ? 0 : 2);
  }
  ck_assert_int_eq(sluice_encoder_close(e), 0);
  return e;
}

START_TEST(steps_of_any_length_give_the_same_bytes) {
  seed_t seed = seed_open(_i);
  sluice_encoder_t *e;
  memory_output_t a;
  memory_output_t b;
  uint64_t steps = 1;
  int r;

  e = write_pages(&a, seed, NULL);
  ck_assert_int_eq(sluice_encoder_finish(e), 0);
  sluice_encoder_free(e);
  e = write_pages(&b, seed, NULL);
  while ((r = sluice_encoder_finish_some(e, (uint64_t)_i + 1)) == 1) {
    steps++;
  }
  ck_assert_int_eq(r, 0);
  sluice_encoder_free(e);
  ck_assert_uint_gt(steps, 1000 / ((uint64_t)_i + 1));
  ck_assert_uint_eq(a.len, b.len);
  ck_assert_int_eq(memcmp(a.data, b.data, a.len), 0);
  memory_output_done(&a);
  memory_output_done(&b);
}
END_TEST

START_TEST(a_stream_can_be_given_up_while_it_is_finished) {
  sluice_error_t reason = {.code = UV_ECANCELED, .message = "no more"};
  sluice_error_t err = {0};
  memory_output_t m;
  sluice_encoder_t *e = write_pages(&m, (seed_t){1}, NULL);

  for (int i = 0; i < _i; i++) {
    ck_assert_int_eq(sluice_encoder_finish_some(e, 100), 1);
  }
  ck_assert_int_eq(sluice_encoder_abort(e, &reason), 0);
  ck_assert_int_eq(sluice_encoder_finish_some(e, 100), SLUICE_ESTATE);
  sluice_encoder_free(e);
  ck_assert_int_eq(
      decode_all(m.data, m.len, 0, NULL, NULL, NULL, NULL, &err, NULL),
      SLUICE_EABORTED);
  ck_assert_str_eq(err.message, "no more");
  memory_output_done(&m);
}
END_TEST

START_TEST(nothing_is_written_while_it_is_finished) {
  memory_output_t m;
  sluice_encoder_t *e = write_pages(&m, (seed_t){1}, NULL);

  ck_assert_int_eq(sluice_encoder_finish_some(e, 1), 1);
  ck_assert_int_eq(sluice_encoder_note(e, "n", "x", 1), SLUICE_ESTATE);
  ck_assert_int_eq(sluice_encoder_finish_some(e, 1), SLUICE_ESTATE);
  sluice_encoder_free(e);
  memory_output_done(&m);
}
END_TEST

START_TEST(what_the_index_took_is_given_back_in_steps) {
  counting_alloc_t counting;
  sluice_alloc_t alloc;
  memory_output_t m;
  sluice_encoder_t *e;

  counting_alloc_init(&counting);
  alloc = counting_alloc_of(&counting);
  e = write_pages(&m, (seed_t){1}, &alloc);
  ck_assert_int_eq(sluice_encoder_finish(e), 0);
  while (!sluice__encoder_shrink(e)) {
  }
  ck_assert(sluice__encoder_shrink(e));
  sluice_encoder_free(e);
  ck_assert_uint_eq(counting.live, 0);
  memory_output_done(&m);
}
END_TEST

Suite *native_finish_suite(void) {
  Suite *s = suite_create("native_finish");
  TCase *core = tcase_create("core");

  tcase_add_loop_test(core, steps_of_any_length_give_the_same_bytes, 0, 8);
  tcase_add_loop_test(core, a_stream_can_be_given_up_while_it_is_finished, 0,
                      20);
  tcase_add_test(core, nothing_is_written_while_it_is_finished);
  tcase_add_test(core, what_the_index_took_is_given_back_in_steps);
  suite_add_tcase(s, core);
  return s;
}
