/* ram_wp_box.h - a ram section that is tracked by the kernel, saved by hand.
 *
 * Fixture of the suites about write-protect; one box a process. Nothing in them
 * marks pages unless it says so: what is sent again was found by the kernel. */
#ifndef SLUICE_TESTS_RAM_WP_BOX_H
#define SLUICE_TESTS_RAM_WP_BOX_H

#include <sluice/ram.h>

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fake_engine.h"
#include "ram/kernel_wp.h"

enum { PAGE = 4096, PAGES = 512, BYTES = PAGE * PAGES, PLENTY = 1 << 30 };

static struct {
  sluice_registry_t registry;
  sluice_ram_t *ram;
  uint8_t *memory;
  fake_stream_t stream;
  sluice_writer_t w;
  sluice_error_t err;
} box;

static inline int new_ram(uint32_t page_size) {
  sluice_ram_options_t o = {.size = sizeof(o),
                            .tracker = SLUICE_RAM_WRITE_PROTECT,
                            .page_size = page_size};

  return sluice_ram_new(&box.ram, &box.registry, "ram", NULL, &o, &box.err);
}

/* Half of it is never touched. */
static inline void map_memory(void) {
  box.memory = mmap(NULL, BYTES, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ck_assert_ptr_ne(box.memory, MAP_FAILED);
  memset(box.memory, 5, BYTES / 2);
}

static inline void open_box(void) {
  memset(&box, 0, sizeof(box));
  box.w.out = &box.stream;
  map_memory();
  ck_assert_int_eq(new_ram(0), 0);
  ck_assert_int_eq(
      sluice_ram_add_region(box.ram, "heap", box.memory, BYTES, 0, NULL), 0);
}

static inline void close_box(void) {
  fake_remove(&box.registry);
  (void)sluice_ram_free(box.ram);
  fake_stream_done(&box.stream);
  (void)munmap(box.memory, BYTES);
}

static inline const sluice_handler_t *hooks(void) {
  return box.registry.handler;
}

static inline void begin(void) {
  ck_assert_int_eq(
      hooks()->save_begin(box.ram, &box.registry.section, &box.err), 0);
  ck_assert_int_eq(hooks()->save_start(box.ram, &box.w, &box.err), 0);
}

static inline int step(size_t left) {
  box.w.left = left;
  return hooks()->save_step(box.ram, &box.w, &box.err);
}

/* Steps until the section waits; how many pages were sent. */
static inline uint64_t run_clean(void) {
  size_t from = box.stream.count;
  int r;

  do {
    r = step(PLENTY);
    ck_assert_msg(r >= 0, "%d: %s", r, box.err.message);
  } while (r == SLUICE_MORE);
  ck_assert_int_eq(r, SLUICE_WAIT);
  return fake_stream_pages(&box.stream, from);
}

static inline uint64_t run_finish(void) {
  size_t from = box.stream.count;
  int r;

  do {
    box.w.left = PLENTY;
    r = hooks()->save_finish(box.ram, &box.w, &box.err);
  } while (r == SLUICE_MORE);
  ck_assert_int_eq(r, SLUICE_DONE);
  return fake_stream_pages(&box.stream, from);
}

static inline void end(int status) {
  hooks()->save_end(box.ram, status);
}

static inline void assert_replay_equals_memory(void) {
  uint8_t *copy = calloc(1, BYTES);

  fake_stream_replay(&box.stream, 0, copy, BYTES);
  ck_assert_mem_eq(copy, box.memory, BYTES);
  free(copy);
}

/* Whether the kernel still has some of the memory registered. */
static inline int is_armed(void) {
  int fd = open("/proc/self/pagemap", O_RDONLY);
  sluice__pm_scan_t scan = {.size = sizeof(scan)};
  int r;

  scan.flags = SLUICE__PM_SCAN_CHECK_WPASYNC;
  scan.start = (uintptr_t)box.memory;
  scan.end = scan.start + BYTES;
  scan.category_mask = SLUICE__PM_PAGE_IS_WRITTEN;
  scan.flags |= SLUICE__PM_SCAN_WP_MATCHING;
  r = ioctl(fd, SLUICE__PM_SCAN, &scan);
  (void)close(fd);
  return r >= 0;
}

/* Without opening anything: that may be what is refused. */
static inline int count_fds(void) {
  int n = 0;

  for (int fd = 0; fd < 256; fd++) {
    n += fcntl(fd, F_GETFD) >= 0;
  }
  return n;
}

#endif
