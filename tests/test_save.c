/* test_save.c - a save from begin to its callback, when all goes well. */
#include <sluice/save.h>

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "rig.h"
#include "suite.h"
#include "toy.h"

static rig_t rig;
static toy_t plain;
static toy_t live;
static void *image;
static size_t image_len;
static char trace[256];

static void setup(void) {
  rig_init(&rig);
  toy_init(&plain, rig.registry, "plain", 100, 1);
  toy_init_live(&live, rig.registry, "live", 3000, 2, 3);
  image = NULL;
  trace[0] = '\0';
}

static void teardown(void) {
  free(image);
  toy_done(&plain);
  toy_done(&live);
  rig_done(&rig);
}

static void note(const char *what) {
  strncat(trace, what, sizeof(trace) - strlen(trace) - 1);
}

START_TEST(every_hook_runs_as_often_as_the_contract_says) {
  ck_assert_int_eq(rig_save_memory(&rig, NULL, &image, &image_len), 0);
  ck_assert_uint_eq(live.calls[TOY_SAVE_BEGIN], 1);
  ck_assert_uint_eq(live.calls[TOY_SAVE_START], 1);
  ck_assert_uint_eq(live.calls[TOY_SAVE_STEP], 3);
  ck_assert_uint_eq(live.calls[TOY_SAVE_FINISH], 1);
  ck_assert_uint_eq(plain.calls[TOY_SAVE_STEP], 0);
  ck_assert_uint_eq(plain.calls[TOY_SAVE_FINISH], 1);
  ck_assert_uint_eq(plain.save_ends, 1);
  ck_assert_uint_eq(live.save_ends, 1);
}
END_TEST

START_TEST(totals_tell_the_length_of_the_image) {
  ck_assert_int_eq(rig_save_memory(&rig, NULL, &image, &image_len), 0);
  ck_assert_uint_eq(rig.totals.bytes, image_len);
  ck_assert_uint_eq(rig.progress.bytes_done, image_len);
  ck_assert_uint_eq(rig.progress.sections_done, 2);
}
END_TEST

START_TEST(equal_states_give_equal_images) {
  const uint8_t id[16] = "the same id";
  const sluice_save_options_t o = {.size = sizeof(o), .image_id = id};
  void *again = NULL;
  size_t again_len;

  ck_assert_int_eq(rig_save_memory(&rig, &o, &image, &image_len), 0);
  live.calls[TOY_SAVE_STEP] = 0;
  ck_assert_int_eq(rig_save_memory(&rig, &o, &again, &again_len), 0);
  ck_assert_uint_eq(image_len, again_len);
  ck_assert_mem_eq(image, again, image_len);
  free(again);
}
END_TEST

static void pause_now(sluice_save_t *save) {
  note("pause ");
  ck_assert_uint_eq(live.calls[TOY_SAVE_FINISH], 0);
  sluice_save_paused(save);
}

static void resume(sluice_save_t *save) {
  (void)save;
  note("resume ");
  ck_assert_uint_eq(plain.calls[TOY_SAVE_FINISH], 1);
}

START_TEST(the_host_is_paused_for_the_finish_hooks_only) {
  const sluice_save_options_t o = {
      .size = sizeof(o), .pause = pause_now, .resume = resume};

  ck_assert_int_eq(rig_save_memory(&rig, &o, &image, &image_len), 0);
  ck_assert_str_eq(trace, "pause resume ");
}
END_TEST

static sluice_save_t *paused_save;
static uv_timer_t later;

static void on_later(uv_timer_t *timer) {
  note("later ");
  sluice_save_paused(paused_save);
  uv_close((uv_handle_t *)timer, NULL);
}

static void pause_later(sluice_save_t *save) {
  note("pause ");
  paused_save = save;
  ck_assert_int_eq(uv_timer_init(&rig.loop, &later), 0);
  ck_assert_int_eq(uv_timer_start(&later, on_later, 1, 0), 0);
}

START_TEST(the_host_may_take_its_time_to_pause) {
  const sluice_save_options_t o = {
      .size = sizeof(o), .pause = pause_later, .resume = resume};

  ck_assert_int_eq(rig_save_memory(&rig, &o, &image, &image_len), 0);
  ck_assert_str_eq(trace, "pause later resume ");
}
END_TEST

static sluice_verdict_t three_rounds(sluice_save_t *save,
                                     const sluice_round_t *round) {
  (void)save;
  ck_assert_uint_eq(round->bytes_left, 0);
  if (round->number == 3) {
    return SLUICE_SWITCH;
  }
  toy_touch(&live); /* dirtied: the section is woken and a round begins */
  return SLUICE_GO_ON;
}

START_TEST(a_section_that_waits_is_woken_when_it_is_dirtied) {
  const sluice_save_options_t o = {.size = sizeof(o), .policy = three_rounds};

  ck_assert_int_eq(rig_save_memory(&rig, &o, &image, &image_len), 0);
  ck_assert_uint_eq(rig.progress.rounds, 3);
  ck_assert_uint_eq(live.calls[TOY_SAVE_STEP], 3 + 2);
}
END_TEST

static sluice_verdict_t give_up(sluice_save_t *save,
                                const sluice_round_t *round) {
  (void)save;
  (void)round;
  return SLUICE_GIVE_UP;
}

START_TEST(a_policy_that_gives_up_fails_the_save_by_name) {
  const sluice_save_options_t o = {.size = sizeof(o), .policy = give_up};

  ck_assert_int_eq(rig_save_memory(&rig, &o, &image, &image_len),
                   SLUICE_ENOCONVERGE);
  ck_assert_ptr_null(image);
}
END_TEST

static sluice_verdict_t never(sluice_save_t *save,
                              const sluice_round_t *round) {
  (void)round;
  sluice_save_switch(save);
  return SLUICE_GO_ON;
}

START_TEST(the_host_can_force_the_switch) {
  const sluice_save_options_t o = {.size = sizeof(o), .policy = never};

  ck_assert_int_eq(rig_save_memory(&rig, &o, &image, &image_len), 0);
}
END_TEST

START_TEST(a_registry_is_saved_once_at_a_time) {
  sluice_save_t *first;
  sluice_save_t *second;
  sluice_sink_t *sink;
  sluice_sink_t *other;
  size_t other_len;
  void *other_image;

  ck_assert_int_eq(sluice_sink_memory(&sink, 1 << 20, &image, &image_len), 0);
  ck_assert_int_eq(
      sluice_sink_memory(&other, 1 << 20, &other_image, &other_len), 0);
  ck_assert_int_eq(sluice_save_begin(&first, rig.engine, rig.registry, sink,
                                     NULL, rig_on_saved, NULL),
                   0);
  ck_assert_int_eq(sluice_save_begin(&second, rig.engine, rig.registry, other,
                                     NULL, rig_on_saved, NULL),
                   UV_EBUSY);
  sluice_sink_free(other);
  ck_assert_int_eq(sluice_save_free(first), UV_EBUSY);
  ck_assert_int_eq(sluice_registry_free(rig.registry), UV_EBUSY);
  rig_run(&rig);
  ck_assert_uint_eq(rig.callbacks, 1);
  ck_assert_int_eq(rig.status, 0);
}
END_TEST

/* The session's, until its callback; refused, and not a byte of it is lost. */
START_TEST(a_sink_goes_to_one_save_only) {
  sluice_save_t *first;
  sluice_save_t *second;
  sluice_registry_t *other = rig_registry(&rig);
  sluice_sink_t *sink;

  ck_assert_int_eq(sluice_sink_memory(&sink, 1 << 20, &image, &image_len), 0);
  ck_assert_int_eq(sluice_save_begin(&first, rig.engine, rig.registry, sink,
                                     NULL, rig_on_saved, NULL),
                   0);
  ck_assert_int_eq(sluice_save_begin(&second, rig.engine, other, sink, NULL,
                                     rig_on_saved, NULL),
                   UV_EBUSY);
  ck_assert_int_eq(sluice_sink_free(sink), UV_EBUSY);
  ck_assert_int_eq(sluice_registry_free(other), 0);
  rig_run(&rig);
  ck_assert_uint_eq(rig.callbacks, 1);
  ck_assert_int_eq(rig.status, 0);
}
END_TEST

START_TEST(a_sink_that_begin_refused_is_the_hosts_again) {
  const sluice_save_options_t o = {.size = sizeof(o), .max_memory = 1};
  sluice_save_t *save;
  sluice_sink_t *sink;

  ck_assert_int_eq(sluice_sink_memory(&sink, 1 << 20, &image, &image_len), 0);
  ck_assert_int_lt(sluice_save_begin(&save, rig.engine, rig.registry, sink, &o,
                                     rig_on_saved, NULL),
                   0);
  ck_assert_int_eq(sluice_sink_free(sink), 0);
}
END_TEST

static int return_77(void *self, const void *data, size_t len, uint64_t offset,
                     sluice_sink_cb cb, void *ctx) {
  (void)self, (void)data, (void)len, (void)offset, (void)cb, (void)ctx;
  return 77;
}

START_TEST(what_a_sink_does_wrong_is_in_the_error_of_the_save) {
  const sluice_sink_ops_t ops = {.size = sizeof(ops), .write = return_77};
  sluice_sink_t *sink;

  ck_assert_int_eq(sluice_sink_custom(&sink, &ops, NULL), 0);
  ck_assert_int_eq(rig_save(&rig, sink, NULL), SLUICE_EHANDLER);
  ck_assert_str_eq(rig.error.message, "the sink's write() returned 77");
}
END_TEST

static uint64_t total_before;

static void look_at_totals(sluice_save_t *save, const sluice_progress_t *p) {
  sluice_totals_t totals;

  (void)p;
  sluice_save_totals(save, &totals, sizeof(totals));
  ck_assert_uint_ge(totals.bytes, total_before);
  total_before = totals.bytes;
}

START_TEST(totals_can_be_asked_for_meanwhile_and_only_grow) {
  const sluice_save_options_t o = {.size = sizeof(o),
                                   .progress = look_at_totals};

  total_before = 0;
  ck_assert_int_eq(rig_save_memory(&rig, &o, &image, &image_len), 0);
  ck_assert_uint_gt(total_before, 0);
  ck_assert_uint_le(total_before, rig.totals.bytes);
}
END_TEST

/* Rows: a section that cannot be saved; an engine that closes. */
START_TEST(a_save_that_cannot_be_is_refused_before_it_begins) {
  sluice_sink_t *sink;
  sluice_save_t *save;

  ck_assert_int_eq(sluice_sink_memory(&sink, 1 << 20, &image, &image_len), 0);
  if (_i == 0) {
    plain.handler.save_begin = NULL;
  } else {
    ck_assert_int_eq(sluice_engine_close(rig.engine, NULL, NULL), 0);
  }
  ck_assert_int_eq(sluice_save_begin(&save, rig.engine, rig.registry, sink,
                                     NULL, rig_on_saved, NULL),
                   _i == 0 ? UV_EINVAL : SLUICE_ESTATE);
  sluice_sink_free(sink);
  ck_assert_uint_eq(plain.calls[TOY_SAVE_BEGIN], 0);
  if (_i == 1) {
    ck_assert_int_eq(sluice_engine_new(&rig.engine, &rig.loop, NULL, NULL), 0);
  }
}
END_TEST

START_TEST(an_empty_registry_cannot_be_saved) {
  sluice_registry_t *full = rig.registry;

  rig.registry = rig_registry(&rig);
  ck_assert_int_eq(rig_save_memory(&rig, NULL, &image, &image_len), UV_EINVAL);
  ck_assert_int_eq(sluice_registry_free(rig.registry), 0);
  rig.registry = full;
}
END_TEST

static unsigned ticks;

static void on_progress(sluice_save_t *save, const sluice_progress_t *p) {
  sluice_progress_t now;

  sluice_save_progress(save, &now, sizeof(now));
  ck_assert_int_eq(now.phase, p->phase);
  ck_assert_uint_eq(p->sections_total, 2);
  ticks++;
}

START_TEST(progress_is_told_at_each_change_of_phase) {
  const sluice_save_options_t o = {.size = sizeof(o), .progress = on_progress};

  ticks = 0;
  ck_assert_int_eq(rig_save_memory(&rig, &o, &image, &image_len), 0);
  ck_assert_uint_ge(ticks, 3); /* live, paused, finish */
}
END_TEST

START_TEST(a_bandwidth_limit_spreads_the_save) {
  const sluice_save_options_t o = {.size = sizeof(o), .bandwidth = 20000};

  ck_assert_int_eq(rig_save_memory(&rig, &o, &image, &image_len), 0);
  /* 3000 bytes and their frames at 20 000 a second. */
  ck_assert_uint_ge(rig.progress.elapsed_ms, 50);
}
END_TEST

/* Of a section whose handler does not say how much it has, nothing is known. */
START_TEST(a_live_section_need_not_say_how_much_it_has) {
  live.handler.save_pending = NULL;
  ck_assert_int_eq(rig_save_memory(&rig, NULL, &image, &image_len), 0);
  ck_assert_uint_eq(live.sent, 3000); /* in the pause, if not before */
  ck_assert_uint_eq(rig.progress.bytes_left, 0);
}
END_TEST

/* It wakes the session, which is waiting for the host. */
static void pause_later_and_switch(sluice_save_t *save) {
  pause_later(save);
  sluice_save_switch(save);
}

START_TEST(a_switch_while_the_host_is_being_paused_changes_nothing) {
  const sluice_save_options_t o = {
      .size = sizeof(o), .pause = pause_later_and_switch, .resume = resume};

  ck_assert_int_eq(rig_save_memory(&rig, &o, &image, &image_len), 0);
  ck_assert_str_eq(trace, "pause later resume ");
}
END_TEST

static sluice_verdict_t say_paused(sluice_save_t *save,
                                   const sluice_round_t *round) {
  (void)round;
  sluice_save_paused(save);
  return SLUICE_SWITCH;
}

START_TEST(a_host_that_says_unasked_that_it_paused_is_asked_all_the_same) {
  const sluice_save_options_t o = {.size = sizeof(o),
                                   .policy = say_paused,
                                   .pause = pause_now,
                                   .resume = resume};

  ck_assert_int_eq(rig_save_memory(&rig, &o, &image, &image_len), 0);
  ck_assert_str_eq(trace, "pause resume ");
}
END_TEST

static uint64_t always_more(void *self) {
  (void)self;
  return 1000;
}

static int more_and_more(void *self, sluice_writer_t *w, sluice_error_t *err) {
  (void)self;
  (void)err;
  (void)sluice_writer_u64(w, 0);
  return SLUICE_MORE;
}

/* Small enough it never is. */
START_TEST(after_so_many_rounds_the_host_says_what_becomes_of_it) {
  const sluice_save_options_t o = {.size = sizeof(o),
                                   .downtime_us = 1,
                                   .max_rounds = 2,
                                   .at_max_rounds = SLUICE_GIVE_UP,
                                   .weight = 7};

  live.handler.save_step = more_and_more;
  live.handler.save_pending = always_more;
  ck_assert_int_eq(rig_save_memory(&rig, &o, &image, &image_len),
                   SLUICE_ENOCONVERGE);
  ck_assert_uint_eq(rig.progress.rounds, 2);
  ck_assert_ptr_null(image);
}
END_TEST

START_TEST(a_weight_over_1000_is_refused) {
  const sluice_save_options_t o = {.size = sizeof(o), .weight = 1001};

  ck_assert_int_eq(rig_save_memory(&rig, &o, &image, &image_len), UV_EINVAL);
  ck_assert_uint_eq(plain.calls[TOY_SAVE_BEGIN], 0);
}
END_TEST

START_TEST(a_save_may_have_an_allocator_of_its_own) {
  const sluice_save_options_t o = {.size = sizeof(o),
                                   .alloc = sluice_alloc_libc()};

  ck_assert_int_eq(rig_save_memory(&rig, &o, &image, &image_len), 0);
  ck_assert_uint_gt(rig.progress.memory_peak, 0);
}
END_TEST

/* Work that leaves nothing in the stream: 1 ms a unit, by a clock of ours. */
enum { UNITS = 40, UNIT_NS = 1000 * 1000 };

static struct {
  uint64_t now_ns;
  unsigned units;
  unsigned most; /* units in one call, while the host runs */
} toil;

static uint64_t toil_now(void *ctx) {
  (void)ctx;
  return toil.now_ns;
}

static int toil_step(void *self, sluice_writer_t *w, sluice_error_t *err) {
  unsigned units = 0;

  (void)self;
  (void)err;
  do {
    toil.now_ns += UNIT_NS;
    units++;
  } while (toil.units + units < UNITS && !sluice_writer_should_yield(w));
  toil.units += units;
  toil.most = units > toil.most ? units : toil.most;
  return toil.units < UNITS ? SLUICE_MORE : SLUICE_WAIT;
}

static uint64_t toil_pending(void *self) {
  (void)self;
  return UNITS - toil.units;
}

START_TEST(a_step_that_writes_nothing_is_told_when_its_time_is_up) {
  memset(&toil, 0, sizeof(toil));
  rig_clock = toil_now;
  rig_renew(&rig);
  live.handler.save_step = toil_step;
  live.handler.save_pending = toil_pending;
  ck_assert_int_eq(rig_save_memory(&rig, NULL, &image, &image_len), 0);
  ck_assert_uint_eq(toil.units, UNITS);
  ck_assert_uint_eq(toil.most, 1); /* a slice has half a unit */
}
END_TEST

Suite *save_suite(void) {
  Suite *s = suite_create("save");
  TCase *t = tcase_create("core");

  tcase_add_checked_fixture(t, setup, teardown);
  tcase_add_test(t, every_hook_runs_as_often_as_the_contract_says);
  tcase_add_test(t, totals_tell_the_length_of_the_image);
  tcase_add_test(t, equal_states_give_equal_images);
  tcase_add_test(t, the_host_is_paused_for_the_finish_hooks_only);
  tcase_add_test(t, the_host_may_take_its_time_to_pause);
  tcase_add_test(t, a_section_that_waits_is_woken_when_it_is_dirtied);
  tcase_add_test(t, a_policy_that_gives_up_fails_the_save_by_name);
  tcase_add_test(t, the_host_can_force_the_switch);
  tcase_add_test(t, a_registry_is_saved_once_at_a_time);
  tcase_add_test(t, a_sink_goes_to_one_save_only);
  tcase_add_test(t, a_sink_that_begin_refused_is_the_hosts_again);
  tcase_add_test(t, what_a_sink_does_wrong_is_in_the_error_of_the_save);
  tcase_add_test(t, an_empty_registry_cannot_be_saved);
  tcase_add_test(t, totals_can_be_asked_for_meanwhile_and_only_grow);
  tcase_add_loop_test(t, a_save_that_cannot_be_is_refused_before_it_begins, 0,
                      2);
  tcase_add_test(t, progress_is_told_at_each_change_of_phase);
  tcase_add_test(t, a_bandwidth_limit_spreads_the_save);
  tcase_add_test(t, a_live_section_need_not_say_how_much_it_has);
  tcase_add_test(t, a_switch_while_the_host_is_being_paused_changes_nothing);
  tcase_add_test(t,
                 a_host_that_says_unasked_that_it_paused_is_asked_all_the_same);
  tcase_add_test(t, after_so_many_rounds_the_host_says_what_becomes_of_it);
  tcase_add_test(t, a_weight_over_1000_is_refused);
  tcase_add_test(t, a_save_may_have_an_allocator_of_its_own);
  tcase_add_test(t, a_step_that_writes_nothing_is_told_when_its_time_is_up);
  suite_add_tcase(s, t);
  return s;
}
