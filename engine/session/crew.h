/* crew.h - other threads that work for an engine.
 *
 * Tasks wait in one queue. A job is a thread's visit: it takes tasks until none
 * is left, or it has done enough for one visit. So a job that comes late does
 * no harm, and a task that nobody has begun can be taken back.
 *
 * Everything that threads share is under `lock`, the wake-up of the loop too:
 * once the loop has seen a task as done, that thread does not touch it, its
 * owner or the crew again. Knows nothing of pages, records or saves. */
#ifndef SLUICE_SESSION_CREW_H
#define SLUICE_SESSION_CREW_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include <sluice/error.h>
#include <sluice/executor.h>

#include "pump.h"

typedef struct sluice__task_s sluice__task_t;
typedef struct sluice__crew_s sluice__crew_t;

struct sluice__task_s {
  sluice__task_t *next;
  void (*run)(sluice__task_t *task);  /* by any thread */
  void (*over)(sluice__task_t *task); /* by the loop, afterwards */
};

typedef struct sluice__task_list_s {
  sluice__task_t *first;
  sluice__task_t *last;
} sluice__task_list_t;

struct sluice_job_s {
  uv_work_t work; /* of libuv's pool */
  sluice__crew_t *crew;
  bool is_out;  /* given to the executor; the loop's */
  bool is_over; /* has been run; under the lock */
};

enum { SLUICE__CREW_JOBS_MAX = 16 };

struct sluice__crew_s {
  sluice__pump_t *pump;
  sluice_executor_t executor;
  bool is_pool; /* libuv's */
  sluice_job_t jobs[SLUICE__CREW_JOBS_MAX];
  uint32_t jobs_out;
  void (*on_idle)(void *ctx); /* no job is out any more */
  void *ctx;
  sluice__cont_t cont; /* hears what is done */

  uv_mutex_t lock;
  sluice__task_list_t queue; /* from here on: under the lock */
  uint32_t queued;
  sluice__task_list_t done;
  bool is_told; /* `cont` will look */
};

/* `executor` NULL: libuv's pool, if the machine has processors enough.
 * 0 or UV_E*. Done only when no job is out. */
int sluice__crew_init(sluice__crew_t *c, sluice__pump_t *pump,
                      const sluice_executor_t *executor, sluice_error_t *err);
void sluice__crew_done(sluice__crew_t *c);

/* Are there threads to work at all? */
static inline bool sluice__crew_is_staffed(const sluice__crew_t *c) {
  return c->executor.jobs_max > 0;
}

/* Loop thread, all of these. Queues a task, whose `over` will be called. */
void sluice__crew_put(sluice__crew_t *c, sluice__task_t *task);

/* True: nobody had begun it, nor will; `over` is not called. */
bool sluice__crew_take_back(sluice__crew_t *c, sluice__task_t *task);

/* Takes back the jobs that libuv has not begun. */
void sluice__crew_dismiss(sluice__crew_t *c);

#endif
