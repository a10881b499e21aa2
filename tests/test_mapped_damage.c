/* test_mapped_damage.c - damaged images, in each way of restoring, and a
 * verification behind that finds pages, or is cancelled. */
#include "mapped_box.h"

#include "image_box.h"
#include "seed.h"
#include "suite.h"

static off_t image_len;

static void setup(void) {
  box_open(KERNEL_PAGE);
  host_open(&box.from, SLUICE_RAM_REMAP, SLUICE_RAM_COOPERATIVE, 1);
  host_open(&box.to, SLUICE_RAM_REMAP, SLUICE_RAM_COOPERATIVE, 2);
  host_fill(&box.from, 1, 7);
  box_save(&box.from);
  image_len = image_size();
}

/* Where the image has page `number` of region `low`. */
static off_t find_page(size_t number) {
  return find_byte(0, number * KERNEL_PAGE);
}

static void assert_untouched(void) {
  ck_assert_uint_eq(box.to.toy.commits, 0);
  for (size_t i = 0; i < low_bytes(); i += KERNEL_PAGE) {
    ck_assert_uint_eq(box.to.low[i], 0);
  }
}

START_TEST(a_damaged_page_is_found_behind_with_region_and_range) {
  flip(find_page(5) + 100);
  flip(find_page(6));
  flip(find_page(311) + 4095);
  ck_assert_int_eq(box_restore_way(SLUICE_RESTORE_MAPPED_VERIFY), 0);
  ck_assert_int_eq(box.verified_status, SLUICE_ECORRUPT);
  ck_assert_uint_eq(box.damage_count, 2);
  ck_assert_str_eq(box.damages[0].section, "ram");
  ck_assert_str_eq(box.damages[0].region, "low");
  ck_assert_uint_eq(box.damages[0].offset, 5 * KERNEL_PAGE);
  ck_assert_uint_eq(box.damages[0].bytes, 2 * KERNEL_PAGE);
  ck_assert_uint_eq(box.damages[0].at, (uint64_t)find_page(5));
  ck_assert_uint_eq(box.damages[1].offset, 311 * KERNEL_PAGE);
  ck_assert_uint_eq(box.damages[1].bytes, KERNEL_PAGE);
  ck_assert_uint_eq(box.stats.damaged_bytes, 3 * KERNEL_PAGE);
  ck_assert_uint_eq(box.stats.verified_bytes, (uint64_t)image_len);
}
END_TEST

START_TEST(a_damaged_page_is_found_before_anything_is_committed) {
  sluice_restore_way_t way =
      _i == 0 ? SLUICE_RESTORE_EAGER : SLUICE_RESTORE_VERIFY_MAPPED;

  flip(find_page(311) + 4095);
  ck_assert_int_eq(box_restore_way(way), SLUICE_ECORRUPT);
  ck_assert_ptr_nonnull(strstr(box.rig.error.message, "region 'low'"));
  assert_untouched();
}
END_TEST

START_TEST(without_verification_a_damaged_page_is_memory) {
  flip(find_page(5) + 100);
  ck_assert_int_eq(box_restore_way(SLUICE_RESTORE_MAPPED), 0);
  box.from.low[5 * KERNEL_PAGE + 100] ^= 0x40;
  assert_same();
}
END_TEST

/* Of the first record; where no bytes of any kind precede its pages. */
static off_t first_hashes(void) {
  return (off_t)read_le64(index_at() + SLUICE__RECORD_BYTES + 24);
}

/* Everything but the pages and their hashes: refused before the commit. */
START_TEST(damage_outside_of_the_pages_commits_nothing) {
  static const sluice_restore_way_t each[] = {SLUICE_RESTORE_MAPPED,
                                              SLUICE_RESTORE_MAPPED_VERIFY,
                                              SLUICE_RESTORE_VERIFY_MAPPED};
  off_t hashes = first_hashes();
  off_t index = index_at();
  seed_t seed = seed_open(_i);

  for (off_t at = 0; at < image_len; at += 1 + (off_t)seed_below(&seed, 60)) {
    at = at >= hashes && at < index ? index : at;
    flip(at);
    ck_assert_msg(box_restore_way(each[_i]) < 0, "damage at %ld of %ld passed",
                  (long)at, (long)image_len);
    assert_untouched();
    flip(at);
  }
  ck_assert_int_eq(box_restore_way(each[_i]), 0);
  assert_same();
}
END_TEST

START_TEST(a_truncated_image_commits_nothing) {
  static const sluice_restore_way_t each[] = {SLUICE_RESTORE_MAPPED,
                                              SLUICE_RESTORE_MAPPED_VERIFY,
                                              SLUICE_RESTORE_VERIFY_MAPPED};

  for (off_t len = image_len - 1; len >= 0; len -= 1 + len / 40) {
    ck_assert_int_eq(truncate(box.path, len), 0);
    ck_assert_int_lt(box_restore_way(each[_i]), 0);
    ck_assert_int_eq(box.stats.way, SLUICE_RESTORE_EAGER);
    assert_untouched();
  }
}
END_TEST

START_TEST(a_verification_behind_can_be_cancelled) {
  flip(find_page(5));
  flip(find_page(311));
  box.cancel_at = 1;
  ck_assert_int_eq(box_restore_way(SLUICE_RESTORE_MAPPED_VERIFY), 0);
  ck_assert_int_eq(box.verified_status, UV_ECANCELED);
  ck_assert_uint_ge(box.damage_count, 1);
}
END_TEST

static void cancel_it(sluice_restore_t *restore) {
  sluice_restore_cancel(restore);
}

START_TEST(it_can_be_cancelled_before_it_has_begun) {
  box.at_commit = cancel_it;
  ck_assert_int_eq(box_restore_way(SLUICE_RESTORE_MAPPED_VERIFY), 0);
  ck_assert_int_eq(box.verified_status, UV_ECANCELED);
  assert_same();
}
END_TEST

static int is_saved;
static uint64_t stopped_ns; /* the time of the engine, until it is saved */

static uint64_t stop_until_saved(void *ctx) {
  (void)ctx;
  return stopped_ns != 0 && !is_saved ? stopped_ns : uv_hrtime();
}

static void on_saved(sluice_save_t *save, int status) {
  ck_assert_int_eq(status, 0);
  ck_assert_uint_eq(box.verified, 0); /* it really ran beside */
  is_saved = 1;
  ck_assert_int_eq(sluice_save_free(save), 0);
}

static void overwrite_and_save(sluice_restore_t *restore) {
  const sluice_file_options_t file = {.size = sizeof(file), .no_sync = 1};
  sluice_sink_t *sink;
  sluice_save_t *save;

  (void)restore;
  stopped_ns = uv_hrtime();
  memset(box.to.low, 0x77, low_bytes());
  ck_assert_int_eq(sluice_sink_file(&sink, box.path, &file), 0);
  ck_assert_int_eq(sluice_save_begin(&save, box.rig.engine, box.to.registry,
                                     sink, NULL, on_saved, NULL),
                   0);
}

/* The file is verified, not the memory; and the registry is the host's. What is
 * limited to so many bytes a second does not go on while time stands still. */
START_TEST(the_host_may_write_and_save_meanwhile) {
  const sluice_restore_options_t o = {.size = sizeof(o),
                                      .way = SLUICE_RESTORE_MAPPED_VERIFY,
                                      .bandwidth = (uint64_t)20 << 20};

  rig_clock = stop_until_saved;
  rig_renew(&box.rig);
  box.at_commit = overwrite_and_save;
  ck_assert_int_eq(box_restore(&o), 0);
  ck_assert_int_eq(box.verified_status, 0);
  ck_assert_int_eq(is_saved, 1);
  box.at_commit = NULL;
  memset(box.to.low, 0, low_bytes());
  ck_assert_int_eq(box_restore_way(SLUICE_RESTORE_VERIFY_MAPPED), 0);
  ck_assert_uint_eq(box.to.low[7 * KERNEL_PAGE], 0x77);
}
END_TEST

static void change_file(sluice_restore_t *restore,
                        const sluice_progress_t *progress) {
  const struct timespec old[2] = {{.tv_sec = 1}, {.tv_sec = 1}};

  (void)restore;
  if (progress->phase == SLUICE_PHASE_MAP) {
    ck_assert_int_eq(utimensat(AT_FDCWD, box.path, old, 0), 0);
  }
}

START_TEST(an_image_that_changes_meanwhile_is_refused) {
  const sluice_restore_options_t o = {
      .size = sizeof(o), .way = SLUICE_RESTORE_MAPPED, .progress = change_file};

  ck_assert_int_eq(box_restore(&o), SLUICE_ECORRUPT);
  ck_assert_ptr_nonnull(strstr(box.rig.error.message, "was changed"));
  assert_untouched();
}
END_TEST

/* Any byte, any way: no crash, and what is committed is right or was told. */
START_TEST(random_damage_is_told_or_refused) {
  seed_t seed = seed_open(_i);

  for (int i = 0; i < 60; i++) {
    off_t at = (off_t)seed_below(&seed, (uint64_t)image_len);
    int r;

    flip(at);
    r = box_restore_way(SLUICE_RESTORE_MAPPED_VERIFY);
    ck_assert_msg(r < 0 || box.verified_status < 0, "damage at %ld passed",
                  (long)at);
    flip(at);
  }
}
END_TEST

Suite *mapped_damage_suite(void) {
  Suite *s = suite_create("mapped_damage");
  TCase *tc = tcase_create("damage");

  tcase_add_checked_fixture(tc, setup, box_close);
  tcase_add_test(tc, a_damaged_page_is_found_behind_with_region_and_range);
  tcase_add_loop_test(tc, a_damaged_page_is_found_before_anything_is_committed,
                      0, 2);
  tcase_add_test(tc, without_verification_a_damaged_page_is_memory);
  tcase_add_loop_test(tc, damage_outside_of_the_pages_commits_nothing, 0, 3);
  tcase_add_loop_test(tc, a_truncated_image_commits_nothing, 0, 3);
  tcase_add_test(tc, a_verification_behind_can_be_cancelled);
  tcase_add_test(tc, it_can_be_cancelled_before_it_has_begun);
  tcase_add_test(tc, the_host_may_write_and_save_meanwhile);
  tcase_add_test(tc, an_image_that_changes_meanwhile_is_refused);
  tcase_add_loop_test(tc, random_damage_is_told_or_refused, 0, 3);
  suite_add_tcase(s, tc);
  return s;
}
