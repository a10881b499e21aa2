/* test_pump_slice.c - the pump gives way to a busy host. The clock is the
 * test's: it moves only while somebody is said to work. */
#include "pump.h"

#include <check.h>

#include "suite.h"

enum { US = 1000, SLICE = 400 * US, FLOOR = 40 * US, TURNS = 20 };

static uv_loop_t loop;
static uv_prepare_t host; /* stands for all of the host's callbacks */
static sluice__pump_t pump;
static sluice__cont_t cont;
static uint64_t now_ns;
static uint64_t host_takes_ns; /* an iteration */
static uint64_t own_ns;        /* said to be ours */
static uint64_t was_given_ns;  /* to the last turn */
static uint64_t was_given_bytes;
static unsigned turns;
static int cont_result = SLUICE__MORE;

static uint64_t get_now(void *ctx) {
  (void)ctx;
  return now_ns;
}

static void on_host(uv_prepare_t *handle) {
  (void)handle;
  now_ns += host_takes_ns;
}

static int work(sluice__cont_t *c, sluice__budget_t *b) {
  (void)c;
  turns++;
  was_given_ns = b->deadline_ns - b->start_ns;
  was_given_bytes = sluice__budget_left(b);
  now_ns += was_given_ns; /* uses all of it */
  (void)sluice__budget_read_clock(b);
  return cont_result;
}

static uint64_t get_own(sluice__pump_t *p) {
  (void)p;
  return own_ns;
}

static void setup(void) {
  static const sluice__clock_t clock = {get_now, NULL};
  const sluice__pump_config_t config = {.slice_ns = SLICE,
                                        .slice_min_ns = FLOOR,
                                        .slice_bytes = 4 * 1024 * 1024,
                                        .clock = &clock};

  now_ns = 1;
  ck_assert_int_eq(uv_loop_init(&loop), 0);
  ck_assert_int_eq(sluice__pump_init(&pump, &loop, &config), 0);
  (void)uv_prepare_init(&loop, &host);
  (void)uv_prepare_start(&host, on_host);
  sluice__cont_init(&cont, &pump.queue, work, SLUICE__BULK, 100);
  sluice__queue_wake(&cont);
}

static void teardown(void) {
  sluice__pump_close(&pump, NULL);
  uv_close((uv_handle_t *)&host, NULL);
  ck_assert_int_eq(uv_run(&loop, UV_RUN_DEFAULT), 0);
  ck_assert_int_eq(uv_loop_close(&loop), 0);
}

static void run_turns(unsigned count) {
  unsigned until = turns + count;

  while (turns < until) {
    (void)uv_run(&loop, UV_RUN_NOWAIT);
  }
}

START_TEST(with_an_idle_host_a_turn_has_the_whole_slice) {
  run_turns(TURNS);
  ck_assert_uint_eq(was_given_ns, SLICE);
  ck_assert_uint_eq(was_given_bytes, 4 * 1024 * 1024);
}
END_TEST

START_TEST(with_a_busy_host_it_has_the_floor_and_its_part_of_the_bytes) {
  host_takes_ns = 100 * US;
  run_turns(TURNS);
  ck_assert_uint_eq(was_given_ns, FLOOR);
  ck_assert_uint_eq(was_given_bytes, 512 * 1024);
}
END_TEST

START_TEST(it_grows_again_when_the_host_has_less_to_do) {
  host_takes_ns = 100 * US;
  run_turns(TURNS);
  host_takes_ns = 1 * US;
  run_turns(TURNS);
  ck_assert_uint_eq(was_given_ns, SLICE);
}
END_TEST

static void on_own(uv_prepare_t *handle) {
  on_host(handle);
  own_ns += host_takes_ns;
}

START_TEST(callbacks_of_its_own_are_not_the_hosts) {
  (void)uv_prepare_stop(&host);
  (void)uv_prepare_start(&host, on_own);
  pump.own_ns = get_own;
  host_takes_ns = 100 * US;
  run_turns(TURNS);
  ck_assert_uint_eq(was_given_ns, SLICE);
}
END_TEST

/* Time during which the loop slept is nobody's. */
START_TEST(time_before_a_wakeup_does_not_count) {
  host_takes_ns = 0;
  run_turns(TURNS);
  cont_result = SLUICE__WAIT;
  (void)uv_run(&loop, UV_RUN_NOWAIT);
  cont_result = SLUICE__MORE;
  (void)uv_run(&loop, UV_RUN_NOWAIT);
  ck_assert(!pump.is_spinning);
  now_ns += 1000 * 1000 * (uint64_t)US;
  sluice__queue_wake(&cont);
  run_turns(1);
  ck_assert_uint_eq(was_given_ns, SLICE);
}
END_TEST

Suite *pump_slice_suite(void) {
  Suite *s = suite_create("pump_slice");
  TCase *tc = tcase_create("slice");

  tcase_add_checked_fixture(tc, setup, teardown);
  tcase_add_test(tc, with_an_idle_host_a_turn_has_the_whole_slice);
  tcase_add_test(tc,
                 with_a_busy_host_it_has_the_floor_and_its_part_of_the_bytes);
  tcase_add_test(tc, it_grows_again_when_the_host_has_less_to_do);
  tcase_add_test(tc, callbacks_of_its_own_are_not_the_hosts);
  tcase_add_test(tc, time_before_a_wakeup_does_not_count);
  suite_add_tcase(s, tc);
  return s;
}
