/* rig_time.c - time that does not have to be waited for.
 *
 * The program's own clock_gettime() and epoll_wait() stand before the C
 * library's, for libuv too. When the loop would sleep until a timer is due, the
 * time passes at once. When it would sleep for ever, and neither the pool nor
 * another thread is at work, it hangs: that is found without waiting. */
#include "rigs.h"

#include <dlfcn.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "fault.h"

#define SECOND  UINT64_C(1000000000)
#define HOUR    (3600 * SECOND)
#define POOL_NS (10 * SECOND)

enum {
  READING_NS = 1000,
  PATIENCE_MS = 20000, /* for a thread of the pool, on a busy machine */
  NAP_MS = 2
};

int rig_has_threads;
void (*rig_on_quiet)(void);

static atomic_uint_fast64_t passed;
static uv_loop_t *watched;
static int64_t engine_skew;
static uint64_t pool_ns; /* for so long the pool has been full */

static uint64_t now(void) {
  return 1000 * SECOND + atomic_fetch_add(&passed, READING_NS);
}

int clock_gettime(clockid_t id, struct timespec *out) {
  uint64_t t;

  if (watched == NULL ||
      (id != CLOCK_MONOTONIC && id != CLOCK_MONOTONIC_COARSE)) {
    return (int)syscall(SYS_clock_gettime, id, out);
  }
  t = now();
  out->tv_sec = (time_t)(t / SECOND);
  out->tv_nsec = (long)(t % SECOND);
  return 0;
}

/* The host's own jobs do end some time. */
void rig_time_pass(uint64_t ns) {
  atomic_fetch_add(&passed, ns);
  pool_ns = rig_pool_is_full() ? pool_ns + ns : 0;
  if (pool_ns > POOL_NS) {
    rig_pool_empty();
  }
}

uint64_t rig_clock(void *ctx) {
  const fault_t *f = fault_hits(FAULT_CLOCK);

  (void)ctx;
  if (f != NULL) {
    engine_skew += f->style == STYLE_BACK ? -(int64_t)HOUR : (int64_t)HOUR;
  }
  return (uint64_t)((int64_t)(now() + 1000 * HOUR) + engine_skew);
}

void rig_time_watch(uv_loop_t *loop) {
  watched = loop;
  engine_skew = 0;
}

typedef int (*wait_fn)(int, struct epoll_event *, int, int, const sigset_t *);

static wait_fn real_wait(void) {
  static wait_fn found;

  if (found == NULL) {
    union {
      void *object;
      wait_fn function;
    } u = {dlsym(RTLD_NEXT, "epoll_pwait")};

    found = u.function;
  }
  return found;
}

int rig_time_is_pool_busy(void) {
  return watched != NULL && watched->active_reqs.count > 0 &&
         !rig_pool_is_full();
}

/* Nothing is ready. Who could still make it so? */
static int wait_for_threads(int fd, struct epoll_event *events, int max,
                            int timeout, const sigset_t *mask) {
  int waited = 0;
  int n = 0;

  while ((rig_time_is_pool_busy() || rig_has_threads) && n == 0 &&
         waited < PATIENCE_MS && (timeout < 0 || waited < timeout)) {
    n = real_wait()(fd, events, max, NAP_MS, mask);
    waited += NAP_MS;
  }
  return n;
}

/* The loop would sleep until something happens, and nothing will. */
static void be_quiet(void) {
  void (*then)(void) = rig_on_quiet;

  if (then == NULL) {
    fault_die("hangs");
  }
  rig_on_quiet = NULL;
  then();
}

int epoll_pwait(int fd, struct epoll_event *events, int max, int timeout,
                const sigset_t *mask) {
  int n = real_wait()(fd, events, max, 0, mask);

  if (watched == NULL && n == 0) {
    return real_wait()(fd, events, max, timeout, mask);
  }
  while (n == 0 && timeout != 0) {
    n = wait_for_threads(fd, events, max, timeout, mask);
    if (n == 0 && timeout > 0) {
      rig_time_pass((uint64_t)timeout * 1000000);
      return 0;
    }
    if (n == 0) {
      be_quiet();
      n = real_wait()(fd, events, max, 0, mask);
    }
  }
  return n;
}

int epoll_wait(int fd, struct epoll_event *events, int max, int timeout) {
  return epoll_pwait(fd, events, max, timeout, NULL);
}
