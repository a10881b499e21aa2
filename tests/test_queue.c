/* test_queue.c - who runs, and in which order. How continuations end is in
 * test_queue_ends.c, fairness in test_queue_fair.c, other threads in
 * test_queue_post.c. */
#include "queue.h"

#include <check.h>
#include <string.h>

#include "queue_rig.h"
#include "suite.h"

enum { SKIPPED = 130, PLENTY = 1 << 20 };

static rig_t rig;
static job_t a, b, c, d;

static void setup(void) {
  rig_init(&rig, NULL);
}

static void wake_abc(void) {
  rig_bulk(&rig, &a, 'a');
  rig_bulk(&rig, &b, 'b');
  rig_bulk(&rig, &c, 'c');
}

START_TEST(an_empty_queue_is_done) {
  ck_assert(!sluice__queue_is_runnable(&rig.queue));
  ck_assert_int_eq(rig_drain(&rig, PLENTY), SLUICE__DONE);
}
END_TEST

START_TEST(what_is_ready_runs_in_the_order_of_its_wakeups) {
  wake_abc();
  ck_assert_int_eq(rig_drain(&rig, PLENTY), SLUICE__MORE);
  ck_assert_str_eq(rig_log(&rig), "abc");
}
END_TEST

START_TEST(waking_twice_runs_once) {
  rig_bulk(&rig, &a, 'a');
  sluice__queue_wake(&a.cont);
  (void)rig_drain(&rig, PLENTY);
  ck_assert_str_eq(rig_log(&rig), "a");
}
END_TEST

START_TEST(done_leaves_the_queue_and_is_idle) {
  rig_bulk(&rig, &a, 'a');
  a.result = SLUICE__DONE;
  ck_assert_int_eq(rig_drain(&rig, PLENTY), SLUICE__DONE);
  ck_assert_int_eq(sluice__cont_state(&a.cont), SLUICE__CONT_IDLE);
  ck_assert_int_eq(rig_drain(&rig, PLENTY), SLUICE__DONE);
  ck_assert_str_eq(rig_log(&rig), "a");
}
END_TEST

START_TEST(done_can_be_woken_into_a_new_life) {
  rig_bulk(&rig, &a, 'a');
  a.result = SLUICE__DONE;
  (void)rig_drain(&rig, PLENTY);
  sluice__queue_wake(&a.cont);
  ck_assert_int_eq(rig_drain(&rig, PLENTY), SLUICE__DONE);
  ck_assert_str_eq(rig_log(&rig), "aa");
}
END_TEST

START_TEST(wait_parks_until_woken) {
  rig_bulk(&rig, &a, 'a');
  a.result = SLUICE__WAIT;
  ck_assert_int_eq(rig_drain(&rig, PLENTY), SLUICE__WAIT);
  ck_assert_int_eq(sluice__cont_state(&a.cont), SLUICE__CONT_PARKED);
  ck_assert_int_eq(rig_drain(&rig, PLENTY), SLUICE__WAIT);
  sluice__queue_wake(&a.cont);
  ck_assert_int_eq(rig_drain(&rig, PLENTY), SLUICE__WAIT);
  ck_assert_str_eq(rig_log(&rig), "aa");
}
END_TEST

static void wake_other(job_t *job, sluice__budget_t *unused) {
  (void)unused;
  sluice__queue_wake(&job->other->cont);
}

START_TEST(waking_itself_turns_wait_into_more) {
  rig_bulk(&rig, &a, 'a');
  a.result = SLUICE__WAIT;
  a.act = wake_other;
  a.other = &a;
  ck_assert_int_eq(rig_drain(&rig, PLENTY), SLUICE__MORE);
  ck_assert_str_eq(rig_log(&rig), "a");
  a.act = NULL;
  ck_assert_int_eq(rig_drain(&rig, PLENTY), SLUICE__WAIT);
}
END_TEST

START_TEST(waking_itself_does_not_undo_done) {
  rig_bulk(&rig, &a, 'a');
  a.result = SLUICE__DONE;
  a.act = wake_other;
  a.other = &a;
  ck_assert_int_eq(rig_drain(&rig, PLENTY), SLUICE__DONE);
}
END_TEST

START_TEST(more_runs_once_a_turn_however_large_the_budget) {
  wake_abc();
  (void)rig_drain_timed(&rig, UINT64_MAX, UINT64_MAX);
  ck_assert_str_eq(rig_log(&rig), "abc");
}
END_TEST

START_TEST(what_a_step_wakes_runs_next_turn) {
  rig_bulk(&rig, &a, 'a');
  rig_job(&rig, &b, 'b', SLUICE__URGENT, 100);
  a.act = wake_other;
  a.other = &b;
  (void)rig_drain(&rig, PLENTY);
  ck_assert_str_eq(rig_log(&rig), "a");
  (void)rig_drain(&rig, PLENTY);
  ck_assert_str_eq(rig_log(&rig), "ba");
}
END_TEST

START_TEST(what_the_bytes_left_over_stays_in_front_in_order) {
  wake_abc();
  a.charge = PLENTY;
  (void)rig_drain(&rig, PLENTY);
  ck_assert_str_eq(rig_log(&rig), "a");
  (void)rig_drain(&rig, PLENTY);
  ck_assert_str_eq(rig_log(&rig), "bc"); /* a has debts */
}
END_TEST

START_TEST(what_the_time_left_over_stays_in_front_in_order) {
  wake_abc();
  a.takes_ns = b.takes_ns = c.takes_ns = RIG_MS;
  rig.queue.exact_steps = 100;
  (void)rig_drain_timed(&rig, PLENTY, 2 * RIG_MS);
  (void)rig_drain_timed(&rig, PLENTY, 2 * RIG_MS);
  (void)rig_drain_timed(&rig, PLENTY, 2 * RIG_MS);
  ck_assert_str_eq(rig_log(&rig), "abcabc");
}
END_TEST

START_TEST(a_spent_budget_still_runs_one_step) {
  wake_abc();
  ck_assert_int_eq(rig_drain_timed(&rig, PLENTY, 0), SLUICE__MORE);
  ck_assert_int_eq(rig_drain(&rig, 0), SLUICE__MORE);
  ck_assert_str_eq(rig_log(&rig), "ab");
  ck_assert_uint_eq(b.seen_left, 0);
  ck_assert(b.seen_yield);
}
END_TEST

START_TEST(one_step_runs_even_if_all_have_debts) {
  wake_abc();
  a.charge = b.charge = c.charge = (uint64_t)1 << 40;
  for (int i = 0; i < 30; i++) {
    (void)rig_drain(&rig, 1000);
  }
  ck_assert_uint_eq(strlen(rig_log(&rig)), 30);
  ck_assert_uint_eq(a.runs, 10);
  ck_assert_uint_eq(b.runs, 10);
}
END_TEST

START_TEST(one_step_runs_after_an_absurd_charge) {
  rig_bulk(&rig, &a, 'a');
  a.charge = UINT64_MAX;
  for (int i = 0; i < 5; i++) {
    ck_assert_int_eq(rig_drain(&rig, 1), SLUICE__MORE);
  }
  ck_assert_uint_eq(a.runs, 5);
}
END_TEST

START_TEST(a_drain_charges_its_budget_with_what_the_steps_used) {
  sluice__budget_t budget;

  wake_abc();
  a.charge = 100;
  b.charge = 20;
  c.charge = 3;
  sluice__budget_open(&budget, &rig.clock, PLENTY, UINT64_MAX);
  (void)sluice__queue_drain(&rig.queue, &budget, NULL);
  ck_assert_uint_eq(budget.bytes_used, 123);
}
END_TEST

START_TEST(reclass_moves_a_ready_one_to_the_end_of_its_new_class) {
  rig_job(&rig, &d, 'd', SLUICE__URGENT, 100);
  wake_abc();
  sluice__queue_wake(&d.cont);
  sluice__queue_reclass(&b.cont, SLUICE__URGENT);
  (void)rig_drain(&rig, PLENTY);
  ck_assert_str_eq(rig_log(&rig), "dbac");
}
END_TEST

START_TEST(reclass_to_the_same_class_keeps_the_place) {
  wake_abc();
  sluice__queue_reclass(&a.cont, SLUICE__BULK);
  (void)rig_drain(&rig, PLENTY);
  ck_assert_str_eq(rig_log(&rig), "abc");
}
END_TEST

static void reclass_other(job_t *job, sluice__budget_t *unused) {
  (void)unused;
  sluice__queue_reclass(&job->other->cont, SLUICE__DEMAND);
}

START_TEST(reclass_holds_for_running_and_parked_ones) {
  wake_abc();
  b.act = reclass_other;
  b.other = &b;
  c.result = SLUICE__WAIT;
  (void)rig_drain(&rig, PLENTY);
  sluice__queue_reclass(&c.cont, SLUICE__URGENT);
  sluice__queue_wake(&c.cont);
  (void)rig_log(&rig);
  (void)rig_drain(&rig, PLENTY);
  ck_assert_str_eq(rig_log(&rig), "cba");
}
END_TEST

START_TEST(the_hook_is_called_when_the_queue_turns_runnable) {
  rig_bulk(&rig, &a, 'a');
  rig_bulk(&rig, &b, 'b');
  ck_assert_uint_eq(rig.runnable_local, 1);
  a.result = b.result = SLUICE__WAIT;
  a.act = wake_other;
  a.other = &a;
  ck_assert_int_eq(rig_drain(&rig, PLENTY), SLUICE__MORE);
  ck_assert_uint_eq(rig.runnable_local, 1);
  a.act = NULL;
  ck_assert_int_eq(rig_drain(&rig, PLENTY), SLUICE__WAIT);
  sluice__queue_wake(&b.cont);
  ck_assert_uint_eq(rig.runnable_local, 2);
  ck_assert_uint_eq(rig.runnable_remote, 0);
}
END_TEST

START_TEST(a_parked_one_with_work_is_a_lost_wakeup) {
  wake_abc();
  a.result = b.result = c.result = SLUICE__WAIT;
  (void)rig_drain(&rig, PLENTY);
  ck_assert_ptr_null(sluice__queue_find_lost(&rig.queue));
  b.pending = c.pending = 10;
  ck_assert_ptr_eq(sluice__queue_find_lost(&rig.queue), &b.cont);
  sluice__queue_post(&b.cont);
  ck_assert_ptr_eq(sluice__queue_find_lost(&rig.queue), &c.cont);
  sluice__queue_wake(&c.cont);
  ck_assert_ptr_null(sluice__queue_find_lost(&rig.queue));
}
END_TEST

static uint64_t wake_and_tell(const sluice__cont_t *cont) {
  sluice__queue_wake((sluice__cont_t *)(uintptr_t)cont);
  return 10;
}

START_TEST(one_that_finds_its_work_when_it_is_asked_is_not_lost) {
  wake_abc();
  a.result = b.result = c.result = SLUICE__WAIT;
  (void)rig_drain(&rig, PLENTY);
  a.cont.pending = wake_and_tell;
  ck_assert_ptr_null(sluice__queue_find_lost(&rig.queue));
  ck_assert_int_eq(sluice__cont_state(&a.cont), SLUICE__CONT_READY);
}
END_TEST

START_TEST(settings_out_of_range_are_put_in_range) {
  const sluice__queue_config_t config = {
      .quantum_min = UINT64_MAX, .urgent_share = 101, .overrun_ns = 7};

  rig_init(&rig, &config);
  ck_assert_uint_eq(rig.queue.config.quantum_min, UINT64_C(1) << 30);
  ck_assert_uint_eq(rig.queue.config.urgent_share, 100);
  ck_assert_uint_eq(rig.queue.config.overrun_ns, 7);
}
END_TEST

static void wake_job(job_t *job, char name, sluice__class_t class_) {
  rig_job(&rig, job, name, class_, 100);
  sluice__queue_wake(&job->cont);
}

START_TEST(turns_passed_over_are_counted_without_wrapping) {
  wake_job(&a, 'a', SLUICE__BULK);
  wake_job(&c, 'c', SLUICE__URGENT);
  a.charge = PLENTY;
  rig.queue.passed_over[SLUICE__BULK] = 100; /* it is its turn, at last */
  rig.queue.passed_over[SLUICE__URGENT] = UINT32_MAX;
  (void)rig_drain(&rig, PLENTY);
  ck_assert_str_eq(rig_log(&rig), "a");
  ck_assert_uint_eq(rig.queue.passed_over[SLUICE__URGENT], UINT32_MAX);
  ck_assert_uint_eq(rig.queue.passed_over[SLUICE__BULK], 0);
}
END_TEST

static job_t debtors[SKIPPED];

/* Looks at the clock in a turn that walks past `count` that are in debt. */
static uint64_t look_past(unsigned count) {
  rig_init(&rig, NULL);
  for (unsigned i = 0; i < count; i++) {
    wake_job(&debtors[i], 'm', SLUICE__BULK);
    debtors[i].cont.deficit = -100 * (int64_t)PLENTY;
  }
  wake_job(&a, 'a', SLUICE__BULK);
  rig.clock_reads = 0;
  (void)rig_drain(&rig, PLENTY);
  ck_assert_str_eq(rig_log(&rig), "a");
  return rig.clock_reads;
}

START_TEST(a_long_walk_past_debtors_is_timed) {
  ck_assert_uint_eq(look_past(SKIPPED), look_past(1) + SKIPPED / 64);
}
END_TEST

static void add_moves(Suite *s) {
  TCase *tc = tcase_create("moves");

  tcase_add_checked_fixture(tc, setup, NULL);
  tcase_add_test(tc, reclass_moves_a_ready_one_to_the_end_of_its_new_class);
  tcase_add_test(tc, reclass_to_the_same_class_keeps_the_place);
  tcase_add_test(tc, reclass_holds_for_running_and_parked_ones);
  tcase_add_test(tc, the_hook_is_called_when_the_queue_turns_runnable);
  tcase_add_test(tc, a_parked_one_with_work_is_a_lost_wakeup);
  tcase_add_test(tc, one_that_finds_its_work_when_it_is_asked_is_not_lost);
  tcase_add_test(tc, settings_out_of_range_are_put_in_range);
  tcase_add_test(tc, turns_passed_over_are_counted_without_wrapping);
  tcase_add_test(tc, a_long_walk_past_debtors_is_timed);
  suite_add_tcase(s, tc);
}

Suite *queue_suite(void) {
  Suite *s = suite_create("queue");
  TCase *tc = tcase_create("core");

  tcase_add_checked_fixture(tc, setup, NULL);
  tcase_add_test(tc, an_empty_queue_is_done);
  tcase_add_test(tc, what_is_ready_runs_in_the_order_of_its_wakeups);
  tcase_add_test(tc, waking_twice_runs_once);
  tcase_add_test(tc, done_leaves_the_queue_and_is_idle);
  tcase_add_test(tc, done_can_be_woken_into_a_new_life);
  tcase_add_test(tc, wait_parks_until_woken);
  tcase_add_test(tc, waking_itself_turns_wait_into_more);
  tcase_add_test(tc, waking_itself_does_not_undo_done);
  tcase_add_test(tc, more_runs_once_a_turn_however_large_the_budget);
  tcase_add_test(tc, what_a_step_wakes_runs_next_turn);
  tcase_add_test(tc, what_the_bytes_left_over_stays_in_front_in_order);
  tcase_add_test(tc, what_the_time_left_over_stays_in_front_in_order);
  tcase_add_test(tc, a_spent_budget_still_runs_one_step);
  tcase_add_test(tc, one_step_runs_even_if_all_have_debts);
  tcase_add_test(tc, one_step_runs_after_an_absurd_charge);
  tcase_add_test(tc, a_drain_charges_its_budget_with_what_the_steps_used);
  suite_add_tcase(s, tc);
  add_moves(s);
  return s;
}
