/* ram_restore_box.h - a ram section of one region, and a stream made by hand
 * that is to replace its content.
 *
 * Fixture of the suites about restoring; one box a process. */
#ifndef SLUICE_TESTS_RAM_RESTORE_BOX_H
#define SLUICE_TESTS_RAM_RESTORE_BOX_H

#include <sluice/ram.h>

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "fake_engine.h"
#include "map_pages.h"

enum { PAGE = 4096, PAGES = 64, BYTES = PAGE * PAGES, OLD = 0xee };

/* One region of old content, and the stream that is to replace it. The index
 * of the region in the stream is 7. */
enum { WIRE = 7 };

static struct {
  sluice_registry_t registry;
  sluice_ram_t *ram;
  uint8_t *memory;
  uint8_t *expected; /* BYTES, zero at first */
  fake_stream_t in;
  sluice_error_t err;
} box;

static inline void open_ram(uint64_t max_shadow, uint32_t flags) {
  sluice_ram_options_t o = {.size = sizeof(o), .max_shadow = max_shadow};

  fake_remove(&box.registry);
  (void)sluice_ram_free(box.ram);
  ck_assert_int_eq(
      sluice_ram_new(&box.ram, &box.registry, "ram", NULL, &o, &box.err), 0);
  ck_assert_int_eq(
      sluice_ram_add_region(box.ram, "heap", box.memory, BYTES, flags, NULL),
      0);
}

/* The ways to restore, for loop tests. */
static const uint32_t ways[] = {0, SLUICE_RAM_REMAP, SLUICE_RAM_IN_PLACE,
                                SLUICE_RAM_IN_PLACE | SLUICE_RAM_REMAP};
enum { WAYS = 4, WAYS_ASIDE = 2 };

static inline void open_box(void) {
  memset(&box, 0, sizeof(box));
  box.memory = map_pages(BYTES);
  memset(box.memory, OLD, BYTES);
  box.expected = calloc(1, BYTES);
  open_ram(0, 0);
}

static inline void close_box(void) {
  fake_remove(&box.registry);
  (void)sluice_ram_free(box.ram);
  fake_stream_done(&box.in);
  free(box.expected);
  (void)munmap(box.memory, BYTES);
}

static inline void declare(void) {
  fake_stream_region(&box.in, "heap", WIRE, BYTES, PAGE);
}

static inline void put_pages(uint64_t page, uint64_t count, uint8_t value) {
  size_t len = (size_t)count * PAGE;
  uint8_t *data = malloc(len);
  sluice_run_t run = {.region = WIRE, .page_size = PAGE};

  memset(data, value, len);
  run.offset = page * PAGE;
  run.count = count;
  run.data = data;
  run.len = len;
  fake_stream_run(&box.in, SLUICE_ITEM_PAGES, &run);
  memset(box.expected + page * PAGE, value, len);
  free(data);
}

static inline void put_fill(uint64_t page, uint64_t count, uint8_t value) {
  sluice_run_t run = {.region = WIRE, .page_size = PAGE};

  run.offset = page * PAGE;
  run.count = count;
  run.fill = value;
  fake_stream_run(&box.in, SLUICE_ITEM_ZEROS, &run);
  memset(box.expected + page * PAGE, value, (size_t)count * PAGE);
}

/* Sets byte `at` (below 256) of a page. */
static inline void put_delta(uint64_t page, uint8_t at, uint8_t value) {
  uint8_t delta[2] = {at, value};
  sluice_run_t run = {.region = WIRE, .page_size = PAGE, .count = 1};

  run.offset = page * PAGE;
  run.data = delta;
  run.len = sizeof(delta);
  fake_stream_run(&box.in, SLUICE_ITEM_DELTA, &run);
  box.expected[page * PAGE + at] = value;
}

static inline void assert_restores(void) {
  int r = fake_restore(&box.registry, &box.in, &box.err);

  ck_assert_msg(r == 0, "%d: %s", r, box.err.message);
  ck_assert_mem_eq(box.memory, box.expected, BYTES);
}

static inline void assert_untouched(void) {
  ck_assert_uint_eq(box.memory[0], OLD);
  ck_assert_mem_eq(box.memory, box.memory + 1, BYTES - 1);
}

#endif
