/* sweep.c - see sweep.h. */
#include "sweep.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "image.h"
#include "open_files.h"
#include "sample.h"
#include "tally.h"

enum { BAD_MAX = 8, NTH_MAX = 20000 };

static void count_nothing(uv_work_t *work) {
  (void)work;
}

/* libuv keeps a pipe, and a pool, for the whole process: not a leak. */
static void warm_up(void) {
  uv_loop_t loop;
  uv_work_t work;

  (void)uv_loop_init(&loop);
  (void)uv_queue_work(&loop, &work, count_nothing, NULL);
  (void)uv_run(&loop, UV_RUN_DEFAULT);
  (void)uv_loop_close(&loop);
}

void sweep_folder_setup(void) {
  (void)ends_folder();
}

void sweep_setup(void) {
  rig_count_libuv();
  warm_up();
  (void)ends_folder();
}

void sweep_teardown(void) {
  image_forget_all();
  ends_folder_remove();
}

/* ---- one run ---- */

typedef struct baseline_s {
  long blocks, heap, mapped;
  unsigned descriptors;
} baseline_t;

static const char *compare_baseline(const baseline_t *b) {
  if (rig_blocks() != b->blocks) {
    return "a block of the engine's is left";
  }
  if (rig_heap_blocks() != b->heap) {
    return rig_heap_blocks() > b->heap ? "a block of malloc() is left"
                                       : "a block was freed twice";
  }
  if (rig_mapped_bytes() != b->mapped) {
    return "a mapping is left";
  }
  return count_open_files() != b->descriptors ? "a descriptor is left" : NULL;
}

/* What a fault in a handler's hook must be blamed on. */
static const char *check_section(const scenario_t *s, const fault_t *f,
                                 const outcome_t *out, unsigned fired) {
  bool is_known = fired == 1 || (s->parts & WORLD_BESIDE) == 0;

  if (f->kind == FAULT_HANDLER && fired > 0 && is_known &&
      strcmp(out->error.section, rigged_struck) != 0) {
    return "another section is blamed";
  }
  return NULL;
}

/* Some faults have more than one name. */
static bool is_said_by(const fault_t *f, int status) {
  if (f->style == STYLE_ASLEEP &&
      (status == UV_ETIMEDOUT || status == SLUICE_EHANDLER)) {
    return true;
  }
  if ((f->style == STYLE_TRUNCATE && status == SLUICE_ETRUNCATED) ||
      (f->style == STYLE_GROW && status == SLUICE_ETRAILING)) {
    return true;
  }
  return status == f->expect ||
         (f->kind == FAULT_TRACK && f->code == EPERM && status == UV_ENOTSUP);
}

/* A damaged page is found by whoever reads it. */
static bool is_found_damage(const scenario_t *s, int status) {
  return (s->parts & WORLD_SPOILT) != 0 && status == SLUICE_ECORRUPT;
}

static bool is_expected(const scenario_t *s, const fault_t *f, const fault_t *g,
                        int status) {
  return is_said_by(f, status) || is_said_by(g, status) ||
         is_found_damage(s, status);
}

/* A verification behind: what it says of the image is true. */
static const char *check_behind(const scenario_t *s, const fault_t *f,
                                const fault_t *g, const world_t *w,
                                unsigned fired) {
  static char text[256];
  int status = w->verified_with;
  bool is_spoilt = (s->parts & WORLD_SPOILT) != 0;

  if (w->verified == 0 || (w->is_destroyed && status == UV_ECANCELED)) {
    return NULL;
  }
  if (status == 0) {
    return is_spoilt ? "damage was not found" : NULL;
  }
  if (status == SLUICE_ECORRUPT && is_spoilt) {
    return w->damages == 1 && strcmp(w->damage.region, "low") == 0 &&
                   w->damage.offset == 0 && w->damage.bytes == PAGE
               ? NULL
               : "damage is told to be elsewhere";
  }
  if (fired == 0 || !is_expected(s, f, g, status)) {
    (void)snprintf(text, sizeof(text), "verification says %s: %s",
                   sluice_err_name(status), w->verified_error.message);
    return text;
  }
  return w->verified_error.code == status &&
                 w->verified_error.message[0] != '\0' &&
                 w->verified_error.phase == SLUICE_PHASE_VERIFY
             ? NULL
             : "the verification does not say what happened";
}

/* Both use the engine, and a single fault is of one of them. */
static const char *check_mate(const scenario_t *s, const fault_t *f,
                              const fault_t *g, const outcome_t *out,
                              unsigned fired) {
  if ((s->parts & WORLD_BESIDE) == 0 || out->mate_status == 0) {
    return NULL;
  }
  if (out->mate_begun == SLUICE_ESTATE && f->kind == FAULT_HOST && fired > 0) {
    return NULL; /* the host had closed the engine in the save's cut hook */
  }
  if (fired == 0 || !is_expected(s, f, g, out->mate_status)) {
    return "the restore beside fails otherwise";
  }
  return out->status != 0 && fired == 1 && f == g && f->kind != FAULT_HOST &&
                 f->kind != FAULT_CLOCK
             ? "one fault let both fail"
             : NULL;
}

/* The first failure counts; which it is of two is for the engine to say. */
static const char *check_error(const scenario_t *s, const fault_t *f,
                               const fault_t *g, const outcome_t *out,
                               unsigned fired) {
  static char text[256];

  if (out->status == 0) {
    return NULL; /* the image was right */
  }
  if (out->is_new_there && f->kind != FAULT_SYNC && g->kind != FAULT_SYNC) {
    return "the former image was replaced"; /* but for the folder's sync */
  }
  if (fired == 0 && f->kind != FAULT_DESCRIPTORS &&
      !is_found_damage(s, out->status)) {
    (void)snprintf(text, sizeof(text), "failed without a fault: %s, %s",
                   sluice_err_name(out->status), out->error.message);
    return text;
  }
  if (!is_expected(s, f, g, out->status)) {
    (void)snprintf(text, sizeof(text), "says %s: %s; not %s",
                   sluice_err_name(out->status), out->error.message,
                   sluice_err_name(f->expect));
    return text;
  }
  if (out->begun < 0) {
    return NULL; /* it was never begun, so there is no error to look at */
  }
  if (out->error.code != out->status || out->error.message[0] == '\0') {
    return "the error does not say what happened";
  }
  if (out->error.phase == SLUICE_PHASE_NONE) {
    return "the error has no phase";
  }
  if (out->error.offset == SLUICE_OFFSET_NONE &&
      out->error.phase != SLUICE_PHASE_CHECK) {
    return "the error has no place";
  }
  return f == g ? check_section(s, f, out, fired) : NULL;
}

static const char *look_at(const scenario_t *s, const fault_t *f,
                           const fault_t *g, world_t *w, const outcome_t *out,
                           unsigned fired) {
  static char text[160];
  const char *bad = check_error(s, f, g, out, fired);

  if (bad == NULL) {
    bad = check_behind(s, f, g, w, fired);
  }
  if (bad == NULL) {
    bad = check_mate(s, f, g, out, fired);
  }
  if (out->complaint[0] != '\0') {
    (void)snprintf(text, sizeof(text), "%s", out->complaint);
    bad = text;
  }
  if (bad == NULL) {
    bad = ends_folder_complaint();
  }
  if (bad == NULL) {
    bad = scenario_check_next(w, s->format);
  }
  return bad;
}

/* With `f`, and `g`, armed. */
static const char *run_armed(const scenario_t *s, const fault_t *f,
                             const fault_t *g, unsigned *fired,
                             unsigned *fired_too) {
  static world_t world; /* large */
  const char *bad = NULL;
  const char *left;
  outcome_t out;

  if (world_open(&world, s->parts) != 0) {
    fault_die("no world");
  }
  fault_release();
  scenario_run(s, &world, &out);
  *fired = f->kind != FAULT_CAP
               ? fault_fired()
               : out.status != 0 && !is_found_damage(s, out.status);
  *fired_too = fault_fired_too();
  fault_disarm();
  bad = look_at(s, f, g, &world, &out, *fired + *fired_too);
  left = world_close(&world);
  return bad != NULL ? bad : left;
}

typedef struct strike_s {
  const fault_t *fault;
  unsigned nth;
  fault_mode_t mode;
  unsigned fired;
} strike_t;

static void describe(const scenario_t *s, const strike_t *a,
                     const strike_t *b) {
  char text[250];
  int n = snprintf(text, sizeof(text), "%s; %s, %s after %u", s->name,
                   a->fault->name, a->mode == FAULT_ONCE ? "once" : "for ever",
                   a->nth);

  if (b != NULL) {
    (void)snprintf(text + n, sizeof(text) - (size_t)n, "; %s after %u",
                   b->fault->name, b->nth);
  }
  fault_describe(text);
}

/* `b` may be NULL. */
static const char *run_strikes(const scenario_t *s, strike_t *a, strike_t *b) {
  baseline_t before;
  const char *bad;
  unsigned none;

  if (s->kind == SCENARIO_RESTORE || (s->parts & WORLD_BESIDE) != 0) {
    (void)image_find(s); /* it is not made while faults are armed */
  }
  describe(s, a, b);
  before = (baseline_t){rig_blocks(), rig_heap_blocks(), rig_mapped_bytes(),
                        count_open_files()};
  fault_hold();
  fault_arm(a->fault, a->nth, a->mode);
  if (b != NULL) {
    fault_arm_too(b->fault, b->nth, b->mode);
  }
  bad = run_armed(s, a->fault, b != NULL ? b->fault : a->fault, &a->fired,
                  b != NULL ? &b->fired : &none);
  return bad != NULL ? bad : compare_baseline(&before);
}

const char *sweep_once(const scenario_t *s, const fault_t *f, unsigned nth,
                       fault_mode_t mode, unsigned *fired) {
  strike_t a = {f, nth, mode, 0};
  const char *bad = run_strikes(s, &a, NULL);

  *fired = a.fired;
  return bad;
}

/* ---- sweeps ---- */

typedef struct sum_s {
  unsigned faults, bad;
} sum_t;

static void report(const char *bad, sum_t *sum) {
  if (bad != NULL) {
    sum->bad++;
    (void)printf("%s: %s\n", fault_description(), bad);
    (void)fflush(stdout);
  }
}

/* Descriptors are few or many: there is no operation to strike. */
static bool is_through(const fault_t *f, unsigned nth, unsigned fired) {
  enum { PLENTY = 14 };

  return f->kind == FAULT_DESCRIPTORS ? nth >= PLENTY : fired == 0;
}

static void sweep_mode(const scenario_t *s, const fault_t *f, fault_mode_t mode,
                       sum_t *sum) {
  unsigned fired = 1;

  for (unsigned nth = sample_first(f->name);
       sum->bad < BAD_MAX && nth < NTH_MAX; nth += sample_step()) {
    report(sweep_once(s, f, nth, mode, &fired), sum);
    if (is_through(f, nth, fired)) {
      return;
    }
    sum->faults++;
  }
}

static void close_sweep(const scenario_t *s, const char *what,
                        const sum_t *sum) {
  char text[200];

  (void)snprintf(text, sizeof(text), "%s; %s", s->name, what);
  fault_tally(text, 1, sum->faults, sum->bad);
  ck_assert_msg(sum->bad == 0, "%s: %u bad of %u", text, sum->bad, sum->faults);
}

static bool is_wanted(const char *variable, const char *name) {
  const char *part = getenv(variable);

  return part == NULL || strstr(name, part) != NULL;
}

void sweep_run(const scenario_t *s, const fault_t *f) {
  sum_t sum = {0};

  if (!is_wanted("SLUICE_FAULT_SCENARIO", s->name) ||
      !is_wanted("SLUICE_FAULT", f->name)) {
    return;
  }

  sweep_mode(s, f, FAULT_ONCE, &sum);
  if (!f->is_once_only) {
    sweep_mode(s, f, FAULT_FOR_EVER, &sum);
  }
  close_sweep(s, f->name, &sum);
}

/* Every place of `g` with the first fault where it is. */
static bool sweep_second(const scenario_t *s, const fault_t *f, unsigned nth,
                         const fault_t *g, sum_t *sum) {
  strike_t a = {f, nth, FAULT_ONCE, 0};
  strike_t b = {g, sample_first(g->name), FAULT_ONCE, 1};
  bool has_fired = false;

  for (; b.fired > 0 && sum->bad < BAD_MAX; b.nth += sample_step()) {
    report(run_strikes(s, &a, &b), sum);
    has_fired = has_fired || a.fired > 0;
    sum->faults += a.fired > 0 && b.fired > 0;
  }
  return has_fired;
}

void sweep_pair(const scenario_t *s, const fault_t *f, const fault_t *g) {
  char text[120];
  sum_t sum = {0};
  unsigned nth = 0;

  (void)snprintf(text, sizeof(text), "%s and %s", f->name, g->name);
  if (!is_wanted("SLUICE_FAULT_SCENARIO", s->name) ||
      !is_wanted("SLUICE_FAULT", text)) {
    return;
  }
  while (sum.bad < BAD_MAX && sweep_second(s, f, nth, g, &sum)) {
    nth++;
  }
  close_sweep(s, text, &sum);
}
