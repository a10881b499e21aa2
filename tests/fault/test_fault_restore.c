/* test_fault_restore.c - every way of failing, at every point of a restore. */
#include <check.h>

#include "faults.h"
#include "suite.h"
#include "sweep.h"

#define NATIVE SLUICE_FORMAT_NATIVE
#define QEMU2  SLUICE_FORMAT_QEMU2
#define QEMU3  SLUICE_FORMAT_QEMU3

enum { OLD = WORLD_RAM | WORLD_BLOBS | WORLD_RIGGED | WORLD_QEMU2 };

static const scenario_t scenarios[] = {
    {"restore, native, source of the host's", SCENARIO_RESTORE, NATIVE,
     SLUICE_CONVERGE, END_CUSTOM, WORLD_ALL, SLUICE_RESTORE_EAGER},
    {"restore, qemu3, source of the host's", SCENARIO_RESTORE, QEMU3,
     SLUICE_CONVERGE, END_CUSTOM, WORLD_ALL, SLUICE_RESTORE_EAGER},
    {"restore, native, memory", SCENARIO_RESTORE, NATIVE, SLUICE_CONVERGE,
     END_MEMORY, WORLD_ALL, SLUICE_RESTORE_EAGER},
    {"restore, native, file", SCENARIO_RESTORE, NATIVE, SLUICE_CONVERGE,
     END_FILE, WORLD_ALL, SLUICE_RESTORE_EAGER},
    {"restore, qemu3, file", SCENARIO_RESTORE, QEMU3, SLUICE_CONVERGE, END_FILE,
     WORLD_ALL, SLUICE_RESTORE_EAGER},
    {"restore, native, descriptor of a file", SCENARIO_RESTORE, NATIVE,
     SLUICE_CONVERGE, END_FD_FILE, WORLD_ALL, SLUICE_RESTORE_EAGER},
    {"restore, native, pipe", SCENARIO_RESTORE, NATIVE, SLUICE_CONVERGE,
     END_PIPE, WORLD_ALL, SLUICE_RESTORE_EAGER},
    {"restore, native, stream", SCENARIO_RESTORE, NATIVE, SLUICE_CONVERGE,
     END_STREAM, WORLD_ALL, SLUICE_RESTORE_EAGER},
    {"restore, qemu3, stream", SCENARIO_RESTORE, QEMU3, SLUICE_CONVERGE,
     END_STREAM, WORLD_ALL, SLUICE_RESTORE_EAGER},
    {"restore, native, mapped", SCENARIO_RESTORE, NATIVE, SLUICE_CONVERGE,
     END_FILE, WORLD_ALL | WORLD_MAPS, SLUICE_RESTORE_MAPPED},
    {"restore, native, verified, then mapped", SCENARIO_RESTORE, NATIVE,
     SLUICE_CONVERGE, END_FILE, WORLD_ALL | WORLD_MAPS,
     SLUICE_RESTORE_VERIFY_MAPPED},
    {"restore, native, mapped, then verified", SCENARIO_RESTORE, NATIVE,
     SLUICE_CONVERGE, END_FILE, WORLD_ALL | WORLD_MAPS,
     SLUICE_RESTORE_MAPPED_VERIFY},
    {"restore, native, mapped in place, then verified", SCENARIO_RESTORE,
     NATIVE, SLUICE_CONVERGE, END_FILE, WORLD_ALL | WORLD_MAPS | WORLD_IN_PLACE,
     SLUICE_RESTORE_MAPPED_VERIFY},
    {"restore, damaged, mapped, then verified", SCENARIO_RESTORE, NATIVE,
     SLUICE_CONVERGE, END_FILE, WORLD_ALL | WORLD_MAPS | WORLD_SPOILT,
     SLUICE_RESTORE_MAPPED_VERIFY},
    {"restore, damaged, verified, then mapped", SCENARIO_RESTORE, NATIVE,
     SLUICE_CONVERGE, END_FILE, WORLD_ALL | WORLD_MAPS | WORLD_SPOILT,
     SLUICE_RESTORE_VERIFY_MAPPED},
    {"restore, mapped, verified, all freed in the callback", SCENARIO_RESTORE,
     NATIVE, SLUICE_CONVERGE, END_FILE, WORLD_ALL | WORLD_MAPS | WORLD_DESTROYS,
     SLUICE_RESTORE_MAPPED_VERIFY},
    {"restore, qemu3, mapped as far as it goes", SCENARIO_RESTORE, QEMU3,
     SLUICE_CONVERGE, END_FILE, WORLD_ALL | WORLD_MAPS,
     SLUICE_RESTORE_MAPPED_VERIFY},
    {"restore, native, in place, source of the host's", SCENARIO_RESTORE,
     NATIVE, SLUICE_CONVERGE, END_CUSTOM, WORLD_ALL | WORLD_IN_PLACE,
     SLUICE_RESTORE_EAGER},
    {"restore, qemu2, source of the host's", SCENARIO_RESTORE, QEMU2,
     SLUICE_CONVERGE, END_CUSTOM, OLD, SLUICE_RESTORE_EAGER},
    {"restore, qemu2, file", SCENARIO_RESTORE, QEMU2, SLUICE_CONVERGE, END_FILE,
     OLD, SLUICE_RESTORE_EAGER},
    {"restore, qemu2, stream", SCENARIO_RESTORE, QEMU2, SLUICE_CONVERGE,
     END_STREAM, OLD, SLUICE_RESTORE_EAGER},
    {"restore, native, all freed in the callback", SCENARIO_RESTORE, NATIVE,
     SLUICE_CONVERGE, END_FILE, WORLD_ALL | WORLD_DESTROYS,
     SLUICE_RESTORE_EAGER},
};

enum { ROWS = sizeof(scenarios) / sizeof(scenarios[0]) };

START_TEST(a_restore_survives_every_fault_everywhere) {
  for (size_t i = 0; i < all_faults_count; i++) {
    if (fault_concerns(&all_faults[i], &scenarios[_i])) {
      sweep_run(&scenarios[_i], &all_faults[i]);
    }
  }
}
END_TEST

Suite *fault_restore_suite(void);

Suite *fault_restore_suite(void) {
  Suite *s = suite_create("fault_restore");
  TCase *t = tcase_create("sweeps");

  tcase_add_checked_fixture(t, sweep_setup, sweep_teardown);
  tcase_add_loop_test(t, a_restore_survives_every_fault_everywhere, 0, ROWS);
  suite_add_tcase(s, t);
  return s;
}
