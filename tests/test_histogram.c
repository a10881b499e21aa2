/* test_histogram.c - the counts that the bench's latencies are told from. */
#include "histogram.h"

#include <check.h>
#include <stdlib.h>

#include "suite.h"

static histogram_t h;

static void add_all(uint64_t from, uint64_t to) {
  histogram_clear(&h);
  for (uint64_t ns = from; ns <= to; ns++) {
    histogram_add(&h, ns);
  }
}

START_TEST(an_empty_histogram_tells_0) {
  histogram_clear(&h);
  ck_assert_uint_eq(histogram_at(&h, 0), 0);
  ck_assert_uint_eq(histogram_at(&h, 1), 0);
}
END_TEST

START_TEST(values_under_256_are_told_exactly) {
  add_all(0, 255);
  for (unsigned i = 1; i <= 256; i++) {
    ck_assert_uint_eq(histogram_at(&h, i / 256.0), i - 1);
  }
}
END_TEST

START_TEST(a_value_of_any_size_is_told_to_within_1_percent) {
  for (uint64_t ns = 1; ns < UINT64_C(1) << 40; ns += ns / 3 + 1) {
    uint64_t told;

    histogram_clear(&h);
    histogram_add(&h, ns);
    histogram_add(&h, UINT64_C(1) << 40); /* or the highest would be told */
    histogram_add(&h, UINT64_C(1) << 40);
    told = histogram_at(&h, 0.33);
    ck_assert_uint_ge(told, ns);
    ck_assert_uint_le(told, ns + ns / 100);
  }
}
END_TEST

/* Against the values themselves, sorted. */
static int compare(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a;
  uint64_t y = *(const uint64_t *)b;

  return (x > y) - (x < y);
}

START_TEST(a_share_is_that_of_the_sorted_values) {
  enum { COUNT = 1000 };
  static uint64_t values[COUNT];
  uint64_t seed = 7;

  histogram_clear(&h);
  for (size_t i = 0; i < COUNT; i++) {
    seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
    values[i] = seed >> (24 + seed % 40);
    histogram_add(&h, values[i]);
  }
  qsort(values, COUNT, sizeof(*values), compare);
  for (unsigned i = 1; i <= COUNT; i++) {
    uint64_t told = histogram_at(&h, i / (double)COUNT);

    ck_assert_uint_ge(told, values[i - 1]);
    ck_assert_uint_le(told, values[i - 1] + values[i - 1] / 100);
  }
}
END_TEST

START_TEST(a_share_that_is_no_whole_count_is_rounded_up) {
  add_all(1, 10);
  ck_assert_uint_eq(histogram_at(&h, 0.84), 9);
  ck_assert_uint_eq(histogram_at(&h, 0.9), 9);
  ck_assert_uint_eq(histogram_at(&h, 0.91), 10);
}
END_TEST

START_TEST(a_percentage_of_a_round_count_is_not_rounded_up) {
  histogram_clear(&h);
  for (unsigned i = 0; i < 999; i++) {
    histogram_add(&h, 1);
  }
  histogram_add(&h, 100);
  ck_assert_uint_eq(histogram_at(&h, 99.9 / 100), 1);
  ck_assert_uint_eq(histogram_at(&h, 1 - 0.1 / 100), 1);
}
END_TEST

START_TEST(the_whole_is_the_highest_value_as_it_was) {
  add_all(1, 3);
  histogram_add(&h, 1000003);
  ck_assert_uint_eq(histogram_at(&h, 1), 1000003);
}
END_TEST

START_TEST(a_value_past_the_last_cell_is_kept_as_the_highest) {
  add_all(1, 3);
  histogram_add(&h, UINT64_MAX);
  ck_assert_uint_eq(histogram_at(&h, 0.75), 3);
  ck_assert_uint_eq(histogram_at(&h, 1), UINT64_MAX);
}
END_TEST

START_TEST(clearing_forgets_all) {
  add_all(1, 1000);
  histogram_clear(&h);
  histogram_add(&h, 5);
  ck_assert_uint_eq(histogram_at(&h, 1), 5);
}
END_TEST

Suite *histogram_suite(void) {
  Suite *s = suite_create("histogram");
  TCase *t = tcase_create("histogram");

  tcase_add_test(t, an_empty_histogram_tells_0);
  tcase_add_test(t, values_under_256_are_told_exactly);
  tcase_add_test(t, a_value_of_any_size_is_told_to_within_1_percent);
  tcase_add_test(t, a_share_is_that_of_the_sorted_values);
  tcase_add_test(t, a_share_that_is_no_whole_count_is_rounded_up);
  tcase_add_test(t, a_percentage_of_a_round_count_is_not_rounded_up);
  tcase_add_test(t, the_whole_is_the_highest_value_as_it_was);
  tcase_add_test(t, a_value_past_the_last_cell_is_kept_as_the_highest);
  tcase_add_test(t, clearing_forgets_all);
  suite_add_tcase(s, t);
  return s;
}
