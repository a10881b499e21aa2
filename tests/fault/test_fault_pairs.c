/* test_fault_pairs.c - two faults in one operation, at every two places of it.
 *
 * Short scenarios: what they do is small, not what they are. */
#include <check.h>
#include <stdlib.h>

#include "faults.h"
#include "suite.h"
#include "sweep.h"

#define NATIVE SLUICE_FORMAT_NATIVE

enum { SMALL = WORLD_RAM | WORLD_RIGGED };

static const scenario_t scenarios[] = {
    {"save, small, sink of the host's", SCENARIO_SAVE, NATIVE, SLUICE_CONVERGE,
     END_CUSTOM, SMALL, SLUICE_RESTORE_EAGER},
    {"save, small, cut, sink of the host's", SCENARIO_SAVE, NATIVE, SLUICE_CUT,
     END_CUSTOM, SMALL | WORLD_ARMS, SLUICE_RESTORE_EAGER},
    {"save, small, file", SCENARIO_SAVE, NATIVE, SLUICE_CONVERGE, END_FILE,
     SMALL, SLUICE_RESTORE_EAGER},
    {"save, small, stream", SCENARIO_SAVE, NATIVE, SLUICE_CONVERGE, END_STREAM,
     SMALL, SLUICE_RESTORE_EAGER},
    {"restore, small, source of the host's", SCENARIO_RESTORE, NATIVE,
     SLUICE_CONVERGE, END_CUSTOM, WORLD_RIGGED, SLUICE_RESTORE_EAGER},
    {"restore, small, file", SCENARIO_RESTORE, NATIVE, SLUICE_CONVERGE,
     END_FILE, WORLD_RIGGED, SLUICE_RESTORE_EAGER},
};

enum { ROWS = sizeof(scenarios) / sizeof(scenarios[0]) };

/* One of each kind that ends an operation. All of them, with SLUICE_FAULT_ALL
 * set: some minutes. */
static bool is_paired(const fault_t *f) {
  switch (f->kind) {
  case FAULT_MEMORY: return true;
  case FAULT_HANDLER:
  case FAULT_SINK:
  case FAULT_SOURCE:
  case FAULT_WRITE:
  case FAULT_READ:
    return f->style == STYLE_FAIL || f->style == STYLE_HANG ||
           (f->style == STYLE_LATE && getenv("SLUICE_FAULT_ALL") != NULL);
  case FAULT_HOST:
    return f->style == STYLE_CANCEL ||
           (f->style == STYLE_CLOSE && getenv("SLUICE_FAULT_ALL") != NULL);
  case FAULT_HEAP:
  case FAULT_OPEN:
  case FAULT_SYNC:
  case FAULT_RENAME:
  case FAULT_CLOSE:
  case FAULT_CONTROL: return getenv("SLUICE_FAULT_ALL") != NULL;
  case FAULT_NONE:
  case FAULT_UNMAP:
  case FAULT_TRACK:
  case FAULT_LETGO:
  case FAULT_EXECUTOR:
  case FAULT_MAP:
  case FAULT_CLOCK:
  case FAULT_DESCRIPTORS:
  case FAULT_CAP:
  case FAULT_KINDS: break;
  }
  return false;
}

static bool is_first_of_its_kind(size_t i) {
  for (size_t j = 0; j < i; j++) {
    if (all_faults[j].kind == all_faults[i].kind &&
        all_faults[j].style == all_faults[i].style) {
      return false;
    }
  }
  return true;
}

static bool takes_part(size_t i, const scenario_t *s) {
  return is_paired(&all_faults[i]) && is_first_of_its_kind(i) &&
         fault_concerns(&all_faults[i], s);
}

/* Each strikes at every operation of its kind, counted alone: which of two of
 * different kinds is armed first makes no other run. Of one kind the second is
 * the one that strikes where both would. */
static bool is_pair(size_t i, size_t j) {
  return j >= i || all_faults[i].kind == all_faults[j].kind;
}

START_TEST(two_faults_do_no_more_harm_than_one) {
  const scenario_t *s = &scenarios[_i];

  for (size_t i = 0; i < all_faults_count; i++) {
    for (size_t j = 0; j < all_faults_count && takes_part(i, s); j++) {
      if (is_pair(i, j) && takes_part(j, s)) {
        sweep_pair(s, &all_faults[i], &all_faults[j]);
      }
    }
  }
}
END_TEST

Suite *fault_pairs_suite(void);

Suite *fault_pairs_suite(void) {
  Suite *s = suite_create("fault_pairs");
  TCase *t = tcase_create("sweeps");

  tcase_add_checked_fixture(t, sweep_setup, sweep_teardown);
  tcase_add_loop_test(t, two_faults_do_no_more_harm_than_one, 0, ROWS);
  suite_add_tcase(s, t);
  return s;
}
