/* test_fault_wp.c - saves of memory whose writes the kernel tells or holds,
 * with every way of failing at every point: its own calls, too.
 *
 * Where the kernel has nothing of it, nothing is done here. */
#include <check.h>
#include <stdio.h>

#include "faults.h"
#include "skip.h"
#include "suite.h"
#include "sweep.h"

#define NATIVE SLUICE_FORMAT_NATIVE

enum {
  SMALL = WORLD_RAM | WORLD_RIGGED | WORLD_WP,
  ALL = WORLD_ALL | WORLD_WP
};

static const scenario_t scenarios[] = {
    {"save, write-protect, converge, sink of the host's", SCENARIO_SAVE, NATIVE,
     SLUICE_CONVERGE, END_CUSTOM, SMALL, SLUICE_RESTORE_EAGER},
    {"save, write-protect, cut, sink of the host's", SCENARIO_SAVE, NATIVE,
     SLUICE_CUT, END_CUSTOM, SMALL, SLUICE_RESTORE_EAGER},
    {"save, write-protect, cut with arming, file", SCENARIO_SAVE, NATIVE,
     SLUICE_CUT, END_FILE, ALL | WORLD_ARMS, SLUICE_RESTORE_EAGER},
    {"save, write-protect, cut, an executor", SCENARIO_SAVE, NATIVE, SLUICE_CUT,
     END_CUSTOM, SMALL | WORLD_CREW, SLUICE_RESTORE_EAGER},
    {"save, write-protect, qemu3, cut, sink of the host's", SCENARIO_SAVE,
     SLUICE_FORMAT_QEMU3, SLUICE_CUT, END_CUSTOM, SMALL, SLUICE_RESTORE_EAGER},
    {"save, write-protect, qemu3, converge, stream", SCENARIO_SAVE,
     SLUICE_FORMAT_QEMU3, SLUICE_CONVERGE, END_STREAM, SMALL,
     SLUICE_RESTORE_EAGER},
    {"save, write-protect, converge, all freed in the callback", SCENARIO_SAVE,
     NATIVE, SLUICE_CONVERGE, END_CUSTOM, SMALL | WORLD_DESTROYS,
     SLUICE_RESTORE_EAGER},
};

enum { ROWS = sizeof(scenarios) / sizeof(scenarios[0]) };

static const fault_t no_fault = {"none", FAULT_NONE, STYLE_FAIL, 0, 0, true};

/* Does it work at all here, without faults? */
static bool is_possible(const scenario_t *s) {
  static world_t w;
  outcome_t out = {0};
  const char *bad;

  fault_arm(&no_fault, 0, FAULT_ONCE);
  if (world_open(&w, s->parts) != 0) {
    fault_disarm();
    (void)world_close(&w);
    return false;
  }
  scenario_run(s, &w, &out);
  fault_disarm();
  bad = world_close(&w);
  ck_assert_msg(bad == NULL, "%s: %s", s->name, bad);
  return out.status != UV_ENOTSUP && out.status != UV_EPERM;
}

START_TEST(a_save_of_tracked_memory_survives_every_fault_everywhere) {
  const scenario_t *s = &scenarios[_i];

  if (!is_possible(s)) {
    skip_rows(s->name, NO_GUARD);
    return;
  }
  for (size_t i = 0; i < all_faults_count; i++) {
    if (fault_concerns(&all_faults[i], s)) {
      sweep_run(s, &all_faults[i]);
    }
  }
}
END_TEST

Suite *fault_wp_suite(void);

Suite *fault_wp_suite(void) {
  Suite *s = suite_create("fault_wp");
  TCase *t = tcase_create("sweeps");

  tcase_add_checked_fixture(t, sweep_setup, sweep_teardown);
  tcase_add_loop_test(
      t, a_save_of_tracked_memory_survives_every_fault_everywhere, 0, ROWS);
  suite_add_tcase(s, t);
  return s;
}
