/* test_restore.c - what is restored, and what is refused by which name. */
#include <sluice/restore.h>

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "rig.h"
#include "suite.h"
#include "toy.h"

static rig_t rig;
static sluice_registry_t *other; /* what is restored into */
static toy_t plain, live;        /* saved */
static toy_t plain2, live2;      /* restored */
static void *image;
static size_t image_len;

static void save_two(sluice_format_t format) {
  const sluice_save_options_t o = {
      .size = sizeof(o), .format = format, .host = "testhost"};

  toy_init(&plain, rig.registry, "plain", 100, 1);
  toy_init_live(&live, rig.registry, "live", 300000, 2, 5);
  ck_assert_int_eq(rig_save_memory(&rig, &o, &image, &image_len), 0);
}

static sluice_source_t *image_source(void) {
  sluice_source_t *source;

  ck_assert_int_eq(sluice_source_memory(&source, image, image_len), 0);
  return source;
}

static void setup(void) {
  rig_init(&rig);
  other = rig_registry(&rig);
  save_two(SLUICE_FORMAT_NATIVE);
  memset(&plain2, 0, sizeof(plain2));
  memset(&live2, 0, sizeof(live2));
}

static void expect_both(void) {
  toy_init(&plain2, other, "plain", 8, 7);
  toy_init_live(&live2, other, "live", 8, 8, 1);
}

static void teardown(void) {
  free(image);
  toy_done(&plain);
  toy_done(&live);
  toy_done(&plain2);
  toy_done(&live2);
  ck_assert_int_eq(sluice_registry_free(other), 0);
  rig_done(&rig);
}

static void assert_untouched(void) {
  ck_assert_uint_eq(plain2.commits, 0);
  ck_assert_uint_eq(live2.commits, 0);
}

START_TEST(what_was_saved_is_restored) {
  expect_both();
  ck_assert_int_eq(rig_restore_memory(&rig, other, image, image_len), 0);
  ck_assert(toy_equal(&plain, &plain2));
  ck_assert(toy_equal(&live, &live2));
  ck_assert_uint_eq(plain2.restore_ends, 1);
  ck_assert_uint_eq(live2.restore_ends, 1);
}
END_TEST

START_TEST(qemus_stream_carries_bytes_as_well) {
  void *native = image;

  toy_done(&plain);
  toy_done(&live);
  ck_assert_int_eq(sluice_registry_remove(rig.registry, "plain", 0), 0);
  ck_assert_int_eq(sluice_registry_remove(rig.registry, "live", 0), 0);
  save_two(SLUICE_FORMAT_QEMU3);
  free(native);
  expect_both();
  ck_assert_int_eq(rig_restore_memory(&rig, other, image, image_len), 0);
  ck_assert(toy_equal(&plain, &plain2));
  ck_assert(toy_equal(&live, &live2));
}
END_TEST

START_TEST(a_section_nobody_registered_is_unknown) {
  toy_init(&plain2, other, "plain", 8, 7);
  ck_assert_int_eq(rig_restore_memory(&rig, other, image, image_len),
                   SLUICE_EUNKNOWN);
  ck_assert_str_eq(rig.error.section, "live");
  assert_untouched();
}
END_TEST

START_TEST(a_section_the_stream_lacks_is_missing) {
  static toy_t third; /* the registry asks its handler at the end */

  expect_both();
  toy_init(&third, other, "third", 8, 9);
  ck_assert_int_eq(rig_restore_memory(&rig, other, image, image_len),
                   SLUICE_EMISSING);
  ck_assert_str_eq(rig.error.section, "third");
  assert_untouched();
  toy_done(&third);
}
END_TEST

START_TEST(a_newer_version_is_refused_and_both_are_named) {
  expect_both();
  plain2.handler.version = 1;
  ck_assert_int_eq(rig_restore_memory(&rig, other, image, image_len),
                   SLUICE_EVERSION);
  ck_assert_str_eq(rig.error.section, "plain");
  ck_assert_str_eq(rig.error.message,
                   "stream has version 2, the handler knows up to 1");
}
END_TEST

START_TEST(an_older_version_than_the_minimum_is_refused) {
  expect_both();
  plain2.handler.version = 4;
  plain2.handler.min_version = 3;
  ck_assert_int_eq(rig_restore_memory(&rig, other, image, image_len),
                   SLUICE_EOLDVERSION);
}
END_TEST

START_TEST(a_handler_sees_the_version_of_the_stream) {
  expect_both();
  plain2.handler.version = 9;
  ck_assert_int_eq(rig_restore_memory(&rig, other, image, image_len), 0);
  ck_assert_uint_eq(plain2.version_seen, 2);
}
END_TEST

START_TEST(a_section_of_another_kind_is_refused) {
  expect_both();
  plain2.handler.type = "doll";
  ck_assert_int_eq(rig_restore_memory(&rig, other, image, image_len),
                   SLUICE_EKIND);
  ck_assert_str_eq(rig.error.section, "plain");
}
END_TEST

START_TEST(an_optional_section_may_be_missing) {
  const sluice_section_options_t o = {.size = sizeof(o),
                                      .flags = SLUICE_SECTION_OPTIONAL};
  static toy_t extra;

  expect_both();
  toy_init(&extra, NULL, "", 8, 9);
  ck_assert_int_eq(sluice_registry_add(other, "extra", &extra.handler, &extra,
                                       &o, NULL, NULL),
                   0);
  ck_assert_int_eq(rig_restore_memory(&rig, other, image, image_len), 0);
  ck_assert_uint_eq(extra.calls[TOY_RESTORE_BEGIN], 0);
  toy_done(&extra);
}
END_TEST

START_TEST(another_hosts_image_is_refused_on_request) {
  const sluice_restore_options_t o = {.size = sizeof(o), .host = "elsewhere"};

  expect_both();
  ck_assert_int_eq(rig_restore(&rig, other, image_source(), &o), SLUICE_EKIND);
  ck_assert_ptr_nonnull(strstr(rig.error.message, "testhost"));
}
END_TEST

START_TEST(a_failed_check_of_one_commits_none) {
  expect_both();
  toy_fail(&live2, TOY_RESTORE_CHECK, 1, SLUICE_ECORRUPT);
  ck_assert_int_eq(rig_restore_memory(&rig, other, image, image_len),
                   SLUICE_ECORRUPT);
  ck_assert_int_eq(rig.error.phase, SLUICE_PHASE_CHECK);
  ck_assert_str_eq(rig.error.section, "live");
  assert_untouched();
  ck_assert_uint_eq(plain2.restore_ends, 1);
}
END_TEST

enum { MANY_CHECKS = 1000 };

static unsigned checks;

static int check_again(void *self, sluice_error_t *err) {
  (void)self;
  (void)err;
  return ++checks < MANY_CHECKS ? SLUICE_MORE : SLUICE_DONE;
}

static uint64_t stand_still(void *ctx) {
  (void)ctx;
  return 1;
}

START_TEST(checks_do_not_take_a_turn_of_the_loop_each) {
  sluice_engine_stats_t stats;

  expect_both();
  checks = 0;
  live2.handler.restore_check = check_again;
  rig_clock = stand_still;
  rig_renew(&rig);
  ck_assert_int_eq(rig_restore_memory(&rig, other, image, image_len), 0);
  ck_assert_uint_eq(live2.commits, 1);
  ck_assert_uint_eq(checks, MANY_CHECKS);
  sluice_engine_stats(rig.engine, &stats, sizeof(stats));
  ck_assert_uint_lt(stats.turns, MANY_CHECKS / 10);
}
END_TEST

/* Whatever is cut off: refused, nothing committed, every end hook run. */
START_TEST(a_truncated_image_commits_nothing) {
  expect_both();
  for (size_t len = 0; len < image_len; len += 1 + len / 50) {
    plain2.restore_ends = plain2.calls[TOY_RESTORE_BEGIN] = 0;
    live2.restore_ends = live2.calls[TOY_RESTORE_BEGIN] = 0;
    ck_assert_msg(rig_restore_memory(&rig, other, image, len) < 0,
                  "%zu bytes of %zu passed for an image", len, image_len);
    assert_untouched();
    ck_assert_uint_eq(plain2.restore_ends, plain2.calls[TOY_RESTORE_BEGIN]);
    ck_assert_uint_eq(live2.restore_ends, live2.calls[TOY_RESTORE_BEGIN]);
  }
}
END_TEST

START_TEST(what_follows_the_stream_is_an_error) {
  uint8_t *longer = malloc(image_len + 1);

  expect_both();
  memcpy(longer, image, image_len);
  longer[image_len] = 0;
  ck_assert_int_eq(rig_restore_memory(&rig, other, longer, image_len + 1),
                   SLUICE_ETRAILING);
  assert_untouched();
  free(longer);
}
END_TEST

START_TEST(several_sessions_run_at_once) {
  sluice_source_t *source = image_source();
  sluice_restore_t *restore;
  sluice_sink_t *sink;
  sluice_save_t *save;
  size_t again_len;
  void *again;

  expect_both();
  live.calls[TOY_SAVE_STEP] = 0;
  ck_assert_int_eq(sluice_sink_memory(&sink, 1 << 20, &again, &again_len), 0);
  ck_assert_int_eq(sluice_restore_begin(&restore, rig.engine, other, source,
                                        NULL, rig_on_restored, NULL),
                   0);
  ck_assert_int_eq(sluice_save_begin(&save, rig.engine, rig.registry, sink,
                                     NULL, rig_on_saved, NULL),
                   0);
  rig_run(&rig);
  ck_assert_uint_eq(rig.callbacks, 1 + 2); /* the fixture saved, too */
  ck_assert(toy_equal(&live, &live2));
  free(again);
}
END_TEST

/* The answer comes long after the call that asked for it. */
START_TEST(an_image_that_is_not_there_is_named) {
  sluice_source_t *source;

  expect_both();
  ck_assert_int_eq(sluice_source_file(&source, "/nowhere/state.slc"), 0);
  ck_assert_int_eq(rig_restore(&rig, other, source, NULL), UV_ENOENT);
  ck_assert_ptr_nonnull(strstr(rig.error.message, "/nowhere/state.slc"));
  ck_assert_uint_eq(rig.error.phase, SLUICE_PHASE_BEGIN);
  assert_untouched();
}
END_TEST

START_TEST(a_folder_that_is_not_there_is_named) {
  sluice_sink_t *sink;

  expect_both();
  ck_assert_int_eq(sluice_sink_file(&sink, "/nowhere/state.slc", NULL), 0);
  ck_assert_int_eq(rig_save(&rig, sink, NULL), UV_ENOENT);
  ck_assert_ptr_nonnull(strstr(rig.error.message, "/nowhere/state.slc"));
  ck_assert_uint_eq(rig.error.phase, SLUICE_PHASE_BEGIN);
}
END_TEST

/* Work that reads nothing: 1 ms a unit, by a clock of ours. */
enum { UNITS = 40, UNIT_NS = 1000 * 1000 };

static struct {
  uint64_t now_ns;
  unsigned units;
  unsigned most; /* units in one call */
  int (*step)(void *self, sluice_reader_t *r, sluice_error_t *err);
} toil;

static uint64_t toil_now(void *ctx) {
  (void)ctx;
  return toil.now_ns;
}

static int toil_step(void *self, sluice_reader_t *r, sluice_error_t *err) {
  unsigned units = 0;

  if (toil.units == UNITS) {
    return toil.step(self, r, err);
  }
  do {
    toil.now_ns += UNIT_NS;
    units++;
  } while (toil.units + units < UNITS && !sluice_reader_should_yield(r));
  toil.units += units;
  toil.most = units > toil.most ? units : toil.most;
  return SLUICE_MORE;
}

START_TEST(a_step_that_reads_nothing_is_told_when_its_time_is_up) {
  memset(&toil, 0, sizeof(toil));
  rig_clock = toil_now;
  rig_renew(&rig);
  expect_both();
  toil.step = live2.handler.restore_step;
  live2.handler.restore_step = toil_step;
  ck_assert_int_eq(rig_restore_memory(&rig, other, image, image_len), 0);
  ck_assert(toy_equal(&live, &live2));
  ck_assert_uint_eq(toil.most, 1); /* a slice has half a unit */
}
END_TEST

/* Takes all that is there, and would like more. */
static int greedy_step(void *self, sluice_reader_t *r, sluice_error_t *err) {
  uint8_t buf[64];
  size_t got = 0;
  int code;

  (void)self;
  (void)err;
  do {
    code = sluice_reader_some(r, buf, sizeof(buf), &got);
  } while (code == 0 && got > 0);
  return code < 0 ? code : SLUICE_WAIT;
}

START_TEST(a_handler_that_expects_more_than_there_is_is_told) {
  expect_both();
  plain2.handler.restore_step = greedy_step;
  ck_assert_int_eq(rig_restore_memory(&rig, other, image, image_len),
                   SLUICE_ECORRUPT);
  ck_assert_str_eq(rig.error.message,
                   "the section ends, its handler expects more");
  assert_untouched();
}
END_TEST

static int take_pages(void *self, sluice_reader_t *r, sluice_error_t *err) {
  sluice_item_t item;

  (void)self;
  (void)err;
  return sluice_reader_next(r, &item);
}

static void commit_early(sluice_restore_t *restore,
                         const sluice_progress_t *progress) {
  (void)progress;
  sluice_restore_commit(restore);
}

static unsigned asked;

static void on_checked(sluice_restore_t *restore) {
  asked++;
  ck_assert_uint_eq(plain2.commits + live2.commits, 0);
  sluice_restore_commit(restore);
}

START_TEST(a_commit_before_all_is_checked_does_not_count) {
  const sluice_restore_options_t o = {
      .size = sizeof(o), .progress = commit_early, .checked = on_checked};

  expect_both();
  asked = 0;
  ck_assert_int_eq(rig_restore(&rig, other, image_source(), &o), 0);
  ck_assert_uint_eq(asked, 1);
  ck_assert(toy_equal(&live, &live2));
}
END_TEST

START_TEST(a_section_of_bytes_has_no_pages_to_read) {
  expect_both();
  plain2.handler.restore_step = take_pages;
  ck_assert_int_eq(rig_restore_memory(&rig, other, image, image_len),
                   UV_EINVAL);
  assert_untouched();
}
END_TEST

START_TEST(a_section_that_cannot_be_restored_is_refused_before_it_begins) {
  sluice_restore_t *restore;
  sluice_source_t *source = image_source();

  expect_both();
  plain2.handler.restore_begin = NULL;
  plain2.handler.restore_step = NULL;
  ck_assert_int_eq(sluice_restore_begin(&restore, rig.engine, other, source,
                                        NULL, rig_on_restored, NULL),
                   UV_EINVAL);
  sluice_source_free(source);
}
END_TEST

START_TEST(a_source_goes_to_one_restore_only) {
  sluice_restore_t *first, *second;
  sluice_registry_t *third = rig_registry(&rig);
  sluice_source_t *source = image_source();

  expect_both();
  ck_assert_int_eq(sluice_restore_begin(&first, rig.engine, other, source, NULL,
                                        rig_on_restored, NULL),
                   0);
  ck_assert_int_eq(sluice_restore_begin(&second, rig.engine, third, source,
                                        NULL, rig_on_restored, NULL),
                   UV_EBUSY);
  ck_assert_int_eq(sluice_source_free(source), UV_EBUSY);
  ck_assert_int_eq(sluice_registry_free(third), 0);
  rig_run(&rig);
  ck_assert_int_eq(rig.status, 0);
}
END_TEST

static ptrdiff_t give_more(void *self, void *buf, size_t len,
                           sluice_source_cb cb, void *ctx) {
  (void)self, (void)buf, (void)cb, (void)ctx;
  return (ptrdiff_t)len + 1;
}

START_TEST(what_a_source_does_wrong_is_in_the_error_of_the_restore) {
  const sluice_source_ops_t ops = {.size = sizeof(ops), .read = give_more};
  sluice_source_t *source;

  expect_both();
  ck_assert_int_eq(sluice_source_custom(&source, &ops, NULL), 0);
  ck_assert_int_eq(rig_restore(&rig, other, source, NULL), SLUICE_EHANDLER);
  ck_assert_ptr_nonnull(strstr(rig.error.message, "read() returned"));
}
END_TEST

Suite *restore_suite(void) {
  Suite *s = suite_create("restore");
  TCase *core = tcase_create("core");
  TCase *damage = tcase_create("damage");

  tcase_add_checked_fixture(core, setup, teardown);
  tcase_add_test(core, what_was_saved_is_restored);
  tcase_add_test(core, a_source_goes_to_one_restore_only);
  tcase_add_test(core, what_a_source_does_wrong_is_in_the_error_of_the_restore);
  tcase_add_test(core, qemus_stream_carries_bytes_as_well);
  tcase_add_test(core, a_section_nobody_registered_is_unknown);
  tcase_add_test(core, a_section_the_stream_lacks_is_missing);
  tcase_add_test(core, a_newer_version_is_refused_and_both_are_named);
  tcase_add_test(core, an_older_version_than_the_minimum_is_refused);
  tcase_add_test(core, a_handler_sees_the_version_of_the_stream);
  tcase_add_test(core, a_section_of_another_kind_is_refused);
  tcase_add_test(core, an_optional_section_may_be_missing);
  tcase_add_test(core, another_hosts_image_is_refused_on_request);
  tcase_add_test(core, a_failed_check_of_one_commits_none);
  tcase_add_test(core, checks_do_not_take_a_turn_of_the_loop_each);
  tcase_add_test(core, several_sessions_run_at_once);
  tcase_add_test(core, an_image_that_is_not_there_is_named);
  tcase_add_test(core, a_folder_that_is_not_there_is_named);
  tcase_add_test(core, a_step_that_reads_nothing_is_told_when_its_time_is_up);
  tcase_add_test(core, a_handler_that_expects_more_than_there_is_is_told);
  tcase_add_test(core, a_commit_before_all_is_checked_does_not_count);
  tcase_add_test(core, a_section_of_bytes_has_no_pages_to_read);
  tcase_add_test(core,
                 a_section_that_cannot_be_restored_is_refused_before_it_begins);
  suite_add_tcase(s, core);
  tcase_add_checked_fixture(damage, setup, teardown);
  tcase_add_test(damage, a_truncated_image_commits_nothing);
  tcase_add_test(damage, what_follows_the_stream_is_an_error);
  suite_add_tcase(s, damage);
  return s;
}
