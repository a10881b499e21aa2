/* test_fault_handover.c - every way of failing, at every point of a hand-over,
 * on either side: never two that serve, never none; whoever serves has
 * everything, and nothing is left over. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "can_guard.h"
#include "fault.h"
#include "handoff.h"
#include "open_files.h"
#include "sample.h"
#include "skip.h"
#include "suite.h"
#include "sweep.h"
#include "tally.h"

enum { BAD_MAX = 8, NTH_MAX = 20000, PLENTY = 24, PATIENCE_MS = 1000000 };

static const handoff_plan_t plans[] = {
    {"hand-off, memfd, the old host acts", WORLD_ALL, OLD_SIDE, 0, 0},
    {"hand-off, memfd, the new host acts", WORLD_ALL, NEW_SIDE, 0, 0},
    {"hand-off, copied, the old host acts", WORLD_ALL, OLD_SIDE, 1, 0},
    {"hand-off, copied, the new host acts", WORLD_ALL, NEW_SIDE, 1, 0},
    {"hand-off, the old host acts, all freed in the callbacks", WORLD_ALL,
     OLD_SIDE, 0, 1},
    {"hand-off, the new host acts, all freed in the callbacks", WORLD_ALL,
     NEW_SIDE, 0, 1},
    {"hand-off, memfd, write-protect, the old host acts", WORLD_ALL | WORLD_WP,
     OLD_SIDE, 0, 0},
    {"hand-off, copied, write-protect, the old host acts", WORLD_ALL | WORLD_WP,
     OLD_SIDE, 1, 0},
};

enum { PLANS = sizeof(plans) / sizeof(plans[0]) };

/* `expect` 0: both sides are to succeed. EIO of recvmsg() for ever is not among
 * them: what cannot be read cannot be decided. */
static const fault_t faults[] = {
    {"the allocator refuses", FAULT_MEMORY, STYLE_FAIL, 0, UV_ENOMEM, false},
    {"the cap is low", FAULT_CAP, STYLE_FAIL, 0, SLUICE_ELIMIT, true},
    {"malloc() refuses", FAULT_HEAP, STYLE_FAIL, ENOMEM, UV_ENOMEM, false},
    {"no mapping", FAULT_MAP, STYLE_FAIL, ENOMEM, UV_ENOMEM, false},
    {"a handler fails", FAULT_HANDLER, STYLE_FAIL, UV_EIO, UV_EIO, false},
    {"a handler says nonsense", FAULT_HANDLER, STYLE_NONSENSE, 0,
     SLUICE_EHANDLER, false},
    {"a handler is woken twice", FAULT_HANDLER, STYLE_TWICE, 0, 0, false},
    {"the clock jumps", FAULT_CLOCK, STYLE_JUMP, 0, UV_ETIMEDOUT, true},
    {"the clock goes back", FAULT_CLOCK, STYLE_BACK, 0, UV_ETIMEDOUT, true},
    {"no buffers", FAULT_WRITE, STYLE_FAIL, ENOBUFS, UV_ENOBUFS, false},
    {"the reader is gone", FAULT_WRITE, STYLE_FAIL, EPIPE, UV_EPIPE, false},
    {"writes are short", FAULT_WRITE, STYLE_SHORT, 0, 0, false},
    {"a write is interrupted", FAULT_WRITE, STYLE_FAIL, EINTR, 0, true},
    {"a write would block", FAULT_WRITE, STYLE_FAIL, EAGAIN, UV_ETIMEDOUT,
     false},
    {"a read fails", FAULT_READ, STYLE_FAIL, EIO, UV_EIO, true},
    {"reads are short", FAULT_READ, STYLE_SHORT, 0, 0, false},
    {"a read is interrupted", FAULT_READ, STYLE_FAIL, EINTR, 0, true},
    {"a read would block", FAULT_READ, STYLE_FAIL, EAGAIN, UV_ETIMEDOUT, true},
    {"a close fails", FAULT_CLOSE, STYLE_FAIL, EIO, 0, false},
    {"fcntl fails", FAULT_CONTROL, STYLE_FAIL, EMFILE, UV_EMFILE, false},
    {"no descriptors are left", FAULT_DESCRIPTORS, STYLE_FAIL, EMFILE,
     UV_EMFILE, true},
    {"the host cancels", FAULT_HOST, STYLE_CANCEL, 0, UV_ECANCELED, false},
    {"the host closes the engine", FAULT_HOST, STYLE_CLOSE, 0, UV_ECANCELED,
     false},
    {"the host cancels twice and closes", FAULT_HOST, STYLE_TWICE, 0,
     UV_ECANCELED, false},
    {"the host has no patience", FAULT_HOST, STYLE_SWITCH, 0, 0, false},
};

enum { FAULTS = sizeof(faults) / sizeof(faults[0]) };

/* What follows from the other side's failing. */
static bool is_consequence(int code) {
  return code == UV_ETIMEDOUT || code == UV_ECONNRESET || code == UV_EPIPE ||
         code == SLUICE_EABORTED;
}

static const char *check_end(const fault_t *f, const char *side,
                             const handoff_end_t *end) {
  static char text[300];
  int status = end->begun != 0 ? end->begun : end->status;

  if (status == 0 ||
      (f->expect != 0 && (status == f->expect || is_consequence(status)))) {
    return NULL;
  }
  (void)snprintf(text, sizeof(text), "the %s says %s: %s; not %s", side,
                 sluice_err_name(status), end->error.message,
                 sluice_err_name(f->expect));
  return text;
}

static const char *check_codes(const fault_t *f, const handoff_t *h,
                               unsigned fired) {
  const char *bad = check_end(f, "old host", &h->old);

  if (bad == NULL) {
    bad = check_end(f, "successor", &h->new);
  }
  if (bad == NULL && fired == 0 && f->kind != FAULT_DESCRIPTORS &&
      f->kind != FAULT_CAP && (h->old.begun != 0 || h->old.status != 0)) {
    bad = "it failed without a fault";
  }
  return bad;
}

typedef struct strike_s {
  const handoff_plan_t *plan;
  const fault_t *fault;
  unsigned nth;
  fault_mode_t mode;
  unsigned fired;
} strike_t;

static void describe(const strike_t *s) {
  char text[250];

  (void)snprintf(text, sizeof(text), "%s; %s, %s after %u", s->plan->name,
                 s->fault->name, s->mode == FAULT_ONCE ? "once" : "for ever",
                 s->nth);
  fault_describe(text);
}

static const char *run_armed(strike_t *s) {
  static handoff_t h; /* large */
  const char *bad;
  const char *left;

  handoff_open(&h, s->plan);
  h.timeout_ms = s->fault->expect == 0 ? PATIENCE_MS : 0;
  fault_release();
  handoff_run(&h);
  s->fired = s->fault->kind == FAULT_CAP
                 ? h.old.begun + h.old.status + h.new.begun + h.new.status != 0
                 : fault_fired();
  fault_disarm();
  bad = check_codes(s->fault, &h, s->fired);
  if (bad == NULL) {
    bad = handoff_judge(&h);
  }
  left = handoff_close(&h);
  return bad != NULL ? bad : left;
}

static const char *run_strike(strike_t *s) {
  long blocks = rig_blocks();
  long heap = rig_heap_blocks();
  unsigned descriptors = count_open_files();
  const char *bad;

  describe(s);
  fault_hold();
  fault_arm(s->fault, s->nth, s->mode);
  bad = run_armed(s);
  if (bad == NULL && rig_blocks() != blocks) {
    bad = "a block of the engine's is left";
  }
  if (bad == NULL && rig_heap_blocks() != heap) {
    bad = rig_heap_blocks() > heap ? "a block of malloc() is left"
                                   : "a block was freed twice";
  }
  if (bad == NULL && count_open_files() != descriptors) {
    bad = "a descriptor is left, or too many were closed";
  }
  return bad;
}

static bool is_through(const strike_t *s) {
  return s->fault->kind == FAULT_DESCRIPTORS ? s->nth >= PLENTY : s->fired == 0;
}

typedef struct sum_s {
  unsigned faults, bad;
} sum_t;

static void sweep_mode(const handoff_plan_t *plan, const fault_t *f,
                       fault_mode_t mode, sum_t *sum) {
  strike_t s = {plan, f, sample_first(f->name), mode, 1};

  for (; sum->bad < BAD_MAX && s.nth < NTH_MAX; s.nth += sample_step()) {
    const char *bad = run_strike(&s);

    if (bad != NULL) {
      sum->bad++;
      (void)printf("%s: %s\n", fault_description(), bad);
      (void)fflush(stdout);
    }
    if (is_through(&s)) {
      return;
    }
    sum->faults++;
  }
}

static bool is_wanted(const char *variable, const char *name) {
  const char *part = getenv(variable);

  return part == NULL || strstr(name, part) != NULL;
}

static unsigned sweep(const handoff_plan_t *plan, const fault_t *f) {
  char text[200];
  sum_t sum = {0};

  if (!is_wanted("SLUICE_FAULT_SCENARIO", plan->name) ||
      !is_wanted("SLUICE_FAULT", f->name)) {
    return 0;
  }
  sweep_mode(plan, f, FAULT_ONCE, &sum);
  if (!f->is_once_only) {
    sweep_mode(plan, f, FAULT_FOR_EVER, &sum);
  }
  (void)snprintf(text, sizeof(text), "%s; %s", plan->name, f->name);
  fault_tally(text, 1, sum.faults, sum.bad);
  if (getenv("SLUICE_FAULT_VERBOSE") != NULL) {
    (void)printf("%6u %s\n", sum.faults, text);
  }
  return sum.bad;
}

/* The sides differ in what the host does only. */
static bool is_new(const handoff_plan_t *plan, const fault_t *f) {
  return f->kind == FAULT_HOST || plan->side == OLD_SIDE;
}

START_TEST(a_hand_over_survives_every_fault_everywhere) {
  unsigned bad = 0;

  if ((plans[_i].parts & WORLD_WP) != 0 && !can_guard()) {
    skip(NO_GUARD);
    return;
  }
  for (size_t i = 0; i < FAULTS; i++) {
    bad += is_new(&plans[_i], &faults[i]) ? sweep(&plans[_i], &faults[i]) : 0;
  }
  ck_assert_uint_eq(bad, 0);
}
END_TEST

Suite *fault_handover_suite(void);

Suite *fault_handover_suite(void) {
  Suite *s = suite_create("fault_handover");
  TCase *t = tcase_create("sweeps");

  tcase_add_checked_fixture(t, sweep_setup, sweep_teardown);
  tcase_add_loop_test(t, a_hand_over_survives_every_fault_everywhere, 0, PLANS);
  suite_add_tcase(s, t);
  return s;
}
