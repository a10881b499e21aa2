/* thread_pool.h - other threads that work for an engine.
 *
 * Work items wait in one queue. A job is a thread's batch: it takes work items
 * until none is left, or it has done enough for one batch. So a job that comes
 * late does no harm, and an item that nobody has begun can be taken back.
 *
 * Everything that threads share is under `lock`, the wake-up of the loop too:
 * once the loop has seen an item as done, that thread does not touch it, its
 * owner or the pool again. Knows nothing of pages, records or saves. */
#ifndef SLUICE_SESSION_THREAD_POOL_H
#define SLUICE_SESSION_THREAD_POOL_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include <sluice/error.h>
#include <sluice/executor.h>

#include "pump.h"

typedef struct sluice__work_item_s sluice__work_item_t;
typedef struct sluice__thread_pool_s sluice__thread_pool_t;

struct sluice__work_item_s {
  sluice__work_item_t *next;
  void (*run)(sluice__work_item_t *item);  /* by any thread */
  void (*over)(sluice__work_item_t *item); /* by the loop, afterwards */
};

typedef struct sluice__work_list_s {
  sluice__work_item_t *first;
  sluice__work_item_t *last;
} sluice__work_list_t;

struct sluice_job_s {
  uv_work_t work; /* of libuv's pool */
  sluice__thread_pool_t *pool;
  bool is_out;  /* given to the executor; the loop's */
  bool is_over; /* has been run; under the lock */
};

enum { SLUICE__THREAD_POOL_JOBS_MAX = 16 };

struct sluice__thread_pool_s {
  sluice__pump_t *pump;
  sluice_executor_t executor;
  bool is_pool; /* libuv's */
  sluice_job_t jobs[SLUICE__THREAD_POOL_JOBS_MAX];
  uint32_t jobs_out;
  void (*on_idle)(void *ctx); /* no job is out any more */
  void *ctx;
  sluice__cont_t cont; /* hears what is done */

  uv_mutex_t lock;
  sluice__work_list_t queue; /* from here on: under the lock */
  uint32_t queued;
  sluice__work_list_t done;
  bool is_told; /* `cont` will look */
};

/* `executor` NULL: libuv's pool, if the machine has processors enough.
 * 0 or UV_E*. Done only when no job is out. */
int sluice__thread_pool_init(sluice__thread_pool_t *p, sluice__pump_t *pump,
                             const sluice_executor_t *executor,
                             sluice_error_t *err);
void sluice__thread_pool_done(sluice__thread_pool_t *p);

/* Are there threads to work at all? */
static inline bool
sluice__thread_pool_has_threads(const sluice__thread_pool_t *p) {
  return p->executor.jobs_max > 0;
}

/* Loop thread, all of these. Queues an item, whose `over` will be called. */
void sluice__thread_pool_put(sluice__thread_pool_t *p,
                             sluice__work_item_t *item);

/* True: nobody had begun it, nor will; `over` is not called. */
bool sluice__thread_pool_take_back(sluice__thread_pool_t *p,
                                   sluice__work_item_t *item);

/* Takes back the jobs that libuv has not begun. */
void sluice__thread_pool_cancel(sluice__thread_pool_t *p);

#endif
