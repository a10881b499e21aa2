/* copy_queue.h - records whose pages are copied later, in order of layout.
 *
 * The encoder appends a job when it begins such a record, and says so when it
 * is laid out; whoever owns the queue takes it then and has it run, in any
 * order and by any thread, and pops jobs in order when they are over.
 *
 *   append --> BUILT --> READY --> (take) --> GIVEN --> OVER --> (pop), idle
 *                 \--> (drop), idle
 *
 * Invariant: while a job is in the queue its chunk stays, and so does every
 * chunk behind it; while it is not OVER its pages are borrowed. Loop thread,
 * but for the copying. */
#ifndef SLUICE_STREAM_COPY_QUEUE_H
#define SLUICE_STREAM_COPY_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sluice/alloc.h>

#include "stream/page_list.h"

typedef enum sluice__copy_state_e {
  SLUICE__COPY_BUILT,
  SLUICE__COPY_READY,
  SLUICE__COPY_GIVEN,
  SLUICE__COPY_OVER
} sluice__copy_state_t;

/* A page that came again while a job had it, and replaces what that copies. */
typedef struct sluice__amended_page_s {
  struct sluice__amended_page_s *next;
  uint32_t at; /* in the job's list */
  uint64_t hash;
} sluice__amended_page_t; /* the page follows */

typedef struct sluice__copy_job_s {
  struct sluice__copy_job_s *next;
  sluice__copy_state_t state;
  const uint8_t *chunk; /* the lent buffer that the record is in */
  void *lender;         /* of the first page, as its source says */
  uint64_t before;
  uint64_t slot; /* stream offset of the first page, once it is laid out */
  sluice__amended_page_t *amended;
  sluice__page_list_t list;
} sluice__copy_job_t;

typedef struct sluice__copy_queue_s {
  sluice_alloc_t alloc;
  size_t job_bytes;
  sluice__copy_job_t *first;
  sluice__copy_job_t *last;
  sluice__copy_job_t *next; /* to be taken, once it is READY */
  sluice__copy_job_t *idle;
} sluice__copy_queue_t;

/* A job has `job_bytes`, zeroed when they are new: the owner may have more of
 * its own behind it. */
void sluice__copy_queue_init(sluice__copy_queue_t *q,
                             const sluice_alloc_t *alloc, size_t job_bytes);
/* Frees all jobs: nobody is at work on one. */
void sluice__copy_queue_done(sluice__copy_queue_t *q);

/* For a record in the lent buffer `chunk`; NULL: no memory. */
sluice__copy_job_t *sluice__copy_queue_append(sluice__copy_queue_t *q,
                                              const uint8_t *chunk);
/* The record is laid out. */
static inline void sluice__copy_job_is_ready(sluice__copy_job_t *job,
                                             uint64_t slot) {
  job->slot = slot;
  job->state = SLUICE__COPY_READY;
}
/* The record will not be, as the stream is given up. It is the last that was
 * appended. */
void sluice__copy_queue_drop(sluice__copy_queue_t *q, sluice__copy_job_t *job);

/* The page at stream offset `slot` is to be `page` when the job is over that
 * has it in its list. Copied. 1: done; 0: no job has it; UV_ENOMEM. */
int sluice__copy_queue_amend(sluice__copy_queue_t *q, uint64_t slot,
                             const uint8_t *page, uint64_t hash);

/* The next that is READY; it is GIVEN then. NULL: there is none. */
sluice__copy_job_t *sluice__copy_queue_take(sluice__copy_queue_t *q);
/* The oldest, if it is OVER, amended; else NULL. To be retired. */
sluice__copy_job_t *sluice__copy_queue_pop(sluice__copy_queue_t *q);
void sluice__copy_queue_retire(sluice__copy_queue_t *q,
                               sluice__copy_job_t *job);

/* Is the oldest job one of the chunk in the lent buffer `chunk`? */
static inline bool sluice__copy_queue_awaits(const sluice__copy_queue_t *q,
                                             const uint8_t *chunk) {
  return q->first != NULL && q->first->chunk == chunk;
}

#endif
