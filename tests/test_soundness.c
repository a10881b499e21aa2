/* test_soundness.c - images that were damaged when they were restored by
 * mapping: what a save makes of their pages, who knows of them, and that no
 * damaged page ever gets a good checksum. */
#include <sys/socket.h>

#include "mapped_box.h"

#include "image_box.h"
#include "open_files.h"
#include "seed.h"
#include "suite.h"

static const uint32_t flags = SLUICE_RAM_REMAP | SLUICE_RAM_IN_PLACE;

static void setup(void) {
  box_open(KERNEL_PAGE);
  host_open(&box.from, flags, SLUICE_RAM_COOPERATIVE, 1);
  host_open(&box.to, flags, SLUICE_RAM_COOPERATIVE, 2);
  host_fill(&box.from, 1, 7);
  box_save(&box.from);
}

static off_t find_page(size_t number) {
  return find_byte(0, number * KERNEL_PAGE);
}

static int save_mode(sluice_save_mode_t mode) {
  const sluice_save_options_t o = {.size = sizeof(o), .mode = mode};

  return box_save_as(&box.to, &o);
}

static sluice_soundness_t soundness(void) {
  sluice_soundness_t s;

  sluice_ram_soundness(box.to.ram, &s, sizeof(s));
  return s;
}

static void assert_refused(int r, const char *words) {
  ck_assert_msg(r == SLUICE_ECORRUPT, "%s: %s", sluice_err_name(r),
                box.rig.error.message);
  ck_assert_str_eq(box.rig.error.section, "ram");
  ck_assert_msg(strstr(box.rig.error.message, words) != NULL, "%s",
                box.rig.error.message);
}

static const sluice_save_mode_t modes[] = {SLUICE_CONVERGE, SLUICE_CUT};

/* ---- the main line ---- */

START_TEST(a_page_that_was_damaged_ends_the_save_by_name) {
  flip(find_page(5) + 100);
  ck_assert_int_eq(box_restore_way(SLUICE_RESTORE_MAPPED), 0);
  assert_refused(save_mode(modes[_i]),
                 "region 'low': the image that it was restored from is damaged "
                 "at byte 20480");
  assert_refused(save_mode(modes[_i]), "byte 20480"); /* and so does the next */
  flip(find_page(5) + 100); /* the image is still there */
  ck_assert_int_eq(box_restore_way(SLUICE_RESTORE_EAGER), 0);
}
END_TEST

START_TEST(an_image_that_is_sound_is_saved_whole) {
  ck_assert_int_eq(box_restore_way(SLUICE_RESTORE_MAPPED), 0);
  ck_assert_uint_gt(soundness().unverified_bytes, 0);
  ck_assert_int_eq(save_mode(modes[_i]), 0);
  ck_assert_uint_eq(soundness().unverified_bytes, 0);
  ck_assert_uint_eq(soundness().unsound_bytes, 0);
  memset(box.to.low, 0, low_bytes());
  ck_assert_int_eq(box_restore_way(SLUICE_RESTORE_EAGER), 0);
  assert_same();
}
END_TEST

/* The rest of the page is the file's. */
START_TEST(a_write_into_a_damaged_page_does_not_heal_it) {
  flip(find_page(5) + 100);
  ck_assert_int_eq(box_restore_way(SLUICE_RESTORE_MAPPED), 0);
  memset(box.to.low + 5 * KERNEL_PAGE, 1, _i == 0 ? 8 : KERNEL_PAGE);
  assert_refused(save_mode(SLUICE_CUT), "byte 20480");
  flip(find_page(5) + 100);
}
END_TEST

START_TEST(a_damaged_hash_is_a_damaged_page) {
  flip((off_t)read_le64(index_at() + SLUICE__RECORD_BYTES + 24) + 3);
  ck_assert_int_eq(box_restore_way(SLUICE_RESTORE_MAPPED), 0);
  assert_refused(save_mode(SLUICE_CONVERGE), "at byte 0 of the region");
}
END_TEST

START_TEST(both_regions_are_verified) {
  flip(find_byte(1, 39 * KERNEL_PAGE) + 1);
  ck_assert_int_eq(box_restore_way(SLUICE_RESTORE_MAPPED), 0);
  assert_refused(save_mode(SLUICE_CUT),
                 "region 'high': the image that it was restored from is "
                 "damaged at byte 159744");
}
END_TEST

START_TEST(verified_before_there_is_nothing_to_prove) {
  ck_assert_int_eq(box_restore_way(_i == 0 ? SLUICE_RESTORE_EAGER
                                           : SLUICE_RESTORE_VERIFY_MAPPED),
                   0);
  ck_assert_uint_eq(soundness().sound_bytes, 0);
  ck_assert_uint_eq(soundness().unverified_bytes, 0);
  ck_assert_int_eq(save_mode(SLUICE_CUT), 0);
}
END_TEST

START_TEST(a_restore_of_something_else_takes_the_verdict_away) {
  flip(find_page(5));
  ck_assert_int_eq(box_restore_way(SLUICE_RESTORE_MAPPED), 0);
  assert_refused(save_mode(SLUICE_CUT), "byte 20480");
  flip(find_page(5));
  ck_assert_int_eq(box_restore_way(SLUICE_RESTORE_EAGER), 0);
  ck_assert_uint_eq(soundness().unsound_bytes, 0);
  ck_assert_int_eq(save_mode(SLUICE_CUT), 0);
}
END_TEST

/* ---- the file ---- */

START_TEST(a_file_that_was_changed_since_proves_nothing) {
  ck_assert_int_eq(box_restore_way(SLUICE_RESTORE_MAPPED), 0);
  flip(find_page(5));
  assert_refused(save_mode(SLUICE_CONVERGE), "was changed");
}
END_TEST

START_TEST(the_file_is_kept_open_until_all_is_known) {
  unsigned before = count_open_files();

  ck_assert_int_eq(box_restore_way(SLUICE_RESTORE_MAPPED), 0);
  ck_assert_uint_eq(count_open_files(), before + 1);
  ck_assert_int_eq(unlink(box.path), 0);
  ck_assert_int_eq(save_mode(SLUICE_CUT), 0);
  ck_assert_uint_eq(count_open_files(), before);
}
END_TEST

/* ---- what a scrub has seen ---- */

static sluice_soundness_t at_commit;

static void look(sluice_restore_t *restore) {
  (void)restore;
  at_commit = soundness();
}

START_TEST(what_the_scrub_finds_is_known) {
  flip(find_page(5));
  box.at_commit = look;
  ck_assert_int_eq(box_restore_way(SLUICE_RESTORE_MAPPED_VERIFY), 0);
  ck_assert_uint_gt(at_commit.unverified_bytes, 0);
  ck_assert_uint_eq(at_commit.unsound_bytes, 0);
  ck_assert_uint_eq(soundness().unverified_bytes, 0);
  ck_assert_uint_eq(soundness().unsound_bytes, KERNEL_PAGE);
  ck_assert_uint_eq(soundness().sound_bytes,
                    at_commit.unverified_bytes - KERNEL_PAGE);
  ck_assert_uint_eq(box.stats.unsound_bytes, KERNEL_PAGE);
  ck_assert_uint_eq(box.stats.sound_bytes, soundness().sound_bytes);
  assert_refused(save_mode(modes[_i]), "byte 20480");
}
END_TEST

START_TEST(a_good_scrub_leaves_nothing_to_a_save) {
  unsigned before = count_open_files();

  ck_assert_int_eq(box_restore_way(SLUICE_RESTORE_MAPPED_VERIFY), 0);
  ck_assert_uint_eq(count_open_files(), before);
  flip(find_page(5)); /* who looked again would find this */
  ck_assert_int_eq(save_mode(SLUICE_CUT), 0);
}
END_TEST

static int save_status;

static void on_saved(sluice_save_t *save, int status) {
  save_status = status;
  box.rig.error = *sluice_save_error(save);
  ck_assert_int_eq(sluice_save_free(save), 0);
}

static void begin_save(sluice_restore_t *restore) {
  const sluice_file_options_t file = {.size = sizeof(file), .no_sync = 1};
  sluice_sink_t *sink;
  sluice_save_t *save;

  (void)restore;
  ck_assert_int_eq(sluice_sink_file(&sink, box.path, &file), 0);
  ck_assert_int_eq(sluice_save_begin(&save, box.rig.engine, box.to.registry,
                                     sink, NULL, on_saved, NULL),
                   0);
}

/* As before, from the commit's callback, with a scrub that has just begun. */
START_TEST(a_save_does_not_wait_for_the_scrub) {
  const sluice_restore_options_t o = {.size = sizeof(o),
                                      .way = SLUICE_RESTORE_MAPPED_VERIFY,
                                      .bandwidth = (uint64_t)20 << 20};

  flip(find_byte(1, 39 * KERNEL_PAGE));
  box.at_commit = begin_save;
  ck_assert_int_eq(box_restore(&o), 0);
  ck_assert_int_eq(box.verified_status, SLUICE_ECORRUPT);
  ck_assert_int_eq(save_status, SLUICE_ECORRUPT);
}
END_TEST

START_TEST(a_scrub_that_was_cancelled_leaves_the_rest_to_the_save) {
  flip(find_page(5));
  flip(find_page(311));
  box.cancel_at = 1;
  ck_assert_int_eq(box_restore_way(SLUICE_RESTORE_MAPPED_VERIFY), 0);
  ck_assert_int_eq(box.verified_status, UV_ECANCELED);
  assert_refused(save_mode(SLUICE_CUT), "byte 20480");
}
END_TEST

/* ---- written as damaged ---- */

static int save_damaged(sluice_save_mode_t mode) {
  const sluice_save_options_t o = {
      .size = sizeof(o), .mode = mode, .write_damaged = 1};

  return box_save_as(&box.to, &o);
}

START_TEST(damaged_pages_are_written_so_that_readers_find_them) {
  flip(find_page(5) + 100);
  flip(find_page(311));
  flip(find_byte(1, 0));
  ck_assert_int_eq(box_restore_way(SLUICE_RESTORE_MAPPED), 0);
  memset(box.to.low + 311 * KERNEL_PAGE, 0, KERNEL_PAGE);
  memcpy(box.from.low, box.to.low, low_bytes());
  memcpy(box.from.high, box.to.high, high_bytes());
  ck_assert_int_eq(save_damaged(modes[_i]), 0);
  ck_assert_uint_eq(soundness().unsound_bytes, 3 * KERNEL_PAGE);
  ck_assert_int_eq(box_restore_way(SLUICE_RESTORE_EAGER), SLUICE_ECORRUPT);
  ck_assert_int_eq(box_restore_way(SLUICE_RESTORE_VERIFY_MAPPED),
                   SLUICE_ECORRUPT);
  ck_assert_int_eq(box_restore_way(SLUICE_RESTORE_MAPPED_VERIFY), 0);
  ck_assert_int_eq(box.verified_status, SLUICE_ECORRUPT);
  ck_assert_uint_eq(box.damage_count, 3);
  ck_assert_uint_eq(box.damages[0].offset, 5 * KERNEL_PAGE);
  ck_assert_uint_eq(box.damages[1].offset, 311 * KERNEL_PAGE);
  ck_assert_str_eq(box.damages[2].region, "high");
  ck_assert_uint_eq(box.stats.damaged_bytes, 3 * KERNEL_PAGE);
  assert_same(); /* what was in memory is in the image */
}
END_TEST

START_TEST(where_all_is_sound_the_option_changes_nothing) {
  ck_assert_int_eq(box_restore_way(SLUICE_RESTORE_MAPPED), 0);
  ck_assert_int_eq(save_damaged(modes[_i]), 0);
  ck_assert_int_eq(box_restore_way(SLUICE_RESTORE_EAGER), 0);
  assert_same();
}
END_TEST

START_TEST(a_format_without_checksums_cannot_say_damaged) {
  const sluice_save_options_t o = {
      .size = sizeof(o), .format = SLUICE_FORMAT_QEMU3, .write_damaged = 1};

  flip(find_page(5));
  ck_assert_int_eq(box_restore_way(SLUICE_RESTORE_MAPPED), 0);
  assert_refused(box_save_as(&box.to, &o), "byte 20480");
}
END_TEST

/* ---- sections that are made for one save, and hand-overs ---- */

START_TEST(a_section_that_inherits_is_as_sound_as_the_other) {
  mapped_host_t again = {.registry = rig_registry(&box.rig)};
  const sluice_ram_options_t o = {.size = sizeof(o), .page_size = KERNEL_PAGE};
  uint8_t *memory = map_pages(low_bytes());
  sluice_soundness_t s;

  flip(find_page(5));
  ck_assert_int_eq(box_restore_way(SLUICE_RESTORE_MAPPED), 0);
  ck_assert_int_eq(
      sluice_ram_new(&again.ram, again.registry, "other", NULL, &o, NULL), 0);
  ck_assert_int_eq(
      sluice_ram_add_region(again.ram, "low", memory, low_bytes(), 0, NULL), 0);
  ck_assert_int_eq(sluice_ram_inherit(again.ram, box.to.ram), 0);
  host_close(&box.to);
  sluice_ram_soundness(again.ram, &s, sizeof(s));
  ck_assert_uint_gt(s.unverified_bytes, 0);
  ck_assert_int_eq(box_save_as(&again, NULL), SLUICE_ECORRUPT);
  ck_assert_str_eq(box.rig.error.section, "other");
  ck_assert_int_eq(sluice_registry_free(again.registry), 0);
  ck_assert_int_eq(sluice_ram_inherit(again.ram, again.ram), UV_EINVAL);
  ck_assert_int_eq(sluice_ram_free(again.ram), 0);
  ck_assert_int_eq(munmap(memory, low_bytes()), 0);
}
END_TEST

static int handed_over, taken_over;

static void on_handed_over(sluice_handover_t *h, int status) {
  handed_over = status;
  box.rig.error = *sluice_handover_error(h);
  ck_assert_int_eq(sluice_handover_free(h), 0);
}

static void on_taken_over(sluice_takeover_t *t, int status) {
  taken_over = status;
  ck_assert_int_eq(sluice_takeover_free(t), 0);
}

static void hand_over(int write_damaged) {
  const sluice_save_options_t save = {.size = sizeof(save),
                                      .write_damaged = write_damaged};
  const sluice_handover_options_t o = {.size = sizeof(o), .save = &save};
  sluice_handover_t *h;
  sluice_takeover_t *t;
  int ends[2];

  ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  ck_assert_int_eq(sluice_handover_begin(&h, box.rig.engine, box.to.registry,
                                         ends[0], &o, on_handed_over, NULL),
                   0);
  ck_assert_int_eq(sluice_takeover_begin(&t, box.rig.engine, box.from.registry,
                                         ends[1], NULL, on_taken_over, NULL),
                   0);
  rig_run(&box.rig);
}

START_TEST(a_hand_over_is_verified_like_a_save) {
  flip(find_page(5));
  ck_assert_int_eq(box_restore_way(SLUICE_RESTORE_MAPPED), 0);
  hand_over(_i);
  assert_refused(handed_over, "byte 20480");
  ck_assert_int_lt(taken_over, 0);
  flip(find_page(5));
  ck_assert_int_eq(box_restore_way(SLUICE_RESTORE_MAPPED), 0);
  hand_over(_i);
  ck_assert_int_eq(handed_over, 0);
  ck_assert_int_eq(taken_over, 0);
  assert_same();
}
END_TEST

/* Where the kernel cannot move mappings they are read, and verified. */
START_TEST(regions_that_are_restored_beside_are_no_better) {
  host_close(&box.to);
  host_open(&box.to, SLUICE_RAM_REMAP, SLUICE_RAM_COOPERATIVE, 2);
  flip(find_page(5));
  if (box_restore_way(SLUICE_RESTORE_MAPPED) == 0) {
    assert_refused(save_mode(SLUICE_CUT), "byte 20480");
  } else {
    ck_assert_int_eq(box.rig.status, SLUICE_ECORRUPT);
    ck_assert(!can_move_mappings());
  }
}
END_TEST

/* Pages that were read because they were not to be mapped were not verified,
 * either. */
START_TEST(pages_that_were_read_beside_mappings_are_verified) {
  const sluice_restore_options_t o = {.size = sizeof(o),
                                      .way = SLUICE_RESTORE_MAPPED,
                                      .must_map = 1,
                                      .max_mappings = 1};

  flip(find_page(5));
  ck_assert_int_eq(box_restore(&o), 0);
  ck_assert_uint_gt(box.stats.read_bytes, 0);
  assert_refused(save_mode(SLUICE_CUT), "byte 20480");
}
END_TEST

/* More than a job reads and names. */
START_TEST(an_image_that_is_damaged_all_over_is_told_in_full) {
  for (size_t page = 0; page < LOW_PAGES; page++) {
    if (page % 30 < 20) {
      flip(find_page(page) + 7);
    }
  }
  ck_assert_int_eq(box_restore_way(SLUICE_RESTORE_MAPPED), 0);
  ck_assert_int_eq(save_damaged(SLUICE_CONVERGE), 0);
  ck_assert_uint_eq(soundness().sound_bytes, high_bytes());
  ck_assert_uint_eq(soundness().unverified_bytes, 0);
  ck_assert_uint_eq(soundness().unsound_bytes,
                    (uint64_t)(LOW_PAGES / 30 * 20 + LOW_PAGES % 30) *
                        KERNEL_PAGE);
}
END_TEST

static void cancel_save(sluice_save_t *save, const sluice_progress_t *p) {
  (void)p;
  sluice_save_cancel(save);
}

START_TEST(a_save_that_is_cancelled_meanwhile_ends) {
  const sluice_save_options_t o = {.size = sizeof(o), .progress = cancel_save};

  ck_assert_int_eq(box_restore_way(SLUICE_RESTORE_MAPPED), 0);
  ck_assert_int_eq(box_save_as(&box.to, &o), UV_ECANCELED);
  ck_assert_int_eq(save_mode(SLUICE_CUT), 0);
}
END_TEST

Suite *soundness_suite(void) {
  Suite *s = suite_create("soundness");
  TCase *tc = tcase_create("saves");

  tcase_add_checked_fixture(tc, setup, box_close);
  tcase_add_loop_test(tc, a_page_that_was_damaged_ends_the_save_by_name, 0, 2);
  tcase_add_loop_test(tc, an_image_that_is_sound_is_saved_whole, 0, 2);
  tcase_add_loop_test(tc, a_write_into_a_damaged_page_does_not_heal_it, 0, 2);
  tcase_add_test(tc, a_damaged_hash_is_a_damaged_page);
  tcase_add_test(tc, both_regions_are_verified);
  tcase_add_loop_test(tc, verified_before_there_is_nothing_to_prove, 0, 2);
  tcase_add_test(tc, a_restore_of_something_else_takes_the_verdict_away);
  tcase_add_test(tc, a_file_that_was_changed_since_proves_nothing);
  tcase_add_test(tc, the_file_is_kept_open_until_all_is_known);
  suite_add_tcase(s, tc);
  tc = tcase_create("scrub");
  tcase_add_checked_fixture(tc, setup, box_close);
  tcase_add_loop_test(tc, what_the_scrub_finds_is_known, 0, 2);
  tcase_add_test(tc, a_good_scrub_leaves_nothing_to_a_save);
  tcase_add_test(tc, a_save_does_not_wait_for_the_scrub);
  tcase_add_test(tc, a_scrub_that_was_cancelled_leaves_the_rest_to_the_save);
  suite_add_tcase(s, tc);
  tc = tcase_create("written as damaged");
  tcase_add_checked_fixture(tc, setup, box_close);
  tcase_add_loop_test(tc, damaged_pages_are_written_so_that_readers_find_them,
                      0, 2);
  tcase_add_loop_test(tc, where_all_is_sound_the_option_changes_nothing, 0, 2);
  tcase_add_test(tc, a_format_without_checksums_cannot_say_damaged);
  tcase_add_test(tc, an_image_that_is_damaged_all_over_is_told_in_full);
  suite_add_tcase(s, tc);
  tc = tcase_create("others");
  tcase_add_checked_fixture(tc, setup, box_close);
  tcase_add_test(tc, a_section_that_inherits_is_as_sound_as_the_other);
  tcase_add_loop_test(tc, a_hand_over_is_verified_like_a_save, 0, 2);
  tcase_add_test(tc, regions_that_are_restored_beside_are_no_better);
  tcase_add_test(tc, pages_that_were_read_beside_mappings_are_verified);
  tcase_add_test(tc, a_save_that_is_cancelled_meanwhile_ends);
  suite_add_tcase(s, tc);
  return s;
}
