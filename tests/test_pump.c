/* test_pump.c - the pump on a real loop. No test looks at how long anything
 * took; loops are made in the forked child, and each is closed clean. */
#include "pump.h"

#include <check.h>
#include <string.h>

#include "suite.h"

enum { STEPS = 5, SLEEP_MS = 30 };

static const uint64_t LONG_NS = UINT64_C(1000000000000);

typedef struct worker_s {
  sluice__cont_t cont; /* first */
  unsigned runs;
  unsigned last; /* run that ends with `result`; MORE before */
  int result;    /* of the last run */
  unsigned cancels;
  uint64_t pending;
  void (*act)(struct worker_s *w);
} worker_t;

static uv_loop_t loop;
static sluice__pump_t pump;
static worker_t worker, other;
static unsigned closed;
static unsigned errors;
static unsigned lost;
static unsigned iterations;

static int work(sluice__cont_t *c, sluice__budget_t *b) {
  worker_t *w = (worker_t *)c;

  sluice__budget_charge(b, 1);
  w->runs++;
  if (w->act != NULL) {
    w->act(w);
  }
  return w->runs >= w->last ? w->result : SLUICE__MORE;
}

static void on_cancel(sluice__cont_t *c) {
  ((worker_t *)c)->cancels++;
}

static uint64_t get_pending(const sluice__cont_t *c) {
  return ((const worker_t *)c)->pending;
}

static void init_worker(worker_t *w, int result) {
  memset(w, 0, sizeof(*w));
  w->last = STEPS;
  w->result = result;
  w->cont.on_cancel = on_cancel;
  w->cont.pending = get_pending;
  sluice__cont_init(&w->cont, &pump.queue, work, SLUICE__BULK, 100);
}

static void on_closed(sluice__pump_t *p) {
  closed++;
  memset(p, 0xee, sizeof(*p)); /* as good as freed */
}

static void on_error(sluice__pump_t *p, sluice__cont_t *failed, int code) {
  ck_assert_ptr_eq(p, &pump);
  ck_assert_ptr_eq(failed, &worker.cont);
  ck_assert_int_eq(code, UV_EIO);
  errors++;
}

static void on_lost(sluice__pump_t *p, sluice__cont_t *c) {
  ck_assert_ptr_eq(p, &pump);
  ck_assert_ptr_eq(c, &worker.cont);
  lost++;
}

static void setup(void) {
  ck_assert_int_eq(uv_loop_init(&loop), 0);
  ck_assert_int_eq(sluice__pump_init(&pump, &loop, NULL), 0);
  pump.on_error = on_error;
  pump.on_lost = on_lost;
  init_worker(&worker, SLUICE__DONE);
  init_worker(&other, SLUICE__DONE);
}

/* Also of the tests that have closed the pump themselves. */
static void teardown(void) {
  if (closed == 0 && !pump.is_closing) {
    sluice__pump_close(&pump, on_closed);
  }
  ck_assert_int_eq(uv_run(&loop, UV_RUN_DEFAULT), 0);
  ck_assert_uint_eq(closed, 1);
  ck_assert_int_eq(uv_loop_close(&loop), 0);
}

static void run_until_quiet(void) {
  sluice__pump_ref(&pump);
  do {
    (void)uv_run(&loop, UV_RUN_NOWAIT);
  } while (pump.is_spinning);
  sluice__pump_unref(&pump);
}

START_TEST(a_new_pump_neither_spins_nor_keeps_the_loop) {
  ck_assert(!pump.is_spinning);
  ck_assert_int_eq(uv_loop_alive(&loop), 0);
  ck_assert_int_eq(uv_run(&loop, UV_RUN_DEFAULT), 0);
}
END_TEST

START_TEST(a_wakeup_is_worked_off_and_the_pump_goes_quiet) {
  sluice__queue_wake(&worker.cont);
  ck_assert(pump.is_spinning);
  run_until_quiet();
  ck_assert_uint_eq(worker.runs, STEPS);
  ck_assert_uint_eq(pump.stats.turns, STEPS);
  ck_assert(!uv_is_active((uv_handle_t *)&pump.idle));
  ck_assert(!uv_is_active((uv_handle_t *)&pump.check));
  ck_assert(!uv_is_active((uv_handle_t *)&pump.timer));
}
END_TEST

/* _i selects the mode. */
START_TEST(one_turn_runs_in_every_iteration_of_every_mode) {
  uv_run_mode mode = _i == 0 ? UV_RUN_NOWAIT : UV_RUN_ONCE;

  sluice__pump_ref(&pump);
  sluice__queue_wake(&worker.cont);
  for (unsigned i = 1; i <= STEPS; i++) {
    (void)uv_run(&loop, mode);
    ck_assert_uint_eq(worker.runs, i);
  }
  ck_assert(!pump.is_spinning);
  sluice__pump_unref(&pump);
}
END_TEST

static void count_iteration(uv_prepare_t *handle) {
  (void)handle;
  iterations++;
}

static void end_sleep(uv_timer_t *timer) {
  uv_close((uv_handle_t *)timer, NULL);
}

/* With the work done the loop must block in poll until the timer: a spinning
 * one would pass thousands of iterations in that time. */
START_TEST(with_nothing_to_do_the_loop_sleeps) {
  static uv_prepare_t prepare;
  static uv_timer_t timer;

  (void)uv_prepare_init(&loop, &prepare);
  (void)uv_prepare_start(&prepare, count_iteration);
  uv_unref((uv_handle_t *)&prepare);
  worker.result = SLUICE__WAIT;
  sluice__queue_wake(&worker.cont);
  run_until_quiet();
  (void)uv_timer_init(&loop, &timer);
  (void)uv_timer_start(&timer, end_sleep, SLEEP_MS, 0);
  ck_assert_int_ne(uv_backend_timeout(&loop), 0);
  iterations = 0;
  (void)uv_run(&loop, UV_RUN_DEFAULT);
  ck_assert_uint_le(iterations, 4);
  ck_assert_uint_eq(worker.runs, STEPS);
  uv_close((uv_handle_t *)&prepare, NULL);
}
END_TEST

START_TEST(while_there_is_work_the_loop_does_not_block) {
  sluice__pump_ref(&pump);
  sluice__queue_wake(&worker.cont);
  ck_assert_int_eq(uv_backend_timeout(&loop), 0);
  run_until_quiet();
  ck_assert_int_ne(uv_backend_timeout(&loop), 0);
  sluice__pump_unref(&pump);
}
END_TEST

START_TEST(references_are_counted) {
  sluice__pump_ref(&pump);
  sluice__pump_ref(&pump);
  ck_assert_int_ne(uv_loop_alive(&loop), 0);
  sluice__pump_unref(&pump);
  ck_assert_int_ne(uv_loop_alive(&loop), 0);
  sluice__pump_unref(&pump);
  ck_assert_int_eq(uv_loop_alive(&loop), 0);
}
END_TEST

START_TEST(an_error_is_told_and_the_others_go_on) {
  worker.last = 2;
  worker.result = UV_EIO;
  sluice__queue_wake(&worker.cont);
  sluice__queue_wake(&other.cont);
  run_until_quiet();
  ck_assert_uint_eq(errors, 1);
  ck_assert_uint_eq(worker.runs, 2);
  ck_assert_uint_eq(other.runs, STEPS);
}
END_TEST

#ifndef NDEBUG
START_TEST(a_lost_wakeup_is_reported_when_going_quiet) {
  worker.result = SLUICE__WAIT;
  worker.pending = 1;
  sluice__queue_wake(&worker.cont);
  run_until_quiet();
  ck_assert_uint_eq(lost, 1);
}
END_TEST

static sluice__delay_t pace;

static void pace_itself(worker_t *w) {
  if (w->runs == w->last) {
    pace.cont = &w->cont;
    sluice__pump_delay(&pump, &pace, sluice__pump_now(&pump) + LONG_NS);
  }
}

START_TEST(a_paced_one_is_not_lost) {
  worker.result = SLUICE__WAIT;
  worker.pending = 1;
  worker.act = pace_itself;
  sluice__queue_wake(&worker.cont);
  run_until_quiet();
  ck_assert_uint_eq(lost, 0);
  ck_assert(pace.armed);
}
END_TEST

START_TEST(a_pace_is_no_excuse_for_another) {
  pace.cont = &other.cont;
  sluice__pump_delay(&pump, &pace, sluice__pump_now(&pump) + LONG_NS);
  worker.result = SLUICE__WAIT;
  worker.pending = 1;
  sluice__queue_wake(&worker.cont);
  run_until_quiet();
  ck_assert_uint_eq(lost, 1);
}
END_TEST
#endif

START_TEST(nobody_has_to_listen) {
  pump.on_lost = NULL;
  pump.on_error = NULL;
  worker.last = 1;
  worker.result = UV_EIO;
  other.result = SLUICE__WAIT;
  other.pending = 1;
  sluice__queue_wake(&worker.cont);
  sluice__queue_wake(&other.cont);
  run_until_quiet();
  ck_assert_uint_eq(worker.runs, 1);
  ck_assert_uint_eq(other.runs, STEPS);
}
END_TEST

START_TEST(a_post_that_is_taken_back_wakes_nobody) {
  sluice__queue_post(&worker.cont);
  sluice__queue_cancel(&worker.cont);
  run_until_quiet();
  ck_assert_uint_eq(worker.runs, 0);
  ck_assert_uint_le(pump.stats.turns, 1);
}
END_TEST

static bool has_no_async;

int __real_uv_async_init(uv_loop_t *l, uv_async_t *async, uv_async_cb cb);
int __wrap_uv_async_init(uv_loop_t *l, uv_async_t *async, uv_async_cb cb);

int __wrap_uv_async_init(uv_loop_t *l, uv_async_t *async, uv_async_cb cb) {
  return has_no_async ? UV_EMFILE : __real_uv_async_init(l, async, cb);
}

/* The loop is closed in teardown: nothing of the second one keeps it. */
START_TEST(a_pump_that_could_not_begin_needs_no_closing) {
  sluice__pump_t second;

  has_no_async = true;
  ck_assert_int_eq(sluice__pump_init(&second, &loop, NULL), UV_EMFILE);
  has_no_async = false;
}
END_TEST

static void stop_after_last(worker_t *w) {
  if (w->runs >= w->last) {
    sluice__pump_unref(&pump);
  }
}

static void run_posted(void *arg) {
  sluice__queue_post(arg);
}

START_TEST(a_post_of_another_thread_wakes_a_sleeping_loop) {
  uv_thread_t thread;

  sluice__pump_ref(&pump);
  worker.act = stop_after_last;
  ck_assert_int_eq(uv_thread_create(&thread, run_posted, &worker.cont), 0);
  (void)uv_run(&loop, UV_RUN_DEFAULT); /* for ever, if the post is lost */
  ck_assert_uint_eq(worker.runs, STEPS);
  ck_assert_int_eq(uv_thread_join(&thread), 0);
}
END_TEST

static void wake_worker(uv_idle_t *idle) {
  worker_t *w = idle->data;

  sluice__queue_wake(&w->cont);
}

START_TEST(work_woken_before_poll_runs_in_the_same_iteration) {
  static uv_idle_t idle;

  (void)uv_idle_init(&loop, &idle);
  (void)uv_idle_start(&idle, wake_worker);
  idle.data = &worker;
  (void)uv_run(&loop, UV_RUN_NOWAIT);
  ck_assert_uint_eq(worker.runs, 1);
  uv_close((uv_handle_t *)&idle, NULL);
}
END_TEST

static void close_pump(worker_t *w) {
  (void)w;
  sluice__pump_close(&pump, on_closed);
}

START_TEST(close_cancels_what_is_there) {
  worker.last = 1;
  worker.result = SLUICE__WAIT;
  sluice__queue_wake(&worker.cont);
  run_until_quiet();
  sluice__queue_wake(&other.cont);
  sluice__pump_close(&pump, on_closed);
  ck_assert_uint_eq(worker.cancels, 1);
  ck_assert_uint_eq(other.cancels, 1);
  ck_assert_uint_eq(closed, 0);
}
END_TEST

START_TEST(what_is_woken_after_the_close_does_not_run) {
  sluice__pump_close(&pump, on_closed);
  sluice__queue_wake(&worker.cont);
  ck_assert(!pump.is_spinning);
  sluice__pump_ref(&pump);
  (void)uv_run(&loop, UV_RUN_DEFAULT);
  ck_assert_uint_eq(worker.runs, 0);
}
END_TEST

START_TEST(a_step_may_close_the_pump) {
  worker.act = close_pump;
  sluice__queue_wake(&worker.cont);
  sluice__queue_wake(&other.cont);
  sluice__pump_ref(&pump);
  (void)uv_run(&loop, UV_RUN_DEFAULT);
  ck_assert_uint_eq(worker.runs, 1);
  ck_assert_uint_eq(worker.cancels, 1);
  ck_assert_uint_eq(other.runs, 0);
  ck_assert_uint_eq(other.cancels, 1);
}
END_TEST

static void close_on_error(sluice__pump_t *p, sluice__cont_t *failed,
                           int code) {
  (void)failed;
  (void)code;
  sluice__pump_close(p, on_closed);
}

START_TEST(on_error_may_close_the_pump) {
  pump.on_error = close_on_error;
  worker.last = 1;
  worker.result = UV_EIO;
  sluice__queue_wake(&worker.cont);
  sluice__queue_wake(&other.cont);
  sluice__pump_ref(&pump);
  (void)uv_run(&loop, UV_RUN_DEFAULT);
  ck_assert_uint_eq(worker.cancels, 0);
  ck_assert_uint_eq(other.cancels, 1);
}
END_TEST

static void add_close(Suite *s) {
  TCase *tc = tcase_create("close");

  tcase_add_checked_fixture(tc, setup, teardown);
  tcase_add_test(tc, close_cancels_what_is_there);
  tcase_add_test(tc, what_is_woken_after_the_close_does_not_run);
  tcase_add_test(tc, a_step_may_close_the_pump);
  tcase_add_test(tc, on_error_may_close_the_pump);
  suite_add_tcase(s, tc);
}

static void add_errors(Suite *s) {
  TCase *tc = tcase_create("errors");

  tcase_add_checked_fixture(tc, setup, teardown);
  tcase_add_test(tc, an_error_is_told_and_the_others_go_on);
#ifndef NDEBUG
  tcase_add_test(tc, a_lost_wakeup_is_reported_when_going_quiet);
  tcase_add_test(tc, a_paced_one_is_not_lost);
  tcase_add_test(tc, a_pace_is_no_excuse_for_another);
#endif
  tcase_add_test(tc, nobody_has_to_listen);
  tcase_add_test(tc, a_post_that_is_taken_back_wakes_nobody);
  tcase_add_test(tc, a_pump_that_could_not_begin_needs_no_closing);
  suite_add_tcase(s, tc);
}

Suite *pump_suite(void) {
  Suite *s = suite_create("pump");
  TCase *tc = tcase_create("core");

  tcase_add_checked_fixture(tc, setup, teardown);
  tcase_add_test(tc, a_new_pump_neither_spins_nor_keeps_the_loop);
  tcase_add_test(tc, a_wakeup_is_worked_off_and_the_pump_goes_quiet);
  tcase_add_loop_test(tc, one_turn_runs_in_every_iteration_of_every_mode, 0, 2);
  tcase_add_test(tc, with_nothing_to_do_the_loop_sleeps);
  tcase_add_test(tc, while_there_is_work_the_loop_does_not_block);
  tcase_add_test(tc, references_are_counted);
  tcase_add_test(tc, a_post_of_another_thread_wakes_a_sleeping_loop);
  tcase_add_test(tc, work_woken_before_poll_runs_in_the_same_iteration);
  suite_add_tcase(s, tc);
  add_errors(s);
  add_close(s);
  return s;
}
