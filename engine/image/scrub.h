/* scrub.h - goes through an image's file and looks at every checksum.
 *
 * A decoder of its own, with the index compared, whose items nobody takes: so
 * it finds what a reader of the stream would find. With `tell`, pages whose
 * hash is wrong are told, in ranges, and passed over. Runs in slices of its
 * owner's; knows no session. Loop thread. */
#ifndef SLUICE_IMAGE_SCRUB_H
#define SLUICE_IMAGE_SCRUB_H

#include <sluice/damage.h>

#include "budget.h"
#include "io/file_job.h"
#include "stream/decoder.h"

typedef struct sluice__scrub_s {
  sluice__file_job_t *job; /* shared with its owner */
  int fd;
  void (*tell)(void *ctx, const sluice_damage_t *range); /* NULL: fail */
  /* With `tell`, optional: this part, at most a page of the kernel's, was found
   * just now. True: somebody else has told it before; it counts, but is not
   * told again. */
  bool (*found_part)(void *ctx, const sluice_damage_t *part);
  void *ctx;

  sluice_decoder_t *decoder;
  void *space; /* of the read under way; NULL: none */
  size_t space_len;
  uint64_t at;
  ptrdiff_t got;
  sluice_damage_t found; /* bytes 0: none */
  uint64_t damaged;      /* bytes, in all */
  sluice_error_t error;
} sluice__scrub_t;

/* The members above `decoder` are set, the others zero. 0, UV_ENOMEM,
 * SLUICE_ELIMIT. */
int sluice__scrub_open(sluice__scrub_t *v, const sluice_alloc_t *alloc,
                       size_t max_memory);
/* NULL-safe; the job is not busy. */
void sluice__scrub_close(sluice__scrub_t *v);

/* A slice: SLUICE__DONE, SLUICE__MORE, SLUICE__WAIT (for the job), or the error
 * that is in `error`. */
int sluice__scrub_run(sluice__scrub_t *v, sluice__budget_t *b);

#endif
