/* test_ram_cut.c - a ram section that is cut by hand, hook by hook: what an
 * engine cannot be made to do at will. */
#include <sluice/ram.h>

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "can_guard.h"
#include "fake_engine.h"
#include "map_pages.h"
#include "skip.h"
#include "suite.h"

enum { PAGE = 4096, PAGES = 300, BYTES = PAGE * PAGES, PLENTY = 1 << 30 };

static sluice_registry_t registry;
static fake_stream_t stream;
static sluice_writer_t w;
static sluice_error_t err;
static sluice_ram_t *ram;
static uint8_t *memory, *at_cut, *copy;

static void setup(void) {
  const sluice_ram_options_t o = {.size = sizeof(o),
                                  .tracker = SLUICE_RAM_WRITE_PROTECT};

  memory = map_pages(BYTES);
  at_cut = malloc(BYTES);
  copy = calloc(1, BYTES);
  w.out = &stream;
  registry.section.mode = SLUICE_CUT;
  ck_assert_int_eq(sluice_ram_new(&ram, &registry, "ram", NULL, &o, &err), 0);
  ck_assert_int_eq(sluice_ram_add_region(ram, "heap", memory, BYTES, 0, NULL),
                   0);
}

static void teardown(void) {
  fake_remove(&registry);
  (void)sluice_ram_free(ram);
  fake_stream_done(&stream);
  munmap(memory, BYTES);
  free(at_cut);
  free(copy);
}

static const sluice_handler_t *hooks(void) {
  return registry.handler;
}

static int arm(void) {
  return hooks()->save_arm(ram, &err);
}

static void begin_and_arm(void) {
  int r;

  ck_assert_int_eq(hooks()->save_begin(ram, &registry.section, &err), 0);
  do {
    r = arm();
  } while (r == SLUICE_MORE);
  ck_assert_int_eq(r, SLUICE_DONE);
}

/* Held by the kernel, which the thread sanitizer does not know. */
__attribute__((no_sanitize("thread"))) static void write_pages(unsigned n,
                                                               uint8_t value) {
  for (unsigned i = 0; i < n; i++) {
    *(volatile uint8_t *)(memory + (size_t)(PAGES - 1 - i) * PAGE + 5) = value;
  }
}

static void cut(void) {
  ck_assert_int_eq(hooks()->save_cut(ram, &err), 0);
  memcpy(at_cut, memory, BYTES);
  ck_assert_int_eq(hooks()->save_start(ram, &w, &err), 0);
}

static int step(size_t left) {
  w.left = left;
  return hooks()->save_step(ram, &w, &err);
}

static void finish_and_compare(void) {
  int r;

  do {
    r = step(PLENTY);
  } while (r == SLUICE_MORE);
  ck_assert_int_eq(r, SLUICE_DONE);
  hooks()->save_end(ram, 0);
  fake_stream_replay(&stream, 0, copy, BYTES);
  ck_assert_mem_eq(copy, at_cut, BYTES);
}

static const unsigned counts[] = {1, 20, PAGES};

START_TEST(what_is_written_between_arming_and_the_instant_is_in_the_image) {
  begin_and_arm();
  write_pages(counts[_i], 1);
  cut();
  write_pages(counts[_i], 2);
  finish_and_compare();
}
END_TEST

START_TEST(arming_comes_to_an_end_whatever_is_written) {
  int calls = 0;

  begin_and_arm();
  do {
    write_pages(PAGES, (uint8_t)calls);
    ck_assert_int_lt(++calls, 1000);
  } while (arm() == SLUICE_MORE);
  cut();
  write_pages(PAGES, 200);
  finish_and_compare();
}
END_TEST

START_TEST(pages_written_first_are_sent_first) {
  sluice_ram_stats_t stats;

  begin_and_arm();
  cut();
  write_pages(2, 1);
  ck_assert_int_eq(step(PAGE), SLUICE_MORE);
  ck_assert_uint_eq(stream.items[stream.count - 1].u.run.offset,
                    (uint64_t)(PAGES - 1) * PAGE);
  ck_assert_uint_eq(registry.section.urgents, 1); /* there is one more */
  sluice_ram_stats(ram, &stats, sizeof(stats));
  ck_assert_uint_eq(stats.preimages, 2);
  finish_and_compare();
}
END_TEST

/* At any point of its life an end lets everybody write everything. */
START_TEST(an_end_at_any_point_releases_the_memory) {
  ck_assert_int_eq(hooks()->save_begin(ram, &registry.section, &err), 0);
  if (_i >= 1) {
    (void)arm();
  }
  if (_i >= 2) {
    cut();
  }
  if (_i >= 3) {
    (void)step(PAGE);
  }
  if (_i >= 4) {
    (void)hooks()->save_release(ram);
  }
  write_pages(10, 1);
  hooks()->save_end(ram, SLUICE_EABORTED);
  write_pages(PAGES, 2);
  fake_stream_done(&stream);
  memset(&w, 0, sizeof(w));
  w.out = &stream;
  begin_and_arm();
  cut();
  write_pages(PAGES, 3);
  finish_and_compare();
}
END_TEST

Suite *ram_cut_suite(void) {
  Suite *s = suite_create("ram_cut");
  TCase *t = tcase_create("core");

  tcase_add_checked_fixture(t, setup, teardown);
  if (can_guard()) {
    tcase_add_loop_test(
        t, what_is_written_between_arming_and_the_instant_is_in_the_image, 0,
        3);
    tcase_add_test(t, arming_comes_to_an_end_whatever_is_written);
    tcase_add_test(t, pages_written_first_are_sent_first);
    tcase_add_loop_test(t, an_end_at_any_point_releases_the_memory, 0, 5);
  } else {
    skip_rows("all", NO_GUARD);
  }
  suite_add_tcase(s, t);
  return s;
}
