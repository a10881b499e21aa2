/* test_window.c - the stretch of input a decoder looks at. */
#include "stream/window.h"

#include <check.h>
#include <string.h>
#include <uv.h>

#include <sluice/error.h>

#include "counting_alloc.h"
#include "suite.h"

static counting_alloc_t count;
static sluice__window_t w;

static void setup_limit(size_t limit) {
  sluice_alloc_t alloc;

  counting_alloc_init(&count);
  alloc = counting_alloc_of(&count);
  ck_assert_int_eq(sluice__window_init(&w, &alloc, limit), 0);
}

static void setup(void) {
  setup_limit(4 * SLUICE__WINDOW_BYTES);
}

static void teardown(void) {
  sluice__window_done(&w);
  ck_assert_uint_eq(count.live, 0);
}

/* Byte `n` of the input is a function of n, so any stretch can be checked. */
static uint8_t byte_at(uint64_t n) {
  return (uint8_t)(n * 31 + (n >> 8));
}

static uint64_t put;

static void feed(size_t len) {
  while (len > 0) {
    size_t room;
    uint8_t *to = sluice__window_space(&w, &room);

    ck_assert_uint_gt(room, 0);
    room = room < len ? room : len;
    for (size_t i = 0; i < room; i++) {
      to[i] = byte_at(put++);
    }
    sluice__window_fill(&w, room);
    len -= room;
  }
}

static void check_peek(size_t len) {
  const uint8_t *p = sluice__window_peek(&w, len);
  size_t same = 0;

  ck_assert_ptr_nonnull(p);
  for (size_t i = 0; i < len; i++) {
    same += p[i] == byte_at(w.offset + i);
  }
  ck_assert_uint_eq(same, len);
}

START_TEST(what_was_fed_comes_out_in_order) {
  feed(1000);
  check_peek(10);
  sluice__window_take(&w, 10);
  check_peek(990);
  ck_assert_uint_eq(w.offset, 10);
  ck_assert_uint_eq(sluice__window_have(&w), 990);
}
END_TEST

START_TEST(a_peek_over_the_end_waits) {
  feed(100);
  ck_assert_ptr_null(sluice__window_peek(&w, 101));
  ck_assert_int_eq(w.code, 0);
  feed(1);
  check_peek(101);
}
END_TEST

START_TEST(what_is_left_moves_when_room_is_needed) {
  feed(SLUICE__WINDOW_BYTES);
  sluice__window_take(&w, SLUICE__WINDOW_BYTES - 7);
  feed(SLUICE__WINDOW_BYTES / 2);
  check_peek(7 + SLUICE__WINDOW_BYTES / 2);
  ck_assert_uint_eq(count.calls, 1); /* it did not grow */
}
END_TEST

START_TEST(an_item_larger_than_the_window_makes_it_grow) {
  feed(1000);
  sluice__window_take(&w, 500);
  ck_assert_ptr_null(sluice__window_peek(&w, SLUICE__WINDOW_BYTES + 1));
  feed(SLUICE__WINDOW_BYTES - 499);
  check_peek(SLUICE__WINDOW_BYTES + 1);
}
END_TEST

START_TEST(it_never_grows_over_its_limit) {
  w.both = 5 * SLUICE__WINDOW_BYTES;
  ck_assert_ptr_null(sluice__window_peek(&w, 4 * SLUICE__WINDOW_BYTES));
  ck_assert_int_eq(w.code, 0);
  ck_assert_ptr_null(sluice__window_peek(&w, 4 * SLUICE__WINDOW_BYTES + 1));
  ck_assert_int_eq(w.code, SLUICE_ELIMIT);
  ck_assert_uint_le(w.cap, w.limit);
}
END_TEST

/* While it grows there are two buffers, and both are held. */
START_TEST(growing_holds_no_more_than_the_limit) {
  ck_assert_ptr_null(sluice__window_peek(&w, 3 * SLUICE__WINDOW_BYTES));
  ck_assert_int_eq(w.code, 0);
  ck_assert_uint_le(count.peak, 4 * SLUICE__WINDOW_BYTES);
  ck_assert_ptr_null(sluice__window_peek(&w, 3 * SLUICE__WINDOW_BYTES + 1));
  ck_assert_int_eq(w.code, SLUICE_ELIMIT);
}
END_TEST

START_TEST(it_does_not_grow_for_input_that_will_not_come) {
  feed(10);
  w.eof = true;
  ck_assert_ptr_null(sluice__window_peek(&w, SLUICE__WINDOW_BYTES * 2));
  ck_assert_uint_eq(w.cap, SLUICE__WINDOW_BYTES);
}
END_TEST

START_TEST(a_failure_to_grow_leaves_what_is_there) {
  feed(100);
  count.fail_at = count.calls;
  ck_assert_ptr_null(sluice__window_peek(&w, SLUICE__WINDOW_BYTES * 2));
  ck_assert_int_eq(w.code, UV_ENOMEM);
  check_peek(100);
}
END_TEST

START_TEST(a_small_limit_makes_a_small_window) {
  sluice__window_done(&w);
  setup_limit(100);
  feed(100);
  check_peek(100);
  ck_assert_uint_eq(count.peak, 100);
}
END_TEST

START_TEST(what_is_at_the_front_already_is_not_moved) {
  size_t room;

  feed(SLUICE__WINDOW_BYTES - 100);
  ck_assert_ptr_eq(sluice__window_space(&w, &room),
                   w.base + SLUICE__WINDOW_BYTES - 100);
  ck_assert_uint_eq(room, 100);
  check_peek(SLUICE__WINDOW_BYTES - 100);
}
END_TEST

START_TEST(there_is_room_for_what_is_wanted) {
  size_t room;

  feed(SLUICE__WINDOW_BYTES);
  sluice__window_take(&w, 1000);
  ck_assert_ptr_null(sluice__window_peek(&w, SLUICE__WINDOW_BYTES));
  (void)sluice__window_space(&w, &room);
  ck_assert_uint_ge(room, 1000);
}
END_TEST

Suite *window_suite(void) {
  Suite *s = suite_create("window");
  TCase *core = tcase_create("core");

  tcase_add_checked_fixture(core, setup, teardown);
  tcase_add_test(core, what_was_fed_comes_out_in_order);
  tcase_add_test(core, a_peek_over_the_end_waits);
  tcase_add_test(core, what_is_left_moves_when_room_is_needed);
  tcase_add_test(core, an_item_larger_than_the_window_makes_it_grow);
  tcase_add_test(core, it_never_grows_over_its_limit);
  tcase_add_test(core, growing_holds_no_more_than_the_limit);
  tcase_add_test(core, it_does_not_grow_for_input_that_will_not_come);
  tcase_add_test(core, a_failure_to_grow_leaves_what_is_there);
  tcase_add_test(core, a_small_limit_makes_a_small_window);
  tcase_add_test(core, what_is_at_the_front_already_is_not_moved);
  tcase_add_test(core, there_is_room_for_what_is_wanted);
  suite_add_tcase(s, core);
  return s;
}
