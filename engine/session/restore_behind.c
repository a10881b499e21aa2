/* restore_behind.c - an image is verified while the host uses it.
 *
 * A session of its own, begun when the restore has told that it committed: it
 * holds no registry, so the host may save meanwhile. The restore lends it the
 * source, and memory up to its own cap. */
#include "session/restore.h"

#include <stddef.h>
#include <uv.h>

#include "io/source.h"

#define FROM(member, type, field)                                              \
  ((type *)(void *)((char *)(member)-offsetof(type, field)))

static sluice_restore_t *restore_of(sluice__session_t *s) {
  return FROM(s, sluice_restore_t, file.behind);
}

static void on_range(void *ctx, const sluice_damage_t *range) {
  sluice_restore_t *restore = ctx;

  if (restore->options.damaged != NULL) {
    restore->options.damaged(restore, range);
  }
}

static void finish(sluice_restore_t *restore) {
  sluice__restore_file_t *f = &restore->file;
  sluice_error_t err = {0};

  f->stats.damaged_bytes = f->verify.damaged;
  if (f->verify.damaged == 0) {
    sluice__session_finish(&f->behind);
    return;
  }
  (void)sluice_fail(&err, SLUICE_ECORRUPT,
                    "%llu bytes of pages are not what was written",
                    (unsigned long long)f->verify.damaged);
  sluice__session_fail(&f->behind, SLUICE_ECORRUPT, NULL, SLUICE_OFFSET_NONE,
                       &err);
}

static int run(sluice__session_t *s, sluice__budget_t *b) {
  sluice_restore_t *restore = restore_of(s);
  sluice__restore_file_t *f = &restore->file;
  int r;

  if (sluice__session_is_paced(s)) {
    return SLUICE__WAIT;
  }
  r = sluice__verify_run(&f->verify, b);
  s->bytes_done = sluice_decoder_offset(f->verify.decoder);
  f->stats.verified_bytes = s->bytes_done;
  sluice__session_moved(s);
  if (r < 0) {
    sluice__session_fail(s, r, NULL, s->bytes_done, &f->verify.error);
    return SLUICE__WAIT;
  }
  if (r == SLUICE__DONE) {
    finish(restore);
    return SLUICE__MORE;
  }
  return r;
}

static void fail(sluice__session_t *s) {
  sluice__restore_file_t *f = &restore_of(s)->file;

  f->stats.damaged_bytes = f->verify.damaged;
  sluice__file_job_cancel(&f->job);
}

static bool settle(sluice__session_t *s) {
  sluice_restore_t *restore = restore_of(s);

  if (restore->file.job.is_busy) {
    return false; /* it wakes the turn */
  }
  sluice__verify_close(&restore->file.verify);
  sluice__source_close(restore->source);
  restore->source = NULL;
  return true;
}

static void tell_verified(sluice_restore_t *restore, int status) {
  restore->file.is_owed = false;
  restore->options.verified(restore, status); /* last touch */
}

static void deliver(sluice__session_t *s) {
  tell_verified(restore_of(s), s->error.code);
}

static uint64_t get_own_ns(const sluice__session_t *s) {
  (void)s; /* files are read on the pool */
  return 0;
}

static void tell(sluice__session_t *s, const sluice_progress_t *p) {
  sluice_restore_t *restore = restore_of(s);

  restore->options.progress(restore, p);
}

static void progress(const sluice__session_t *s, sluice_progress_t *out) {
  const sluice__restore_file_t *f =
      (const void *)((const char *)s -
                     offsetof(sluice__restore_file_t, behind));

  out->bytes_left = f->survey.size - s->bytes_done;
}

static const sluice__session_ops_t behind_ops = {
    .run = run,
    .fail = fail,
    .settle = settle,
    .deliver = deliver,
    .own_ns = get_own_ns,
    .progress = progress,
    .tell = tell,
};

static void on_job(void *ctx) {
  sluice_restore_t *restore = ctx;

  sluice__session_wake(&restore->file.behind);
}

static int open_behind(sluice_restore_t *restore) {
  const sluice_restore_options_t *o = &restore->options;
  sluice__restore_file_t *f = &restore->file;
  const sluice__session_config_t config = {
      .ops = &behind_ops,
      .engine = restore->session.engine,
      .alloc = o->alloc,
      .max_memory = restore->session.mem.cap,
      .weight = o->weight,
      .bandwidth = o->bandwidth,
      .stall_ms = o->stall_ms,
      .wants_ticks = o->progress != NULL,
  };
  int r = sluice__session_init(&f->behind, &config);

  if (r < 0) {
    return r;
  }
  f->job.loop = restore->session.engine->pump.loop;
  f->job.done = on_job;
  f->job.ctx = restore;
  f->verify = (sluice__verify_t){
      .job = &f->job, .fd = f->survey.fd, .tell = on_range, .ctx = restore};
  r = sluice__verify_open(&f->verify, &f->behind.mem_alloc,
                          restore->session.mem.cap);
  if (r < 0) {
    sluice__session_undo(&f->behind);
    return r;
  }
  f->is_behind_open = true;
  f->behind.phase = SLUICE_PHASE_VERIFY;
  return 0;
}

/* There is no session of its own to say it. */
static void note_unverified(sluice_restore_t *restore, int code) {
  sluice_error_t *err = &restore->session.error;

  if (code < 0) {
    (void)sluice_fail(err, code, "cannot verify the image: %s",
                      sluice_strerror(code));
    err->phase = SLUICE_PHASE_VERIFY;
    err->offset = 0;
  }
}

bool sluice__restore_goes_on(const sluice_restore_t *restore) {
  return restore->options.way == SLUICE_RESTORE_MAPPED_VERIFY &&
         restore->session.error.code == 0;
}

/* The restore has committed. Where nothing was mapped all is verified. */
void sluice__restore_go_behind(sluice_restore_t *restore) {
  int r = 0;

  restore->file.is_owed = true;
  if (restore->file.is_walking) {
    r = open_behind(restore);
  }
  if (restore->file.is_behind_open) {
    sluice__session_start(&restore->file.behind);
    restore->cb(restore, 0); /* it may be cancelled, but not freed here */
    return;
  }
  sluice__source_close(restore->source);
  restore->source = NULL;
  restore->cb(restore, 0);
  note_unverified(restore, r);
  tell_verified(restore, r);
}
