/* executor.h - threads of the host's for the work that a save can give away.
 *
 * Copying pages and computing their checksums need not be done by the loop's
 * thread. By default libuv's pool does it, with one thread of it left free, but
 * not on machines of one or two processors: there the save is faster when the
 * loop does it. A host that would rather have the loop free asks for the pool
 * all the same; one with threads of its own gives them by an executor.
 *
 * The engine asks for a job; the host calls sluice_job_run() for it, once, from
 * any thread, at any time: later, out of order, even inside of submit. What is
 * to be done is found out then, so a job that comes late finds nothing to do,
 * and nothing waits for it but the close of the engine: work that no thread has
 * begun within a millisecond or so is done by the loop. */
#ifndef SLUICE_EXECUTOR_H
#define SLUICE_EXECUTOR_H

#include <stdint.h>

#include <sluice/export.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sluice_job_s sluice_job_t;

typedef struct sluice_executor_s {
  uint32_t size;     /* sizeof(sluice_executor_t) */
  uint32_t jobs_max; /* under way at most, 1..16; 0: 1 */
  uint32_t
      min_bytes; /* less is done by the loop, not being worth it; 0: 64 KiB */
  /* Called by the loop. 0: sluice_job_run() will be called, once. Else the
   * executor is asked again later and the loop does the work meanwhile. NULL:
   * libuv's pool; with jobs_max 0 no threads, the loop does everything. */
  int (*submit)(void *ctx, sluice_job_t *job);
  void *ctx;
} sluice_executor_t;

/* Does what there is to do: some 0.1 ms, at most 1 or so. */
SLUICE_EXTERN void sluice_job_run(sluice_job_t *job);

#ifdef __cplusplus
}
#endif

#endif
