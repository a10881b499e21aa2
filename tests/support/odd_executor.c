/* odd_executor.c - see odd_executor.h. */
#include "odd_executor.h"

#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <uv.h>

#include "seed.h"

enum { JOBS = 8, THREADS = 2 };

static struct {
  odd_way_t way;
  sluice_executor_t executor;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  pthread_t threads[THREADS];
  sluice_job_t *jobs[JOBS];
  unsigned count; /* of them */
  unsigned run;
  unsigned asked;
  int is_closing;
  seed_t seed;
} odd;

/* `lock` is held. */
static sluice_job_t *take_any(void) {
  unsigned i = (unsigned)seed_below(&odd.seed, odd.count);
  sluice_job_t *job = odd.jobs[i];

  odd.jobs[i] = odd.jobs[--odd.count];
  odd.run++;
  return job;
}

static void *work(void *arg) {
  (void)arg;
  (void)pthread_mutex_lock(&odd.lock);
  while (!odd.is_closing || odd.count > 0) {
    if (odd.count == 0) {
      (void)pthread_cond_wait(&odd.changed, &odd.lock);
      continue;
    }
    sluice_job_t *job = take_any();
    uint64_t pauses = seed_below(&odd.seed, 4);

    (void)pthread_mutex_unlock(&odd.lock);
    while (pauses-- > 0) {
      (void)sched_yield();
    }
    sluice_job_run(job);
    (void)pthread_mutex_lock(&odd.lock);
  }
  (void)pthread_mutex_unlock(&odd.lock);
  return NULL;
}

static void keep(sluice_job_t *job) {
  (void)pthread_mutex_lock(&odd.lock);
  ck_assert_uint_lt(odd.count, JOBS);
  odd.jobs[odd.count++] = job;
  (void)pthread_cond_signal(&odd.changed);
  (void)pthread_mutex_unlock(&odd.lock);
}

static int submit(void *ctx, sluice_job_t *job) {
  (void)ctx;
  odd.asked++;
  switch (odd.way) {
  case ODD_NOBODY:
  case ODD_POOL:
  case ODD_WAYS:
  case ODD_REFUSES: return UV_EAGAIN;
  case ODD_AT_ONCE:
    odd.run++;
    sluice_job_run(job);
    return 0;
  case ODD_FICKLE:
    if (odd.asked % 2 == 0) {
      return UV_EAGAIN;
    }
    break;
  case ODD_THREADS:
  case ODD_LATE: break;
  }
  keep(job);
  return 0;
}

static int has_threads(void) {
  return odd.way == ODD_THREADS || odd.way == ODD_FICKLE;
}

const sluice_executor_t *odd_executor_open(odd_way_t way, uint64_t seed) {
  memset(&odd, 0, sizeof(odd));
  odd.way = way;
  odd.seed.state = seed;
  odd.executor = (sluice_executor_t){
      .size = sizeof(odd.executor), .jobs_max = 3, .min_bytes = 1};
  odd.executor.submit = way == ODD_NOBODY || way == ODD_POOL ? NULL : submit;
  if (way == ODD_NOBODY) {
    odd.executor.jobs_max = 0;
  }
  (void)pthread_mutex_init(&odd.lock, NULL);
  (void)pthread_cond_init(&odd.changed, NULL);
  for (int i = 0; i < THREADS && has_threads(); i++) {
    ck_assert_int_eq(pthread_create(&odd.threads[i], NULL, work, NULL), 0);
  }
  return &odd.executor;
}

void odd_executor_close(void) {
  (void)pthread_mutex_lock(&odd.lock);
  odd.is_closing = 1;
  (void)pthread_cond_broadcast(&odd.changed);
  (void)pthread_mutex_unlock(&odd.lock);
  for (int i = 0; i < THREADS && has_threads(); i++) {
    (void)pthread_join(odd.threads[i], NULL);
  }
  while (odd.count > 0) { /* those that nobody came for */
    sluice_job_run(take_any());
  }
}

unsigned odd_executor_count(void) {
  unsigned n;

  (void)pthread_mutex_lock(&odd.lock);
  n = odd.run;
  (void)pthread_mutex_unlock(&odd.lock);
  return n;
}
