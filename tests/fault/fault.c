/* fault.c - see fault.h. */
#include "fault.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum { ARMED_MAX = 2 };

typedef struct armed_s {
  const fault_t *fault;
  unsigned nth;
  fault_mode_t mode;
  atomic_uint seen;
  atomic_uint fired;
} armed_t;

static armed_t armed[ARMED_MAX];
static atomic_uint counts[FAULT_KINDS];
static atomic_bool is_armed;
static _Thread_local unsigned held;
static struct rlimit descriptors;
static rlim_t few;
static bool is_limited;
static char description[256];

/* Descriptors are handed out lowest first: `left` more, and that is all. */
static rlim_t lowest_after(unsigned left) {
  enum { MOST = 64 };
  int fds[MOST + 1];
  unsigned n = 0;
  rlim_t limit;

  while (n <= left && n <= MOST && (fds[n] = dup(2)) >= 0) {
    n++;
  }
  limit = (rlim_t)fds[n - 1];
  while (n > 0) {
    (void)close(fds[--n]);
  }
  return limit;
}

static void set_descriptors(rlim_t limit) {
  struct rlimit r = descriptors;

  r.rlim_cur = limit;
  (void)setrlimit(RLIMIT_NOFILE, &r);
}

size_t fault_cap(void) {
  enum { STEP = 8 * 1024 };

  return armed[0].fault != NULL && armed[0].fault->kind == FAULT_CAP
             ? ((size_t)armed[0].nth + 1) * STEP
             : 0;
}

void fault_begin(void) {
  if (armed[0].fault != NULL && armed[0].fault->kind == FAULT_DESCRIPTORS) {
    (void)getrlimit(RLIMIT_NOFILE, &descriptors);
    few = lowest_after(armed[0].nth);
    is_limited = true;
    set_descriptors(few);
  }
}

static void arm(armed_t *a, const fault_t *fault, unsigned nth,
                fault_mode_t mode) {
  a->nth = nth;
  a->mode = mode;
  atomic_store(&a->seen, 0);
  atomic_store(&a->fired, 0);
  a->fault = fault;
  atomic_store(&is_armed, true);
}

void fault_arm(const fault_t *fault, unsigned nth, fault_mode_t mode) {
  for (int i = 0; i < FAULT_KINDS; i++) {
    atomic_store(&counts[i], 0);
  }
  armed[1].fault = NULL;
  arm(&armed[0], fault, nth, mode);
}

void fault_arm_too(const fault_t *fault, unsigned nth, fault_mode_t mode) {
  arm(&armed[1], fault, nth, mode);
}

void fault_disarm(void) {
  atomic_store(&is_armed, false);
  armed[0].fault = NULL;
  armed[1].fault = NULL;
  if (is_limited) {
    is_limited = false;
    set_descriptors(descriptors.rlim_cur);
  }
}

unsigned fault_fired(void) {
  return atomic_load(&armed[0].fired);
}

unsigned fault_fired_too(void) {
  return atomic_load(&armed[1].fired);
}

unsigned fault_operations(fault_kind_t kind) {
  return atomic_load(&counts[kind]);
}

static bool strikes(armed_t *a, fault_kind_t kind) {
  unsigned n;

  if (a->fault == NULL || a->fault->kind != kind) {
    return false;
  }
  n = atomic_fetch_add(&a->seen, 1);
  if (n != a->nth && !(a->mode == FAULT_FOR_EVER && n > a->nth)) {
    return false;
  }
  atomic_fetch_add(&a->fired, 1);
  return true;
}

const fault_t *fault_hits(fault_kind_t kind) {
  const fault_t *hit = NULL;

  if (!atomic_load_explicit(&is_armed, memory_order_acquire) || held > 0) {
    return NULL;
  }
  atomic_fetch_add(&counts[kind], 1);
  for (int i = 0; i < ARMED_MAX; i++) {
    if (strikes(&armed[i], kind)) {
      hit = armed[i].fault;
    }
  }
  return hit;
}

bool fault_breaks(fault_kind_t kind) {
  const fault_t *f = fault_hits(kind);

  if (f == NULL || f->style != STYLE_FAIL) {
    return false;
  }
  errno = f->code;
  return true;
}

void fault_hold(void) {
  if (held++ == 0 && is_limited) {
    set_descriptors(descriptors.rlim_cur);
  }
}

void fault_release(void) {
  if (--held == 0 && is_limited) {
    set_descriptors(few);
  }
}

void fault_describe(const char *text) {
  (void)snprintf(description, sizeof(description), "%s", text);
}

const char *fault_description(void) {
  return description;
}

void fault_die(const char *what) {
  fault_disarm();
  (void)fprintf(stderr, "%s: %s\n", description, what);
  (void)fflush(NULL);
  abort();
}
