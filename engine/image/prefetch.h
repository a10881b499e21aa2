/* prefetch.h - asks the disk for the headers of an image's records, all at
 * once.
 *
 * A scan from header to header waits for the disk at each of them, where the
 * image is not in the page cache. The index says where pages and their hashes
 * stand, and so, nearly, where the headers do. The disk's queue is short: who
 * asks waits for most of what was asked for. So this is a job of its own, and
 * the scan goes on behind it, through what is there. A hint: nothing of it is
 * believed, and what it misses is only slower. */
#ifndef SLUICE_IMAGE_PREFETCH_H
#define SLUICE_IMAGE_PREFETCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/file_job.h"

enum { SLUICE__PREFETCH_BYTES = 32 * 1024 };

typedef struct sluice__prefetch_s {
  sluice__file_job_t job; /* `loop`, `done` and `ctx` set by the owner */
  int fd;
  uint64_t index; /* where it begins */
  uint64_t end;   /* and before which it ends */
  uint8_t *buf;   /* of `len` bytes, a run at least, to work with */
  size_t len;
  uint64_t last; /* page that was asked for last */
  size_t asked;  /* ranges */
  atomic_bool is_off;
  bool is_begun; /* once, and never again */
} sluice__prefetch_t;

/* All before `last` is set: the job is started, unless it was before. Loop
 * thread. */
void sluice__prefetch_start(sluice__prefetch_t *prefetch);
/* False: it is under way still, it ends soon and then calls `done`. Loop
 * thread. */
bool sluice__prefetch_stop(sluice__prefetch_t *prefetch);

/* The job: reads the index and asks. Blocks: for the pool. */
void sluice__prefetch_run(void *prefetch);

#endif
