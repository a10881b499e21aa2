/* test_queue_fair.c - who gets how much: weights, classes, floors, slow steps
 * and nested queues. */
#include "queue.h"

#include <check.h>
#include <string.h>

#include "queue_rig.h"
#include "suite.h"

enum { TURN = 1 << 20, JOBS = 5 };

static rig_t rig;
static job_t a, b, c;
static job_t jobs[JOBS];

static void setup(void) {
  rig_init(&rig, NULL);
}

static void wake_job(job_t *job, char name, sluice__class_t class_,
                     uint32_t weight) {
  rig_job(&rig, job, name, class_, weight);
  sluice__queue_wake(&job->cont);
}

/* Whether `part` is `want` percent of `whole`, give or take `slack`. */
static void check_percent(uint64_t part, uint64_t whole, double want,
                          double slack) {
  double got = 100.0 * (double)part / (double)whole;

  ck_assert_msg(got > want - slack && got < want + slack,
                "got %.2f%%, want %.2f%%", got, want);
}

START_TEST(a_single_continuation_gets_the_whole_turn) {
  wake_job(&a, 'a', SLUICE__BULK, 7);
  a.fills = true;
  for (int i = 0; i < 3; i++) {
    (void)rig_drain(&rig, TURN);
    ck_assert_uint_eq(a.seen_left, TURN);
  }
}
END_TEST

START_TEST(a_turn_is_parted_by_weight) {
  wake_job(&a, 'a', SLUICE__BULK, 100);
  wake_job(&b, 'b', SLUICE__BULK, 300);
  a.fills = b.fills = true;
  (void)rig_drain(&rig, TURN);
  ck_assert_uint_eq(a.seen_left, TURN / 4);
  ck_assert_uint_eq(b.seen_left, TURN / 4 * 3);
}
END_TEST

/* Units and weights that do not divide each other nor the turn. */
static const struct {
  uint64_t unit;
  uint32_t weight;
} unequal[JOBS] = {{100, 1}, {4096, 2}, {70000, 3}, {3000000, 5}, {333, 9}};

static void run_unequal(uint64_t turn_bytes, int turns) {
  for (int i = 0; i < turns; i++) {
    (void)rig_drain(&rig, turn_bytes);
  }
}

static void fill_in_units(job_t *job, sluice__budget_t *budget) {
  uint64_t unit = unequal[job - jobs].unit;

  do {
    sluice__budget_charge(budget, unit);
    job->used += unit;
  } while (!sluice__budget_should_yield(budget));
}

static void check_unequal(void) {
  uint64_t bytes = 0;

  for (int i = 0; i < JOBS; i++) {
    bytes += jobs[i].used;
  }
  for (int i = 0; i < JOBS; i++) {
    check_percent(jobs[i].used, bytes, unequal[i].weight * 5.0, 1.0);
  }
}

/* _i: the turn is smaller than, about, and larger than the largest unit. */
START_TEST(long_run_shares_follow_the_weights_whatever_the_units) {
  static const uint64_t turn_bytes[] = {50000, 2000000, 20000000};

  for (int i = 0; i < JOBS; i++) {
    wake_job(&jobs[i], (char)('a' + i), SLUICE__BULK, unequal[i].weight);
    jobs[i].charge = 0;
    jobs[i].act = fill_in_units;
  }
  run_unequal(turn_bytes[_i], (int)((uint64_t)1000000000 / turn_bytes[_i]));
  check_unequal();
}
END_TEST

START_TEST(shares_follow_the_weights_below_a_busier_class) {
  wake_job(&c, 'c', SLUICE__URGENT, 100);
  wake_job(&a, 'a', SLUICE__BULK, 100);
  wake_job(&b, 'b', SLUICE__BULK, 300);
  a.fills = b.fills = c.fills = true;
  for (int i = 0; i < 1000; i++) {
    (void)rig_drain(&rig, TURN);
  }
  check_percent(b.used, a.used + b.used, 75, 1);
}
END_TEST

/* A slow step never gets through its bytes; then the time is parted. */
static void take_all_the_time(job_t *job, sluice__budget_t *budget) {
  while (!sluice__budget_should_yield(budget)) {
    sluice__budget_charge(budget, SLUICE__BUDGET_CLOCK_BYTES);
    job->used += SLUICE__BUDGET_CLOCK_BYTES;
    rig.now_ns += 1000;
  }
}

START_TEST(time_is_parted_by_weight_when_it_runs_out_first) {
  wake_job(&a, 'a', SLUICE__BULK, 100);
  wake_job(&b, 'b', SLUICE__BULK, 300);
  a.act = b.act = take_all_the_time;
  for (int i = 0; i < 100; i++) {
    (void)rig_drain_timed(&rig, (uint64_t)1 << 40, 1000 * 1000);
  }
  ck_assert_uint_eq(a.runs, 100);
  check_percent(b.used, a.used + b.used, 75, 1);
}
END_TEST

START_TEST(parking_does_not_launder_debt) {
  wake_job(&a, 'a', SLUICE__BULK, 100);
  wake_job(&b, 'b', SLUICE__BULK, 100);
  a.charge = 10 * TURN;
  a.result = SLUICE__WAIT;
  b.fills = true;
  for (int i = 0; i < 1000; i++) {
    sluice__queue_wake(&a.cont);
    (void)rig_drain(&rig, TURN);
  }
  check_percent(a.used, a.used + b.used, 50, 2);
}
END_TEST

START_TEST(parking_does_not_save_up) {
  wake_job(&a, 'a', SLUICE__BULK, 100);
  wake_job(&b, 'b', SLUICE__BULK, 100);
  a.result = SLUICE__WAIT;
  for (int i = 0; i < 10; i++) {
    sluice__queue_wake(&a.cont);
    (void)rig_drain(&rig, TURN);
  }
  ck_assert_uint_eq(a.seen_left, TURN / 2);
}
END_TEST

START_TEST(savings_are_capped_at_four_turns) {
  wake_job(&a, 'a', SLUICE__BULK, 100);
  wake_job(&b, 'b', SLUICE__BULK, 900);
  for (int i = 0; i < 100; i++) {
    (void)rig_drain(&rig, TURN);
  }
  ck_assert_uint_eq(a.seen_left, TURN / 10 * 4);
}
END_TEST

START_TEST(classes_run_in_order) {
  wake_job(&a, 'a', SLUICE__BULK, 100);
  wake_job(&b, 'b', SLUICE__DEMAND, 100);
  wake_job(&c, 'c', SLUICE__URGENT, 100);
  (void)rig_drain(&rig, TURN);
  ck_assert_str_eq(rig_log(&rig), "cba");
}
END_TEST

START_TEST(urgent_leaves_bulk_its_floor) {
  wake_job(&a, 'a', SLUICE__BULK, 100);
  wake_job(&b, 'b', SLUICE__URGENT, 100);
  a.fills = b.fills = true;
  (void)rig_drain(&rig, 1000);
  ck_assert_uint_eq(b.used, 750);
  ck_assert_uint_eq(a.used, 250);
}
END_TEST

START_TEST(urgent_and_demand_share_what_bulk_leaves) {
  wake_job(&a, 'a', SLUICE__BULK, 100);
  wake_job(&b, 'b', SLUICE__DEMAND, 100);
  wake_job(&c, 'c', SLUICE__URGENT, 100);
  a.fills = b.fills = c.fills = true;
  (void)rig_drain(&rig, 1600);
  ck_assert_uint_eq(c.used, 900);
  ck_assert_uint_eq(b.used, 300);
  ck_assert_uint_eq(a.used, 400);
}
END_TEST

START_TEST(urgent_has_the_whole_turn_when_nothing_is_below) {
  wake_job(&a, 'a', SLUICE__URGENT, 100);
  a.fills = true;
  (void)rig_drain(&rig, 1000);
  ck_assert_uint_eq(a.used, 1000);
}
END_TEST

START_TEST(urgent_takes_what_bulk_does_not_use) {
  sluice__queue_config_t config = {.quantum_min = 1};

  rig_init(&rig, &config);
  wake_job(&a, 'a', SLUICE__BULK, 100);
  for (int i = 0; i < 4; i++) {
    wake_job(&jobs[i], 'u', SLUICE__URGENT, 100);
    jobs[i].charge = 300;
  }
  (void)rig_drain(&rig, 1200);
  ck_assert_str_eq(rig_log(&rig), "uuuau");
}
END_TEST

START_TEST(urgent_is_capped_in_time_too) {
  rig.queue.exact_steps = 1000;
  wake_job(&a, 'a', SLUICE__BULK, 100);
  for (int i = 0; i < 4; i++) {
    wake_job(&jobs[i], 'u', SLUICE__URGENT, 100);
    jobs[i].takes_ns = 400;
  }
  (void)rig_drain_timed(&rig, TURN, 1000);
  ck_assert_str_eq(rig_log(&rig), "uuau");
}
END_TEST

/* Steps that overshoot eat up what the cap left; _i: bytes, or time. Bytes are
 * a debt, so there urgent must get its bytes, not its steps. */
START_TEST(overshooting_urgent_does_not_starve_bulk) {
  rig.queue.exact_steps = 1000;
  wake_job(&a, 'a', SLUICE__BULK, 100);
  wake_job(&b, 'b', SLUICE__DEMAND, 100);
  wake_job(&c, 'c', SLUICE__URGENT, 100);
  c.charge = _i == 0 ? 10 * TURN : 1;
  c.takes_ns = _i == 0 ? 1 : 10 * RIG_MS;
  for (int i = 0; i < 100; i++) {
    (void)rig_drain_timed(&rig, TURN, RIG_MS);
  }
  ck_assert_uint_ge(a.runs, 20);
  ck_assert_uint_ge(b.runs, 20);
  ck_assert(c.runs >= 20 || c.used >= (uint64_t)50 * TURN);
}
END_TEST

START_TEST(turns_that_are_spent_before_they_begin_starve_nobody) {
  wake_job(&a, 'a', SLUICE__BULK, 100);
  wake_job(&b, 'b', SLUICE__DEMAND, 100);
  wake_job(&c, 'c', SLUICE__URGENT, 100);
  for (int i = 0; i < 100; i++) {
    (void)rig_drain_timed(&rig, 0, 0);
  }
  ck_assert_uint_eq(a.runs + b.runs + c.runs, 100);
  ck_assert_uint_ge(a.runs, 20);
  ck_assert_uint_ge(b.runs, 20);
  ck_assert_uint_ge(c.runs, 50);
}
END_TEST

START_TEST(overshooting_bulk_does_not_starve_urgent) {
  wake_job(&a, 'a', SLUICE__BULK, 100);
  wake_job(&c, 'c', SLUICE__URGENT, 100);
  a.charge = 100 * TURN;
  for (int i = 0; i < 100; i++) {
    (void)rig_drain(&rig, TURN);
  }
  ck_assert_uint_ge(c.runs, 99);
}
END_TEST

START_TEST(a_share_of_100_leaves_bulk_no_floor) {
  sluice__queue_config_t config = {.urgent_share = 100};

  rig_init(&rig, &config);
  wake_job(&a, 'a', SLUICE__BULK, 100);
  wake_job(&c, 'c', SLUICE__URGENT, 100);
  c.fills = true;
  for (int i = 0; i < 100; i++) {
    (void)rig_drain(&rig, TURN);
  }
  ck_assert_uint_eq(a.runs, 0);
}
END_TEST

START_TEST(a_slow_step_is_an_overrun_of_its_own_when_timed_alone) {
  rig.queue.exact_steps = 100;
  wake_job(&a, 'a', SLUICE__BULK, 100);
  wake_job(&b, 'b', SLUICE__BULK, 100);
  b.takes_ns = RIG_MS + 1;
  (void)rig_drain(&rig, TURN);
  ck_assert_uint_eq(a.cont.stats.overruns, 0);
  ck_assert_uint_eq(b.cont.stats.overruns, 1);
  ck_assert_uint_eq(b.cont.stats.longest_ns, RIG_MS + 1);
  ck_assert_uint_eq(rig.queue.overruns, 1);
  ck_assert_uint_eq(rig.queue.exact_steps, 98);
}
END_TEST

START_TEST(a_slow_batch_makes_the_next_steps_be_timed_alone) {
  wake_job(&a, 'a', SLUICE__BULK, 100);
  wake_job(&b, 'b', SLUICE__BULK, 100);
  b.takes_ns = RIG_MS + 1;
  (void)rig_drain(&rig, TURN);
  ck_assert_uint_eq(rig.queue.overruns, 0);
  ck_assert_uint_eq(rig.queue.exact_steps, 1024);
  (void)rig_drain(&rig, TURN);
  ck_assert_uint_eq(b.cont.stats.overruns, 1);
  ck_assert_uint_eq(a.cont.stats.overruns, 0);
}
END_TEST

START_TEST(a_slow_step_that_ends_is_counted_by_the_queue) {
  rig.queue.exact_steps = 100;
  wake_job(&a, 'a', SLUICE__BULK, 100);
  a.takes_ns = RIG_MS + 1;
  a.result = SLUICE__DONE;
  (void)rig_drain(&rig, TURN);
  ck_assert_uint_eq(rig.queue.overruns, 1);
}
END_TEST

START_TEST(tiny_steps_share_one_look_at_the_clock) {
  static job_t many[160];

  for (size_t i = 0; i < 160; i++) {
    wake_job(&many[i], 'm', SLUICE__BULK, 100);
  }
  (void)rig_drain(&rig, TURN);
  ck_assert_uint_eq(rig.clock_reads, 1 + 160 / SLUICE__BUDGET_CLOCK_STEPS);
}
END_TEST

START_TEST(steps_and_bytes_are_counted) {
  wake_job(&a, 'a', SLUICE__BULK, 100);
  a.charge = 500;
  (void)rig_drain(&rig, TURN);
  (void)rig_drain(&rig, TURN);
  ck_assert_uint_eq(a.cont.stats.steps, 2);
  ck_assert_uint_eq(a.cont.stats.bytes, 1000);
}
END_TEST

/* A queue within a queue, as a session is within the engine. */
typedef struct nest_s {
  sluice__cont_t cont; /* first; of the outer queue */
  rig_t inner;
  int error; /* that ended it */
} nest_t;

static int nest_step(sluice__cont_t *cont, sluice__budget_t *budget) {
  nest_t *nest = (nest_t *)cont;
  sluice__budget_t share;
  int r;

  sluice__budget_share(&share, budget, UINT64_MAX);
  r = sluice__queue_drain(&nest->inner.queue, &share, NULL);
  sluice__budget_settle(budget, &share);
  if (r < 0) {
    nest->error = r;
    sluice__queue_cancel_all(&nest->inner.queue);
    return SLUICE__DONE;
  }
  return r;
}

static void wake_nest(void *ctx, bool remote) {
  nest_t *nest = ctx;

  if (remote) {
    sluice__queue_post(&nest->cont);
  } else {
    sluice__queue_wake(&nest->cont);
  }
}

static void nest_init(nest_t *nest, uint32_t weight) {
  memset(nest, 0, sizeof(*nest));
  rig_init(&nest->inner, NULL);
  nest->inner.queue.on_runnable = wake_nest;
  nest->inner.queue.runnable_ctx = nest;
  sluice__cont_init(&nest->cont, &rig.queue, nest_step, SLUICE__BULK, weight);
}

static nest_t one, two;

START_TEST(nested_queues_share_by_their_own_weights) {
  nest_init(&one, 100);
  nest_init(&two, 300);
  rig_bulk(&one.inner, &a, 'a');
  rig_bulk(&one.inner, &b, 'b');
  rig_bulk(&two.inner, &c, 'c');
  a.fills = b.fills = c.fills = true;
  for (int i = 0; i < 400; i++) {
    (void)rig_drain(&rig, TURN);
  }
  check_percent(c.used, a.used + b.used + c.used, 75, 1);
  check_percent(a.used, a.used + b.used, 50, 1);
  ck_assert_uint_eq(two.cont.stats.bytes, c.used);
}
END_TEST

START_TEST(a_nested_wakeup_makes_the_outer_queue_runnable) {
  nest_init(&one, 100);
  rig_bulk(&one.inner, &a, 'a');
  a.result = SLUICE__WAIT;
  ck_assert_int_eq(rig_drain(&rig, TURN), SLUICE__WAIT);
  ck_assert(!sluice__queue_is_runnable(&rig.queue));
  sluice__queue_wake(&a.cont);
  ck_assert_uint_eq(rig.runnable_local, 2);
  ck_assert_int_eq(rig_drain(&rig, TURN), SLUICE__WAIT);
  sluice__queue_post(&a.cont);
  ck_assert_uint_eq(rig.runnable_remote, 1);
  ck_assert_int_eq(rig_drain(&rig, TURN), SLUICE__WAIT);
  ck_assert_uint_eq(a.runs, 3);
}
END_TEST

START_TEST(a_failing_nested_queue_does_not_fail_the_outer_one) {
  nest_init(&one, 100);
  nest_init(&two, 100);
  rig_bulk(&one.inner, &a, 'a');
  rig_bulk(&one.inner, &b, 'b');
  rig_bulk(&two.inner, &c, 'c');
  a.result = -9;
  ck_assert_int_eq(rig_drain(&rig, TURN), SLUICE__MORE);
  ck_assert_int_eq(one.error, -9);
  ck_assert_uint_eq(b.cancels, 1);
  ck_assert_uint_eq(c.runs, 1);
}
END_TEST

static void add_classes(Suite *s) {
  TCase *tc = tcase_create("classes");

  tcase_add_checked_fixture(tc, setup, NULL);
  tcase_add_test(tc, classes_run_in_order);
  tcase_add_test(tc, urgent_leaves_bulk_its_floor);
  tcase_add_test(tc, urgent_and_demand_share_what_bulk_leaves);
  tcase_add_test(tc, urgent_has_the_whole_turn_when_nothing_is_below);
  tcase_add_test(tc, urgent_takes_what_bulk_does_not_use);
  tcase_add_test(tc, urgent_is_capped_in_time_too);
  tcase_add_loop_test(tc, overshooting_urgent_does_not_starve_bulk, 0, 2);
  tcase_add_test(tc, turns_that_are_spent_before_they_begin_starve_nobody);
  tcase_add_test(tc, overshooting_bulk_does_not_starve_urgent);
  tcase_add_test(tc, a_share_of_100_leaves_bulk_no_floor);
  suite_add_tcase(s, tc);
}

static void add_time(Suite *s) {
  TCase *tc = tcase_create("time");

  tcase_add_checked_fixture(tc, setup, NULL);
  tcase_add_test(tc, a_slow_step_is_an_overrun_of_its_own_when_timed_alone);
  tcase_add_test(tc, a_slow_batch_makes_the_next_steps_be_timed_alone);
  tcase_add_test(tc, a_slow_step_that_ends_is_counted_by_the_queue);
  tcase_add_test(tc, tiny_steps_share_one_look_at_the_clock);
  tcase_add_test(tc, steps_and_bytes_are_counted);
  suite_add_tcase(s, tc);
}

static void add_nested(Suite *s) {
  TCase *tc = tcase_create("nested");

  tcase_add_checked_fixture(tc, setup, NULL);
  tcase_add_test(tc, nested_queues_share_by_their_own_weights);
  tcase_add_test(tc, a_nested_wakeup_makes_the_outer_queue_runnable);
  tcase_add_test(tc, a_failing_nested_queue_does_not_fail_the_outer_one);
  suite_add_tcase(s, tc);
}

Suite *queue_fair_suite(void) {
  Suite *s = suite_create("queue_fair");
  TCase *tc = tcase_create("weights");

  tcase_add_checked_fixture(tc, setup, NULL);
  tcase_add_test(tc, a_single_continuation_gets_the_whole_turn);
  tcase_add_test(tc, a_turn_is_parted_by_weight);
  tcase_add_loop_test(tc, long_run_shares_follow_the_weights_whatever_the_units,
                      0, 3);
  tcase_add_test(tc, shares_follow_the_weights_below_a_busier_class);
  tcase_add_test(tc, time_is_parted_by_weight_when_it_runs_out_first);
  tcase_add_test(tc, parking_does_not_launder_debt);
  tcase_add_test(tc, parking_does_not_save_up);
  tcase_add_test(tc, savings_are_capped_at_four_turns);
  suite_add_tcase(s, tc);
  add_classes(s);
  add_time(s);
  add_nested(s);
  return s;
}
