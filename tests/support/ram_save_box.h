/* ram_save_box.h - a ram section of one region, saved by hand, hook by hook.
 *
 * Fixture of the suites about saving; one box a process. */
#ifndef SLUICE_TESTS_RAM_SAVE_BOX_H
#define SLUICE_TESTS_RAM_SAVE_BOX_H

#include <sluice/ram.h>

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "fake_engine.h"

enum { PAGE = 4096, PAGES = 64, BYTES = PAGE * PAGES, PLENTY = 1 << 30 };

/* One section with one region of PAGES pages, none of them zero. */
typedef struct box_s {
  sluice_registry_t registry;
  sluice_ram_t *ram;
  uint8_t *memory;
  fake_stream_t stream;
  sluice_writer_t w;
  sluice_error_t err;
} box_t;

static box_t box;

static inline uint8_t *map_pages(size_t bytes) {
  uint8_t *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

  ck_assert_ptr_ne(p, MAP_FAILED);
  return p;
}

static inline void open_ram(sluice_ram_tracker_t tracker, uint32_t page_size) {
  sluice_ram_options_t o = {
      .size = sizeof(o), .tracker = tracker, .page_size = page_size};

  ck_assert_int_eq(
      sluice_ram_new(&box.ram, &box.registry, "ram", NULL, &o, &box.err), 0);
}

static inline void add_memory(void) {
  box.memory = map_pages(BYTES);
  for (size_t i = 0; i < BYTES; i++) {
    box.memory[i] = (uint8_t)(i / PAGE + 1);
  }
  ck_assert_int_eq(
      sluice_ram_add_region(box.ram, "heap", box.memory, BYTES, 0, NULL), 0);
}

static inline void open_box(void) {
  memset(&box, 0, sizeof(box));
  box.w.out = &box.stream;
  open_ram(SLUICE_RAM_COOPERATIVE, 0);
  add_memory();
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

static inline int finish(size_t left) {
  box.w.left = left;
  return hooks()->save_finish(box.ram, &box.w, &box.err);
}

static inline void end(int status) {
  hooks()->save_end(box.ram, status);
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

static inline void assert_replay_equals_memory(void) {
  uint8_t *copy = calloc(1, BYTES);

  fake_stream_replay(&box.stream, 0, copy, BYTES);
  ck_assert_mem_eq(copy, box.memory, BYTES);
  free(copy);
}

#endif
