/* proof.h - pages that nobody has verified yet are, from the file.
 *
 *   run()... -> SLUICE__DONE   all is known; or an error
 *
 * A piece a job on libuv's pool: pages and their hashes are read and compared
 * there, the loop notes what is wrong. What a scrub has seen meanwhile is left
 * out. One object after the other, by the same proof. Loop thread. */
#ifndef SLUICE_SOUNDNESS_PROOF_H
#define SLUICE_SOUNDNESS_PROOF_H

#include <sluice/error.h>

#include "io/file_job.h"
#include "memory/mem.h"
#include "soundness/soundness.h"

enum {
  SLUICE__PROOF_BYTES = 1024 * 1024, /* of pages, a job */
  SLUICE__PROOF_BAD = 64             /* pages that it finds, at most */
};

typedef struct sluice__proof_place_s {
  size_t run;
  uint32_t page;
} sluice__proof_place_t;

typedef struct sluice__proof_s {
  sluice__file_job_t job; /* `loop`, `done` and `ctx` are the owner's */
  sluice__mem_t *mem;

  sluice__soundness_t *of; /* what a job reads for; kept; NULL: none */
  uint8_t *buf;            /* pages, and behind them hashes */
  /* The job's, while it runs. */
  uint64_t scrubbed;
  sluice__proof_place_t at; /* before it all is compared, or scrubbed */
  sluice__proof_place_t bad[SLUICE__PROOF_BAD];
  uint32_t bad_count;
  int code;
} sluice__proof_t;

/* A slice for `s`, which stays the same until it is DONE: SLUICE__DONE,
 * SLUICE__WAIT (for the job), SLUICE__MORE, or the error that is in `err`. */
int sluice__proof_run(sluice__proof_t *proof, sluice__soundness_t *s,
                      sluice_error_t *err);
/* The job is not busy; also when nothing was begun. */
void sluice__proof_close(sluice__proof_t *proof);

#endif
