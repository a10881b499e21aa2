/* cut_box.h - memory that is cut, saved through the whole engine, restored.
 *
 * Fixture of the suites about cuts of ram; one box a process. A writer changes
 * the memory in every iteration of the loop until the save is over; what the
 * memory was at the instant is kept to compare with. */
#ifndef SLUICE_TESTS_CUT_BOX_H
#define SLUICE_TESTS_CUT_BOX_H

#include <sluice/ram.h>

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "map_pages.h"
#include "rig.h"
#include "seed.h"

enum { PAGES = 512, PAGE = 4096, BYTES = PAGES * PAGE };

/* Fast enough not to wait for, slow enough for pages to be written first. */
#define SLOW_SINK (UINT64_C(64) << 20)

static struct {
  rig_t rig;
  sluice_registry_t *other;
  sluice_ram_t *from, *to;
  uint8_t *memory, *copy, *at_cut;
  sluice_ram_options_t options;
  seed_t seed;
  uv_idle_t writer;
  unsigned writes; /* a turn */
  unsigned puts_off;
  unsigned cuts;
  unsigned writables;
  sluice_ram_stats_t stats; /* when it was over */
  void *image;
  size_t image_len;
} box;

static inline void open_box(void) {
  memset(&box, 0, sizeof(box));
  rig_init(&box.rig);
  box.other = rig_registry(&box.rig);
  box.memory = map_pages(BYTES);
  box.copy = map_pages(BYTES);
  box.at_cut = map_pages(BYTES);
  box.options.size = sizeof(box.options);
  box.writes = 16;
  for (int i = 0; i < PAGES; i += 3) { /* the others were never touched */
    memset(box.memory + i * PAGE, i + 1, PAGE);
  }
}

static inline void end_writing(void) {
  if (box.writer.loop != NULL && !uv_is_closing((uv_handle_t *)&box.writer)) {
    uv_close((uv_handle_t *)&box.writer, NULL);
  }
}

static inline void close_box(void) {
  end_writing();
  (void)sluice_ram_free(box.from);
  (void)sluice_ram_free(box.to);
  ck_assert_int_eq(sluice_registry_free(box.other), 0);
  rig_done(&box.rig);
  free(box.image);
  munmap(box.memory, BYTES);
  munmap(box.copy, BYTES);
  munmap(box.at_cut, BYTES);
}

/* A copy that the thread sanitizer does not look at, as it does not look at
 * hosts whose writes only the kernel sees. */
#if defined(__clang__) || defined(__GNUC__)
__attribute__((no_sanitize("thread")))
#endif
static inline void
fill(uint8_t *to, uint8_t value, size_t len) {
  for (volatile uint8_t *p = to; len > 0; len--) {
    *p++ = value;
  }
}

static inline void on_writable(void *data) {
  (void)data;
  box.writables++;
}

static inline void make_section(sluice_ram_t **ram, sluice_registry_t *registry,
                                uint8_t *base, const sluice_ram_options_t *o) {
  sluice_error_t err = {0};
  int r = sluice_ram_new(ram, registry, "ram", NULL, o, &err);

  ck_assert_msg(r == 0, "%s", err.message);
  ck_assert_int_eq(
      sluice_ram_add_region(*ram, "main", base, BYTES, SLUICE_RAM_REMAP, NULL),
      0);
}

static inline void make_sections(void) {
  const sluice_ram_options_t plain = {.size = sizeof(plain),
                                      .tracker = SLUICE_RAM_STATIC};

  box.options.writable = on_writable;
  make_section(&box.from, box.rig.registry, box.memory, &box.options);
  make_section(&box.to, box.other, box.copy, &plain);
}

/* The host writes, the way its tracker wants it told. */
static inline void host_write(uint64_t at, uint64_t len, uint8_t value) {
  if (box.options.tracker == SLUICE_RAM_COOPERATIVE &&
      sluice_ram_may_write(box.from, 0, at, len) != 0) {
    box.puts_off++;
    return;
  }
  fill(box.memory + at, value, (size_t)len);
}

static inline void scribble(unsigned n) {
  for (unsigned i = 0; i < n; i++) {
    uint64_t at = seed_below(&box.seed, BYTES);
    uint64_t len = 1 + seed_below(&box.seed, 2 * PAGE);

    host_write(at, len < BYTES - at ? len : BYTES - at,
               (uint8_t)seed_below(&box.seed, 4));
  }
}

static inline void on_idle(uv_idle_t *idle) {
  (void)idle;
  scribble(box.writes);
}

static inline void start_writing(void) {
  ck_assert_int_eq(uv_idle_init(&box.rig.loop, &box.writer), 0);
  ck_assert_int_eq(uv_idle_start(&box.writer, on_idle), 0);
  scribble(40);
}

static inline void on_cut(sluice_save_t *save) {
  (void)save;
  box.cuts++;
  memcpy(box.at_cut, box.memory, BYTES);
}

static inline void on_over(sluice_save_t *save, int status) {
  end_writing();
  sluice_ram_stats(box.from, &box.stats, sizeof(box.stats));
  rig_on_saved(save, status);
}

/* For saves that converge: nobody writes from the pause on. */
static inline void box_pause(sluice_save_t *save) {
  memcpy(box.at_cut, box.memory, BYTES);
  (void)uv_idle_stop(&box.writer);
  sluice_save_paused(save);
}

/* The host goes on at once, and with everything. */
static inline void box_resume(sluice_save_t *save) {
  (void)save;
  sluice_ram_dirty(box.from, 0, 0, BYTES);
  fill(box.memory, 99, BYTES);
}

/* Into the box's image. */
static inline sluice_save_t *box_begin_save(const sluice_save_options_t *o,
                                            sluice_save_cb cb) {
  sluice_sink_t *sink;
  sluice_save_t *save;

  free(box.image);
  box.image = NULL;
  ck_assert_int_eq(
      sluice_sink_memory(&sink, 64 * BYTES, &box.image, &box.image_len), 0);
  ck_assert_int_eq(sluice_save_begin(&save, box.rig.engine, box.rig.registry,
                                     sink, o, cb, NULL),
                   0);
  return save;
}

static inline int box_save(const sluice_save_options_t *o, sluice_save_cb cb) {
  (void)box_begin_save(o, cb);
  rig_run(&box.rig);
  return box.rig.status;
}

static inline sluice_save_t *begin_save(const sluice_save_options_t *o) {
  sluice_save_options_t options = *o;

  options.mode = SLUICE_CUT;
  options.cut = on_cut;
  options.host = "test";
  return box_begin_save(&options, on_over);
}

static inline int run_save(const sluice_save_options_t *o) {
  (void)begin_save(o);
  rig_run(&box.rig);
  return box.rig.status;
}

static inline void assert_image_is_the_cut(void) {
  int r = rig_restore_memory(&box.rig, box.other, box.image, box.image_len);

  ck_assert_msg(r == 0, "%s", box.rig.error.message);
  for (int i = 0; i < PAGES; i++) {
    ck_assert_msg(memcmp(box.copy + i * PAGE, box.at_cut + i * PAGE, PAGE) == 0,
                  "page %d is not what it was at the instant", i);
  }
}

static inline void save_the_cut(const sluice_save_options_t *o) {
  int r = run_save(o);

  ck_assert_msg(r == 0, "%s", box.rig.error.message);
  assert_image_is_the_cut();
}

/* Whether the kernel still has some of the memory registered. */
static inline int is_guarded(void) {
  FILE *f = fopen("/proc/self/smaps", "r");
  unsigned long from, to, at = (unsigned long)box.memory;
  int is_inside = 0;
  int found = 0;
  char line[512];

  ck_assert_ptr_nonnull(f);
  while (fgets(line, sizeof(line), f) != NULL) {
    if (sscanf(line, "%lx-%lx ", &from, &to) == 2) {
      is_inside = from < at + BYTES && to > at;
    }
    found |= is_inside && strncmp(line, "VmFlags:", 8) == 0 &&
             strstr(line, " uw") != NULL;
  }
  (void)fclose(f);
  return found;
}

#endif
