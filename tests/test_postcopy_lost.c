/* test_postcopy_lost.c - late pages that cannot be read, and late pages of an
 * image that is verified behind: each is told once, by its names. */
#include "postcopy_box.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "image_box.h"
#include "lost_pages.h"
#include "skip.h"
#include "suite.h"

/* ---- a file with pages that cannot be read ---- */

enum { MOST_BAD = 4, TICKS = 3 };

static struct {
  off_t from[MOST_BAD], to[MOST_BAD]; /* bytes of the file */
  unsigned count;
  atomic_int is_held; /* nobody reads */
  atomic_int ticks;
  pthread_t loop;
} disk;

/* All of this is for the thread that fills: others read what is there. It is
 * the one that polls. */
static _Thread_local int is_filling;

int __real_poll(struct pollfd *fds, nfds_t count, int timeout);
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout);
ssize_t __real_pread(int fd, void *buf, size_t len, off_t at);
ssize_t __wrap_pread(int fd, void *buf, size_t len, off_t at);

int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout) {
  is_filling = 1;
  return __real_poll(fds, count, timeout);
}

/* Up to the first byte that cannot be read. */
static size_t readable(size_t len, off_t at) {
  for (unsigned i = 0; i < disk.count; i++) {
    if (at < disk.to[i] && at + (off_t)len > disk.from[i]) {
      len = at < disk.from[i] ? (size_t)(disk.from[i] - at) : 0;
    }
  }
  return len;
}

ssize_t __wrap_pread(int fd, void *buf, size_t len, off_t at) {
  if (is_filling) {
    while (atomic_load(&disk.is_held)) {
      (void)sched_yield();
    }
    len = readable(len, at);
    if (len == 0) {
      errno = EIO;
      return -1;
    }
  }
  return __real_pread(fd, buf, len, at);
}

static void spoil(uint32_t region, uint64_t offset, uint64_t bytes) {
  off_t at = find_byte(region, offset);

  ck_assert_uint_lt(disk.count, MOST_BAD);
  disk.from[disk.count] = at;
  disk.to[disk.count++] = at + (off_t)bytes;
}

static void open_lost(void) {
  memset(&disk, 0, sizeof(disk));
  disk.loop = pthread_self();
  setup();
}

static uint64_t pages(uint64_t count) {
  return count * KERNEL_PAGE;
}

static void assert_told(unsigned i, const char *region, uint64_t offset,
                        uint64_t bytes, off_t at) {
  ck_assert_uint_lt(i, box.damage_count);
  ck_assert_str_eq(box.damages[i].section, "ram");
  ck_assert_uint_eq(box.damages[i].instance, 0);
  ck_assert_str_eq(box.damages[i].region, region);
  ck_assert_uint_eq(box.damages[i].offset, offset);
  ck_assert_uint_eq(box.damages[i].bytes, bytes);
  ck_assert_uint_eq(box.damages[i].at, (uint64_t)at);
}

/* ---- lost ---- */

static const sluice_restore_way_t ways[] = {SLUICE_RESTORE_MAPPED,
                                            SLUICE_RESTORE_VERIFY_MAPPED,
                                            SLUICE_RESTORE_MAPPED_VERIFY};

static void spoil_some(void) {
  spoil(0, pages(6), pages(1));
  spoil(1, pages(10), pages(3));
}

/* In how many pieces a range is told depends on who is faster. */
static void join_told(void) {
  unsigned last = 0;

  for (unsigned i = 1; i < box.damage_count; i++) {
    sluice_damage_t *before = &box.damages[last];

    if (box.damages[i].at == before->at + before->bytes) {
      before->bytes += box.damages[i].bytes;
    } else {
      box.damages[++last] = box.damages[i];
    }
  }
  box.damage_count = last + 1;
}

/* Regions are filled, and told, as they lie in memory. */
static unsigned low_is_first(void) {
  return strcmp(box.damages[0].region, "low") == 0;
}

START_TEST(a_lost_page_is_told_once_with_region_and_range) {
  if (!can_fill()) {
    skip(NO_FILL);
    return;
  }
  spoil_some();
  late.way = ways[_i];
  ck_assert_int_eq(restore_late(1), 0);
  ck_assert_int_eq(late.status, UV_EIO);
  ck_assert_uint_eq(late.told_before, box.damage_count); /* before `filled` */
  join_told();
  ck_assert_uint_eq(box.damage_count, 2);
  assert_told(low_is_first() ? 0 : 1, "low", pages(6), pages(1), disk.from[0]);
  assert_told(low_is_first() ? 1 : 0, "high", pages(10), pages(3),
              disk.from[1]);
  ck_assert_uint_eq(box.stats.late_lost, pages(4));
  ck_assert_uint_eq(box.stats.damaged_bytes, pages(4));
  ck_assert_uint_eq(count_lost(), pages(4)); /* and nothing beside them */
  ck_assert_ptr_nonnull(strstr(late.filled_error, "16384 bytes"));
  ck_assert_int_eq(box.verified_status, 0); /* the file is well */
}
END_TEST

START_TEST(a_host_that_is_not_told_finds_them_counted) {
  sluice_restore_options_t o = {.size = sizeof(o),
                                .way = SLUICE_RESTORE_MAPPED,
                                .max_mappings = 1,
                                .filled = on_filled};
  sluice_source_t *source;

  if (!can_fill()) {
    skip(NO_FILL);
    return;
  }
  spoil_some();
  ck_assert_int_eq(sluice_source_file(&source, box.path), 0);
  ck_assert_int_eq(sluice_restore_begin(&late.restore, box.rig.engine,
                                        box.to.registry, source, &o,
                                        on_committed, NULL),
                   0);
  rig_run(&box.rig);
  ck_assert_int_eq(late.status, UV_EIO);
  ck_assert_uint_eq(box.stats.damaged_bytes, pages(4));
}
END_TEST

static int save_lost(int write_damaged) {
  const sluice_save_options_t o = {
      .size = sizeof(o), .mode = SLUICE_CUT, .write_damaged = write_damaged};

  return box_save_as(&box.to, &o);
}

/* Whoever reads it gets a signal: a save does not. */
START_TEST(a_lost_page_is_not_saved_but_as_damaged) {
  if (!can_fill()) {
    skip(NO_FILL);
    return;
  }
  spoil_some();
  ck_assert_int_eq(restore_late(1), 0);
  ck_assert_uint_eq(box.stats.unsound_bytes, pages(4));
  ck_assert_int_eq(save_lost(0), SLUICE_ECORRUPT);
  ck_assert_str_eq(box.rig.error.section, "ram");
  ck_assert_ptr_nonnull(strstr(box.rig.error.message,
                               "region 'low': the image that it was restored "
                               "from is damaged at byte 24576"));
  ck_assert_int_eq(save_lost(1), 0);
  disk.count = 0;
  late.filled = box.restored = box.damage_count = 0;
  late.way = SLUICE_RESTORE_MAPPED_VERIFY;
  ck_assert_int_eq(restore_late(1), 0);
  ck_assert_int_eq(box.verified_status, SLUICE_ECORRUPT);
  join_told();
  ck_assert_uint_eq(box.damage_count, 2);
  ck_assert_uint_eq(box.damages[0].offset, pages(6));
  ck_assert_uint_eq(box.damages[1].offset, pages(10));
  ck_assert_uint_eq(box.stats.damaged_bytes, pages(4));
}
END_TEST

static uint8_t seen[LOW_PAGES + HIGH_PAGES];

static void mark(sluice_restore_t *restore, const sluice_damage_t *damage) {
  size_t first = strcmp(damage->region, "low") == 0 ? 0 : LOW_PAGES;

  (void)restore;
  ck_assert(pthread_equal(pthread_self(), disk.loop));
  ck_assert_uint_eq(box.restored, 1);
  ck_assert_uint_eq(late.filled, 0);
  for (uint64_t i = 0; i < damage->bytes / KERNEL_PAGE; i++) {
    seen[first + damage->offset / KERNEL_PAGE + i]++;
  }
}

static void touch_all(void) {
  ck_assert_uint_eq(count_lost(), pages(LOW_PAGES / 2 + HIGH_PAGES));
}

START_TEST(where_all_is_lost_each_page_is_told_once) {
  if (!can_fill()) {
    skip(NO_FILL);
    return;
  }
  disk.to[disk.count++] = index_at();
  late.damaged = mark;
  late.touch = touch_all; /* more than is told in a turn is lost by then */
  ck_assert_int_eq(restore_late(1), 0);
  ck_assert_int_eq(late.status, UV_EIO);
  for (size_t i = 0; i < LOW_PAGES; i++) {
    ck_assert_uint_eq(seen[i], i % 2 == 0);
  }
  for (size_t i = 0; i < HIGH_PAGES; i++) {
    ck_assert_uint_eq(seen[LOW_PAGES + i], 1);
  }
  ck_assert_uint_eq(box.stats.damaged_bytes, box.stats.late_bytes);
  ck_assert_uint_eq(box.stats.late_lost, box.stats.late_bytes);
}
END_TEST

/* ---- late, then verified ---- */

START_TEST(late_pages_are_filled_and_then_verified) {
  late.way = SLUICE_RESTORE_MAPPED_VERIFY;
  ck_assert_int_eq(restore_late(1), 0);
  assert_filled();
  ck_assert_int_eq(box.verified_status, 0);
  ck_assert_uint_eq(box.damage_count, 0);
  ck_assert_uint_eq(box.stats.damaged_bytes, 0);
  ck_assert_uint_eq(box.stats.verified_bytes, (uint64_t)image_size());
}
END_TEST

START_TEST(damage_to_late_pages_is_found_behind) {
  flip(find_byte(0, pages(6)) + 7);
  flip(find_byte(1, pages(10)) + 7);
  flip(find_byte(1, pages(11)) + 7);
  late.way = SLUICE_RESTORE_MAPPED_VERIFY;
  ck_assert_int_eq(restore_late(1), 0);
  ck_assert_int_eq(late.status, 0);
  ck_assert_uint_eq(late.told_before, 0);
  ck_assert_int_eq(box.verified_status, SLUICE_ECORRUPT);
  ck_assert_uint_eq(box.damage_count, 2);
  assert_told(0, "low", pages(6), pages(1), find_byte(0, pages(6)));
  assert_told(1, "high", pages(10), pages(2), find_byte(1, pages(10)));
  ck_assert_uint_eq(box.stats.damaged_bytes, pages(3));
  box.from.low[pages(6) + 7] ^= 0x40; /* it is memory, as where it is mapped */
  box.from.high[pages(10) + 7] ^= 0x40;
  box.from.high[pages(11) + 7] ^= 0x40;
  assert_same();
}
END_TEST

START_TEST(what_was_told_as_lost_is_not_told_again) {
  if (!can_fill()) {
    skip(NO_FILL);
    return;
  }
  spoil(1, pages(11), pages(1));
  for (uint64_t i = 10; i < 13; i++) {
    flip(find_byte(1, pages(i)));
  }
  late.way = SLUICE_RESTORE_MAPPED_VERIFY;
  ck_assert_int_eq(restore_late(1), 0);
  ck_assert_int_eq(late.status, UV_EIO);
  ck_assert_uint_eq(late.told_before, 1);
  ck_assert_int_eq(box.verified_status, SLUICE_ECORRUPT);
  ck_assert_uint_eq(box.damage_count, 3);
  assert_told(0, "high", pages(11), pages(1), find_byte(1, pages(11)));
  assert_told(1, "high", pages(10), pages(1), find_byte(1, pages(10)));
  assert_told(2, "high", pages(12), pages(1), find_byte(1, pages(12)));
  ck_assert_uint_eq(box.stats.damaged_bytes, pages(3));
  ck_assert_uint_eq(box.stats.late_lost, pages(1));
}
END_TEST

static void open_large_pages(void) {
  memset(&disk, 0, sizeof(disk));
  memset(&late, 0, sizeof(late));
  disk.loop = pthread_self();
  box_open(4 * KERNEL_PAGE);
  host_open(&box.from, SLUICE_RAM_REMAP, SLUICE_RAM_COOPERATIVE, 1);
  host_open(&box.to, SLUICE_RAM_REMAP | SLUICE_RAM_IN_PLACE,
            SLUICE_RAM_COOPERATIVE, 2);
  host_fill(&box.from, 8, 7);
  box_save(&box.from);
}

/* One of the kernel's pages is lost; the checksum is that of all four. */
START_TEST(of_a_larger_page_the_rest_is_told_behind) {
  if (!can_fill()) {
    skip(NO_FILL);
    return;
  }
  spoil(0, pages(9), pages(1));
  flip(find_byte(0, pages(8)));
  late.way = SLUICE_RESTORE_MAPPED_VERIFY;
  ck_assert_int_eq(restore_late(1), 0);
  ck_assert_int_eq(late.status, UV_EIO);
  ck_assert_uint_eq(box.damage_count, 3);
  assert_told(0, "low", pages(9), pages(1), find_byte(0, pages(9)));
  assert_told(1, "low", pages(8), pages(1), find_byte(0, pages(8)));
  assert_told(2, "low", pages(10), pages(2), find_byte(0, pages(10)));
  ck_assert_uint_eq(box.stats.damaged_bytes, pages(4));
}
END_TEST

static void cancel_now(void) {
  sluice_restore_cancel(late.restore);
}

START_TEST(a_verification_that_waits_for_late_pages_can_be_cancelled) {
  late.way = SLUICE_RESTORE_MAPPED_VERIFY;
  late.touch = cancel_now;
  ck_assert_int_eq(restore_late(1), 0);
  assert_filled(); /* these are not */
  ck_assert_int_eq(box.verified_status, UV_ECANCELED);
}
END_TEST

static void close_now(void) {
  ck_assert_int_eq(sluice_engine_close(box.rig.engine, NULL, NULL), 0);
}

START_TEST(an_engine_that_closes_waits_for_late_pages_and_verifies_no_more) {
  late.way = SLUICE_RESTORE_MAPPED_VERIFY;
  late.touch = close_now;
  ck_assert_int_eq(restore_late(1), 0);
  assert_filled();
  ck_assert_int_eq(box.verified_status, UV_ECANCELED);
  ck_assert_int_eq(
      sluice_engine_new(&box.rig.engine, &box.rig.loop, NULL, NULL), 0);
}
END_TEST

static void let_go(sluice_restore_t *restore, const sluice_progress_t *p) {
  (void)restore;
  if (p->phase == SLUICE_PHASE_VERIFY &&
      atomic_fetch_add(&disk.ticks, 1) == TICKS) {
    atomic_store(&disk.is_held, 0);
  }
}

static void hold_disk(void) {
  atomic_store(&disk.is_held, 1);
}

/* Time passes while the disk is held, and else not at all. */
static uint64_t now_if_held(void *ctx) {
  static uint64_t ns;

  (void)ctx;
  return ns += atomic_load(&disk.is_held) ? 20 * 1000 * 1000 : 0;
}

/* Ticks are 100 ms apart; the thread is held over some of them. */
START_TEST(who_waits_for_late_pages_does_not_stall) {
  if (!can_fill()) {
    skip(NO_FILL);
    return;
  }
  late.way = SLUICE_RESTORE_MAPPED_VERIFY;
  late.stall_ms = 50;
  rig_clock = now_if_held;
  rig_renew(&box.rig);
  late.progress = let_go;
  late.touch = hold_disk;
  ck_assert_int_eq(restore_late(1), 0);
  assert_filled();
  ck_assert_int_eq(box.verified_status, 0);
}
END_TEST

/* What is read eagerly is verified, and all there, at the commit. */
START_TEST(where_nothing_is_mapped_both_are_told_at_once) {
  size_t len = (size_t)image_size();
  uint8_t *image = malloc(len);
  sluice_source_t *source;
  int fd = open(box.path, O_RDONLY | O_CLOEXEC);

  ck_assert_int_eq((int)pread(fd, image, len, 0), (int)len);
  ck_assert_int_eq(close(fd), 0);
  ck_assert_int_eq(sluice_source_memory(&source, image, len), 0);
  late.way = SLUICE_RESTORE_MAPPED_VERIFY;
  ck_assert_int_eq(restore_late_from(source, 1), 0);
  ck_assert_int_eq(late.status, 0);
  ck_assert_int_eq(box.verified_status, 0);
  ck_assert_int_eq(box.stats.way, SLUICE_RESTORE_EAGER);
  assert_same();
  free(image);
}
END_TEST

Suite *postcopy_lost_suite(void) {
  Suite *s = suite_create("postcopy_lost");
  TCase *t = tcase_create("lost");
  TCase *large = tcase_create("large pages");

  tcase_add_checked_fixture(t, open_lost, box_close);
  tcase_add_loop_test(t, a_lost_page_is_told_once_with_region_and_range, 0, 3);
  tcase_add_test(t, a_lost_page_is_not_saved_but_as_damaged);
  tcase_add_test(t, a_host_that_is_not_told_finds_them_counted);
  tcase_add_test(t, where_all_is_lost_each_page_is_told_once);
  tcase_add_test(t, late_pages_are_filled_and_then_verified);
  tcase_add_test(t, damage_to_late_pages_is_found_behind);
  tcase_add_test(t, what_was_told_as_lost_is_not_told_again);
  tcase_add_test(t, a_verification_that_waits_for_late_pages_can_be_cancelled);
  tcase_add_test(
      t, an_engine_that_closes_waits_for_late_pages_and_verifies_no_more);
  tcase_add_test(t, who_waits_for_late_pages_does_not_stall);
  tcase_add_test(t, where_nothing_is_mapped_both_are_told_at_once);
  suite_add_tcase(s, t);
  tcase_add_checked_fixture(large, open_large_pages, box_close);
  tcase_add_test(large, of_a_larger_page_the_rest_is_told_behind);
  suite_add_tcase(s, large);
  return s;
}
