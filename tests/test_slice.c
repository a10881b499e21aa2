/* test_slice.c - how the length of a turn follows what the host does. */
#include "slice.h"

#include <check.h>

#include "suite.h"

enum { FLOOR = 50 * 1000, CEILING = 500 * 1000, BUSY = 100 * 1000, IDLE = 500 };

static sluice__slice_t slice;

static void setup(void) {
  sluice__slice_init(&slice, FLOOR, CEILING);
}

static void adapt(uint64_t host_ns, unsigned turns) {
  for (unsigned i = 0; i < turns; i++) {
    sluice__slice_adapt(&slice, host_ns);
  }
}

START_TEST(a_busy_host_gets_the_floor_within_four_turns) {
  ck_assert_uint_eq(slice.now_ns, CEILING);
  adapt(BUSY, 4);
  ck_assert_uint_eq(slice.now_ns, FLOOR);
}
END_TEST

START_TEST(it_never_falls_below_the_floor) {
  adapt(UINT64_MAX, 100);
  ck_assert_uint_eq(slice.now_ns, FLOOR);
}
END_TEST

START_TEST(an_idle_host_gives_the_ceiling_within_eleven_turns) {
  adapt(BUSY, 10);
  adapt(IDLE, 10);
  ck_assert_uint_lt(slice.now_ns, CEILING);
  adapt(IDLE, 1);
  ck_assert_uint_eq(slice.now_ns, CEILING);
}
END_TEST

START_TEST(it_never_grows_over_the_ceiling) {
  adapt(0, 100);
  ck_assert_uint_eq(slice.now_ns, CEILING);
}
END_TEST

/* The host is called once in so many turns; then the slice settles where
 * growing and halving balance. */
START_TEST(a_host_that_is_called_now_and_then_gets_something_between) {
  for (int i = 0; i < 100; i++) {
    adapt(BUSY, 1);
    adapt(IDLE, 2);
  }
  ck_assert_uint_lt(slice.now_ns, CEILING / 2);
  adapt(IDLE, 20);
  for (int i = 0; i < 100; i++) {
    adapt(BUSY, 1);
    adapt(IDLE, 8);
  }
  ck_assert_uint_gt(slice.now_ns, CEILING / 2);
}
END_TEST

START_TEST(a_floor_at_the_ceiling_keeps_it_fixed) {
  sluice__slice_init(&slice, CEILING + 1, CEILING);
  adapt(BUSY, 10);
  ck_assert_uint_eq(slice.now_ns, CEILING);
}
END_TEST

START_TEST(any_ceiling_is_reached_without_overflow) {
  sluice__slice_init(&slice, 1, UINT64_MAX);
  adapt(BUSY, 64);
  ck_assert_uint_eq(slice.now_ns, 1);
  adapt(IDLE, 400);
  ck_assert_uint_eq(slice.now_ns, UINT64_MAX);
}
END_TEST

START_TEST(bytes_go_with_the_time) {
  ck_assert_uint_eq(sluice__slice_bytes(&slice, UINT64_MAX), UINT64_MAX);
  adapt(BUSY, 4);
  ck_assert_uint_eq(sluice__slice_bytes(&slice, 10 * 1024 * 1024), 1024 * 1024);
}
END_TEST

START_TEST(a_little_is_never_made_less) {
  adapt(BUSY, 4);
  ck_assert_uint_eq(sluice__slice_bytes(&slice, 100), 100);
  ck_assert_uint_eq(sluice__slice_bytes(&slice, 1024 * 1024), 512 * 1024);
}
END_TEST

Suite *slice_suite(void) {
  Suite *s = suite_create("slice");
  TCase *c = tcase_create("slice");

  tcase_add_checked_fixture(c, setup, NULL);
  tcase_add_test(c, a_busy_host_gets_the_floor_within_four_turns);
  tcase_add_test(c, it_never_falls_below_the_floor);
  tcase_add_test(c, an_idle_host_gives_the_ceiling_within_eleven_turns);
  tcase_add_test(c, it_never_grows_over_the_ceiling);
  tcase_add_test(c, a_host_that_is_called_now_and_then_gets_something_between);
  tcase_add_test(c, a_floor_at_the_ceiling_keeps_it_fixed);
  tcase_add_test(c, any_ceiling_is_reached_without_overflow);
  tcase_add_test(c, bytes_go_with_the_time);
  tcase_add_test(c, a_little_is_never_made_less);
  suite_add_tcase(s, c);
  return s;
}
