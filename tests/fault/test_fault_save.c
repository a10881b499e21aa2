/* test_fault_save.c - every way of failing, at every point of every save. */
#include <check.h>

#include "faults.h"
#include "suite.h"
#include "sweep.h"

#define NATIVE SLUICE_FORMAT_NATIVE
#define QEMU3  SLUICE_FORMAT_QEMU3

static const scenario_t scenarios[] = {
    {"save, native, converge, sink of the host's", SCENARIO_SAVE, NATIVE,
     SLUICE_CONVERGE, END_CUSTOM, WORLD_ALL, SLUICE_RESTORE_EAGER},
    {"save, native, cut, sink of the host's", SCENARIO_SAVE, NATIVE, SLUICE_CUT,
     END_CUSTOM, WORLD_ALL, SLUICE_RESTORE_EAGER},
    {"save, native, cut with arming, sink of the host's", SCENARIO_SAVE, NATIVE,
     SLUICE_CUT, END_CUSTOM, WORLD_ALL | WORLD_ARMS, SLUICE_RESTORE_EAGER},
    {"save, qemu3, converge, sink of the host's", SCENARIO_SAVE, QEMU3,
     SLUICE_CONVERGE, END_CUSTOM, WORLD_ALL, SLUICE_RESTORE_EAGER},
    {"save, qemu3, cut, sink of the host's", SCENARIO_SAVE, QEMU3, SLUICE_CUT,
     END_CUSTOM, WORLD_ALL, SLUICE_RESTORE_EAGER},
    {"save, native, converge, memory", SCENARIO_SAVE, NATIVE, SLUICE_CONVERGE,
     END_MEMORY, WORLD_ALL, SLUICE_RESTORE_EAGER},
    {"save, native, converge, file", SCENARIO_SAVE, NATIVE, SLUICE_CONVERGE,
     END_FILE, WORLD_ALL, SLUICE_RESTORE_EAGER},
    {"save, native, cut, file", SCENARIO_SAVE, NATIVE, SLUICE_CUT, END_FILE,
     WORLD_ALL, SLUICE_RESTORE_EAGER},
    {"save, qemu3, converge, file", SCENARIO_SAVE, QEMU3, SLUICE_CONVERGE,
     END_FILE, WORLD_ALL, SLUICE_RESTORE_EAGER},
    {"save, native, converge, descriptor of a file", SCENARIO_SAVE, NATIVE,
     SLUICE_CONVERGE, END_FD_FILE, WORLD_ALL, SLUICE_RESTORE_EAGER},
    {"save, native, converge, pipe", SCENARIO_SAVE, NATIVE, SLUICE_CONVERGE,
     END_PIPE, WORLD_ALL, SLUICE_RESTORE_EAGER},
    {"save, native, converge, stream", SCENARIO_SAVE, NATIVE, SLUICE_CONVERGE,
     END_STREAM, WORLD_ALL, SLUICE_RESTORE_EAGER},
    {"save, qemu3, cut, stream", SCENARIO_SAVE, QEMU3, SLUICE_CUT, END_STREAM,
     WORLD_ALL, SLUICE_RESTORE_EAGER},
    {"save, native, converge, an executor, sink of the host's", SCENARIO_SAVE,
     NATIVE, SLUICE_CONVERGE, END_CUSTOM, WORLD_ALL | WORLD_CREW,
     SLUICE_RESTORE_EAGER},
    {"save, native, cut, an executor, sink of the host's", SCENARIO_SAVE,
     NATIVE, SLUICE_CUT, END_CUSTOM, WORLD_ALL | WORLD_CREW,
     SLUICE_RESTORE_EAGER},
    {"save, native, cut, an executor, all freed in the callback", SCENARIO_SAVE,
     NATIVE, SLUICE_CUT, END_FILE, WORLD_ALL | WORLD_CREW | WORLD_DESTROYS,
     SLUICE_RESTORE_EAGER},
    {"save and restore at once, native, converge", SCENARIO_SAVE, NATIVE,
     SLUICE_CONVERGE, END_CUSTOM, WORLD_ALL | WORLD_BESIDE,
     SLUICE_RESTORE_EAGER},
    {"save and restore at once, native, cut, file", SCENARIO_SAVE, NATIVE,
     SLUICE_CUT, END_FILE, WORLD_ALL | WORLD_BESIDE, SLUICE_RESTORE_EAGER},
    {"save and restore at once, qemu3, cut", SCENARIO_SAVE, QEMU3, SLUICE_CUT,
     END_CUSTOM, WORLD_ALL | WORLD_BESIDE, SLUICE_RESTORE_EAGER},
    {"save, native, converge, all freed in the callback", SCENARIO_SAVE, NATIVE,
     SLUICE_CONVERGE, END_FILE, WORLD_ALL | WORLD_DESTROYS,
     SLUICE_RESTORE_EAGER},
    {"save, native, cut, all freed in the callback", SCENARIO_SAVE, NATIVE,
     SLUICE_CUT, END_CUSTOM, WORLD_ALL | WORLD_ARMS | WORLD_DESTROYS,
     SLUICE_RESTORE_EAGER},
};

enum { ROWS = sizeof(scenarios) / sizeof(scenarios[0]) };

/* Rows: scenario by scenario. */
START_TEST(a_save_survives_every_fault_everywhere) {
  for (size_t i = 0; i < all_faults_count; i++) {
    if (fault_concerns(&all_faults[i], &scenarios[_i])) {
      sweep_run(&scenarios[_i], &all_faults[i]);
    }
  }
}
END_TEST

Suite *fault_save_suite(void);

Suite *fault_save_suite(void) {
  Suite *s = suite_create("fault_save");
  TCase *t = tcase_create("sweeps");

  tcase_add_checked_fixture(t, sweep_setup, sweep_teardown);
  tcase_add_loop_test(t, a_save_survives_every_fault_everywhere, 0, ROWS);
  suite_add_tcase(s, t);
  return s;
}
