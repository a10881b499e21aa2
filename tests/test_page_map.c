/* test_page_map.c - where the latest copy of every page stands. */
#include "stream/page_map.h"

#include <check.h>
#include <string.h>
#include <uv.h>

#include "counting_alloc.h"
#include "stream/zero.h"
#include "suite.h"

enum { BLOCK = SLUICE__PAGE_BLOCK, PAGE = 4096, DATA = 1024 * 1024 };

static counting_alloc_t count;
static sluice__page_map_t map;
static uint64_t dropped;

static void setup(void) {
  sluice_alloc_t alloc;

  counting_alloc_init(&count);
  alloc = counting_alloc_of(&count);
  sluice__page_map_init(&map, &alloc);
  ck_assert_int_eq(sluice__page_map_region(&map, 3 * BLOCK), 0);
}

static void teardown(void) {
  sluice__page_map_done(&map);
  ck_assert_uint_eq(count.live, 0);
}

static void set_data(uint64_t page, uint64_t data) {
  uint64_t *slot = sluice__page_map_slot(&map, 0, page);

  ck_assert_ptr_nonnull(slot);
  *slot = data;
}

static void next_is(uint64_t from, uint64_t page, uint64_t n, uint64_t data) {
  sluice__page_run_t run = {0};

  ck_assert(sluice__page_map_next(&map, 0, PAGE, from, &run));
  ck_assert_uint_eq(run.page, page);
  ck_assert_uint_eq(run.count, n);
  ck_assert_uint_eq(run.data, data);
}

START_TEST(a_page_in_a_block_of_zeros_is_told_apart) {
  ck_assert_int_eq(sluice__page_map_zero(&map, 0, 0, 2 * BLOCK, &dropped), 0);
  set_data(BLOCK + 5, DATA);
  next_is(0, 0, BLOCK + 5, 0);
  next_is(BLOCK + 5, BLOCK + 5, 1, DATA);
  next_is(BLOCK + 6, BLOCK + 6, BLOCK - 6, 0);
}
END_TEST

START_TEST(zeros_over_zeros_change_nothing) {
  size_t calls;

  ck_assert_int_eq(sluice__page_map_zero(&map, 0, 0, BLOCK, &dropped), 0);
  calls = count.calls;
  ck_assert_int_eq(sluice__page_map_zero(&map, 0, 3, 4, &dropped), 0);
  ck_assert_uint_eq(count.calls, calls);
  next_is(0, 0, BLOCK, 0);
}
END_TEST

START_TEST(data_that_zeros_replace_is_counted) {
  set_data(7, DATA);
  dropped = 0;
  ck_assert_int_eq(sluice__page_map_zero(&map, 0, 6, 3, &dropped), 0);
  ck_assert_uint_eq(sluice__page_map_get(&map, 0, 7), SLUICE__PAGE_ZERO);
  ck_assert_uint_eq(dropped, 1);
  ck_assert_int_eq(sluice__page_map_zero(&map, 0, 7, 1, &dropped), 0);
  ck_assert_uint_eq(dropped, 1);
}
END_TEST

START_TEST(a_step_goes_over_what_is_of_one_kind) {
  ck_assert_uint_eq(sluice__page_map_step(&map, 0, 3), BLOCK);
  set_data(BLOCK + 5, DATA);
  ck_assert_uint_eq(sluice__page_map_step(&map, 0, BLOCK + 5), BLOCK + 6);
}
END_TEST

START_TEST(a_block_that_cannot_be_had_leaves_the_zeros) {
  ck_assert_int_eq(sluice__page_map_zero(&map, 0, 0, BLOCK, &dropped), 0);
  count.fail_at = count.calls;
  count.is_sticky = 1;
  ck_assert_ptr_null(sluice__page_map_slot(&map, 0, 1));
  ck_assert_int_eq(sluice__page_map_zero(&map, 0, BLOCK, 1, &dropped),
                   UV_ENOMEM);
  next_is(0, 0, BLOCK, 0);
}
END_TEST

START_TEST(hashes_are_found_in_any_block_of_records) {
  enum { RECORDS = 17 * SLUICE__RECORD_BLOCK };

  for (uint64_t i = 0; i < RECORDS; i++) {
    ck_assert_int_eq(sluice__page_map_record(&map, DATA + i * 4 * PAGE, 80 + i),
                     0);
  }
  for (uint64_t i = 0; i < RECORDS; i += 509) {
    ck_assert_uint_eq(
        sluice__page_map_hash(&map, DATA + (i * 4 + 3) * PAGE, PAGE),
        80 + i + 3 * sizeof(uint64_t));
  }
}
END_TEST

START_TEST(a_record_that_cannot_be_kept_is_told) {
  count.fail_at = count.calls + (size_t)_i;
  ck_assert_int_eq(sluice__page_map_record(&map, DATA, 80), UV_ENOMEM);
}
END_TEST

START_TEST(a_page_is_zero_only_if_every_byte_is) {
  uint8_t page[256] = {0};

  ck_assert(sluice__is_zero(page, sizeof(page)));
  for (size_t i = 0; i < sizeof(page); i++) {
    page[i] = 1;
    ck_assert(!sluice__is_zero(page, sizeof(page)));
    page[i] = 0;
  }
  page[0] = 1;
  ck_assert(sluice__is_zero(page, 0)); /* which has none that is not */
}
END_TEST

Suite *page_map_suite(void) {
  Suite *s = suite_create("page_map");
  TCase *core = tcase_create("core");

  tcase_add_checked_fixture(core, setup, teardown);
  tcase_add_test(core, a_page_in_a_block_of_zeros_is_told_apart);
  tcase_add_test(core, zeros_over_zeros_change_nothing);
  tcase_add_test(core, data_that_zeros_replace_is_counted);
  tcase_add_test(core, a_step_goes_over_what_is_of_one_kind);
  tcase_add_test(core, a_block_that_cannot_be_had_leaves_the_zeros);
  tcase_add_test(core, hashes_are_found_in_any_block_of_records);
  tcase_add_loop_test(core, a_record_that_cannot_be_kept_is_told, 0, 2);
  tcase_add_test(core, a_page_is_zero_only_if_every_byte_is);
  suite_add_tcase(s, core);
  return s;
}
