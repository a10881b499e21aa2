/* sweep.c - see sweep.h. */
#include "sweep.h"

#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BAD_MAX = 8, NTH_MAX = 20000 };

static int count_descriptors(void) {
  DIR *d = opendir("/proc/self/fd");
  int n = 0;

  while (d != NULL && readdir(d) != NULL) {
    n++;
  }
  if (d != NULL) {
    (void)closedir(d);
  }
  return n;
}

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

void sweep_setup(void) {
  rig_count_libuv();
  warm_up();
  (void)ends_folder();
}

void sweep_teardown(void) {
  scenario_forget_images();
  ends_folder_remove();
}

/* ---- one run ---- */

typedef struct baseline_s {
  long blocks, heap;
  int descriptors;
} baseline_t;

static const char *compare_baseline(const baseline_t *b) {
  if (rig_blocks() != b->blocks) {
    return "a block of the engine's is left";
  }
  if (rig_heap_blocks() != b->heap) {
    return rig_heap_blocks() > b->heap ? "a block of malloc() is left"
                                       : "a block was freed twice";
  }
  return count_descriptors() != b->descriptors ? "a descriptor is left" : NULL;
}

/* What a fault in a handler's hook must be blamed on. */
static const char *check_section(const fault_t *f, const outcome_t *out) {
  if (f->kind == FAULT_HANDLER &&
      strcmp(out->error.section, rigged_struck) != 0) {
    return "another section is blamed";
  }
  return NULL;
}

static const char *check_error(const fault_t *f, const outcome_t *out,
                               unsigned fired) {
  static char text[256];

  if (out->status == 0) {
    return NULL; /* the image was right */
  }
  if (out->is_new_there && f->kind != FAULT_SYNC) {
    return "the former image was replaced"; /* but for the folder's sync */
  }
  if (fired == 0 && f->kind != FAULT_DESCRIPTORS) {
    (void)snprintf(text, sizeof(text), "failed without a fault: %s, %s",
                   sluice_err_name(out->status), out->error.message);
    return text;
  }
  if (out->status != f->expect) {
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
  return check_section(f, out);
}

static const char *look_at(const scenario_t *s, const fault_t *f, world_t *w,
                           const outcome_t *out, unsigned fired) {
  static char text[160];
  const char *bad = check_error(f, out, fired);

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

/* With whatever is armed. */
static const char *run_armed(const scenario_t *s, const fault_t *f,
                             unsigned *fired) {
  static world_t world; /* large */
  const char *bad = NULL;
  const char *left;
  outcome_t out;

  if (world_open(&world, s->parts) != 0) {
    fault_die("no world");
  }
  fault_release();
  scenario_run(s, &world, &out);
  *fired = fault_fired();
  fault_disarm();
  bad = look_at(s, f, &world, &out, *fired + fault_fired_too());
  left = world_close(&world);
  return bad != NULL ? bad : left;
}

const char *sweep_once(const scenario_t *s, const fault_t *f, unsigned nth,
                       fault_mode_t mode, unsigned *fired) {
  baseline_t before;
  const char *bad;
  char text[200];

  if (s->kind == SCENARIO_RESTORE) {
    const uint8_t *image;
    size_t len;

    scenario_image(s, &image, &len);
  }
  (void)snprintf(text, sizeof(text), "%s; %s, %s after %u", s->name, f->name,
                 mode == FAULT_ONCE ? "once" : "for ever", nth);
  fault_describe(text);
  before = (baseline_t){rig_blocks(), rig_heap_blocks(), count_descriptors()};
  fault_hold();
  fault_arm(f, nth, mode);
  bad = run_armed(s, f, fired);
  return bad != NULL ? bad : compare_baseline(&before);
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

  for (unsigned nth = 0; sum->bad < BAD_MAX && nth < NTH_MAX; nth++) {
    report(sweep_once(s, f, nth, mode, &fired), sum);
    if (is_through(f, nth, fired)) {
      return;
    }
    sum->faults++;
  }
}

void sweep_tally(const char *what, unsigned scenarios, unsigned faults,
                 unsigned bad) {
  const char *path = getenv("SLUICE_FAULT_TALLY");
  FILE *file = path == NULL ? NULL : fopen(path, "a");

  if (file != NULL) {
    (void)fprintf(file, "%s\t%u\t%u\t%u\n", what, scenarios, faults, bad);
    (void)fclose(file);
  }
}

static void close_sweep(const scenario_t *s, const char *what,
                        const sum_t *sum) {
  char text[200];

  (void)snprintf(text, sizeof(text), "%s; %s", s->name, what);
  sweep_tally(text, 1, sum->faults, sum->bad);
  if (getenv("SLUICE_FAULT_VERBOSE") != NULL) {
    (void)printf("%6u %s\n", sum->faults, text);
  }
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
