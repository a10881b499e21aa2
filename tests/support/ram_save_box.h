/* ram_save_box.h - a ram section whose pages are marked by hand, saved by hand.
 *
 * Fixture of the suites about saving; one box a process. */
#ifndef SLUICE_TESTS_RAM_SAVE_BOX_H
#define SLUICE_TESTS_RAM_SAVE_BOX_H

enum { PAGES = 64 }; /* none of them zero */

#include "ram_box.h"

static inline void open_ram(sluice_ram_tracker_t tracker, uint32_t page_size) {
  ck_assert_int_eq(new_ram(tracker, page_size), 0);
}

static inline void fill_memory(void) {
  box.memory = map_pages(BYTES);
  for (size_t i = 0; i < BYTES; i++) {
    box.memory[i] = (uint8_t)(i / PAGE + 1);
  }
}

static inline void open_box(void) {
  memset(&box, 0, sizeof(box));
  box.w.out = &box.stream;
  open_ram(SLUICE_RAM_COOPERATIVE, 0);
  fill_memory();
  add_memory();
}

static inline uint64_t pending(void) {
  return hooks()->save_pending(box.ram);
}

static inline void save_whole(void) {
  ck_assert_int_eq(fake_save(&box.registry, &box.stream, PLENTY, &box.err), 0);
}

static inline void write_page(uint64_t page, uint8_t value) {
  sluice_ram_dirty(box.ram, 0, page * PAGE + 17, 1);
  box.memory[page * PAGE + 17] = value;
}

#endif
