/* ram_wp_box.h - a ram section that is tracked by the kernel, saved by hand.
 *
 * Fixture of the suites about write-protect; one box a process. Nothing in them
 * marks pages unless it says so: what is sent again was found by the kernel. */
#ifndef SLUICE_TESTS_RAM_WP_BOX_H
#define SLUICE_TESTS_RAM_WP_BOX_H

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { PAGES = 512 };

#include "open_files.h"
#include "ram/kernel_wp.h"
#include "ram_box.h"

static inline int new_tracked_ram(uint32_t page_size) {
  return new_ram(SLUICE_RAM_WRITE_PROTECT, page_size);
}

/* Half of it is never touched. */
static inline void fill_memory(void) {
  box.memory = map_pages(BYTES);
  memset(box.memory, 5, BYTES / 2);
}

static inline void open_box(void) {
  memset(&box, 0, sizeof(box));
  box.w.out = &box.stream;
  fill_memory();
  ck_assert_int_eq(new_tracked_ram(0), 0);
  add_memory();
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
    r = finish(PLENTY);
  } while (r == SLUICE_MORE);
  ck_assert_int_eq(r, SLUICE_DONE);
  return fake_stream_pages(&box.stream, from);
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

#endif
