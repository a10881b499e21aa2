/* test_bitmap.c - ranges of bits against an array of bytes. */
#include "ram/bitmap.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "seed.h"

enum { BITS = 1000 };

START_TEST(set_counts_only_bits_that_were_clear) {
  uint64_t *w = sluice__bitmap_new(BITS);

  ck_assert_uint_eq(sluice__bitmap_set(w, 60, 10), 10);
  ck_assert_uint_eq(sluice__bitmap_set(w, 50, 30), 20);
  ck_assert_uint_eq(sluice__bitmap_count(w, 0, BITS), 30);
  sluice__bitmap_free(w, BITS);
}
END_TEST

START_TEST(clear_counts_only_bits_that_were_set) {
  uint64_t *w = sluice__bitmap_new(BITS);

  (void)sluice__bitmap_set(w, 0, 128);
  ck_assert_uint_eq(sluice__bitmap_clear(w, 120, 100), 8);
  ck_assert_uint_eq(sluice__bitmap_count(w, 0, BITS), 120);
  sluice__bitmap_free(w, BITS);
}
END_TEST

START_TEST(an_empty_range_changes_nothing) {
  uint64_t *w = sluice__bitmap_new(BITS);

  ck_assert_uint_eq(sluice__bitmap_set(w, 64, 0), 0);
  ck_assert_uint_eq(sluice__bitmap_set(w, 65, 0), 0);
  ck_assert_uint_eq(sluice__bitmap_clear(w, 65, 0), 0);
  ck_assert_uint_eq(sluice__bitmap_count(w, 0, BITS), 0);
  sluice__bitmap_free(w, BITS);
}
END_TEST

START_TEST(a_run_ends_at_a_gap_at_the_end_or_at_the_limit) {
  uint64_t *w = sluice__bitmap_new(BITS);
  uint64_t at;

  (void)sluice__bitmap_set(w, 100, 200);
  (void)sluice__bitmap_clear(w, 170, 1);
  ck_assert_uint_eq(sluice__bitmap_next_run(w, 0, BITS, BITS, &at), 70);
  ck_assert_uint_eq(at, 100);
  ck_assert_uint_eq(sluice__bitmap_next_run(w, 110, 150, BITS, &at), 40);
  ck_assert_uint_eq(at, 110);
  ck_assert_uint_eq(sluice__bitmap_next_run(w, 0, BITS, 3, &at), 3);
  ck_assert_uint_eq(sluice__bitmap_next_run(w, 171, BITS, UINT64_MAX, &at),
                    129);
  sluice__bitmap_free(w, BITS);
}
END_TEST

START_TEST(no_run_is_found_in_an_empty_range) {
  uint64_t *w = sluice__bitmap_new(BITS);
  uint64_t at;

  (void)sluice__bitmap_set(w, 0, 64);
  ck_assert_uint_eq(sluice__bitmap_next_run(w, 64, BITS, BITS, &at), 0);
  ck_assert_uint_eq(at, BITS);
  ck_assert_uint_eq(sluice__bitmap_next_run(w, 10, 10, BITS, &at), 0);
  ck_assert_uint_eq(at, 10);
  sluice__bitmap_free(w, BITS);
}
END_TEST

/* Bits as bytes, one by one. */
typedef struct model_s {
  uint8_t bit[BITS];
} model_t;

static uint64_t model_set(model_t *m, uint64_t from, uint64_t n, uint8_t v) {
  uint64_t changed = 0;

  for (uint64_t i = from; i < from + n; i++) {
    changed += m->bit[i] != v;
    m->bit[i] = v;
  }
  return changed;
}

static uint64_t model_run(const model_t *m, uint64_t from, uint64_t end,
                          uint64_t max, uint64_t *start) {
  uint64_t n = 0;

  while (from < end && !m->bit[from]) {
    from++;
  }
  *start = from;
  while (from + n < end && n < max && m->bit[from + n]) {
    n++;
  }
  return n;
}

static void compare_runs(const uint64_t *w, const model_t *m, seed_t *s) {
  uint64_t end = seed_below(s, BITS + 1);
  uint64_t from = seed_below(s, end + 1);
  uint64_t max = 1 + seed_below(s, 200);
  uint64_t at;
  uint64_t expected_at;
  uint64_t n = model_run(m, from, end, max, &expected_at);

  ck_assert_uint_eq(sluice__bitmap_next_run(w, from, end, max, &at), n);
  ck_assert_uint_eq(at, expected_at);
}

START_TEST(random_ranges_agree_with_a_model) {
  seed_t s = seed_open(_i);
  uint64_t *w = sluice__bitmap_new(BITS);
  model_t m = {{0}};

  for (int i = 0; i < 20000; i++) {
    uint64_t from = seed_below(&s, BITS);
    uint64_t n = seed_below(&s, seed_below(&s, 2) ? 5 : BITS - from + 1);

    n = n > BITS - from ? BITS - from : n;
    if (seed_below(&s, 2)) {
      ck_assert_uint_eq(sluice__bitmap_set(w, from, n),
                        model_set(&m, from, n, 1));
    } else {
      ck_assert_uint_eq(sluice__bitmap_clear(w, from, n),
                        model_set(&m, from, n, 0));
    }
    ck_assert_int_eq(sluice__bitmap_test(w, from), m.bit[from]);
    compare_runs(w, &m, &s);
  }
  sluice__bitmap_free(w, BITS);
}
END_TEST

START_TEST(merge_sets_what_is_set_in_the_other_and_only_in_range) {
  uint64_t *a = sluice__bitmap_new(BITS);
  uint64_t *b = sluice__bitmap_new(BITS);

  (void)sluice__bitmap_set(a, 10, 10);
  (void)sluice__bitmap_set(b, 0, BITS);
  ck_assert_uint_eq(sluice__bitmap_merge(a, b, 5, 100), 90);
  ck_assert_uint_eq(sluice__bitmap_count(a, 5, 100), 100);
  ck_assert_uint_eq(sluice__bitmap_count(a, 0, BITS), 100);
  sluice__bitmap_free(a, BITS);
  sluice__bitmap_free(b, BITS);
}
END_TEST

Suite *bitmap_suite(void);

Suite *bitmap_suite(void) {
  Suite *s = suite_create("bitmap");
  TCase *core = tcase_create("core");

  tcase_add_test(core, set_counts_only_bits_that_were_clear);
  tcase_add_test(core, clear_counts_only_bits_that_were_set);
  tcase_add_test(core, an_empty_range_changes_nothing);
  tcase_add_test(core, a_run_ends_at_a_gap_at_the_end_or_at_the_limit);
  tcase_add_test(core, no_run_is_found_in_an_empty_range);
  tcase_add_test(core, merge_sets_what_is_set_in_the_other_and_only_in_range);
  tcase_add_loop_test(core, random_ranges_agree_with_a_model, 0, 4);
  suite_add_tcase(s, core);
  return s;
}
