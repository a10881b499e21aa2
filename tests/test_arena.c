/* test_arena.c - memory that a dialect keeps until the end of its stream. */
#include "stream/arena.h"

#include <check.h>
#include <stdint.h>
#include <string.h>
#include <uv.h>

#include <sluice/error.h>

#include "counting_alloc.h"
#include "suite.h"

static counting_alloc_t count;
static sluice__arena_t arena;

static void setup_max(size_t max) {
  sluice_alloc_t alloc;

  counting_alloc_init(&count);
  alloc = counting_alloc_of(&count);
  sluice__arena_init(&arena, &alloc, max);
}

static void setup(void) {
  setup_max(1024 * 1024);
}

static void teardown(void) {
  sluice__arena_done(&arena);
  ck_assert_uint_eq(count.live, 0);
}

START_TEST(a_size_that_cannot_be_rounded_up_is_refused) {
  int code = 0;

  ck_assert_ptr_null(sluice__arena_alloc(&arena, SIZE_MAX, &code));
  ck_assert_int_eq(code, SLUICE_ELIMIT);
  ck_assert_uint_eq(count.calls, 0);
}
END_TEST

START_TEST(no_more_is_held_than_the_limit) {
  int code = 0;

  arena.max = 10000;
  while (sluice__arena_alloc(&arena, 100, &code) != NULL) {
    ck_assert_uint_le(arena.held, 10000);
  }
  ck_assert_int_eq(code, SLUICE_ELIMIT);
  ck_assert_uint_gt(arena.held, 9000); /* small chunks near the end */
}
END_TEST

START_TEST(a_limit_lowered_under_what_is_held_refuses_more) {
  int code = 0;

  ck_assert_ptr_nonnull(sluice__arena_alloc(&arena, 100, &code));
  arena.max = 1;
  ck_assert_ptr_null(sluice__arena_alloc(&arena, 5000, &code));
  ck_assert_int_eq(code, SLUICE_ELIMIT);
}
END_TEST

START_TEST(a_failed_allocation_leaves_what_is_there) {
  char *name;
  int code = 0;

  name = sluice__arena_name(&arena, "abc", 3, &code);
  ck_assert_ptr_nonnull(name);
  count.fail_at = count.calls;
  ck_assert_ptr_null(sluice__arena_alloc(&arena, 5000, &code));
  ck_assert_int_eq(code, UV_ENOMEM);
  ck_assert_str_eq(name, "abc");
}
END_TEST

START_TEST(a_name_that_does_not_fit_is_none) {
  int code = 0;

  arena.max = 100;
  ck_assert_ptr_null(sluice__arena_name(&arena, "abc", 300, &code));
  ck_assert_int_eq(code, SLUICE_ELIMIT);
}
END_TEST

Suite *arena_suite(void) {
  Suite *s = suite_create("arena");
  TCase *core = tcase_create("core");

  tcase_add_checked_fixture(core, setup, teardown);
  tcase_add_test(core, a_size_that_cannot_be_rounded_up_is_refused);
  tcase_add_test(core, no_more_is_held_than_the_limit);
  tcase_add_test(core, a_limit_lowered_under_what_is_held_refuses_more);
  tcase_add_test(core, a_failed_allocation_leaves_what_is_there);
  tcase_add_test(core, a_name_that_does_not_fit_is_none);
  suite_add_tcase(s, core);
  return s;
}
