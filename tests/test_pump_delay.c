/* test_pump_delay.c - paced continuations, on a real loop but with a clock that
 * the test owns: a timer that fires finds nothing due until the test says so.
 */
#include "pump.h"

#include <check.h>
#include <string.h>

#include "suite.h"

enum { MS = 1000 * 1000, NAMES = 32 };

typedef struct paced_s {
  sluice__cont_t cont; /* first */
  sluice__delay_t delay;
  char name;
} paced_t;

static uv_loop_t loop;
static sluice__pump_t pump;
static uint64_t now_ns;
static uint64_t ns_a_look; /* that pass whenever the clock is read */
static paced_t a, b, c;
static char ran[NAMES];
static bool is_closed;

static uint64_t read_now(void *ctx) {
  uint64_t now = *(uint64_t *)ctx;

  *(uint64_t *)ctx = now + ns_a_look;
  return now;
}

static int write_name(sluice__cont_t *cont, sluice__budget_t *budget) {
  char name[2] = {((paced_t *)cont)->name, '\0'};

  (void)budget;
  ck_assert_uint_lt(strlen(ran), NAMES - 1);
  strcat(ran, name);
  return SLUICE__WAIT;
}

static void init_paced(paced_t *p, char name) {
  memset(p, 0, sizeof(*p));
  p->name = name;
  p->delay.cont = &p->cont;
  sluice__cont_init(&p->cont, &pump.queue, write_name, SLUICE__BULK, 100);
}

static void setup(void) {
  sluice__clock_t clock = {read_now, &now_ns};
  sluice__pump_config_t config = {.clock = &clock};

  now_ns = 1000;
  ck_assert_int_eq(uv_loop_init(&loop), 0);
  ck_assert_int_eq(sluice__pump_init(&pump, &loop, &config), 0);
  sluice__pump_ref(&pump);
  init_paced(&a, 'a');
  init_paced(&b, 'b');
  init_paced(&c, 'c');
}

static void on_closed(sluice__pump_t *p) {
  (void)p;
  is_closed = true;
}

static void teardown(void) {
  if (!pump.is_closing) {
    sluice__pump_close(&pump, on_closed);
  }
  (void)uv_run(&loop, UV_RUN_DEFAULT);
  ck_assert(is_closed);
  ck_assert_int_eq(uv_loop_close(&loop), 0);
}

static void delay_by(paced_t *p, uint64_t ns) {
  sluice__pump_delay(&pump, &p->delay, now_ns + ns);
}

/* Blocks until the timer has fired: nothing else can end the poll. */
static void run_timer(void) {
  (void)uv_run(&loop, UV_RUN_ONCE);
}

static void run_until(const char *names) {
  while (strcmp(ran, names) != 0) {
    (void)uv_run(&loop, UV_RUN_ONCE);
  }
}

START_TEST(a_delay_that_has_passed_wakes_at_once) {
  delay_by(&a, 0);
  ck_assert(!a.delay.armed);
  ck_assert(pump.is_spinning);
  run_until("a");
}
END_TEST

START_TEST(a_delay_wakes_when_its_time_has_come_and_not_before) {
  delay_by(&a, MS);
  ck_assert(a.delay.armed);
  run_timer();
  run_timer();
  ck_assert_str_eq(ran, "");
  ck_assert(a.delay.armed);
  now_ns += MS - 1;
  run_timer();
  ck_assert_str_eq(ran, "");
  now_ns += 1;
  run_until("a");
  ck_assert(!a.delay.armed);
  ck_assert(!uv_is_active((uv_handle_t *)&pump.timer));
}
END_TEST

START_TEST(delays_come_due_soonest_first_and_ties_in_order) {
  delay_by(&a, 2 * MS);
  delay_by(&b, MS);
  delay_by(&c, MS);
  now_ns += 2 * MS;
  run_until("bca");
}
END_TEST

START_TEST(an_earlier_delay_shortens_the_timer) {
  delay_by(&a, (uint64_t)3600 * 1000 * MS);
  delay_by(&b, MS);
  now_ns += MS;
  run_until("b");
  ck_assert(a.delay.armed);
}
END_TEST

START_TEST(a_delay_takes_the_place_of_the_one_before) {
  delay_by(&a, MS);
  delay_by(&a, 2 * MS);
  delay_by(&b, MS);
  now_ns += MS;
  run_until("b");
  now_ns += MS;
  run_until("ba");
}
END_TEST

START_TEST(an_undelayed_one_is_not_woken) {
  delay_by(&a, MS);
  delay_by(&b, MS);
  sluice__pump_undelay(&pump, &a.delay);
  sluice__pump_undelay(&pump, &a.delay);
  now_ns += MS;
  run_until("b");
  ck_assert(!uv_is_active((uv_handle_t *)&pump.timer));
}
END_TEST

START_TEST(the_timer_rounds_up_and_is_never_zero) {
  delay_by(&a, 1);
  ck_assert_uint_eq(uv_timer_get_due_in(&pump.timer), 1);
  delay_by(&a, 3 * MS);
  ck_assert_uint_eq(uv_timer_get_due_in(&pump.timer), 3);
  delay_by(&a, 3 * MS + 1);
  ck_assert_uint_eq(uv_timer_get_due_in(&pump.timer), 4);
}
END_TEST

/* A timer of 0 would do no harm here, but would from its own callback. */
START_TEST(the_timer_is_not_zero_when_the_time_comes_while_it_is_set) {
  ns_a_look = 2;
  delay_by(&a, 1);
  ck_assert(a.delay.armed);
  ck_assert_uint_eq(uv_timer_get_due_in(&pump.timer), 1);
  run_until("a");
}
END_TEST

START_TEST(close_forgets_the_delays) {
  delay_by(&a, MS);
  sluice__pump_close(&pump, on_closed);
  ck_assert(!a.delay.armed);
  delay_by(&b, MS);
  ck_assert(!b.delay.armed);
}
END_TEST

START_TEST(delays_alone_do_not_keep_the_loop) {
  sluice__pump_unref(&pump);
  delay_by(&a, MS);
  ck_assert_int_eq(uv_loop_alive(&loop), 0);
}
END_TEST

Suite *pump_delay_suite(void) {
  Suite *s = suite_create("pump_delay");
  TCase *tc = tcase_create("core");

  tcase_add_checked_fixture(tc, setup, teardown);
  tcase_add_test(tc, a_delay_that_has_passed_wakes_at_once);
  tcase_add_test(tc, a_delay_wakes_when_its_time_has_come_and_not_before);
  tcase_add_test(tc, delays_come_due_soonest_first_and_ties_in_order);
  tcase_add_test(tc, an_earlier_delay_shortens_the_timer);
  tcase_add_test(tc, a_delay_takes_the_place_of_the_one_before);
  tcase_add_test(tc, an_undelayed_one_is_not_woken);
  tcase_add_test(tc, the_timer_rounds_up_and_is_never_zero);
  tcase_add_test(tc, the_timer_is_not_zero_when_the_time_comes_while_it_is_set);
  tcase_add_test(tc, close_forgets_the_delays);
  tcase_add_test(tc, delays_alone_do_not_keep_the_loop);
  suite_add_tcase(s, tc);
  return s;
}
