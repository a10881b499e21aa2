/* postcopy_box.h - a host whose image is too scattered to be mapped: what is
 * not mapped comes after the commit.
 *
 * Included by the suites about that; mapped_box.h does the rest. */
#ifndef SLUICE_TESTS_POSTCOPY_BOX_H
#define SLUICE_TESTS_POSTCOPY_BOX_H

#include "mapped_box.h"

#include <sys/syscall.h>

static struct {
  unsigned filled;
  int status;
  int does_fail; /* at `checked` */

  sluice_restore_way_t way; /* EAGER: MAPPED */
  uint32_t stall_ms;
  void (*progress)(sluice_restore_t *restore, const sluice_progress_t *p);
  void (*damaged)(sluice_restore_t *restore, const sluice_damage_t *damage);
  char filled_error[160]; /* what was said in `filled` */
  unsigned told_before;   /* damages, then */

  size_t cuts;         /* the file, at `checked`, to so many bytes */
  void (*touch)(void); /* at the commit */
  sluice_restore_t *restore;
} late;

static inline int can_fill(void) {
  int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);

  if (fd >= 0) {
    (void)close(fd);
  }
  return fd >= 0;
}

static inline void setup(void) {
  memset(&late, 0, sizeof(late));
  box_open(KERNEL_PAGE);
  host_open(&box.from, SLUICE_RAM_REMAP, SLUICE_RAM_COOPERATIVE, 1);
  host_open(&box.to, SLUICE_RAM_REMAP | SLUICE_RAM_IN_PLACE,
            SLUICE_RAM_COOPERATIVE, 2);
  host_fill(&box.from, 2, 7); /* 350 runs of a page, one of 40 */
  box_save(&box.from);
}

static inline void on_filled(sluice_restore_t *restore, int status) {
  int is_end = late.way != SLUICE_RESTORE_MAPPED_VERIFY;

  ck_assert_uint_eq(box.restored, 1);
  ck_assert_uint_eq(box.verified, 0);
  late.filled++;
  late.status = status;
  late.told_before = box.damage_count;
  keep(restore);
  (void)snprintf(late.filled_error, sizeof(late.filled_error), "%.159s",
                 box.rig.error.message);
  ck_assert_int_eq(sluice_restore_free(restore), is_end ? 0 : UV_EBUSY);
}

static inline void on_verified_late(sluice_restore_t *restore, int status) {
  ck_assert_uint_eq(late.filled, 1);
  on_verified(restore, status);
}

static inline void on_committed(sluice_restore_t *restore, int status) {
  box.restored++;
  box.rig.status = status;
  keep(restore);
  if (status == 0 && late.touch != NULL) {
    late.touch();
  }
  ck_assert_int_eq(sluice_restore_free(restore), status == 0 ? UV_EBUSY : 0);
}

static inline void on_checked(sluice_restore_t *restore) {
  if (late.cuts > 0) {
    ck_assert_int_eq(truncate(box.path, (off_t)late.cuts), 0);
  }
  if (late.does_fail) {
    sluice_restore_cancel(restore);
  } else {
    sluice_restore_commit(restore);
  }
}

static inline int restore_late_from(sluice_source_t *source,
                                    uint32_t max_mappings) {
  sluice_restore_options_t o = {.size = sizeof(o),
                                .way = late.way,
                                .max_mappings = max_mappings,
                                .stall_ms = late.stall_ms,
                                .progress = late.progress,
                                .checked = on_checked,
                                .damaged = late.damaged != NULL ? late.damaged
                                                                : on_damaged,
                                .verified = on_verified_late,
                                .filled = on_filled};
  int is_behind = late.way == SLUICE_RESTORE_MAPPED_VERIFY;

  if (late.way == SLUICE_RESTORE_EAGER) {
    o.way = SLUICE_RESTORE_MAPPED;
  }
  ck_assert_int_eq(sluice_restore_begin(&late.restore, box.rig.engine,
                                        box.to.registry, source, &o,
                                        on_committed, NULL),
                   0);
  rig_run(&box.rig);
  ck_assert_uint_eq(box.restored, 1);
  ck_assert_uint_eq(late.filled, box.rig.status == 0);
  ck_assert_uint_eq(box.verified, is_behind && box.rig.status == 0);
  return box.rig.status;
}

static inline int restore_late(uint32_t max_mappings) {
  sluice_source_t *source;

  ck_assert_int_eq(sluice_source_file(&source, box.path), 0);
  return restore_late_from(source, max_mappings);
}

static inline void assert_filled(void) {
  ck_assert_int_eq(late.status, 0);
  ck_assert_uint_eq(box.stats.late_left, 0);
  ck_assert_uint_eq(box.stats.late_lost, 0);
  if (can_fill()) {
    ck_assert_ptr_null(box.stats.late_reason);
    ck_assert_uint_gt(box.stats.late_bytes, 0);
    ck_assert_uint_eq(box.stats.read_bytes, 0);
  } else {
    ck_assert_ptr_nonnull(box.stats.late_reason);
    ck_assert_uint_gt(box.stats.read_bytes, 0);
  }
  assert_same();
}

#endif
