/* test_downtime.c - a save that converges keeps to the pause that its host
 * allows, or gives up by name and the host goes on. Time is the tests'. */
#include "cut_box.h"

#include <stdbool.h>

#include "suite.h"

enum { LONGEST_US = 700 };

static struct {
  uint64_t now_ns;
  uint64_t pause_us; /* what the host takes to pause */
  bool is_lazy;      /* never says that it is paused: time goes on */
  unsigned paused;
  unsigned resumed;
  sluice_phase_t phase;
  uv_idle_t idle;
} host;

static uint64_t read_clock(void *ctx) {
  (void)ctx;
  return host.now_ns;
}

static void setup(void) {
  memset(&host, 0, sizeof(host));
  rig_clock = read_clock;
  open_box();
  box.options.tracker = SLUICE_RAM_COOPERATIVE;
  box.seed = seed_open(0);
  make_sections();
}

static void teardown(void) {
  close_box();
  rig_clock = NULL;
}

static void pass_time(uv_idle_t *idle) {
  (void)idle;
  host.now_ns += 1000;
}

static void on_pause(sluice_save_t *save) {
  host.paused++;
  if (box.writer.loop != NULL) {
    (void)uv_idle_stop(&box.writer);
  }
  memcpy(box.at_cut, box.memory, BYTES);
  if (host.is_lazy) {
    (void)uv_idle_init(&box.rig.loop, &host.idle);
    (void)uv_idle_start(&host.idle, pass_time);
    return;
  }
  host.now_ns += host.pause_us * 1000;
  sluice_save_paused(save);
}

static void on_resume(sluice_save_t *save) {
  (void)save;
  host.resumed++;
  if (host.is_lazy) {
    uv_close((uv_handle_t *)&host.idle, NULL);
  }
}

static void on_saved(sluice_save_t *save, int status) {
  host.phase = sluice_save_error(save)->phase;
  rig_on_saved(save, status);
}

static int converge(uint64_t longest_us, sluice_policy_cb policy) {
  const sluice_save_options_t o = {.size = sizeof(o),
                                   .policy = policy,
                                   .max_rounds = 2,
                                   .downtime_us = 1,
                                   .downtime_max_us = longest_us,
                                   .pause = on_pause,
                                   .resume = on_resume};

  return box_save(&o, on_saved);
}

START_TEST(a_pause_that_is_as_long_as_it_may_be_is_well) {
  host.pause_us = LONGEST_US;
  ck_assert_int_eq(converge(LONGEST_US, NULL), 0);
  ck_assert_uint_eq(box.rig.progress.paused_us, LONGEST_US);
  ck_assert_uint_eq(host.paused, 1);
  ck_assert_uint_eq(host.resumed, 1);
  assert_image_is_the_cut();
}
END_TEST

START_TEST(a_pause_that_is_longer_ends_the_save_and_the_host_goes_on) {
  host.pause_us = LONGEST_US + 1;
  ck_assert_int_eq(converge(LONGEST_US, NULL), SLUICE_ENOCONVERGE);
  ck_assert_int_eq(host.phase, SLUICE_PHASE_PAUSED);
  ck_assert_str_eq(box.rig.error.message,
                   "the pause takes 701 us, and may take 700");
  ck_assert_uint_eq(host.resumed, 1);
  host.pause_us = 1;
  ck_assert_int_eq(converge(LONGEST_US, NULL), 0); /* a later one is well */
  assert_image_is_the_cut();
}
END_TEST

START_TEST(a_host_that_does_not_answer_is_not_waited_for_any_longer) {
  host.is_lazy = true;
  ck_assert_int_eq(converge(LONGEST_US, NULL), SLUICE_ENOCONVERGE);
  ck_assert_int_eq(host.phase, SLUICE_PHASE_PAUSED);
  ck_assert_uint_eq(host.resumed, 1);
}
END_TEST

START_TEST(without_a_limit_a_pause_may_take_any_time) {
  const uint64_t none[] = {0, UINT64_MAX};

  host.pause_us = UINT64_C(3600000000);
  ck_assert_int_eq(converge(none[_i], NULL), 0);
  ck_assert_uint_eq(box.rig.progress.paused_us, host.pause_us);
}
END_TEST

/* ---- what is expected ---- */

/* By a clock that stands, what was sent took a second. */
static void on_turn(uv_idle_t *idle) {
  (void)idle;
  for (int i = 0; i < PAGES; i++) {
    host_write((uint64_t)i * PAGE, 1, 7);
  }
}

static int converge_restless(uint64_t longest_us, sluice_policy_cb policy) {
  int r;

  ck_assert_int_eq(uv_idle_init(&box.rig.loop, &box.writer), 0);
  ck_assert_int_eq(uv_idle_start(&box.writer, on_turn), 0);
  uv_unref((uv_handle_t *)&box.writer);
  r = converge(longest_us, policy);
  uv_close((uv_handle_t *)&box.writer, NULL);
  rig_run(&box.rig);
  return r;
}

START_TEST(a_pause_that_would_be_longer_is_not_begun) {
  ck_assert_int_eq(converge_restless(LONGEST_US, NULL), SLUICE_ENOCONVERGE);
  ck_assert_int_eq(host.phase, SLUICE_PHASE_LIVE);
  ck_assert_ptr_nonnull(strstr(box.rig.error.message, "after 2 rounds "));
  ck_assert_uint_eq(host.paused, 0);
  ck_assert_uint_eq(host.resumed, 0);
}
END_TEST

START_TEST(without_a_limit_it_is_begun_all_the_same) {
  ck_assert_int_eq(converge_restless(0, NULL), 0);
  ck_assert_uint_eq(host.paused, 1);
}
END_TEST

static sluice_verdict_t at_once(sluice_save_t *save,
                                const sluice_round_t *round) {
  (void)save;
  ck_assert_uint_gt(round->downtime_us, LONGEST_US); /* or it was no test */
  ck_assert_uint_eq(round->downtime_limit_us, 1);
  return SLUICE_SWITCH;
}

START_TEST(a_policy_of_the_hosts_is_not_overruled) {
  ck_assert_int_eq(converge_restless(LONGEST_US, at_once), 0);
  ck_assert_uint_eq(host.paused, 1);
}
END_TEST

Suite *downtime_suite(void) {
  Suite *s = suite_create("downtime");
  TCase *t = tcase_create("core");

  tcase_add_checked_fixture(t, setup, teardown);
  tcase_add_test(t, a_pause_that_is_as_long_as_it_may_be_is_well);
  tcase_add_test(t, a_pause_that_is_longer_ends_the_save_and_the_host_goes_on);
  tcase_add_test(t, a_host_that_does_not_answer_is_not_waited_for_any_longer);
  tcase_add_loop_test(t, without_a_limit_a_pause_may_take_any_time, 0, 2);
  tcase_add_test(t, a_pause_that_would_be_longer_is_not_begun);
  tcase_add_test(t, without_a_limit_it_is_begun_all_the_same);
  tcase_add_test(t, a_policy_of_the_hosts_is_not_overruled);
  suite_add_tcase(s, t);
  return s;
}
