/* file.c - the way to a file's pages: survey, verification, input.
 *
 * Whatever stands against mapping is found out before anything is read, and
 * then the restore is an eager one like any other. */
#include "session/restore/restore.h"

#include <fcntl.h>
#include <uv.h>

#include "io/source.h"

void sluice__restore_on_job(void *ctx) {
  sluice_restore_t *restore = ctx;

  restore->is_source_busy = false;
  sluice__session_wake(&restore->session);
}

int sluice__restore_start_job(sluice_restore_t *restore,
                              void (*run)(void *self), void *self) {
  sluice__file_job_t *job = &restore->file.job;
  int r;

  job->loop = restore->session.engine->pump.loop;
  job->done = sluice__restore_on_job;
  job->ctx = restore;
  r = sluice__file_job_start(job, run, self);
  restore->is_source_busy = r == 0;
  return r;
}

static int fail(sluice_restore_t *restore, int code,
                const sluice_error_t *err) {
  sluice__session_fail(&restore->session, code, NULL, 0, err);
  return SLUICE__WAIT;
}

/* The kernel reads some MiB around what is asked for, where it takes a file to
 * be read in order; a walk goes from header to header. It keeps them apart by
 * descriptor, and mappings of pages go by what that was told last. */
static void advise(sluice_restore_t *restore, int advice) {
  sluice__restore_file_t *f = &restore->file;

  if (f->advice != advice) {
    (void)posix_fadvise(f->survey.fd, 0, 0, advice);
    f->advice = advice;
  }
}

/* Eagerly, then. */
static int decline(sluice_restore_t *restore, const char *reason) {
  sluice_error_t err = {0};

  if (restore->options.must_map) {
    (void)sluice_fail(&err, UV_ENOTSUP, "cannot be mapped: %s", reason);
    return fail(restore, UV_ENOTSUP, &err);
  }
  if (restore->file.survey.fd >= 0) {
    advise(restore, POSIX_FADV_SEQUENTIAL);
  }
  restore->file.stats.way = SLUICE_RESTORE_EAGER;
  restore->file.stats.reason = reason;
  sluice__restore_enter(restore, SLUICE__RESTORE_LOAD, SLUICE_PHASE_LOAD);
  return SLUICE__MORE;
}

static int open_verify(sluice_restore_t *restore) {
  sluice__restore_file_t *f = &restore->file;
  int r;

  advise(restore, POSIX_FADV_SEQUENTIAL);
  f->verify = (sluice__verify_t){.job = &f->job, .fd = f->survey.fd};
  r = sluice__verify_open(&f->verify, &restore->session.mem_alloc,
                          restore->session.mem.cap);
  if (r < 0) {
    return fail(restore, r, NULL);
  }
  sluice__restore_enter(restore, SLUICE__RESTORE_VERIFY, SLUICE_PHASE_VERIFY);
  return SLUICE__MORE;
}

static void on_asked(void *ctx) {
  sluice_restore_t *restore = ctx;

  sluice__session_wake(&restore->session);
}

/* Room to work in comes with the walk's. */
static void open_ahead(sluice_restore_t *restore) {
  sluice__restore_file_t *f = &restore->file;
  sluice__ahead_t *ahead = &f->ahead;

  ahead->job.loop = restore->session.engine->pump.loop;
  ahead->job.done = on_asked;
  ahead->job.ctx = restore;
  ahead->fd = f->survey.fd;
  ahead->index = f->survey.index;
  ahead->end = f->survey.size;
  ahead->buf = f->walk.spare;
  ahead->len = SLUICE__AHEAD_BYTES;
}

static int open_walk(sluice_restore_t *restore) {
  const sluice__decode_hooks_t hooks = {
      .ctx = restore, .on_index_run = sluice__restore_on_index_run};
  sluice__restore_file_t *f = &restore->file;
  int r;

  f->walk.job = &f->job;
  f->walk.fd = f->survey.fd;
  f->walk.size = f->survey.size;
  f->walk.index = f->survey.index;
  r = sluice__walk_open(&f->walk, &restore->session.mem);
  if (r < 0) {
    return fail(restore, r, NULL);
  }
  open_ahead(restore);
  f->is_walking = true;
  f->stats.file_bytes = f->survey.size;
  sluice__decoder_set_hooks(restore->decoder, &hooks);
  if (restore->options.way == SLUICE_RESTORE_VERIFY_MAPPED) {
    return open_verify(restore);
  }
  sluice__restore_enter(restore, SLUICE__RESTORE_LOAD, SLUICE_PHASE_LOAD);
  return SLUICE__MORE;
}

/* Twice: before the job, and after it. */
int sluice__restore_survey_turn(sluice_restore_t *restore) {
  sluice__restore_file_t *f = &restore->file;
  int r;

  if (restore->is_source_busy) {
    return SLUICE__WAIT;
  }
  if (f->survey.size > 0 || f->survey.reason != NULL) {
    return f->survey.reason != NULL ? decline(restore, f->survey.reason)
                                    : open_walk(restore);
  }
  f->survey.fd = sluice__source_file(restore->source);
  if (f->survey.fd < 0) {
    return decline(restore, "the source is not a file");
  }
  f->survey.max_mappings = restore->options.max_mappings;
  f->survey.may_be_late = restore->options.filled != NULL;
  f->survey.may_scatter = restore->options.must_map != 0;
  advise(restore, POSIX_FADV_RANDOM);
  r = sluice__restore_start_job(restore, sluice__survey_run, &f->survey);
  return r < 0 ? fail(restore, r, NULL) : SLUICE__WAIT;
}

/* Through the whole file, before anything else of it is used. */
int sluice__restore_verify_turn(sluice_restore_t *restore,
                                sluice__budget_t *b) {
  sluice__restore_file_t *f = &restore->file;
  int r;

  f->job.loop = restore->session.engine->pump.loop;
  r = sluice__verify_run(&f->verify, b);
  restore->is_source_busy = f->job.is_busy;
  f->stats.verified_bytes = sluice_decoder_offset(f->verify.decoder);
  restore->session.bytes_done = f->stats.verified_bytes;
  sluice__session_moved(&restore->session);
  if (r < 0) {
    return fail(restore, r, &f->verify.error);
  }
  if (r == SLUICE__DONE) {
    sluice__verify_close(&f->verify);
    sluice__restore_enter(restore, SLUICE__RESTORE_LOAD, SLUICE_PHASE_LOAD);
    return SLUICE__MORE;
  }
  return r;
}

ptrdiff_t sluice__restore_walk_read(sluice_restore_t *restore, void *buf,
                                    size_t len) {
  sluice__restore_file_t *f = &restore->file;
  const sluice_decoder_t *d = restore->decoder;
  bool hops = sluice__decoder_skips_pages(d) && sluice__decoder_is_between(d);
  uint64_t at = sluice__decoder_position(d);
  ptrdiff_t got;

  if (f->walk.is_cold) { /* as the job before this one found */
    sluice__ahead_start(&f->ahead);
  }
  if (at >= f->walk.index) {
    advise(restore, POSIX_FADV_NORMAL); /* from here on as any file */
  }
  got = sluice__walk_read(&f->walk, buf, len, at, hops);
  restore->is_source_busy = f->job.is_busy;
  return got;
}

bool sluice__restore_file_holds(sluice_restore_t *restore) {
  sluice_error_t err = {0};

  if (!restore->file.is_walking ||
      sluice__survey_holds(&restore->file.survey)) {
    return true;
  }
  (void)sluice_fail(&err, SLUICE_ECORRUPT,
                    "the image was changed while it was restored");
  (void)fail(restore, SLUICE_ECORRUPT, &err);
  return false;
}

/* The descriptor stays: it is the source's. */
void sluice__restore_file_close(sluice_restore_t *restore) {
  sluice__restore_file_t *f = &restore->file;
  sluice__mem_t *mem = &restore->session.mem;

  sluice__verify_close(&f->verify);
  sluice__walk_close(&f->walk, mem);
  sluice__restore_rest_close(restore);
  sluice__mem_free(mem, f->pieces.list,
                   f->pieces.cap * sizeof(*f->pieces.list));
  f->pieces = (sluice__pieces_t){0};
}
