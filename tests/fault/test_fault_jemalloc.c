/* test_fault_jemalloc.c - sessions with an arena each, whose memory is refused:
 * the arena's hooks get no mapping, or cannot give one back. */
#include <check.h>
#include <sluice/jemalloc.h>

#include "faults.h"
#include "suite.h"
#include "sweep.h"

#define NATIVE SLUICE_FORMAT_NATIVE

enum {
  ALL = WORLD_ALL | WORLD_JEMALLOC,
  SOME =
      WORLD_BLOBS | WORLD_FIELDS | WORLD_TABLE | WORLD_RIGGED | WORLD_JEMALLOC
};

static const scenario_t scenarios[] = {
    {"save, an arena, converge, sink of the host's", SCENARIO_SAVE, NATIVE,
     SLUICE_CONVERGE, END_CUSTOM, ALL, SLUICE_RESTORE_EAGER},
    {"save, an arena, cut, file", SCENARIO_SAVE, NATIVE, SLUICE_CUT, END_FILE,
     ALL, SLUICE_RESTORE_EAGER},
    {"save, an arena, qemu3, cut, sink of the host's", SCENARIO_SAVE,
     SLUICE_FORMAT_QEMU3, SLUICE_CUT, END_CUSTOM, ALL, SLUICE_RESTORE_EAGER},
    {"save, an arena, cut, sink of the host's", SCENARIO_SAVE, NATIVE,
     SLUICE_CUT, END_CUSTOM, SOME, SLUICE_RESTORE_EAGER},
    {"restore, an arena, source of the host's", SCENARIO_RESTORE, NATIVE,
     SLUICE_CONVERGE, END_CUSTOM, SOME, SLUICE_RESTORE_EAGER},
    {"restore, an arena, qemu3, file", SCENARIO_RESTORE, SLUICE_FORMAT_QEMU3,
     SLUICE_CONVERGE, END_FILE, SOME, SLUICE_RESTORE_EAGER},
    {"restore, an arena, mapped, then verified", SCENARIO_RESTORE, NATIVE,
     SLUICE_CONVERGE, END_FILE, ALL | WORLD_MAPS, SLUICE_RESTORE_MAPPED_VERIFY},
};

enum { ROWS = sizeof(scenarios) / sizeof(scenarios[0]) };

/* The rest of what fails does so with every allocator. */
static bool is_of_memory(const fault_t *f) {
  return f->kind == FAULT_MAP || f->kind == FAULT_UNMAP ||
         f->kind == FAULT_HEAP || f->kind == FAULT_CAP ||
         (f->kind == FAULT_HOST && f->style == STYLE_CANCEL);
}

START_TEST(an_arena_survives_every_refusal) {
  world_provider = sluice_alloc_jemalloc();
  for (size_t i = 0; i < all_faults_count; i++) {
    if (is_of_memory(&all_faults[i]) &&
        fault_concerns(&all_faults[i], &scenarios[_i])) {
      sweep_run(&scenarios[_i], &all_faults[i]);
    }
  }
  world_provider = NULL;
}
END_TEST

Suite *fault_jemalloc_suite(void);

Suite *fault_jemalloc_suite(void) {
  Suite *s = suite_create("fault_jemalloc");
  TCase *t = tcase_create("sweeps");

  tcase_add_checked_fixture(t, sweep_setup, sweep_teardown);
  tcase_add_loop_test(t, an_arena_survives_every_refusal, 0, ROWS);
  suite_add_tcase(s, t);
  return s;
}
