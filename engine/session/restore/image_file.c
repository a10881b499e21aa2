/* image_file.c - see image_file.h. */
#include "session/restore/image_file.h"

#include <fcntl.h>

#include "queue.h"

/* The kernel reads some MiB around what is asked for, where it takes a file to
 * be read in order; a scan goes from header to header. It keeps them apart by
 * descriptor, and mappings of pages go by what that was told last. */
void sluice__image_file_advise(sluice__image_file_t *f, int advice) {
  if (f->advice != advice) {
    (void)posix_fadvise(f->probe.fd, 0, 0, advice);
    f->advice = advice;
  }
}

/* Twice: before the job, and after it. */
int sluice__image_file_probe(sluice__image_file_t *f) {
  int r;

  if (f->job.is_busy) {
    return SLUICE__WAIT;
  }
  if (f->is_probed) {
    return SLUICE__DONE;
  }
  f->is_probed = true;
  if (f->probe.fd < 0) {
    f->probe.reason = "the source is not a file";
    return SLUICE__DONE;
  }
  sluice__image_file_advise(f, POSIX_FADV_RANDOM);
  r = sluice__file_job_start(&f->job, sluice__probe_run, &f->probe);
  return r < 0 ? r : SLUICE__WAIT;
}

static int open_scrub(sluice__image_file_t *f, const sluice_alloc_t *alloc,
                      size_t max_memory) {
  sluice__image_file_advise(f, POSIX_FADV_SEQUENTIAL);
  f->scrub = (sluice__scrub_t){.job = &f->job, .fd = f->probe.fd};
  return sluice__scrub_open(&f->scrub, alloc, max_memory);
}

int sluice__image_file_scrub(sluice__image_file_t *f,
                             const sluice_alloc_t *alloc, size_t max_memory,
                             sluice__budget_t *b) {
  int r = f->scrub.decoder == NULL ? open_scrub(f, alloc, max_memory) : 0;

  if (r < 0) {
    return r;
  }
  r = sluice__scrub_run(&f->scrub, b);
  f->scrubbed = sluice_decoder_offset(f->scrub.decoder);
  if (r == SLUICE__DONE) {
    sluice__scrub_close(&f->scrub);
  }
  return r;
}

void sluice__image_file_close(sluice__image_file_t *f) {
  if (f->scrub.decoder != NULL) {
    sluice__scrub_close(&f->scrub);
  }
}
