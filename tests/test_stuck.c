/* test_stuck.c - handlers and hosts that never move on, or answer what is no
 * answer: the operation ends by name. */
#include <sluice/save.h>

#include <check.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/restore.h>

#include "rig.h"
#include "suite.h"
#include "toy.h"

enum { IDLE_STEPS = 500 };

static rig_t rig;
static sluice_engine_t *engine; /* its time is `now_ns` */
static uint64_t now_ns, tick_ns;
static sluice_registry_t *other;
static toy_t toy, copy;
static void *image;
static size_t image_len;
static int answer; /* of the hook that is put in place */
static unsigned asked, idle_for;

static uint64_t read_clock(void *ctx) {
  (void)ctx;
  return now_ns += tick_ns;
}

static void setup(void) {
  const sluice_engine_options_t o = {.size = sizeof(o), .clock = read_clock};

  rig_init(&rig);
  now_ns = 0;
  tick_ns = UINT64_C(20000000); /* 5 s pass in 250 looks */
  ck_assert_int_eq(sluice_engine_new(&engine, &rig.loop, &o, NULL), 0);
  other = rig_registry(&rig);
  answer = SLUICE_MORE;
}

static void teardown(void) {
  free(image);
  image = NULL;
  toy_done(&toy);
  toy_done(&copy);
  ck_assert_int_eq(sluice_engine_close(engine, NULL, NULL), 0);
  ck_assert_int_eq(sluice_registry_free(other), 0);
  rig_done(&rig);
}

static int save(const sluice_save_options_t *given) {
  sluice_save_options_t o = *given;
  sluice_save_t *save;
  sluice_sink_t *sink;

  o.size = sizeof(o);
  o.max_idle_steps = o.max_idle_steps != 0 ? o.max_idle_steps : IDLE_STEPS;
  ck_assert_int_eq(sluice_sink_memory(&sink, 1 << 20, &image, &image_len), 0);
  ck_assert_int_eq(sluice_save_begin(&save, engine, rig.registry, sink, &o,
                                     rig_on_saved, NULL),
                   0);
  rig_run(&rig);
  return rig.status;
}

static int restore(void) {
  const sluice_restore_options_t o = {.size = sizeof(o),
                                      .max_idle_steps = IDLE_STEPS};
  sluice_restore_t *restore;
  sluice_source_t *source;

  ck_assert_int_eq(sluice_source_memory(&source, image, image_len), 0);
  ck_assert_int_eq(sluice_restore_begin(&restore, engine, other, source, &o,
                                        rig_on_restored, NULL),
                   0);
  rig_run(&rig);
  return rig.status;
}

/* ---- hooks that answer `answer`, whatever they are asked for ---- */

static int on_begin(void *self, sluice_section_t *section,
                    sluice_error_t *err) {
  (void)self;
  (void)section;
  (void)err;
  return answer;
}

static int on_call(void *self, sluice_error_t *err) {
  (void)self;
  (void)err;
  asked++;
  return answer;
}

static int on_write(void *self, sluice_writer_t *w, sluice_error_t *err) {
  (void)self;
  (void)w;
  (void)err;
  asked++;
  return answer;
}

static int on_release(void *self) {
  (void)self;
  return answer;
}

static int on_restore(void *self, sluice_section_t *section, uint32_t version,
                      sluice_error_t *err) {
  (void)self;
  (void)section;
  (void)version;
  (void)err;
  return answer;
}

static int on_read(void *self, sluice_reader_t *r, sluice_error_t *err) {
  (void)self;
  (void)r;
  (void)err;
  return answer;
}

typedef enum hook_e {
  SAVE_BEGIN,
  SAVE_START,
  SAVE_ARM,
  SAVE_CUT,
  SAVE_STEP,
  SAVE_FINISH,
  KEPT_FINISH, /* of a section that is kept from the instant of a cut */
  SAVE_RELEASE,
  SAVE_HOOKS,
  RESTORE_BEGIN = SAVE_HOOKS,
  RESTORE_STEP,
  RESTORE_CHECK,
  HOOKS
} hook_t;

static const char *const names[] = {
    "save_begin",    "save_start",   "save_arm",     "save_cut",
    "save_step",     "save_finish",  "save_finish",  "save_release",
    "restore_begin", "restore_step", "restore_check"};

static int cut_well(void *self, sluice_error_t *err) {
  (void)self;
  (void)err;
  return 0;
}

static void put_hook(toy_t *t, hook_t hook) {
  sluice_handler_t *h = &t->handler;

  switch (hook) {
  case SAVE_BEGIN: h->save_begin = on_begin; break;
  case SAVE_START: h->save_start = on_write; break;
  case SAVE_ARM: h->save_arm = on_call; break;
  case SAVE_CUT: h->save_cut = on_call; break;
  case SAVE_STEP: h->save_step = on_write; break;
  case SAVE_FINISH:
  case KEPT_FINISH: h->save_finish = on_write; break;
  case SAVE_RELEASE: h->save_release = on_release; break;
  case RESTORE_BEGIN: h->restore_begin = on_restore; break;
  case RESTORE_STEP: h->restore_step = on_read; break;
  case RESTORE_CHECK: h->restore_check = on_call; break;
  case HOOKS: break;
  }
}

static bool is_of_cuts(hook_t hook) {
  return hook == SAVE_ARM || hook == SAVE_CUT || hook == KEPT_FINISH;
}

static void make_toys(hook_t hook) {
  if (hook == KEPT_FINISH) {
    toy_init(&toy, rig.registry, "toy", 100, 1);
    toy_init(&copy, other, "toy", 8, 2);
  } else {
    toy_init_live(&toy, rig.registry, "toy", 100, 1, 5);
    toy_init_live(&copy, other, "toy", 8, 2, 1);
    toy.handler.save_cut = cut_well;
  }
}

/* Runs the operation that calls `hook`, which is put in place. */
static int run(hook_t hook) {
  const sluice_save_options_t o = {.mode = is_of_cuts(hook) ? SLUICE_CUT
                                                            : SLUICE_CONVERGE};

  make_toys(hook);
  if (hook < SAVE_HOOKS) {
    put_hook(&toy, hook);
    return save(&o);
  }
  ck_assert_int_eq(save(&o), 0);
  put_hook(&copy, hook);
  return restore();
}

static void assert_blamed(const char *hook) {
  ck_assert_str_eq(rig.error.section, "toy");
  ck_assert_msg(strstr(rig.error.message, hook) != NULL, "%s",
                rig.error.message);
}

START_TEST(what_is_no_answer_of_a_hook_is_named) {
  answer = 77;
  ck_assert_int_eq(run((hook_t)_i), SLUICE_EHANDLER);
  assert_blamed(names[_i]);
  ck_assert_ptr_ne(strstr(rig.error.message, "77"), NULL);
  ck_assert_uint_eq(copy.commits, 0);
}
END_TEST

static const hook_t steps[] = {SAVE_ARM,     SAVE_STEP,    SAVE_FINISH,
                               KEPT_FINISH,  SAVE_RELEASE, RESTORE_STEP,
                               RESTORE_CHECK};

START_TEST(a_section_that_never_moves_on_ends_it) {
  ck_assert_int_eq(run(steps[_i]), SLUICE_ESTUCK);
  assert_blamed(names[steps[_i]]);
  ck_assert_uint_eq(copy.commits, 0);
}
END_TEST

START_TEST(an_image_stands_though_a_section_is_not_released) {
  ck_assert_int_eq(run(SAVE_RELEASE), SLUICE_ESTUCK);
  ck_assert_uint_eq(toy.save_ends, 1);
  ck_assert_int_eq(restore(), 0);
  ck_assert(toy_equal(&toy, &copy));
}
END_TEST

/* ---- what is no misuse ---- */

static int (*toy_step)(void *, sluice_writer_t *, sluice_error_t *);

static int step_at_last(void *self, sluice_writer_t *w, sluice_error_t *err) {
  if (++asked % idle_for != 0) {
    return SLUICE_MORE;
  }
  return toy_step(self, w, err);
}

/* The toy's own step comes after so many that do nothing. */
static void step_after(unsigned steps_idle) {
  make_toys(SAVE_STEP);
  toy_step = toy.handler.save_step;
  toy.handler.save_step = step_at_last;
  asked = 0;
  idle_for = steps_idle;
}

START_TEST(steps_that_are_soon_over_are_not_counted_against_it) {
  step_after(IDLE_STEPS - 1);
  ck_assert_int_eq(save(&(sluice_save_options_t){0}), 0);
  ck_assert_uint_ge(asked, 5 * (IDLE_STEPS - 1));
}
END_TEST

START_TEST(many_steps_in_little_time_are_not_stuck) {
  step_after(100 * IDLE_STEPS);
  tick_ns = 10;
  ck_assert_int_eq(save(&(sluice_save_options_t){0}), 0);
}
END_TEST

START_TEST(few_steps_in_much_time_are_not_stuck) {
  step_after(IDLE_STEPS / 2);
  tick_ns = UINT64_C(1000000000);
  ck_assert_int_eq(save(&(sluice_save_options_t){0}), 0);
}
END_TEST

START_TEST(a_host_can_allow_any_number_of_steps) {
  step_after(100 * IDLE_STEPS);
  ck_assert_int_eq(save(&(sluice_save_options_t){.max_idle_steps = UINT32_MAX}),
                   0);
}
END_TEST

/* ---- the pause ---- */

static unsigned pauses, resumes;
static uv_timer_t timer;
static sluice_save_t *paused;

static void on_pause(sluice_save_t *s) {
  pauses++;
  paused = s;
}

static void on_resume(sluice_save_t *s) {
  (void)s;
  resumes++;
}

static void answer_late(uv_timer_t *t) {
  uv_close((uv_handle_t *)t, NULL);
  sluice_save_paused(paused);
}

static void pause_late(sluice_save_t *s) {
  on_pause(s);
  ck_assert_int_eq(uv_timer_init(&rig.loop, &timer), 0);
  ck_assert_int_eq(uv_timer_start(&timer, answer_late, 500, 0), 0);
}

START_TEST(a_host_that_never_answers_a_pause_is_named) {
  make_toys(SAVE_STEP);
  ck_assert_int_eq(save(&(sluice_save_options_t){.pause = on_pause,
                                                 .resume = on_resume,
                                                 .pause_ms = 300}),
                   SLUICE_ESTUCK);
  ck_assert_ptr_ne(strstr(rig.error.message, "asked to pause"), NULL);
  ck_assert_int_eq(rig.error.phase, SLUICE_PHASE_PAUSED);
  ck_assert_uint_eq(pauses, 1);
  ck_assert_uint_eq(resumes, 1);
}
END_TEST

START_TEST(a_host_is_waited_for_as_long_as_it_says) {
  make_toys(SAVE_STEP);
  ck_assert_int_eq(
      save(&(sluice_save_options_t){.pause = pause_late,
                                    .resume = on_resume,
                                    .pause_ms = _i == 0 ? 600000 : UINT32_MAX}),
      0);
  ck_assert_uint_eq(pauses, 1);
  ck_assert_uint_eq(resumes, 1);
}
END_TEST

/* A sink that takes what comes before the pause, and then no byte more. */
static sluice_sink_cb held_cb;
static void *held_ctx;

static int take_until_paused(void *self, const void *data, size_t len,
                             uint64_t offset, sluice_sink_cb cb, void *ctx) {
  (void)self;
  (void)data;
  (void)len;
  (void)offset;
  if (pauses == 0) {
    return 1;
  }
  held_cb = cb;
  held_ctx = ctx;
  return 0;
}

static int drop_held(void *self, sluice_sink_cb cb, void *ctx) {
  (void)self;
  (void)cb;
  (void)ctx;
  held_cb(held_ctx, UV_ECANCELED);
  return 1;
}

static int done(void *self, sluice_sink_cb cb, void *ctx) {
  (void)self;
  (void)cb;
  (void)ctx;
  return 1;
}

static void pause_at_once(sluice_save_t *s) {
  on_pause(s);
  sluice_save_paused(s);
}

START_TEST(a_pause_in_which_nothing_moves_is_ended) {
  const sluice_sink_ops_t ops = {.size = sizeof(ops),
                                 .write = take_until_paused,
                                 .finish = done,
                                 .abort = drop_held};
  const sluice_save_options_t o = {.size = sizeof(o),
                                   .pause = pause_at_once,
                                   .resume = on_resume,
                                   .staging = 1,
                                   .pause_ms = 300};
  sluice_sink_t *sink;

  toy_init(&toy, rig.registry, "toy", TOY_MAX_BYTES, 1);
  toy_init(&copy, rig.registry, "more", TOY_MAX_BYTES, 1);
  ck_assert_int_eq(sluice_sink_custom(&sink, &ops, NULL), 0);
  ck_assert_int_eq(rig_save(&rig, sink, &o), SLUICE_ESTUCK);
  ck_assert_ptr_ne(strstr(rig.error.message, "no byte was moved"), NULL);
  ck_assert_uint_eq(resumes, 1);
}
END_TEST

Suite *stuck_suite(void) {
  Suite *s = suite_create("stuck");
  TCase *hooks = tcase_create("hooks");
  TCase *pause = tcase_create("pause");

  tcase_add_checked_fixture(hooks, setup, teardown);
  tcase_add_checked_fixture(pause, setup, teardown);
  tcase_add_loop_test(hooks, what_is_no_answer_of_a_hook_is_named, 0, HOOKS);
  tcase_add_loop_test(hooks, a_section_that_never_moves_on_ends_it, 0,
                      sizeof(steps) / sizeof(steps[0]));
  tcase_add_test(hooks, an_image_stands_though_a_section_is_not_released);
  tcase_add_test(hooks, steps_that_are_soon_over_are_not_counted_against_it);
  tcase_add_test(hooks, many_steps_in_little_time_are_not_stuck);
  tcase_add_test(hooks, few_steps_in_much_time_are_not_stuck);
  tcase_add_test(hooks, a_host_can_allow_any_number_of_steps);
  tcase_add_test(pause, a_host_that_never_answers_a_pause_is_named);
  tcase_add_loop_test(pause, a_host_is_waited_for_as_long_as_it_says, 0, 2);
  tcase_add_test(pause, a_pause_in_which_nothing_moves_is_ended);
  suite_add_tcase(s, hooks);
  suite_add_tcase(s, pause);
  return s;
}
