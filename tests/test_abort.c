/* test_abort.c - the first error ends an operation at once, on one path. */
#include <sluice/save.h>

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/restore.h>

#include "rig.h"
#include "suite.h"
#include "toy.h"

enum { TOYS = 3 };

static rig_t rig;
static toy_t toys[TOYS];
static void *image;
static size_t image_len;

static void setup(void) {
  rig_init(&rig);
  toy_init(&toys[0], rig.registry, "plain", 100, 1);
  toy_init_live(&toys[1], rig.registry, "live", 3000, 2, 3);
  toy_init_live(&toys[2], rig.registry, "late", 3000, 3, 9);
  image = NULL;
}

static void teardown(void) {
  free(image);
  for (int i = 0; i < TOYS; i++) {
    toy_done(&toys[i]);
  }
  rig_done(&rig);
}

/* Where a save can be told to fail, and what the error must then say. */
static const struct {
  toy_hook_t hook;
  int toy;
  unsigned call;
  sluice_phase_t phase;
} failures[] = {
    {TOY_SAVE_BEGIN, 0, 1, SLUICE_PHASE_BEGIN},
    {TOY_SAVE_BEGIN, 2, 1, SLUICE_PHASE_BEGIN},
    {TOY_SAVE_START, 1, 1, SLUICE_PHASE_BEGIN},
    {TOY_SAVE_STEP, 1, 1, SLUICE_PHASE_NONE},
    {TOY_SAVE_STEP, 2, 5, SLUICE_PHASE_LIVE},
    {TOY_SAVE_FINISH, 1, 1, SLUICE_PHASE_PAUSED},
    {TOY_SAVE_FINISH, 0, 1, SLUICE_PHASE_PAUSED},
};

START_TEST(a_handlers_error_is_latched_with_section_and_phase) {
  toy_t *toy = &toys[failures[_i].toy];

  toy_fail(toy, failures[_i].hook, failures[_i].call, UV_EIO);
  ck_assert_int_eq(rig_save_memory(&rig, NULL, &image, &image_len), UV_EIO);
  ck_assert_int_eq(rig.error.code, UV_EIO);
  ck_assert_str_eq(rig.error.message, "the toy was told to fail");
  ck_assert_uint_ne(rig.error.offset, SLUICE_OFFSET_NONE);
  if (failures[_i].phase != SLUICE_PHASE_NONE) {
    ck_assert_int_eq(rig.error.phase, failures[_i].phase);
  }
  ck_assert_ptr_null(image);
}
END_TEST

START_TEST(after_an_error_every_end_hook_runs_once_and_nothing_else) {
  toy_t *toy = &toys[failures[_i].toy];

  toy_fail(toy, failures[_i].hook, failures[_i].call, UV_EIO);
  (void)rig_save_memory(&rig, NULL, &image, &image_len);
  for (int i = 0; i < TOYS; i++) {
    int begun = toys[i].calls[TOY_SAVE_BEGIN] > 0 &&
                !(i == failures[_i].toy && failures[_i].hook == TOY_SAVE_BEGIN);

    ck_assert_uint_eq(toys[i].save_ends, begun ? 1 : 0);
    ck_assert_int_eq(toys[i].end_status, begun ? UV_EIO : 0);
  }
  ck_assert_uint_eq(toy->calls[failures[_i].hook], failures[_i].call);
}
END_TEST

START_TEST(a_failed_save_does_not_poison_the_next) {
  toy_t *toy = &toys[failures[_i].toy];

  toy_fail(toy, failures[_i].hook, failures[_i].call, UV_EIO);
  ck_assert_int_lt(rig_save_memory(&rig, NULL, &image, &image_len), 0);
  toy_fail(toy, TOY_NONE, 0, 0);
  ck_assert_int_eq(rig_save_memory(&rig, NULL, &image, &image_len), 0);
}
END_TEST

START_TEST(a_step_that_returns_nonsense_broke_the_contract) {
  toy_fail(&toys[1], TOY_SAVE_STEP, 2, 77);
  ck_assert_int_eq(rig_save_memory(&rig, NULL, &image, &image_len),
                   SLUICE_EHANDLER);
  ck_assert_str_eq(rig.error.section, "live");
}
END_TEST

static sluice_save_t *begin_to_memory(void) {
  sluice_sink_t *sink;
  sluice_save_t *save;

  ck_assert_int_eq(sluice_sink_memory(&sink, 1 << 20, &image, &image_len), 0);
  ck_assert_int_eq(sluice_save_begin(&save, rig.engine, rig.registry, sink,
                                     NULL, rig_on_saved, NULL),
                   0);
  return save;
}

/* The n-th iteration of the loop cancels, until the save is through first. */
START_TEST(cancel_at_any_turn_ends_it_once) {
  for (int n = 0;; n++) {
    unsigned before = rig.callbacks;
    sluice_save_t *save = begin_to_memory();

    for (int i = 0; i < n && rig.callbacks == before; i++) {
      (void)uv_run(&rig.loop, UV_RUN_NOWAIT);
    }
    if (rig.callbacks == before) {
      sluice_save_cancel(save);
      ck_assert_uint_eq(rig.callbacks, before); /* never from inside */
    }
    rig_run(&rig);
    ck_assert_uint_eq(rig.callbacks, before + 1);
    for (int i = 0; i < TOYS; i++) {
      ck_assert_uint_eq(toys[i].save_ends, toys[i].calls[TOY_SAVE_BEGIN]);
      toys[i].calls[TOY_SAVE_STEP] = 0;
    }
    if (rig.status == 0) {
      break;
    }
    ck_assert_int_eq(rig.status, UV_ECANCELED);
  }
}
END_TEST

static unsigned closed;

static void on_closed(void *data) {
  (void)data;
  closed++;
  ck_assert_uint_eq(rig.callbacks, 1); /* the save was told first */
}

START_TEST(closing_the_engine_cancels_what_runs) {
  (void)begin_to_memory();
  closed = 0;
  ck_assert_int_eq(sluice_engine_close(rig.engine, on_closed, NULL), 0);
  rig_run(&rig);
  ck_assert_uint_eq(closed, 1);
  ck_assert_int_eq(rig.status, UV_ECANCELED);
  ck_assert_int_eq(sluice_engine_new(&rig.engine, &rig.loop, NULL, NULL), 0);
}
END_TEST

static void begin_again(sluice_save_t *save, int status) {
  rig_on_saved(save, status);
  if (rig.callbacks == 1) {
    free(image);
    image = NULL;
    (void)begin_to_memory();
  }
}

START_TEST(the_next_save_may_begin_in_the_callback) {
  sluice_sink_t *sink;
  sluice_save_t *save;

  ck_assert_int_eq(sluice_sink_memory(&sink, 1 << 20, &image, &image_len), 0);
  ck_assert_int_eq(sluice_save_begin(&save, rig.engine, rig.registry, sink,
                                     NULL, begin_again, NULL),
                   0);
  rig_run(&rig);
  ck_assert_uint_eq(rig.callbacks, 2);
  ck_assert_int_eq(rig.status, 0);
}
END_TEST

static void close_in_callback(sluice_save_t *save, int status) {
  rig_on_saved(save, status);
  ck_assert_int_eq(sluice_engine_close(rig.engine, on_closed, NULL), 0);
}

START_TEST(the_engine_may_be_closed_in_the_callback) {
  sluice_sink_t *sink;
  sluice_save_t *save;

  closed = 0;
  ck_assert_int_eq(sluice_sink_memory(&sink, 1 << 20, &image, &image_len), 0);
  ck_assert_int_eq(sluice_save_begin(&save, rig.engine, rig.registry, sink,
                                     NULL, close_in_callback, NULL),
                   0);
  rig_run(&rig);
  ck_assert_uint_eq(closed, 1);
  ck_assert_int_eq(sluice_engine_new(&rig.engine, &rig.loop, NULL, NULL), 0);
}
END_TEST

START_TEST(over_the_memory_cap_the_save_fails_by_name) {
  const sluice_save_options_t o = {.size = sizeof(o), .max_memory = 64 * 1024};

  ck_assert_int_eq(rig_save_memory(&rig, &o, &image, &image_len),
                   SLUICE_ELIMIT);
}
END_TEST

Suite *abort_suite(void) {
  Suite *s = suite_create("abort");
  TCase *t = tcase_create("core");
  int rows = sizeof(failures) / sizeof(failures[0]);

  tcase_add_checked_fixture(t, setup, teardown);
  tcase_add_loop_test(t, a_handlers_error_is_latched_with_section_and_phase, 0,
                      rows);
  tcase_add_loop_test(
      t, after_an_error_every_end_hook_runs_once_and_nothing_else, 0, rows);
  tcase_add_loop_test(t, a_failed_save_does_not_poison_the_next, 0, rows);
  tcase_add_test(t, a_step_that_returns_nonsense_broke_the_contract);
  tcase_add_test(t, cancel_at_any_turn_ends_it_once);
  tcase_add_test(t, closing_the_engine_cancels_what_runs);
  tcase_add_test(t, the_next_save_may_begin_in_the_callback);
  tcase_add_test(t, the_engine_may_be_closed_in_the_callback);
  tcase_add_test(t, over_the_memory_cap_the_save_fails_by_name);
  suite_add_tcase(s, t);
  return s;
}
