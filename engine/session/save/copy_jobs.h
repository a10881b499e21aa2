/* copy_jobs.h - the records of a save whose pages other threads copy.
 *
 * Between the queue, to which the encoder appends a job for each such record
 * (stream/copy_queue.h), the thread pool, which runs them in any order, and the
 * chunks, which go to the sink in order once all of theirs is there. Jobs are
 * collected in order of layout; handlers are told how many of their pages are
 * back.
 *
 * Invariant: at the end of a turn no job is READY. Loop thread, but for the
 * copying. */
#ifndef SLUICE_SESSION_SAVE_COPY_JOBS_H
#define SLUICE_SESSION_SAVE_COPY_JOBS_H

#include <stdbool.h>
#include <stdint.h>

#include "memory/mem.h"
#include "session/registry.h"
#include "session/save/chunks.h"
#include "session/thread_pool.h"
#include "stream/copy_queue.h"

typedef struct sluice__copy_jobs_s {
  sluice__copy_queue_t queue;
  sluice__thread_pool_t *threads; /* NULL: nothing is given away */
  sluice__chunks_t *chunks;
  /* Some are over, and to be collected. */
  void (*on_over)(void *ctx);
  void *ctx;
} sluice__copy_jobs_t;

void sluice__copy_jobs_init(sluice__copy_jobs_t *j,
                            sluice__thread_pool_t *threads,
                            const sluice_alloc_t *alloc,
                            sluice__chunks_t *chunks);
/* Quiet; or in a forked child, where the threads are gone. */
void sluice__copy_jobs_done(sluice__copy_jobs_t *j);

/* For the encoder; NULL: it copies everything itself. */
static inline sluice__copy_queue_t *
sluice__copy_jobs_queue(sluice__copy_jobs_t *j) {
  return j->threads == NULL ? NULL : &j->queue;
}

/* Other threads copy borrowed pages. */
static inline bool
sluice__copy_jobs_have_threads(const sluice__copy_jobs_t *j) {
  return j->threads != NULL;
}

/* Gives away the jobs of records that are laid out; short ones are run here. */
void sluice__copy_jobs_start(sluice__copy_jobs_t *j);

/* None is GIVEN: nobody is at work for the save. */
bool sluice__copy_jobs_are_quiet(const sluice__copy_jobs_t *j);

/* Of the pages that `section` has lent: so many, from the first on, have been
 * read. */
uint64_t sluice__copy_jobs_returned(const sluice__copy_jobs_t *j,
                                    const sluice_section_t *section);

/* Lets go of what is over: chunks go out, and handlers are told unless
 * `is_silent`. Not inside of a handler's call. */
void sluice__copy_jobs_collect(sluice__copy_jobs_t *j, bool is_silent);
/* Tells the handler of `section` if more of its pages are back. */
void sluice__copy_jobs_tell(const sluice__copy_jobs_t *j,
                            sluice_section_t *section);

/* Runs the oldest here and now that nobody has begun and that was given before
 * `ns`; how many bytes that were, 0: there is none. */
uint64_t sluice__copy_jobs_run_late(sluice__copy_jobs_t *j, uint64_t ns);

/* Nobody needs them any more: takes back what nobody has begun. */
void sluice__copy_jobs_abandon(sluice__copy_jobs_t *j);

#endif
