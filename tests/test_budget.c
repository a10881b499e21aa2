/* test_budget.c - the arithmetic of budgets, with a clock that is told. */
#include "budget.h"

#include <check.h>

#include "suite.h"

typedef struct told_s {
  uint64_t now_ns;
  unsigned reads;
} told_t;

static told_t told;

static uint64_t read_told(void *ctx) {
  told_t *t = ctx;

  t->reads++;
  return t->now_ns;
}

static const sluice__clock_t clock_told = {read_told, &told};

static void open_budget(sluice__budget_t *b, uint64_t bytes, uint64_t ns) {
  told = (told_t){.now_ns = 5000};
  sluice__budget_open(b, &clock_told, bytes, ns);
}

START_TEST(a_new_budget_has_all_its_bytes_and_does_not_yield) {
  sluice__budget_t b;

  open_budget(&b, 100, 1000);
  ck_assert_uint_eq(sluice__budget_left(&b), 100);
  ck_assert(!sluice__budget_should_yield(&b));
}
END_TEST

START_TEST(bytes_end_a_budget) {
  sluice__budget_t b;

  open_budget(&b, 100, UINT64_MAX);
  sluice__budget_charge(&b, 99);
  ck_assert(!sluice__budget_should_yield(&b));
  sluice__budget_charge(&b, 1);
  ck_assert(sluice__budget_should_yield(&b));
  ck_assert_uint_eq(sluice__budget_left(&b), 0);
}
END_TEST

START_TEST(a_charge_beyond_the_bytes_is_kept_as_debt) {
  sluice__budget_t b;

  open_budget(&b, 100, UINT64_MAX);
  sluice__budget_charge(&b, 250);
  ck_assert_int_eq(b.bytes_left, -150);
  ck_assert_uint_eq(b.bytes_used, 250);
  ck_assert_uint_eq(sluice__budget_left(&b), 0);
}
END_TEST

START_TEST(absurd_charges_saturate) {
  sluice__budget_t b;

  open_budget(&b, 100, UINT64_MAX);
  for (int i = 0; i < 4; i++) {
    sluice__budget_charge(&b, UINT64_MAX);
  }
  ck_assert_uint_eq(b.bytes_used, UINT64_MAX);
  ck_assert_int_lt(b.bytes_left, 0);
  ck_assert(sluice__budget_should_yield(&b));
}
END_TEST

START_TEST(an_unlimited_budget_does_not_end_and_reads_no_clock) {
  sluice__budget_t b;

  open_budget(&b, UINT64_MAX, UINT64_MAX);
  for (int i = 0; i < 1000; i++) {
    sluice__budget_charge(&b, (uint64_t)1 << 40);
    told.now_ns += (uint64_t)1 << 50;
    ck_assert(!sluice__budget_should_yield(&b));
  }
  ck_assert_uint_eq(told.reads, 1);
}
END_TEST

START_TEST(time_ends_a_budget_at_the_deadline_and_not_before) {
  sluice__budget_t b;

  open_budget(&b, UINT64_MAX, 1000);
  told.now_ns += 999;
  sluice__budget_charge(&b, SLUICE__BUDGET_CLOCK_BYTES);
  ck_assert(!sluice__budget_should_yield(&b));
  told.now_ns += 1;
  sluice__budget_charge(&b, SLUICE__BUDGET_CLOCK_BYTES);
  ck_assert(sluice__budget_should_yield(&b));
  ck_assert_uint_eq(sluice__budget_left(&b), 0);
}
END_TEST

START_TEST(a_budget_of_no_time_is_spent_when_opened) {
  sluice__budget_t b;

  open_budget(&b, 100, 0);
  ck_assert(sluice__budget_should_yield(&b));
  ck_assert_uint_eq(sluice__budget_left(&b), 0);
}
END_TEST

START_TEST(a_deadline_beyond_the_end_of_time_is_none) {
  sluice__budget_t b;

  told = (told_t){.now_ns = UINT64_MAX - 10};
  sluice__budget_open(&b, &clock_told, 100, 1000);
  ck_assert_uint_eq(b.deadline_ns, UINT64_MAX);
  ck_assert(!sluice__budget_should_yield(&b));
}
END_TEST

START_TEST(the_clock_is_not_read_for_little_work) {
  sluice__budget_t b;

  open_budget(&b, UINT64_MAX, 1000);
  told.now_ns += 5000;
  sluice__budget_charge(&b, SLUICE__BUDGET_CLOCK_BYTES - 1);
  for (int i = 0; i < SLUICE__BUDGET_CLOCK_STEPS - 1; i++) {
    ck_assert(!sluice__budget_should_yield(&b));
  }
  ck_assert_uint_eq(told.reads, 1);
}
END_TEST

START_TEST(the_clock_is_read_after_enough_bytes) {
  sluice__budget_t b;

  open_budget(&b, UINT64_MAX, 1000);
  told.now_ns += 5000;
  sluice__budget_charge(&b, SLUICE__BUDGET_CLOCK_BYTES);
  ck_assert(sluice__budget_should_yield(&b));
  ck_assert_uint_eq(told.reads, 2);
}
END_TEST

START_TEST(the_clock_is_read_after_enough_questions) {
  sluice__budget_t b;
  int asked = 1;

  open_budget(&b, UINT64_MAX, 1000);
  told.now_ns += 5000;
  while (!sluice__budget_should_yield(&b)) {
    asked++;
  }
  ck_assert_int_eq(asked, SLUICE__BUDGET_CLOCK_STEPS);
}
END_TEST

START_TEST(spent_time_is_not_looked_up_again) {
  sluice__budget_t b;

  open_budget(&b, UINT64_MAX, 0);
  for (int i = 0; i < 100; i++) {
    ck_assert(sluice__budget_should_yield(&b));
  }
  ck_assert_uint_eq(told.reads, 1);
}
END_TEST

START_TEST(a_clock_that_goes_back_gives_no_time_back) {
  sluice__budget_t b;

  open_budget(&b, UINT64_MAX, 1000);
  told.now_ns += 900;
  ck_assert_uint_eq(sluice__budget_read_clock(&b), 5900);
  told.now_ns -= 800;
  ck_assert_uint_eq(sluice__budget_read_clock(&b), 5900);
}
END_TEST

START_TEST(a_share_has_the_lesser_of_both_bytes) {
  sluice__budget_t b;
  sluice__budget_t share;

  open_budget(&b, 100, UINT64_MAX);
  sluice__budget_share(&share, &b, 30);
  ck_assert_uint_eq(sluice__budget_left(&share), 30);
  sluice__budget_share(&share, &b, 300);
  ck_assert_uint_eq(sluice__budget_left(&share), 100);
}
END_TEST

START_TEST(a_share_of_a_spent_budget_is_spent) {
  sluice__budget_t b;
  sluice__budget_t share;

  open_budget(&b, 100, UINT64_MAX);
  sluice__budget_charge(&b, 150);
  sluice__budget_share(&share, &b, 30);
  ck_assert(sluice__budget_should_yield(&share));
  open_budget(&b, 100, 0);
  sluice__budget_share(&share, &b, 30);
  ck_assert(sluice__budget_should_yield(&share));
}
END_TEST

START_TEST(a_share_is_never_later_than_its_parent) {
  sluice__budget_t b;
  sluice__budget_t share;

  open_budget(&b, UINT64_MAX, 1000);
  sluice__budget_share(&share, &b, UINT64_MAX);
  told.now_ns += 1000;
  sluice__budget_charge(&share, SLUICE__BUDGET_CLOCK_BYTES);
  ck_assert(sluice__budget_should_yield(&share));
}
END_TEST

START_TEST(settling_charges_the_parent_and_tells_it_the_time) {
  sluice__budget_t b;
  sluice__budget_t share;

  open_budget(&b, 100000, 1000);
  sluice__budget_share(&share, &b, 50000);
  told.now_ns += 1500;
  sluice__budget_charge(&share, 20000);
  ck_assert(sluice__budget_should_yield(&share));
  sluice__budget_settle(&b, &share);
  ck_assert_uint_eq(b.bytes_used, 20000);
  ck_assert_int_eq(b.bytes_left, 80000);
  ck_assert(sluice__budget_should_yield(&b));
  ck_assert_uint_eq(told.reads, 2);
}
END_TEST

START_TEST(many_small_shares_do_not_keep_the_clock_from_being_read) {
  sluice__budget_t b;
  int shares = 0;

  open_budget(&b, UINT64_MAX, 1000);
  told.now_ns += 5000;
  while (!b.expired && shares < 1000) {
    sluice__budget_t share;

    sluice__budget_share(&share, &b, 100);
    sluice__budget_charge(&share, 10);
    (void)sluice__budget_should_yield(&share);
    sluice__budget_settle(&b, &share);
    shares++;
  }
  ck_assert_int_eq(shares, SLUICE__BUDGET_CLOCK_STEPS);
}
END_TEST

static void add_shares(Suite *s) {
  TCase *tc = tcase_create("shares");

  tcase_add_test(tc, a_share_has_the_lesser_of_both_bytes);
  tcase_add_test(tc, a_share_of_a_spent_budget_is_spent);
  tcase_add_test(tc, a_share_is_never_later_than_its_parent);
  tcase_add_test(tc, settling_charges_the_parent_and_tells_it_the_time);
  tcase_add_test(tc, many_small_shares_do_not_keep_the_clock_from_being_read);
  suite_add_tcase(s, tc);
}

Suite *budget_suite(void) {
  Suite *s = suite_create("budget");
  TCase *tc = tcase_create("core");

  tcase_add_test(tc, a_new_budget_has_all_its_bytes_and_does_not_yield);
  tcase_add_test(tc, bytes_end_a_budget);
  tcase_add_test(tc, a_charge_beyond_the_bytes_is_kept_as_debt);
  tcase_add_test(tc, absurd_charges_saturate);
  tcase_add_test(tc, an_unlimited_budget_does_not_end_and_reads_no_clock);
  tcase_add_test(tc, time_ends_a_budget_at_the_deadline_and_not_before);
  tcase_add_test(tc, a_budget_of_no_time_is_spent_when_opened);
  tcase_add_test(tc, a_deadline_beyond_the_end_of_time_is_none);
  tcase_add_test(tc, the_clock_is_not_read_for_little_work);
  tcase_add_test(tc, the_clock_is_read_after_enough_bytes);
  tcase_add_test(tc, the_clock_is_read_after_enough_questions);
  tcase_add_test(tc, spent_time_is_not_looked_up_again);
  tcase_add_test(tc, a_clock_that_goes_back_gives_no_time_back);
  suite_add_tcase(s, tc);
  add_shares(s);
  return s;
}
