/* ram_box.h - a ram section of one region, saved by hand, hook by hook.
 *
 * What the fixtures about saving share; one box a process. The suite says how
 * many PAGES the region has. */
#ifndef SLUICE_TESTS_RAM_BOX_H
#define SLUICE_TESTS_RAM_BOX_H

#include <sluice/ram.h>

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "fake_engine.h"
#include "map_pages.h"

enum { PAGE = 4096, BYTES = PAGE * PAGES, PLENTY = 1 << 30 };

static struct {
  sluice_registry_t registry;
  sluice_ram_t *ram;
  uint8_t *memory;
  fake_stream_t stream;
  sluice_writer_t w;
  sluice_error_t err;
} box;

static inline int new_ram(sluice_ram_tracker_t tracker, uint32_t page_size) {
  sluice_ram_options_t o = {
      .size = sizeof(o), .tracker = tracker, .page_size = page_size};

  return sluice_ram_new(&box.ram, &box.registry, "ram", NULL, &o, &box.err);
}

static inline void add_memory(void) {
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

static inline int finish(size_t left) {
  box.w.left = left;
  return hooks()->save_finish(box.ram, &box.w, &box.err);
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

#endif
