/* test_cut_policy.c - what happens when there is no more memory for pages that
 * change before they are saved: the host's choice. */
#include "cut_box.h"

#include <errno.h>
#include <fcntl.h>
#include <uv.h>

#include "can_guard.h"
#include "skip.h"
#include "suite.h"

enum { LITTLE = 8 * PAGE };

static void choose(sluice_ram_tracker_t tracker,
                   sluice_ram_preimage_policy_t policy) {
  box.options.tracker = tracker;
  box.options.preimage_policy = policy;
  box.options.max_preimage = LITTLE;
  box.options.spill_dir = "/var/tmp";
  box.seed = seed_open((int)tracker * 10 + (int)policy);
  make_sections();
  ck_assert_int_eq(uv_idle_init(&box.rig.loop, &box.writer), 0);
}

/* Runs until the instant has come. */
static void begin_and_cut(void) {
  const sluice_save_options_t o = {.size = sizeof(o)};

  (void)begin_save(&o);
  while (box.cuts == 0) {
    (void)uv_run(&box.rig.loop, UV_RUN_NOWAIT);
  }
}

static const sluice_ram_tracker_t trackers[] = {SLUICE_RAM_COOPERATIVE,
                                                SLUICE_RAM_WRITE_PROTECT};

START_TEST(by_default_the_save_fails_by_name_and_the_host_goes_on) {
  choose(trackers[_i], SLUICE_RAM_FAIL);
  begin_and_cut();
  host_write(0, BYTES, 5);
  ck_assert_int_eq(box.memory[BYTES - 1], 5);
  rig_run(&box.rig);
  ck_assert_int_eq(box.rig.status, SLUICE_ELIMIT);
  ck_assert_str_eq(box.rig.error.section, "ram");
  ck_assert_ptr_nonnull(strstr(box.rig.error.message, "max_preimage"));
  ck_assert_uint_le(box.stats.preimage_peak, LITTLE);
  ck_assert(!is_guarded());
}
END_TEST

START_TEST(what_fits_does_not_fail) {
  choose(trackers[_i], SLUICE_RAM_FAIL);
  begin_and_cut();
  host_write(PAGE * 100, LITTLE, 5);
  rig_run(&box.rig);
  ck_assert_int_eq(box.rig.status, 0);
  ck_assert_uint_eq(box.stats.preimages, LITTLE / PAGE);
  assert_image_is_the_cut();
}
END_TEST

START_TEST(a_file_takes_what_memory_does_not) {
  choose(trackers[_i], SLUICE_RAM_SPILL);
  begin_and_cut();
  host_write(0, BYTES, 5);
  rig_run(&box.rig);
  ck_assert_msg(box.rig.status == 0, "%s", box.rig.error.message);
  ck_assert_uint_eq(box.stats.preimages, PAGES);
  ck_assert_uint_eq(box.stats.preimage_peak, LITTLE);
  assert_image_is_the_cut();
}
END_TEST

START_TEST(a_folder_that_is_not_there_fails_the_save_by_name) {
  const sluice_save_options_t o = {.size = sizeof(o)};

  box.options.preimage_policy = SLUICE_RAM_SPILL;
  box.options.spill_dir = "/nonexistent";
  make_sections();
  ck_assert_int_eq(uv_idle_init(&box.rig.loop, &box.writer), 0);
  ck_assert_int_eq(run_save(&o), UV_ENOENT);
  ck_assert_ptr_nonnull(strstr(box.rig.error.message, "/nonexistent"));
}
END_TEST

START_TEST(spilling_without_a_folder_is_refused) {
  const sluice_ram_options_t o = {.size = sizeof(o),
                                  .preimage_policy = SLUICE_RAM_SPILL};
  sluice_error_t err = {0};

  ck_assert_int_eq(
      sluice_ram_new(&box.from, box.rig.registry, "ram", NULL, &o, &err),
      UV_EINVAL);
  ck_assert_ptr_nonnull(strstr(err.message, "spill_dir"));
}
END_TEST

START_TEST(a_host_that_can_wait_is_told_when_it_may_write) {
  choose(SLUICE_RAM_COOPERATIVE, SLUICE_RAM_SLOW);
  begin_and_cut();
  ck_assert_int_eq(sluice_ram_may_write(box.from, 0, 0, LITTLE), 0);
  ck_assert_int_eq(sluice_ram_may_write(box.from, 0, BYTES / 2, 2 * LITTLE),
                   UV_EAGAIN);
  ck_assert_int_eq(sluice_ram_may_write(box.from, 0, 0, LITTLE), 0);
  while (box.writables == 0) {
    (void)uv_run(&box.rig.loop, UV_RUN_NOWAIT);
  }
  ck_assert_int_eq(sluice_ram_may_write(box.from, 0, BYTES / 2, 2 * LITTLE), 0);
  fill(box.memory + BYTES / 2, 3, 2 * LITTLE);
  rig_run(&box.rig);
  ck_assert_int_eq(box.rig.status, 0);
  ck_assert_uint_eq(box.writables, 1);
  ck_assert_uint_eq(box.stats.preimage_peak, LITTLE);
  assert_image_is_the_cut();
}
END_TEST

START_TEST(who_was_put_off_is_told_when_the_save_is_cancelled) {
  const sluice_save_options_t o = {.size = sizeof(o)};
  sluice_save_t *save;

  choose(SLUICE_RAM_COOPERATIVE, SLUICE_RAM_SLOW);
  save = begin_save(&o);
  ck_assert_int_eq(sluice_ram_may_write(box.from, 0, 0, BYTES), UV_EAGAIN);
  sluice_save_cancel(save);
  rig_run(&box.rig);
  ck_assert_uint_eq(box.writables, 1);
  ck_assert_int_eq(sluice_ram_may_write(box.from, 0, 0, BYTES), 0);
}
END_TEST

/* What cannot wait may use as much again: the loop's own writes. */
START_TEST(what_cannot_be_put_off_has_a_limit_too) {
  choose(trackers[_i / 2], SLUICE_RAM_SLOW);
  begin_and_cut();
  if (_i % 2 == 0) {
    sluice_ram_dirty(box.from, 0, 0, 2 * LITTLE);
    fill(box.memory, 4, 2 * LITTLE);
  } else {
    sluice_ram_dirty(box.from, 0, 0, 2 * LITTLE + 1);
    fill(box.memory, 4, 2 * LITTLE + 1);
  }
  rig_run(&box.rig);
  ck_assert_int_eq(box.rig.status, _i % 2 == 0 ? 0 : SLUICE_ELIMIT);
  ck_assert_uint_eq(box.stats.preimage_peak, 2 * LITTLE);
}
END_TEST

static void write_all(void *arg) {
  (void)arg;
  fill(box.memory, 8, BYTES);
}

/* Far more than fits: the kernel holds the thread until the loop has sent. */
START_TEST(a_thread_that_writes_too_much_is_held_not_failed) {
  uv_thread_t writer;

  choose(SLUICE_RAM_WRITE_PROTECT, SLUICE_RAM_SLOW);
  begin_and_cut();
  ck_assert_int_eq(uv_thread_create(&writer, write_all, NULL), 0);
  rig_run(&box.rig);
  ck_assert_int_eq(uv_thread_join(&writer), 0);
  ck_assert_int_eq(box.rig.status, 0);
  ck_assert_uint_le(box.stats.preimage_peak, LITTLE);
  assert_image_is_the_cut();
}
END_TEST

START_TEST(a_thread_that_is_held_goes_on_when_the_save_is_cancelled) {
  const sluice_save_options_t o = {.size = sizeof(o), .bandwidth = 1};
  uv_thread_t writer;
  sluice_save_t *save;

  choose(SLUICE_RAM_WRITE_PROTECT, SLUICE_RAM_SLOW);
  save = begin_save(&o);
  while (box.cuts == 0) {
    (void)uv_run(&box.rig.loop, UV_RUN_NOWAIT);
  }
  ck_assert_int_eq(uv_thread_create(&writer, write_all, NULL), 0);
  do { /* until the store is full */
    (void)uv_run(&box.rig.loop, UV_RUN_NOWAIT);
    sluice_ram_stats(box.from, &box.stats, sizeof(box.stats));
  } while (box.stats.preimage_peak < LITTLE);
  sluice_save_cancel(save);
  rig_run(&box.rig);
  ck_assert_int_eq(uv_thread_join(&writer), 0);
  ck_assert_int_eq(box.rig.status, UV_ECANCELED);
  ck_assert_int_eq(box.memory[BYTES - 1], 8);
}
END_TEST

Suite *cut_policy_suite(void) {
  Suite *s = suite_create("cut_policy");
  TCase *t = tcase_create("core");
  int n = can_guard() ? 2 : 1; /* trackers */

  if (n == 1) {
    skip_rows("write-protected memory", NO_GUARD);
  }
  tcase_add_checked_fixture(t, open_box, close_box);
  tcase_add_loop_test(t, by_default_the_save_fails_by_name_and_the_host_goes_on,
                      0, n);
  tcase_add_loop_test(t, what_fits_does_not_fail, 0, n);
  tcase_add_loop_test(t, a_file_takes_what_memory_does_not, 0, n);
  tcase_add_test(t, a_folder_that_is_not_there_fails_the_save_by_name);
  tcase_add_test(t, spilling_without_a_folder_is_refused);
  tcase_add_test(t, a_host_that_can_wait_is_told_when_it_may_write);
  tcase_add_test(t, who_was_put_off_is_told_when_the_save_is_cancelled);
  tcase_add_loop_test(t, what_cannot_be_put_off_has_a_limit_too, 0, 2 * n);
  if (n == 2) {
    tcase_add_test(t, a_thread_that_writes_too_much_is_held_not_failed);
    tcase_add_test(t, a_thread_that_is_held_goes_on_when_the_save_is_cancelled);
  }
  suite_add_tcase(s, t);
  return s;
}
