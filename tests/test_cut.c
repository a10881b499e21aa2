/* test_cut.c - the contract of a cut: which hooks run when, who is refused, how
 * it ends. What is in the image is for the suites about ram and objects. */
#include <sluice/save.h>

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rig.h"
#include "suite.h"
#include "toy.h"

static rig_t rig;
static toy_t plain, live;
static void *image;
static size_t image_len;
static char trace[512];
static int arms_left, releases_left, cut_code;

static void note(const char *what) {
  strncat(trace, what, sizeof(trace) - strlen(trace) - 1);
}

static int live_cut(void *self, sluice_error_t *err) {
  (void)self;
  note("cut ");
  return cut_code == 0 ? 0 : sluice_fail(err, cut_code, "told to fail");
}

static int live_arm(void *self, sluice_error_t *err) {
  (void)self;
  note("arm ");
  if (arms_left < 0) {
    return sluice_fail(err, UV_EIO, "told to fail");
  }
  if (arms_left == 0) {
    return SLUICE_DONE;
  }
  arms_left--;
  return SLUICE_MORE;
}

static int live_release(void *self) {
  (void)self;
  note("release ");
  return releases_left-- > 0 ? SLUICE_MORE : SLUICE_DONE;
}

/* The toy's step waits when all is sent; a cut's is done then. */
static int (*toy_step)(void *self, sluice_writer_t *w, sluice_error_t *err);

static int live_step(void *self, sluice_writer_t *w, sluice_error_t *err) {
  int r = toy_step(self, w, err);

  note("step ");
  return r == SLUICE_WAIT ? SLUICE_DONE : r;
}

static void (*toy_end)(void *self, int status);

static void live_end(void *self, int status) {
  note("end ");
  toy_end(self, status);
}

static void setup(void) {
  rig_init(&rig);
  toy_init(&plain, rig.registry, "plain", 100, 1);
  toy_init_live(&live, rig.registry, "live", 3000, 2, 3);
  toy_step = live.handler.save_step;
  toy_end = live.handler.save_end;
  live.handler.save_step = live_step;
  live.handler.save_end = live_end;
  live.handler.save_cut = live_cut;
  image = NULL;
  trace[0] = '\0';
  arms_left = releases_left = cut_code = 0;
}

static void teardown(void) {
  free(image);
  toy_done(&plain);
  toy_done(&live);
  rig_done(&rig);
}

static void on_cut(sluice_save_t *save) {
  (void)save;
  note("host ");
  ck_assert_uint_ge(plain.calls[TOY_SAVE_FINISH], 1);
}

static const sluice_save_options_t cut = {
    .size = sizeof(cut), .mode = SLUICE_CUT, .cut = on_cut};

static sluice_save_t *begin(void) {
  sluice_sink_t *sink;
  sluice_save_t *save;

  free(image);
  image = NULL;
  ck_assert_int_eq(sluice_sink_memory(&sink, 1 << 20, &image, &image_len), 0);
  ck_assert_int_eq(sluice_save_begin(&save, rig.engine, rig.registry, sink,
                                     &cut, rig_on_saved, NULL),
                   0);
  return save;
}

START_TEST(every_hook_runs_in_its_order) {
  ck_assert_int_eq(rig_save_memory(&rig, &cut, &image, &image_len), 0);
  ck_assert_str_eq(trace, "cut host step step step end ");
  ck_assert_uint_eq(live.calls[TOY_SAVE_START], 1);
  ck_assert_uint_eq(live.calls[TOY_SAVE_FINISH], 0);
  ck_assert_uint_eq(plain.save_ends, 1);
  ck_assert_uint_eq(rig.progress.sections_done, 2);
  ck_assert_uint_eq(rig.progress.paused_us, 0);
}
END_TEST

START_TEST(the_instant_is_inside_begin) {
  (void)begin();
  ck_assert_str_eq(trace, "cut host ");
  plain.state[0] ^= 1; /* too late for the image */
  rig_run(&rig);
  ck_assert_int_eq(rig.status, 0);
}
END_TEST

START_TEST(with_a_section_to_be_armed_the_instant_comes_from_the_loop) {
  live.handler.save_arm = live_arm;
  arms_left = 2;
  (void)begin();
  ck_assert_str_eq(trace, "");
  ck_assert_uint_eq(plain.calls[TOY_SAVE_BEGIN], 1);
  rig_run(&rig);
  ck_assert_int_eq(rig.status, 0);
  ck_assert_str_eq(trace, "arm arm arm arm cut host step step step end ");
}
END_TEST

/* Done at the first look; at the second, when the host may have written again,
 * it is not. */
static int arm_again(void *self, sluice_error_t *err) {
  (void)self;
  (void)err;
  note("arm ");
  arms_left++;
  return arms_left == 2 ? SLUICE_MORE : SLUICE_DONE;
}

START_TEST(who_has_more_to_arm_at_the_second_look_is_waited_for) {
  live.handler.save_arm = arm_again;
  ck_assert_int_eq(rig_save_memory(&rig, &cut, &image, &image_len), 0);
  ck_assert_str_eq(trace, "arm arm arm arm cut host step step step end ");
}
END_TEST

START_TEST(what_takes_long_is_released_in_slices_before_the_end) {
  live.handler.save_release = live_release;
  releases_left = 2;
  ck_assert_int_eq(rig_save_memory(&rig, &cut, &image, &image_len), 0);
  ck_assert_str_eq(trace,
                   "cut host step step step release release release end ");
}
END_TEST

START_TEST(a_save_that_converges_releases_in_slices_too) {
  const sluice_save_options_t o = {.size = sizeof(o)};

  live.handler.save_release = live_release;
  releases_left = 1;
  ck_assert_int_eq(rig_save_memory(&rig, &o, &image, &image_len), 0);
  ck_assert_ptr_nonnull(strstr(trace, "step release release end "));
}
END_TEST

static void assert_image_is_both(void) {
  sluice_registry_t *other = rig_registry(&rig);
  static toy_t plain_copy, live_copy;

  toy_init(&plain_copy, other, "plain", 0, 9);
  toy_init_live(&live_copy, other, "live", 0, 9, 3);
  ck_assert_int_eq(rig_restore_memory(&rig, other, image, image_len), 0);
  ck_assert(toy_equal(&plain, &plain_copy));
  ck_assert(toy_equal(&live, &live_copy));
  ck_assert_int_eq(sluice_registry_free(other), 0);
  toy_done(&plain_copy);
  toy_done(&live_copy);
}

/* Sections that are not live: their state is that of the instant. */
START_TEST(what_is_not_live_is_kept_from_the_instant) {
  (void)begin();
  plain.state[7] ^= 0xff;
  rig_run(&rig);
  ck_assert_int_eq(rig.status, 0);
  plain.state[7] ^= 0xff;
  assert_image_is_both();
}
END_TEST

START_TEST(a_cut_and_a_save_that_converges_have_the_same_sections_in_order) {
  static const uint8_t id[16] = {1};
  const sluice_save_options_t o = {.size = sizeof(o), .image_id = id};
  const sluice_save_options_t c = {
      .size = sizeof(c), .image_id = id, .mode = SLUICE_CUT};
  void *converged;
  size_t len;

  live.steps = 1; /* one PART in both; END follows in both */
  ck_assert_int_eq(rig_save_memory(&rig, &o, &converged, &len), 0);
  live.calls[TOY_SAVE_STEP] = 0;
  ck_assert_int_eq(rig_save_memory(&rig, &c, &image, &image_len), 0);
  ck_assert_uint_eq(image_len, len);
  ck_assert_mem_eq(image, converged, len);
  free(converged);
}
END_TEST

START_TEST(a_live_section_that_cannot_be_cut_is_refused) {
  live.handler.save_cut = NULL;
  ck_assert_int_eq(rig_save_memory(&rig, &cut, &image, &image_len), UV_ENOTSUP);
  ck_assert_uint_eq(plain.calls[TOY_SAVE_BEGIN], 0);
}
END_TEST

START_TEST(pages_that_are_not_live_are_refused) {
  plain.handler.payload = SLUICE_PAYLOAD_PAGES;
  ck_assert_int_eq(rig_save_memory(&rig, &cut, &image, &image_len), UV_ENOTSUP);
}
END_TEST

START_TEST(a_mode_that_is_none_is_refused) {
  const sluice_save_options_t o = {.size = sizeof(o),
                                   .mode = (sluice_save_mode_t)3};

  ck_assert_int_eq(rig_save_memory(&rig, &o, &image, &image_len), UV_EINVAL);
}
END_TEST

/* Each row is a hook that fails, in which phase, and how many sections had been
 * begun by then. */
static const struct {
  toy_hook_t hook;
  int is_live;
  unsigned call;
  unsigned ends;
} failures[] = {
    {TOY_SAVE_BEGIN, 0, 1, 0}, {TOY_SAVE_BEGIN, 1, 1, 1},
    {TOY_SAVE_START, 0, 1, 2}, {TOY_SAVE_FINISH, 0, 1, 2},
    {TOY_SAVE_START, 1, 1, 2}, {TOY_SAVE_STEP, 1, 2, 2},
};

START_TEST(an_error_of_a_hook_comes_by_the_callback_with_its_section) {
  toy_t *toy = failures[_i].is_live ? &live : &plain;

  toy_fail(toy, failures[_i].hook, failures[_i].call, UV_EIO);
  (void)begin();
  ck_assert_uint_eq(rig.callbacks, 0);
  rig_run(&rig);
  ck_assert_uint_eq(rig.callbacks, 1);
  ck_assert_int_eq(rig.status, UV_EIO);
  ck_assert_str_eq(rig.error.section, toy == &live ? "live" : "plain");
  ck_assert_uint_eq(live.save_ends + plain.save_ends, failures[_i].ends);
  toy_fail(toy, TOY_NONE, 0, 0);
  ck_assert_int_eq(rig_save_memory(&rig, &cut, &image, &image_len), 0);
}
END_TEST

START_TEST(a_failed_cut_ends_like_any_other_error) {
  cut_code = UV_ENOMEM;
  live.handler.save_release = live_release;
  ck_assert_int_eq(rig_save_memory(&rig, &cut, &image, &image_len), UV_ENOMEM);
  ck_assert_str_eq(trace, "cut release end ");
  ck_assert_str_eq(rig.error.message, "told to fail");
}
END_TEST

START_TEST(a_failed_arming_ends_like_any_other_error) {
  live.handler.save_arm = live_arm;
  arms_left = -1;
  ck_assert_int_eq(rig_save_memory(&rig, &cut, &image, &image_len), UV_EIO);
  ck_assert_str_eq(trace, "arm end ");
}
END_TEST

static void grow_plain(size_t len) {
  plain.state = realloc(plain.state, len + 1);
  memset(plain.state, 1, len);
  plain.len = len;
}

START_TEST(what_is_kept_counts_against_the_memory_of_the_session) {
  sluice_save_options_t o = cut;

  grow_plain(TOY_MAX_BYTES);
  o.max_memory = TOY_MAX_BYTES;
  ck_assert_int_eq(rig_save_memory(&rig, &o, &image, &image_len),
                   SLUICE_ELIMIT);
  ck_assert_str_eq(rig.error.section, "plain");
}
END_TEST

START_TEST(what_is_kept_is_written_in_slices) {
  const sluice_engine_options_t o = {.size = sizeof(o),
                                     .alloc = &rig.alloc,
                                     .slice_bytes = 128 * 1024,
                                     .slice_us = 1000000,
                                     .slice_min_us = 1000000};
  sluice_engine_stats_t stats;

  ck_assert_int_eq(sluice_engine_close(rig.engine, NULL, NULL), 0);
  ck_assert_int_eq(sluice_engine_new(&rig.engine, &rig.loop, &o, NULL), 0);
  grow_plain(TOY_MAX_BYTES);
  ck_assert_int_eq(rig_save_memory(&rig, &cut, &image, &image_len), 0);
  sluice_engine_stats(rig.engine, &stats, sizeof(stats));
  ck_assert_uint_ge(stats.turns, TOY_MAX_BYTES / (128 * 1024));
  assert_image_is_both();
}
END_TEST

/* Of 1 MiB of it the sink takes some, all at once. */
START_TEST(a_sink_that_fails_at_what_is_kept_is_told_with_the_section) {
  sluice_sink_t *sink;

  grow_plain(TOY_MAX_BYTES);
  ck_assert_int_eq(
      sluice_sink_memory(&sink, TOY_MAX_BYTES / 2, &image, &image_len), 0);
  ck_assert_int_eq(rig_save(&rig, sink, &cut), UV_ENOSPC);
  ck_assert_str_eq(rig.error.section, "plain");
  ck_assert_uint_eq(rig.error.phase, SLUICE_PHASE_LIVE);
  ck_assert_uint_ge(rig.error.offset, TOY_MAX_BYTES / 4);
  ck_assert_uint_eq(plain.save_ends, 1);
  ck_assert_ptr_null(image);
}
END_TEST

static int take_nothing(void *self, sluice_reader_t *r, sluice_error_t *err) {
  toy_t *toy = self;

  (void)r, (void)err;
  toy->shadow = realloc(toy->shadow, 1); /* what its commit takes */
  return SLUICE_DONE;
}

static int finish_without_bytes(void *self, sluice_writer_t *w,
                                sluice_error_t *err) {
  (void)self, (void)w, (void)err;
  return SLUICE_DONE;
}

START_TEST(what_has_no_bytes_is_kept_as_well) {
  sluice_registry_t *other = rig_registry(&rig);
  static toy_t empty, live_copy;

  grow_plain(0);
  plain.handler.save_start = NULL;
  plain.handler.save_finish = finish_without_bytes;
  ck_assert_int_eq(rig_save_memory(&rig,
                                   &(sluice_save_options_t){
                                       .size = sizeof(sluice_save_options_t),
                                       .mode = SLUICE_CUT},
                                   &image, &image_len),
                   0);
  toy_init(&empty, other, "plain", 5, 9);
  empty.handler.restore_step = take_nothing;
  toy_init_live(&live_copy, other, "live", 0, 9, 3);
  ck_assert_int_eq(rig_restore_memory(&rig, other, image, image_len), 0);
  ck_assert_uint_eq(empty.commits, 1);
  ck_assert_int_eq(sluice_registry_free(other), 0);
  toy_done(&empty);
  toy_done(&live_copy);
}
END_TEST

START_TEST(a_section_has_the_mode_of_the_save_that_runs) {
  ck_assert_int_eq(sluice_section_mode(live.section), SLUICE_CONVERGE);
  (void)begin();
  ck_assert_int_eq(sluice_section_mode(live.section), SLUICE_CUT);
  rig_run(&rig);
  ck_assert_int_eq(sluice_section_mode(live.section), SLUICE_CONVERGE);
}
END_TEST

START_TEST(cancelled_at_any_turn_it_ends_once) {
  int is_through = 0;

  live.handler.save_arm = live_arm;
  live.handler.save_release = live_release;
  for (int n = 0; !is_through; n++) {
    unsigned before = rig.callbacks;
    unsigned ends = live.save_ends;
    sluice_save_t *save;

    arms_left = releases_left = 2;
    live.calls[TOY_SAVE_STEP] = 0;
    save = begin();
    for (int i = 0; i < n && rig.callbacks == before; i++) {
      (void)uv_run(&rig.loop, UV_RUN_NOWAIT);
    }
    is_through = rig.callbacks != before;
    if (!is_through) {
      sluice_save_cancel(save);
    }
    rig_run(&rig);
    ck_assert_uint_eq(rig.callbacks, before + 1);
    ck_assert_uint_eq(live.save_ends, ends + 1);
  }
  ck_assert_int_eq(rig.status, 0);
}
END_TEST

Suite *cut_suite(void) {
  Suite *s = suite_create("cut");
  TCase *t = tcase_create("core");

  tcase_add_checked_fixture(t, setup, teardown);
  tcase_add_test(t, every_hook_runs_in_its_order);
  tcase_add_test(t, the_instant_is_inside_begin);
  tcase_add_test(t, with_a_section_to_be_armed_the_instant_comes_from_the_loop);
  tcase_add_test(t, what_takes_long_is_released_in_slices_before_the_end);
  tcase_add_test(t, a_save_that_converges_releases_in_slices_too);
  tcase_add_test(t, what_is_not_live_is_kept_from_the_instant);
  tcase_add_test(
      t, a_cut_and_a_save_that_converges_have_the_same_sections_in_order);
  tcase_add_test(t, a_live_section_that_cannot_be_cut_is_refused);
  tcase_add_test(t, pages_that_are_not_live_are_refused);
  tcase_add_test(t, a_mode_that_is_none_is_refused);
  tcase_add_loop_test(t,
                      an_error_of_a_hook_comes_by_the_callback_with_its_section,
                      0, sizeof(failures) / sizeof(failures[0]));
  tcase_add_test(t, a_failed_cut_ends_like_any_other_error);
  tcase_add_test(t, a_failed_arming_ends_like_any_other_error);
  tcase_add_test(t, what_is_kept_counts_against_the_memory_of_the_session);
  tcase_add_test(t, who_has_more_to_arm_at_the_second_look_is_waited_for);
  tcase_add_test(t, what_is_kept_is_written_in_slices);
  tcase_add_test(t, a_sink_that_fails_at_what_is_kept_is_told_with_the_section);
  tcase_add_test(t, what_has_no_bytes_is_kept_as_well);
  tcase_add_test(t, a_section_has_the_mode_of_the_save_that_runs);
  tcase_add_test(t, cancelled_at_any_turn_it_ends_once);
  suite_add_tcase(s, t);
  return s;
}
