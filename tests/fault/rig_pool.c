/* rig_pool.c - the pool is the host's, who may need all of it for a while.
 *
 * As many jobs as the pool has threads wait on a semaphore. */
#include "rigs.h"

#include <semaphore.h>

#include "fault.h"

enum { THREADS = 4 }; /* UV_THREADPOOL_SIZE is left alone */

static uv_work_t jobs[THREADS];
static sem_t gate;
static int is_full;
static int left;

static void work(uv_work_t *job) {
  (void)job;
  while (sem_wait(&gate) != 0) {
  }
}

static void on_over(uv_work_t *job, int status) {
  (void)job;
  (void)status;
  left--;
}

void rig_pool_fill(uv_loop_t *loop) {
  if (is_full || left > 0) {
    return;
  }
  (void)sem_init(&gate, 0, 0);
  for (int i = 0; i < THREADS; i++) {
    (void)uv_queue_work(loop, &jobs[i], work, on_over);
    left++;
  }
  is_full = 1;
  rig_on_quiet = rig_pool_empty;
}

void rig_pool_empty(void) {
  if (rig_on_quiet == rig_pool_empty) {
    rig_on_quiet = NULL;
  }
  for (int i = 0; i < THREADS && is_full; i++) {
    (void)sem_post(&gate);
  }
  is_full = 0;
}

int rig_pool_is_full(void) {
  return is_full;
}
