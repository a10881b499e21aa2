/* test_queue.c - who runs, in which order, and what becomes of it. Fairness is
 * test_queue_fair.c, other threads are test_queue_post.c. */
#include "queue.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "queue_rig.h"
#include "suite.h"

enum { PLENTY = 1 << 20 };

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

START_TEST(the_first_error_ends_the_drain_at_once) {
  wake_abc();
  b.result = -5;
  ck_assert_int_eq(rig_drain(&rig, PLENTY), -5);
  ck_assert_ptr_eq(rig.failed, &b.cont);
  ck_assert_int_eq(sluice__cont_state(&b.cont), SLUICE__CONT_IDLE);
  ck_assert_str_eq(rig_log(&rig), "ab");
}
END_TEST

START_TEST(after_an_error_the_rest_goes_on_in_order) {
  wake_abc();
  rig_bulk(&rig, &d, 'd');
  b.result = -5;
  (void)rig_drain(&rig, PLENTY);
  (void)rig_log(&rig);
  ck_assert_int_eq(rig_drain(&rig, PLENTY), SLUICE__MORE);
  ck_assert_str_eq(rig_log(&rig), "cda");
}
END_TEST

static void cancel_other(job_t *job, sluice__budget_t *unused) {
  (void)unused;
  sluice__queue_cancel(&job->other->cont);
}

START_TEST(a_step_can_cancel_one_that_is_due) {
  wake_abc();
  a.act = cancel_other;
  a.other = &b;
  (void)rig_drain(&rig, PLENTY);
  ck_assert_str_eq(rig_log(&rig), "a-bc");
  ck_assert_int_eq(sluice__cont_state(&b.cont), SLUICE__CONT_IDLE);
}
END_TEST

START_TEST(cancel_takes_out_a_ready_and_a_parked_one) {
  wake_abc();
  b.result = SLUICE__WAIT;
  (void)rig_drain(&rig, PLENTY);
  (void)rig_log(&rig);
  sluice__queue_cancel(&a.cont);
  sluice__queue_cancel(&b.cont);
  sluice__queue_cancel(&b.cont);
  ck_assert_str_eq(rig_log(&rig), "-a-b");
  (void)rig_drain(&rig, PLENTY);
  ck_assert_str_eq(rig_log(&rig), "c");
}
END_TEST

/* Each row: what a cancelled step returns; whether on_cancel follows. Whatever
 * it is, the continuation has left and the drain goes on. */
static const struct {
  int result;
  unsigned cancels;
} cancelled_running[] = {
    {SLUICE__MORE, 1}, {SLUICE__WAIT, 1}, {SLUICE__DONE, 0}, {-5, 0}};

START_TEST(a_running_one_is_cancelled_when_its_step_has_returned) {
  rig_bulk(&rig, &a, 'a');
  rig_bulk(&rig, &b, 'b');
  a.act = cancel_other;
  a.other = &a;
  a.result = cancelled_running[_i].result;
  ck_assert_int_eq(rig_drain(&rig, PLENTY), SLUICE__MORE);
  ck_assert_uint_eq(a.cancels, cancelled_running[_i].cancels);
  ck_assert_int_eq(sluice__cont_state(&a.cont), SLUICE__CONT_IDLE);
  ck_assert_str_eq(rig_log(&rig), a.cancels != 0 ? "a-ab" : "ab");
  ck_assert_ptr_null(rig.failed);
}
END_TEST

static void cancel_then_wake(job_t *job, sluice__budget_t *unused) {
  cancel_other(job, unused);
  wake_other(job, unused);
}

START_TEST(a_wakeup_after_the_cancel_of_a_running_one_is_ignored) {
  rig_bulk(&rig, &a, 'a');
  a.act = cancel_then_wake;
  a.other = &a;
  ck_assert_int_eq(rig_drain(&rig, PLENTY), SLUICE__DONE);
  ck_assert_uint_eq(a.cancels, 1);
}
END_TEST

START_TEST(cancel_all_goes_class_by_class_oldest_first) {
  rig_bulk(&rig, &a, 'a');
  rig_bulk(&rig, &b, 'b');
  rig_job(&rig, &c, 'c', SLUICE__URGENT, 100);
  rig_bulk(&rig, &d, 'd');
  a.result = SLUICE__WAIT;
  (void)rig_drain(&rig, PLENTY);
  sluice__queue_wake(&c.cont);
  (void)rig_log(&rig);
  sluice__queue_cancel_all(&rig.queue);
  ck_assert_str_eq(rig_log(&rig), "-c-b-d-a");
  ck_assert_int_eq(rig_drain(&rig, PLENTY), SLUICE__DONE);
}
END_TEST

static void cancel_all(job_t *job, sluice__budget_t *unused) {
  (void)unused;
  sluice__queue_cancel_all(&job->rig->queue);
}

START_TEST(cancel_all_from_a_step_ends_the_turn) {
  wake_abc();
  b.act = cancel_all;
  ck_assert_int_eq(rig_drain(&rig, PLENTY), SLUICE__DONE);
  ck_assert_str_eq(rig_log(&rig), "ab-c-a-b");
}
END_TEST

static void wake_again(sluice__cont_t *cont) {
  sluice__queue_wake(cont);
}

START_TEST(what_on_cancel_wakes_stays) {
  rig_bulk(&rig, &a, 'a');
  a.cont.on_cancel = wake_again;
  sluice__queue_cancel_all(&rig.queue);
  ck_assert_int_eq(sluice__cont_state(&a.cont), SLUICE__CONT_READY);
  (void)rig_drain(&rig, PLENTY);
  ck_assert_str_eq(rig_log(&rig), "a");
}
END_TEST

static int free_and_finish(sluice__cont_t *cont, sluice__budget_t *budget) {
  (void)budget;
  free(cont);
  return SLUICE__DONE;
}

static int free_and_fail(sluice__cont_t *cont, sluice__budget_t *budget) {
  (void)budget;
  free(cont);
  return -7;
}

/* _i selects whether each step is timed alone; the address sanitizer judges. */
START_TEST(a_step_may_free_its_continuation_when_it_ends) {
  sluice__cont_t *one = calloc(1, sizeof(*one));
  sluice__cont_t *two = calloc(1, sizeof(*two));

  ck_assert_ptr_nonnull(one);
  ck_assert_ptr_nonnull(two);
  rig.queue.exact_steps = _i == 0 ? 0 : 10;
  sluice__cont_init(one, &rig.queue, free_and_finish, SLUICE__BULK, 1);
  sluice__cont_init(two, &rig.queue, free_and_fail, SLUICE__BULK, 1);
  sluice__queue_wake(one);
  sluice__queue_wake(two);
  ck_assert_int_eq(rig_drain(&rig, PLENTY), -7);
  ck_assert_int_eq(rig_drain(&rig, PLENTY), SLUICE__DONE);
}
END_TEST

static void free_cancelled(sluice__cont_t *cont) {
  free(cont);
}

static int cancel_itself(sluice__cont_t *cont, sluice__budget_t *budget) {
  (void)budget;
  sluice__queue_cancel(cont);
  return SLUICE__WAIT;
}

START_TEST(on_cancel_may_free_the_continuation) {
  sluice__cont_t *one = calloc(1, sizeof(*one));
  sluice__cont_t *two = calloc(1, sizeof(*two));

  ck_assert_ptr_nonnull(one);
  ck_assert_ptr_nonnull(two);
  one->on_cancel = two->on_cancel = free_cancelled;
  sluice__cont_init(one, &rig.queue, cancel_itself, SLUICE__BULK, 1);
  sluice__cont_init(two, &rig.queue, cancel_itself, SLUICE__BULK, 1);
  sluice__queue_wake(one);
  sluice__queue_wake(two);
  sluice__queue_cancel(two);
  ck_assert_int_eq(rig_drain(&rig, PLENTY), SLUICE__DONE);
}
END_TEST

static void begin_anew(job_t *job, sluice__budget_t *unused) {
  (void)unused;
  job->act = NULL;
  job->cont.on_cancel = NULL;
  sluice__cont_init(&job->cont, &job->rig->queue, job->cont.step, SLUICE__BULK,
                    100);
  sluice__queue_wake(&job->cont);
}

START_TEST(a_step_may_prepare_its_continuation_anew) {
  rig_bulk(&rig, &a, 'a');
  a.act = begin_anew;
  a.result = SLUICE__DONE;
  ck_assert_int_eq(rig_drain(&rig, PLENTY), SLUICE__MORE);
  ck_assert_int_eq(rig_drain(&rig, PLENTY), SLUICE__DONE);
  ck_assert_str_eq(rig_log(&rig), "aa");
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

static void add_ends(Suite *s) {
  TCase *tc = tcase_create("ends");

  tcase_add_checked_fixture(tc, setup, NULL);
  tcase_add_test(tc, the_first_error_ends_the_drain_at_once);
  tcase_add_test(tc, after_an_error_the_rest_goes_on_in_order);
  tcase_add_test(tc, a_step_can_cancel_one_that_is_due);
  tcase_add_test(tc, cancel_takes_out_a_ready_and_a_parked_one);
  tcase_add_loop_test(tc, a_running_one_is_cancelled_when_its_step_has_returned,
                      0, 4);
  tcase_add_test(tc, a_wakeup_after_the_cancel_of_a_running_one_is_ignored);
  tcase_add_test(tc, cancel_all_goes_class_by_class_oldest_first);
  tcase_add_test(tc, cancel_all_from_a_step_ends_the_turn);
  tcase_add_test(tc, what_on_cancel_wakes_stays);
  tcase_add_loop_test(tc, a_step_may_free_its_continuation_when_it_ends, 0, 2);
  tcase_add_test(tc, on_cancel_may_free_the_continuation);
  tcase_add_test(tc, a_step_may_prepare_its_continuation_anew);
  suite_add_tcase(s, tc);
}

static void add_moves(Suite *s) {
  TCase *tc = tcase_create("moves");

  tcase_add_checked_fixture(tc, setup, NULL);
  tcase_add_test(tc, reclass_moves_a_ready_one_to_the_end_of_its_new_class);
  tcase_add_test(tc, reclass_to_the_same_class_keeps_the_place);
  tcase_add_test(tc, reclass_holds_for_running_and_parked_ones);
  tcase_add_test(tc, the_hook_is_called_when_the_queue_turns_runnable);
  tcase_add_test(tc, a_parked_one_with_work_is_a_lost_wakeup);
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
  add_ends(s);
  add_moves(s);
  return s;
}
