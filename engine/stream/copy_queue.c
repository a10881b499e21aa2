/* copy_queue.c - see copy_queue.h. */
#include "stream/copy_queue.h"

#include <assert.h>
#include <string.h>

void sluice__copy_queue_init(sluice__copy_queue_t *q,
                             const sluice_alloc_t *alloc, size_t job_bytes) {
  assert(job_bytes >= sizeof(sluice__copy_job_t));
  memset(q, 0, sizeof(*q));
  q->alloc = *alloc;
  q->job_bytes = job_bytes;
}

static void free_list(sluice__copy_queue_t *q, sluice__copy_job_t **list) {
  while (*list != NULL) {
    sluice__copy_job_t *job = *list;

    *list = job->next;
    q->alloc.release(q->alloc.ctx, job, q->job_bytes, _Alignof(max_align_t));
  }
}

void sluice__copy_queue_done(sluice__copy_queue_t *q) {
  free_list(q, &q->first);
  free_list(q, &q->idle);
  q->last = NULL;
  q->next = NULL;
}

static sluice__copy_job_t *find_idle(sluice__copy_queue_t *q) {
  sluice__copy_job_t *job = q->idle;

  if (job != NULL) {
    q->idle = job->next;
    return job;
  }
  job = q->alloc.alloc(q->alloc.ctx, q->job_bytes, _Alignof(max_align_t));
  if (job != NULL) {
    memset(job, 0, q->job_bytes);
  }
  return job;
}

sluice__copy_job_t *sluice__copy_queue_append(sluice__copy_queue_t *q,
                                              const uint8_t *chunk) {
  sluice__copy_job_t *job = find_idle(q);

  if (job == NULL) {
    return NULL;
  }
  job->chunk = chunk;
  job->state = SLUICE__COPY_BUILT;
  job->next = NULL;
  if (q->last == NULL) {
    q->first = job;
  } else {
    q->last->next = job;
  }
  q->last = job;
  q->next = q->next == NULL ? job : q->next;
  return job;
}

void sluice__copy_queue_retire(sluice__copy_queue_t *q,
                               sluice__copy_job_t *job) {
  job->next = q->idle;
  q->idle = job;
}

void sluice__copy_queue_drop(sluice__copy_queue_t *q, sluice__copy_job_t *job) {
  sluice__copy_job_t *before = q->first == job ? NULL : q->first;

  assert(job == q->last && job->state == SLUICE__COPY_BUILT);
  while (before != NULL && before->next != job) {
    before = before->next;
  }
  *(before == NULL ? &q->first : &before->next) = NULL;
  q->last = before;
  q->next = q->next == job ? NULL : q->next;
  sluice__copy_queue_retire(q, job);
}

sluice__copy_job_t *sluice__copy_queue_take(sluice__copy_queue_t *q) {
  sluice__copy_job_t *job = q->next;

  if (job == NULL || job->state != SLUICE__COPY_READY) {
    return NULL;
  }
  q->next = job->next;
  job->state = SLUICE__COPY_GIVEN;
  return job;
}

sluice__copy_job_t *sluice__copy_queue_pop(sluice__copy_queue_t *q) {
  sluice__copy_job_t *job = q->first;

  if (job == NULL || job->state != SLUICE__COPY_OVER) {
    return NULL;
  }
  q->first = job->next;
  q->last = job->next == NULL ? NULL : q->last;
  return job;
}
