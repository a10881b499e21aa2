/* test_preimage.c - a bounded store of pages, in memory and in a file. */
#include "ram/preimage.h"

#include <check.h>
#include <string.h>
#include <sys/resource.h>
#include <uv.h>

#include <sluice/error.h>

#include "seed.h"

enum { PAGE = 4096, SLOTS = 4 };

static sluice__preimages_t store;
static uint8_t page[PAGE];

static int put(uint64_t n, uint64_t limit) {
  const sluice__preimage_t at = {.region = (uint32_t)n % 7, .page = n};

  memset(page, (int)(n % 251), sizeof(page));
  return sluice__preimages_put(&store, &at, page, limit);
}

/* The oldest, which must be as it was put; its number. */
static uint64_t take(void) {
  sluice__preimage_t at;
  const uint8_t *data;

  ck_assert_int_eq(sluice__preimages_first(&store, &at, &data), 1);
  ck_assert_uint_eq(at.region, at.page % 7);
  ck_assert_uint_eq(data[0], at.page % 251);
  ck_assert_uint_eq(data[PAGE - 1], at.page % 251);
  sluice__preimages_pop(&store);
  return at.page;
}

static void open_store(const char *spill_dir) {
  ck_assert_int_eq(
      sluice__preimages_open(&store, PAGE, SLOTS * PAGE, spill_dir), 0);
}

static void done(void) {
  sluice__preimages_close(&store);
  sluice__preimages_close(&store);
}

START_TEST(pages_come_out_in_the_order_they_went_in) {
  open_store(NULL);
  for (uint64_t i = 0; i < 30; i++) {
    ck_assert_int_eq(put(i, UINT64_MAX), 0);
    ck_assert_int_eq(put(i + 100, UINT64_MAX), 0);
    ck_assert_uint_eq(take(), i);
    ck_assert_uint_eq(take(), i + 100);
  }
}
END_TEST

START_TEST(a_full_store_refuses) {
  open_store(NULL);
  for (uint64_t i = 0; i < SLOTS; i++) {
    ck_assert_int_eq(put(i, UINT64_MAX), 0);
  }
  ck_assert_int_eq(put(9, UINT64_MAX), SLUICE_ELIMIT);
  ck_assert_uint_eq(take(), 0);
  ck_assert_int_eq(put(9, UINT64_MAX), 0);
  ck_assert_uint_eq(store.peak, SLOTS * PAGE);
}
END_TEST

START_TEST(a_limit_below_the_store_is_kept) {
  open_store(NULL);
  ck_assert_int_eq(put(1, 2 * PAGE), 0);
  ck_assert_int_eq(put(2, 2 * PAGE), 0);
  ck_assert_int_eq(put(3, 2 * PAGE), SLUICE_ELIMIT);
  ck_assert_int_eq(put(3, 3 * PAGE), 0);
}
END_TEST

START_TEST(an_empty_store_gives_nothing) {
  sluice__preimage_t at;
  const uint8_t *data;

  open_store(_i == 0 ? NULL : "/var/tmp");
  ck_assert_int_eq(sluice__preimages_first(&store, &at, &data), 0);
}
END_TEST

/* A put between first and pop must not make pop take another. */
START_TEST(puts_may_come_while_the_oldest_is_looked_at) {
  sluice__preimage_t at;
  const uint8_t *data;

  open_store("/var/tmp");
  for (uint64_t i = 0; i < SLOTS + 1; i++) {
    ck_assert_int_eq(put(i, UINT64_MAX), 0);
  }
  for (uint64_t i = 0; i < SLOTS; i++) {
    ck_assert_uint_eq(take(), i);
  }
  ck_assert_int_eq(sluice__preimages_first(&store, &at, &data), 1);
  ck_assert_uint_eq(at.page, SLOTS); /* from the file */
  ck_assert_int_eq(put(50, UINT64_MAX), 0);
  ck_assert_uint_eq(data[0], SLOTS);
  sluice__preimages_pop(&store);
  ck_assert_uint_eq(take(), 50);
  ck_assert_uint_eq(sluice__preimages_count(&store), 0);
}
END_TEST

START_TEST(each_page_comes_out_once_whatever_the_order_of_calls) {
  seed_t s = seed_open(_i);
  uint8_t is_in[2000] = {0};
  uint64_t n = 0;

  open_store("/var/tmp");
  while (n < sizeof(is_in) || sluice__preimages_count(&store) > 0) {
    if (n < sizeof(is_in) && seed_below(&s, 100) < 55) {
      is_in[n] = 1;
      ck_assert_int_eq(put(n++, UINT64_MAX), 0);
    } else if (sluice__preimages_count(&store) > 0) {
      uint64_t got = take();

      ck_assert_uint_eq(is_in[got], 1);
      is_in[got] = 0;
    }
  }
  ck_assert_ptr_null(memchr(is_in, 1, sizeof(is_in)));
}
END_TEST

START_TEST(a_file_that_cannot_grow_is_an_error_and_not_a_page) {
  const struct rlimit none = {.rlim_cur = 0, .rlim_max = RLIM_INFINITY};

  open_store("/var/tmp");
  for (uint64_t i = 0; i < SLOTS; i++) {
    ck_assert_int_eq(put(i, UINT64_MAX), 0);
  }
  (void)signal(SIGXFSZ, SIG_IGN);
  ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &none), 0);
  ck_assert_int_eq(put(9, UINT64_MAX), UV_EFBIG);
  ck_assert_uint_eq(sluice__preimages_count(&store), SLOTS);
}
END_TEST

START_TEST(a_folder_that_is_not_there_is_refused) {
  ck_assert_int_eq(sluice__preimages_open(&store, PAGE, PAGE, "/nonexistent"),
                   UV_ENOENT);
}
END_TEST

Suite *preimage_suite(void);

Suite *preimage_suite(void) {
  Suite *s = suite_create("preimage");
  TCase *t = tcase_create("core");

  tcase_add_checked_fixture(t, NULL, done);
  tcase_add_test(t, pages_come_out_in_the_order_they_went_in);
  tcase_add_test(t, a_full_store_refuses);
  tcase_add_test(t, a_limit_below_the_store_is_kept);
  tcase_add_loop_test(t, an_empty_store_gives_nothing, 0, 2);
  tcase_add_test(t, puts_may_come_while_the_oldest_is_looked_at);
  tcase_add_loop_test(t, each_page_comes_out_once_whatever_the_order_of_calls,
                      0, 4);
  tcase_add_test(t, a_file_that_cannot_grow_is_an_error_and_not_a_page);
  tcase_add_test(t, a_folder_that_is_not_there_is_refused);
  suite_add_tcase(s, t);
  return s;
}
