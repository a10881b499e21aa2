/* mapped_box.h - a host that saves to a file and restores from it by mapping:
 * two regions of a ram section, and a section of bytes beside it.
 *
 * Included by the suites of restoring by mapping; rig and toys do the rest. */
#ifndef SLUICE_TESTS_MAPPED_BOX_H
#define SLUICE_TESTS_MAPPED_BOX_H

#include <sluice/ram.h>

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folder.h"
#include "map_pages.h"
#include "rig.h"
#include "toy.h"

#ifndef BOX_LOW_PAGES
#define BOX_LOW_PAGES 700 /* a suite may want more */
#endif

enum {
  LOW_PAGES = BOX_LOW_PAGES,
  HIGH_PAGES = 40,
  MAX_DAMAGES = 512,
  KERNEL_PAGE = 4096
};

typedef struct mapped_host_s {
  sluice_registry_t *registry;
  sluice_ram_t *ram;
  uint8_t *low;
  uint8_t *high;
  toy_t toy;
} mapped_host_t;

typedef struct mapped_box_s {
  rig_t rig;
  mapped_host_t from, to;
  uint32_t page_size;
  char dir[224];
  char path[256];
  unsigned restored, verified;
  int verified_status;
  sluice_restore_stats_t stats;
  sluice_damage_t damages[MAX_DAMAGES];
  unsigned damage_count;
  unsigned cancel_at; /* damage number at which to cancel; 0: never */
  void (*at_commit)(sluice_restore_t *restore);
} mapped_box_t;

static mapped_box_t box;

static inline size_t low_bytes(void) {
  return (size_t)LOW_PAGES * KERNEL_PAGE;
}

static inline size_t high_bytes(void) {
  return (size_t)HIGH_PAGES * KERNEL_PAGE;
}

/* Several mappings by one call: Linux from 6.17 on, and not valgrind. Where
 * not, regions that are restored beside are read. */
static inline int can_move_mappings(void) {
  uint8_t *four = map_pages(4 * (size_t)KERNEL_PAGE);
  void *to = four + 2 * KERNEL_PAGE;
  int can;

  ck_assert_int_eq(mprotect(four, KERNEL_PAGE, PROT_READ), 0);
  can = mremap(four, 2 * KERNEL_PAGE, 2 * KERNEL_PAGE,
               MREMAP_MAYMOVE | MREMAP_FIXED, to) == to;
  ck_assert_int_eq(munmap(can ? to : four, (can ? 2 : 4) * KERNEL_PAGE), 0);
  return can;
}

static inline void host_open(mapped_host_t *h, uint32_t flags,
                             sluice_ram_tracker_t tracker, unsigned seed) {
  const sluice_ram_options_t o = {
      .size = sizeof(o), .tracker = tracker, .page_size = box.page_size};
  sluice_error_t err = {0};
  int r = sluice_ram_new(&h->ram, h->registry, "ram", NULL, &o, &err);

  ck_assert_msg(r == 0, "%s", err.message);
  h->low = map_pages(low_bytes());
  h->high = map_pages(high_bytes());
  ck_assert_int_eq(
      sluice_ram_add_region(h->ram, "low", h->low, low_bytes(), flags, NULL),
      0);
  ck_assert_int_eq(
      sluice_ram_add_region(h->ram, "high", h->high, high_bytes(), flags, NULL),
      0);
  toy_init(&h->toy, h->registry, "toy", 5000, seed);
}

static inline void host_close(mapped_host_t *h) {
  if (h->ram != NULL) {
    toy_done(&h->toy);
    ck_assert_int_eq(sluice_registry_remove(h->registry, "ram", 0), 0);
    ck_assert_int_eq(sluice_registry_remove(h->registry, "toy", 0), 0);
    (void)sluice_ram_free(h->ram);
    ck_assert_int_eq(munmap(h->low, low_bytes()), 0);
    ck_assert_int_eq(munmap(h->high, high_bytes()), 0);
    h->ram = NULL;
  }
}

/* Every third page stays zero; with `every` > 1 only each such page has any. */
static inline void host_fill(mapped_host_t *h, size_t every, unsigned seed) {
  for (size_t i = 0; i < LOW_PAGES; i++) {
    if (every > 1 ? i % every == 0 : i % 30 < 20) {
      memset(h->low + i * KERNEL_PAGE, (int)(seed + i) | 1, KERNEL_PAGE);
      memcpy(h->low + i * KERNEL_PAGE, &i, sizeof(i));
    }
  }
  memset(h->high, (int)seed | 1, high_bytes());
}

static inline void assert_same_memory(void) {
  ck_assert_mem_eq(box.to.low, box.from.low, low_bytes());
  ck_assert_mem_eq(box.to.high, box.from.high, high_bytes());
}

static inline void assert_same(void) {
  assert_same_memory();
  ck_assert(toy_equal(&box.from.toy, &box.to.toy));
}

static inline void box_open(uint32_t page_size) {
  memset(&box, 0, sizeof(box));
  rig_slice_us = 10 * 1000 * 1000; /* records and mappings are counted */
  rig_init(&box.rig);
  box.page_size = page_size;
  box.from.registry = box.rig.registry;
  box.to.registry = rig_registry(&box.rig);
  test_template(box.dir, sizeof(box.dir), "mapped");
  ck_assert_ptr_nonnull(mkdtemp(box.dir));
  (void)snprintf(box.path, sizeof(box.path), "%s/image", box.dir);
}

static inline void box_close(void) {
  host_close(&box.from);
  host_close(&box.to);
  ck_assert_int_eq(sluice_registry_free(box.to.registry), 0);
  rig_done(&box.rig);
  (void)unlink(box.path);
  ck_assert_int_eq(rmdir(box.dir), 0);
}

static inline int box_save_as(mapped_host_t *h,
                              const sluice_save_options_t *o) {
  const sluice_file_options_t file = {.size = sizeof(file), .no_sync = 1};
  sluice_registry_t *own = box.rig.registry;
  sluice_sink_t *sink;
  int r;

  ck_assert_int_eq(sluice_sink_file(&sink, box.path, &file), 0);
  box.rig.registry = h->registry;
  r = rig_save(&box.rig, sink, o);
  box.rig.registry = own;
  return r;
}

static inline void box_save(mapped_host_t *h) {
  ck_assert_int_eq(box_save_as(h, NULL), 0);
}

static inline void on_damaged(sluice_restore_t *restore,
                              const sluice_damage_t *damage) {
  ck_assert_uint_lt(box.damage_count, MAX_DAMAGES);
  box.damages[box.damage_count++] = *damage;
  if (box.damage_count == box.cancel_at) {
    sluice_restore_cancel(restore);
  }
}

static inline void keep(const sluice_restore_t *restore) {
  box.rig.error = *sluice_restore_error(restore);
  sluice_restore_stats(restore, &box.stats, sizeof(box.stats));
}

static inline void on_verified(sluice_restore_t *restore, int status) {
  ck_assert_uint_eq(box.restored, 1);
  box.verified++;
  box.verified_status = status;
  keep(restore);
  ck_assert_int_eq(sluice_restore_free(restore), 0);
}

static inline void on_restored(sluice_restore_t *restore, int status) {
  int is_owed = status == 0 && *(int *)sluice_restore_data(restore);

  box.restored++;
  box.rig.status = status;
  keep(restore);
  if (status == 0 && box.at_commit != NULL) {
    box.at_commit(restore);
  }
  ck_assert_int_eq(sluice_restore_free(restore), is_owed ? UV_EBUSY : 0);
}

/* Status of the restore; with MAPPED_VERIFY also runs what is behind. */
static inline int box_restore_from(sluice_source_t *source,
                                   const sluice_restore_options_t *options) {
  sluice_restore_options_t o = *options;
  int is_behind = o.way == SLUICE_RESTORE_MAPPED_VERIFY;
  sluice_restore_t *restore;
  int r;

  o.damaged = on_damaged;
  o.verified = on_verified;
  o.data = &is_behind;
  box.restored = box.verified = box.damage_count = 0;
  r = sluice_restore_begin(&restore, box.rig.engine, box.to.registry, source,
                           &o, on_restored, NULL);
  ck_assert_int_eq(r, 0);
  rig_run(&box.rig);
  ck_assert_uint_eq(box.restored, 1);
  ck_assert_uint_eq(box.verified, is_behind && box.rig.status == 0);
  return box.rig.status;
}

static inline int box_restore(const sluice_restore_options_t *options) {
  sluice_source_t *source;

  ck_assert_int_eq(sluice_source_file(&source, box.path), 0);
  return box_restore_from(source, options);
}

static inline int box_restore_way(sluice_restore_way_t way) {
  const sluice_restore_options_t o = {.size = sizeof(o), .way = way};

  return box_restore(&o);
}

#endif
