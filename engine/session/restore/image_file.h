/* image_file.h - the file of a restore by mapping, before anything of it is
 * used: can it be mapped? And, where the host wants that, is it what was
 * written?
 *
 * Whatever stands against mapping is found out before anything is read, and
 * then the restore is an eager one like any other. One job at a time is on the
 * pool for it, whoever's; the descriptor is the source's. Loop thread. */
#ifndef SLUICE_SESSION_RESTORE_IMAGE_FILE_H
#define SLUICE_SESSION_RESTORE_IMAGE_FILE_H

#include "image/probe.h"
#include "image/scrub.h"
#include "io/file_job.h"

typedef struct sluice__image_file_s {
  sluice__file_job_t job; /* `loop`, `done` and `ctx` are set by the owner */
  sluice__probe_t probe;
  sluice__scrub_t scrub;
  uint64_t scrubbed; /* bytes */
  int advice; /* that the kernel was given last, of how the file is read */
  bool is_probed;
} sluice__image_file_t;

/* `probe`'s first members are set. SLUICE__DONE: `probe.reason` says why it
 * cannot be mapped; SLUICE__WAIT (for the job), or an error. */
int sluice__image_file_probe(sluice__image_file_t *f);
/* Through the whole file, a slice: as sluice__scrub_run(), also after an error
 * that has no words in `scrub.error`. */
int sluice__image_file_scrub(sluice__image_file_t *f,
                             const sluice_alloc_t *alloc, size_t max_memory,
                             sluice__budget_t *b);
/* POSIX_FADV_*; not twice the same. */
void sluice__image_file_advise(sluice__image_file_t *f, int advice);
/* The job is not busy. */
void sluice__image_file_close(sluice__image_file_t *f);

#endif
