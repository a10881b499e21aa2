/* test_delta.c - XBZRLE: what a delta does to a page, and what is refused. */
#include <sluice/decoder.h>

#include <string.h>

#include "suite.h"

enum { PAGE = 4096 };

static uint8_t page[PAGE];
static sluice_error_t err;

static void set_up(void) {
  memset(page, 0xaa, sizeof(page));
  memset(&err, 0, sizeof(err));
}

static int apply(const char *delta, size_t len) {
  return sluice_delta_apply(page, sizeof(page), (const uint8_t *)delta, len,
                            &err);
}

START_TEST(an_empty_delta_changes_nothing) {
  ck_assert_int_eq(apply("", 0), 0);
  ck_assert_uint_eq(page[0], 0xaa);
}
END_TEST

START_TEST(changed_bytes_go_behind_unchanged_ones) {
  ck_assert_int_eq(apply("\x02\x03xyz", 5), 0);
  ck_assert_mem_eq(page, "\xaa\xaaxyz\xaa", 6);
}
END_TEST

START_TEST(the_first_pair_may_begin_with_a_change) {
  ck_assert_int_eq(apply("\x00\x01x\x01\x01y", 6), 0);
  ck_assert_mem_eq(page, "x\xaay\xaa", 4);
}
END_TEST

START_TEST(counts_over_127_take_two_bytes) {
  ck_assert_int_eq(apply("\xff\x1f\x01z", 4), 0); /* 4095 */
  ck_assert_uint_eq(page[PAGE - 2], 0xaa);
  ck_assert_uint_eq(page[PAGE - 1], 'z');
}
END_TEST

static const struct {
  const char *what;
  const char *delta;
  size_t len;
} malformed[] = {
    {"no change after the unchanged", "\x02", 1},
    {"zero changed bytes", "\x02\x00", 2},
    {"zero unchanged bytes in the second pair", "\x00\x01x\x00\x01y", 6},
    {"fewer bytes than it says", "\x00\x03xy", 4},
    {"half a count", "\x80", 1},
    {"a count of three bytes", "\x80\x80\x01\x01x", 5},
    {"over the end of the page", "\xff\x1f\x02zz", 5},
    {"unchanged up to the very end", "\x80\x20\x01z", 4},
    {"unchanged over the end", "\xff\x7f\x01z", 4},
};

START_TEST(malformed_deltas_are_refused) {
  int r = apply(malformed[_i].delta, malformed[_i].len);

  ck_assert_msg(r == SLUICE_ECORRUPT, "%s: got %d", malformed[_i].what, r);
  ck_assert_ptr_nonnull(strstr(err.message, "delta"));
}
END_TEST

/* Whatever two bytes a delta begins with, it stays within the page. */
START_TEST(every_beginning_stays_within_the_page) {
  char delta[8] = {0, 0, 1, 'a', 1, 1, 'b', 'c'};

  for (unsigned i = 0; i < 65536; i++) {
    delta[0] = (char)(i & 0xff);
    delta[1] = (char)(i >> 8);
    (void)sluice_delta_apply(page, 64, (const uint8_t *)delta, sizeof(delta),
                             NULL);
    ck_assert_uint_eq(page[64], 0xaa);
  }
}
END_TEST

Suite *delta_suite(void) {
  Suite *s = suite_create("delta");
  TCase *tc = tcase_create("core");

  tcase_add_checked_fixture(tc, set_up, NULL);
  tcase_add_test(tc, an_empty_delta_changes_nothing);
  tcase_add_test(tc, changed_bytes_go_behind_unchanged_ones);
  tcase_add_test(tc, the_first_pair_may_begin_with_a_change);
  tcase_add_test(tc, counts_over_127_take_two_bytes);
  tcase_add_test(tc, every_beginning_stays_within_the_page);
  tcase_add_loop_test(tc, malformed_deltas_are_refused, 0,
                      sizeof(malformed) / sizeof(*malformed));
  suite_add_tcase(s, tc);
  return s;
}
