/* test_mapped.c - restoring by mapping: what comes to be memory, which way was
 * taken, and that the memory is like any other afterwards. */
#include "mapped_box.h"

#include "can_guard.h"
#include "session/registry.h"
#include "skip.h"
#include "suite.h"

static const struct {
  sluice_restore_way_t way;
  uint32_t flags;
} ways[] = {
    {SLUICE_RESTORE_MAPPED, SLUICE_RAM_REMAP},
    {SLUICE_RESTORE_MAPPED, SLUICE_RAM_REMAP | SLUICE_RAM_IN_PLACE},
    {SLUICE_RESTORE_MAPPED_VERIFY, SLUICE_RAM_REMAP},
    {SLUICE_RESTORE_MAPPED_VERIFY, SLUICE_RAM_REMAP | SLUICE_RAM_IN_PLACE},
    {SLUICE_RESTORE_VERIFY_MAPPED, SLUICE_RAM_REMAP},
    {SLUICE_RESTORE_VERIFY_MAPPED, SLUICE_RAM_REMAP | SLUICE_RAM_IN_PLACE},
};
enum { WAYS = sizeof(ways) / sizeof(*ways) };

static void open_box(uint32_t page_size, uint32_t flags) {
  box_open(page_size);
  host_open(&box.from, SLUICE_RAM_REMAP, SLUICE_RAM_COOPERATIVE, 1);
  host_open(&box.to, flags, SLUICE_RAM_COOPERATIVE, 2);
}

static void setup(void) {
  open_box(KERNEL_PAGE, SLUICE_RAM_REMAP | SLUICE_RAM_IN_PLACE);
}

static void reopen_with(uint32_t page_size, uint32_t flags) {
  box_close();
  open_box(page_size, flags);
}

static void assert_mapped_all(void) {
  ck_assert_int_eq(box.rig.status, 0);
  ck_assert_uint_eq(box.stats.read_bytes, 0);
  ck_assert_uint_gt(box.stats.mapped_bytes, 0);
  ck_assert_uint_eq(box.stats.sections_unmapped, 0);
}

START_TEST(the_memory_is_what_was_saved) {
  reopen_with(KERNEL_PAGE, ways[_i].flags);
  host_fill(&box.from, 1, 7);
  memset(box.to.low, 0xee, low_bytes());
  box_save(&box.from);
  ck_assert_int_eq(box_restore_way(ways[_i].way), 0);
  if (can_move_mappings() || (ways[_i].flags & SLUICE_RAM_IN_PLACE) != 0) {
    assert_mapped_all();
  } else {
    ck_assert_uint_eq(box.stats.sections_unmapped, 1);
  }
  ck_assert_int_eq(box.stats.way, ways[_i].way);
  ck_assert_int_eq(box.verified_status, 0);
  ck_assert_uint_eq(
      box.stats.verified_bytes,
      ways[_i].way == SLUICE_RESTORE_MAPPED ? 0 : box.stats.file_bytes);
  assert_same();
}
END_TEST

START_TEST(all_zero_memory_needs_no_mapping) {
  box_save(&box.from);
  memset(box.to.low, 0xee, low_bytes());
  ck_assert_int_eq(box_restore_way(SLUICE_RESTORE_MAPPED), 0);
  ck_assert_uint_eq(box.stats.mappings, 0);
  assert_same();
}
END_TEST

/* Writes stay in the process, and the file as it is. */
START_TEST(what_is_written_afterwards_is_private) {
  host_fill(&box.from, 1, 7);
  box_save(&box.from);
  ck_assert_int_eq(box_restore_way(SLUICE_RESTORE_MAPPED), 0);
  memset(box.to.low, 0x11, low_bytes());
  memset(box.to.high, 0x12, high_bytes());
  ck_assert_int_eq(box_restore_way(SLUICE_RESTORE_EAGER), 0);
  assert_same();
}
END_TEST

/* In every order: also over memory that is mapped already. */
START_TEST(one_restore_follows_another) {
  static const sluice_restore_way_t order[] = {
      SLUICE_RESTORE_MAPPED, SLUICE_RESTORE_MAPPED, SLUICE_RESTORE_EAGER,
      SLUICE_RESTORE_MAPPED_VERIFY, SLUICE_RESTORE_EAGER};

  reopen_with(KERNEL_PAGE, ways[_i].flags);
  for (size_t i = 0; i < sizeof(order) / sizeof(*order); i++) {
    memset(box.from.low, 0, low_bytes());
    host_fill(&box.from, i + 1, (unsigned)(i + 9));
    sluice_ram_dirty(box.from.ram, 0, 0, low_bytes());
    sluice_ram_dirty(box.from.ram, 1, 0, high_bytes());
    box_save(&box.from);
    ck_assert_int_eq(box_restore_way(order[i]), 0);
    assert_same();
    box.to.low[12345] ^= 1;
    box.to.low[low_bytes() - 1] ^= 1;
  }
}
END_TEST

START_TEST(a_replaced_image_stays_what_it_was_in_memory) {
  uint8_t *was = map_pages(low_bytes());

  host_fill(&box.from, 1, 7);
  box_save(&box.from);
  memcpy(was, box.from.low, low_bytes());
  ck_assert_int_eq(box_restore_way(SLUICE_RESTORE_MAPPED), 0);
  host_fill(&box.from, 1, 100);
  sluice_ram_dirty(box.from.ram, 0, 0, low_bytes());
  box_save(&box.from);
  ck_assert_int_eq(unlink(box.path), 0);
  ck_assert_mem_eq(box.to.low, was, low_bytes());
  ck_assert_int_eq(munmap(was, low_bytes()), 0);
}
END_TEST

/* ---- limits ---- */

START_TEST(over_the_limit_the_largest_runs_are_mapped_and_the_rest_is_read) {
  const sluice_restore_options_t o = {.size = sizeof(o),
                                      .way = SLUICE_RESTORE_MAPPED,
                                      .max_mappings = (uint32_t)_i};

  host_fill(&box.from, 2, 7); /* 350 runs of a page, one of 40 */
  box_save(&box.from);
  ck_assert_int_eq(box_restore(&o), 0);
  ck_assert_uint_eq(box.stats.mappings, (unsigned)_i);
  ck_assert_uint_eq(box.stats.mapped_bytes,
                    (size_t)(HIGH_PAGES + _i - 1) * KERNEL_PAGE);
  ck_assert_uint_eq(box.stats.read_bytes,
                    (size_t)(LOW_PAGES / 2 + 1 - _i) * KERNEL_PAGE);
  assert_same();
}
END_TEST

START_TEST(what_is_read_may_be_more_than_a_buffer) {
  const sluice_restore_options_t o = {
      .size = sizeof(o), .way = SLUICE_RESTORE_MAPPED, .max_mappings = 1};

  /* Two runs that no single record has, however large records are. */
  memset(box.from.low, 3, low_bytes());
  memset(box.from.low + LOW_PAGES / 2 * KERNEL_PAGE, 0, KERNEL_PAGE);
  host_fill(&box.from, 1, 7);
  box_save(&box.from);
  ck_assert_int_eq(box_restore(&o), 0);
  ck_assert_uint_eq(box.stats.mappings, 1);
  ck_assert_uint_gt(box.stats.read_bytes, 1024 * 1024);
  assert_same();
}
END_TEST

/* ---- page sizes ---- */

static const uint32_t page_sizes[] = {256, 1024, 4096, 16384};

START_TEST(pages_of_another_size_than_the_kernels_are_restored) {
  reopen_with(page_sizes[_i], SLUICE_RAM_REMAP | SLUICE_RAM_IN_PLACE);
  host_fill(&box.from, 1, 7);
  for (size_t i = 0; i < 40; i++) {
    box.from.low[i * 5000] = (uint8_t)i; /* runs that begin anywhere */
  }
  box_save(&box.from);
  ck_assert_int_eq(box_restore_way(SLUICE_RESTORE_MAPPED_VERIFY), 0);
  ck_assert_int_eq(box.verified_status, 0);
  assert_same();
  ck_assert_uint_gt(box.stats.mapped_bytes + box.stats.read_bytes, 0);
}
END_TEST

/* ---- what is not mapped ---- */

static void assert_eager(const char *reason) {
  ck_assert_int_eq(box.stats.way, SLUICE_RESTORE_EAGER);
  ck_assert_ptr_nonnull(box.stats.reason);
  ck_assert_str_eq(box.stats.reason, reason);
  ck_assert_uint_eq(box.stats.mappings, 0);
}

START_TEST(an_image_in_memory_is_restored_eagerly) {
  const sluice_restore_options_t o = {.size = sizeof(o),
                                      .way = SLUICE_RESTORE_MAPPED_VERIFY};
  sluice_source_t *source;
  void *image;
  size_t len;

  host_fill(&box.from, 1, 7);
  ck_assert_int_eq(rig_save_memory(&box.rig, NULL, &image, &len), 0);
  ck_assert_int_eq(sluice_source_memory(&source, image, len), 0);
  ck_assert_int_eq(box_restore_from(source, &o), 0);
  assert_eager("the source is not a file");
  ck_assert_int_eq(box.verified_status, 0);
  assert_same();
  free(image);
}
END_TEST

START_TEST(qemus_stream_is_restored_eagerly) {
  const sluice_save_options_t o = {
      .size = sizeof(o), .format = SLUICE_FORMAT_QEMU3, .host = "test"};

  host_fill(&box.from, 1, 7);
  ck_assert_int_eq(box_save_as(&box.from, &o), 0);
  ck_assert_int_eq(box_restore_way(SLUICE_RESTORE_MAPPED), 0);
  assert_eager("not a native image");
  assert_same();
}
END_TEST

START_TEST(a_host_may_insist_on_mapping) {
  const sluice_restore_options_t o = {
      .size = sizeof(o), .way = SLUICE_RESTORE_MAPPED, .must_map = 1};
  sluice_source_t *source;
  void *image;
  size_t len;

  ck_assert_int_eq(rig_save_memory(&box.rig, NULL, &image, &len), 0);
  ck_assert_int_eq(sluice_source_memory(&source, image, len), 0);
  ck_assert_int_eq(box_restore_from(source, &o), UV_ENOTSUP);
  ck_assert_ptr_nonnull(strstr(box.rig.error.message, "not a file"));
  free(image);
}
END_TEST

START_TEST(a_file_that_is_read_from_its_middle_is_not_mapped) {
  const sluice_restore_options_t o = {.size = sizeof(o),
                                      .way = SLUICE_RESTORE_MAPPED};
  sluice_source_t *source;
  int fd;

  host_fill(&box.from, 1, 7);
  box_save(&box.from);
  fd = open(box.path, O_RDONLY | O_CLOEXEC);
  ck_assert_int_eq(sluice_source_fd(&source, fd), 0);
  ck_assert_int_eq(box_restore_from(source, &o), 0);
  ck_assert_int_eq(box.stats.way, SLUICE_RESTORE_MAPPED);
  assert_same();
  ck_assert_int_eq((int)lseek(fd, 1, SEEK_SET), 1);
  ck_assert_int_eq(sluice_source_fd(&source, fd), 0);
  ck_assert_int_eq(box_restore_from(source, &o), SLUICE_EFORMAT);
  assert_eager("the source is not a file");
  ck_assert_int_eq(close(fd), 0);
}
END_TEST

START_TEST(regions_whose_pages_may_not_be_replaced_are_read) {
  reopen_with(KERNEL_PAGE, 0);
  host_fill(&box.from, 1, 7);
  box_save(&box.from);
  ck_assert_int_eq(box_restore_way(SLUICE_RESTORE_MAPPED), 0);
  ck_assert_uint_eq(box.stats.mappings, 0);
  ck_assert_uint_eq(box.stats.sections_unmapped, 1);
  assert_same();
}
END_TEST

START_TEST(verifying_behind_needs_somebody_to_tell) {
  const sluice_restore_options_t o = {.size = sizeof(o),
                                      .way = SLUICE_RESTORE_MAPPED_VERIFY};
  sluice_source_t *source;
  sluice_restore_t *restore;

  ck_assert_int_eq(sluice_source_file(&source, box.path), 0);
  ck_assert_int_eq(sluice_restore_begin(&restore, box.rig.engine,
                                        box.to.registry, source, &o,
                                        rig_on_restored, NULL),
                   UV_EINVAL);
  sluice_source_free(source);
}
END_TEST

/* ---- the memory afterwards ---- */

static void restore_then_change(sluice_ram_tracker_t tracker) {
  reopen_with(KERNEL_PAGE, SLUICE_RAM_REMAP | SLUICE_RAM_IN_PLACE);
  host_close(&box.to);
  host_open(&box.to, SLUICE_RAM_REMAP | SLUICE_RAM_IN_PLACE, tracker, 2);
  host_fill(&box.from, 1, 7);
  box_save(&box.from);
  ck_assert_int_eq(box_restore_way(SLUICE_RESTORE_MAPPED), 0);
}

static void change(size_t page) {
  sluice_ram_dirty(box.to.ram, 0, page * KERNEL_PAGE, 1);
  box.to.low[page * KERNEL_PAGE] ^= 0xff;
}

static const sluice_ram_tracker_t trackers[] = {
    SLUICE_RAM_COOPERATIVE, SLUICE_RAM_WRITE_PROTECT, SLUICE_RAM_STATIC};

static uint8_t *at_pause;

static void on_pause(sluice_save_t *save) {
  for (size_t i = 1; i < LOW_PAGES; i += 50) {
    change(i);
  }
  memcpy(at_pause, box.to.low, low_bytes());
  sluice_save_paused(save);
}

/* Writes that come when pages have been sent already must be seen. */
START_TEST(mapped_memory_is_saved_while_it_changes) {
  const sluice_save_options_t o = {
      .size = sizeof(o),
      .pause = trackers[_i] == SLUICE_RAM_STATIC ? NULL : on_pause};

  if (trackers[_i] == SLUICE_RAM_WRITE_PROTECT && !can_guard()) {
    skip(NO_GUARD);
    return;
  }
  restore_then_change(trackers[_i]);
  at_pause = map_pages(low_bytes());
  memcpy(at_pause, box.to.low, low_bytes());
  ck_assert_int_eq(box_save_as(&box.to, &o), 0);
  memset(box.to.low, 0, low_bytes());
  ck_assert_int_eq(box_restore_way(SLUICE_RESTORE_EAGER), 0);
  ck_assert_mem_eq(box.to.low, at_pause, low_bytes());
  ck_assert_int_eq(munmap(at_pause, low_bytes()), 0);
}
END_TEST

static void on_cut(sluice_save_t *save) {
  (void)save;
  memcpy(at_pause, box.to.low, low_bytes());
  for (size_t i = 1; i < LOW_PAGES; i += 3) {
    change(i);
  }
}

START_TEST(mapped_memory_is_cut_cooperatively) {
  const sluice_save_options_t o = {
      .size = sizeof(o), .mode = SLUICE_CUT, .cut = on_cut};

  restore_then_change(SLUICE_RAM_COOPERATIVE);
  at_pause = map_pages(low_bytes());
  ck_assert_int_eq(box_save_as(&box.to, &o), 0);
  ck_assert_int_eq(box_restore_way(SLUICE_RESTORE_MAPPED), 0);
  ck_assert_mem_eq(box.to.low, at_pause, low_bytes());
  ck_assert_int_eq(munmap(at_pause, low_bytes()), 0);
}
END_TEST

/* The kernel holds writes to no file's pages but those of tmpfs. */
START_TEST(a_cut_of_mapped_memory_by_write_protection_works_or_says_why) {
  const sluice_save_options_t o = {
      .size = sizeof(o), .mode = SLUICE_CUT, .cut = on_cut};
  int r;

  if (!can_guard()) {
    skip(NO_GUARD);
    return;
  }
  restore_then_change(SLUICE_RAM_WRITE_PROTECT);
  at_pause = map_pages(low_bytes());
  r = box_save_as(&box.to, &o);
  if (r < 0) {
    ck_assert_int_eq(r, UV_ENOTSUP);
    ck_assert_ptr_nonnull(strstr(box.rig.error.message, "mapped"));
  } else {
    ck_assert_int_eq(box_restore_way(SLUICE_RESTORE_EAGER), 0);
    ck_assert_mem_eq(box.to.low, at_pause, low_bytes());
  }
  ck_assert_int_eq(munmap(at_pause, low_bytes()), 0);
}
END_TEST

static sluice_handler_t changed;
static const sluice_handler_t *unchanged;

static int say_nonsense(void *self, const sluice_extent_t *extent,
                        sluice_error_t *err) {
  (void)self;
  (void)extent;
  (void)err;
  return 7;
}

static int map_nothing(void *self, const sluice_extent_t *extent,
                       sluice_error_t *err) {
  (void)self;
  (void)extent;
  (void)err;
  return SLUICE_MORE; /* says so of what it is given as well */
}

/* Rows: of a mapping; of what was read, which nobody else can take. */
START_TEST(a_handler_that_says_nonsense_of_pages_is_told) {
  sluice_section_t *section = sluice__registry_find(box.to.registry, "ram", 0);

  host_fill(&box.from, 2, 7);
  box_save(&box.from);
  unchanged = section->handler;
  changed = *unchanged;
  changed.restore_map = _i == 0 ? say_nonsense : map_nothing;
  section->handler = &changed;
  ck_assert_int_eq(box_restore_way(SLUICE_RESTORE_MAPPED), SLUICE_EHANDLER);
  ck_assert_str_eq(box.rig.error.section, "ram");
  section->handler = unchanged;
  ck_assert_int_eq(box_restore_way(SLUICE_RESTORE_MAPPED), 0);
  assert_same();
}
END_TEST

static unsigned ticks_behind;

static void on_progress(sluice_restore_t *restore, const sluice_progress_t *p) {
  (void)restore;
  ticks_behind += p->phase == SLUICE_PHASE_VERIFY && box.restored == 1;
}

START_TEST(progress_is_told_while_the_host_runs_and_its_image_is_verified) {
  const sluice_restore_options_t o = {.size = sizeof(o),
                                      .way = SLUICE_RESTORE_MAPPED_VERIFY,
                                      .progress = on_progress};

  ticks_behind = 0;
  host_fill(&box.from, 1, 7);
  box_save(&box.from);
  ck_assert_int_eq(box_restore(&o), 0);
  ck_assert_int_eq(box.verified_status, 0);
  ck_assert_uint_gt(ticks_behind, 0);
}
END_TEST

Suite *mapped_suite(void) {
  Suite *s = suite_create("mapped");
  TCase *tc = tcase_create("mapped");

  tcase_add_checked_fixture(tc, setup, box_close);
  tcase_add_loop_test(tc, the_memory_is_what_was_saved, 0, WAYS);
  tcase_add_test(tc, all_zero_memory_needs_no_mapping);
  tcase_add_test(tc, what_is_written_afterwards_is_private);
  tcase_add_loop_test(tc, one_restore_follows_another, 0, 2);
  tcase_add_test(tc, a_replaced_image_stays_what_it_was_in_memory);
  tcase_add_loop_test(
      tc, over_the_limit_the_largest_runs_are_mapped_and_the_rest_is_read, 1,
      4);
  tcase_add_test(tc, what_is_read_may_be_more_than_a_buffer);
  tcase_add_loop_test(tc, pages_of_another_size_than_the_kernels_are_restored,
                      0, 4);
  tcase_add_test(tc, an_image_in_memory_is_restored_eagerly);
  tcase_add_test(tc, qemus_stream_is_restored_eagerly);
  tcase_add_test(tc, a_host_may_insist_on_mapping);
  tcase_add_test(tc, a_file_that_is_read_from_its_middle_is_not_mapped);
  tcase_add_test(tc, regions_whose_pages_may_not_be_replaced_are_read);
  tcase_add_test(tc, verifying_behind_needs_somebody_to_tell);
  tcase_add_loop_test(tc, mapped_memory_is_saved_while_it_changes, 0, 3);
  tcase_add_loop_test(tc, a_handler_that_says_nonsense_of_pages_is_told, 0, 2);
  tcase_add_test(
      tc, progress_is_told_while_the_host_runs_and_its_image_is_verified);
  tcase_add_test(tc, mapped_memory_is_cut_cooperatively);
  tcase_add_test(tc,
                 a_cut_of_mapped_memory_by_write_protection_works_or_says_why);
  suite_add_tcase(s, tc);
  return s;
}
