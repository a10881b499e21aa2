/* test_queue_ends.c - how continuations end: errors, cancels, and memory that
 * is freed from within; the address sanitizer is half of these tests. */
#include "queue.h"

#include <check.h>
#include <stdlib.h>

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

static void wake_other(job_t *job, sluice__budget_t *unused) {
  (void)unused;
  sluice__queue_wake(&job->other->cont);
}

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

START_TEST(one_that_prepares_itself_anew_and_fails_has_failed) {
  rig_bulk(&rig, &a, 'a');
  rig_bulk(&rig, &b, 'b');
  a.act = begin_anew;
  a.result = -5;
  ck_assert_int_eq(rig_drain(&rig, PLENTY), -5);
  ck_assert_ptr_eq(rig.failed, &a.cont);
  ck_assert_str_eq(rig_log(&rig), "a");
}
END_TEST

Suite *queue_ends_suite(void) {
  Suite *s = suite_create("queue_ends");
  TCase *tc = tcase_create("core");

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
  tcase_add_test(tc, one_that_prepares_itself_anew_and_fails_has_failed);
  suite_add_tcase(s, tc);
  return s;
}
