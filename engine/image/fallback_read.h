/* fallback_read.h - extents that could not be mapped, read into a buffer and
 * handed out in slices.
 *
 * Like mapped ones they are not verified here. Loop thread. */
#ifndef SLUICE_IMAGE_FALLBACK_READ_H
#define SLUICE_IMAGE_FALLBACK_READ_H

#include "budget.h"
#include "image/extents.h"
#include "io/file_job.h"

/* `bytes` of an extent, from byte `from` of it; 0 or a negative code. */
typedef int (*sluice__fallback_put_t)(void *ctx,
                                      const sluice__image_extent_t *extent,
                                      uint64_t from, uint64_t bytes,
                                      const uint8_t *data);

typedef struct sluice__fallback_s {
  sluice__file_job_t *job; /* shared with its owner */
  int fd;
  sluice__mem_t *mem;
  const sluice__extents_t *extents; /* the unmapped ones of these */
  sluice__fallback_put_t put;
  void *ctx;

  uint8_t *buf;
  size_t from; /* extents that are in the buffer */
  size_t to;
  uint64_t in_to; /* bytes of extent `to` that are, or were */
  uint64_t done;  /* bytes of extent `from` that were taken */
  size_t used;
  size_t taken;
  int code;
  bool is_read;
} sluice__fallback_t;

/* The members above `buf` are set, the others zero. A slice: SLUICE__DONE,
 * SLUICE__MORE, SLUICE__WAIT (for the job), or an error. */
int sluice__fallback_run(sluice__fallback_t *f, sluice__budget_t *b);
/* The job is not busy; also when nothing was opened. */
void sluice__fallback_close(sluice__fallback_t *f);

#endif
