/* behind.c - an image is verified while the host uses it.
 *
 * A session of its own, begun when the restore has told that it committed: it
 * holds no registry, so the host may save meanwhile. The restore lends it the
 * source, and memory up to its own cap. Where pages are late it waits for
 * them. */
#include "session/restore/restore.h"

#include <stddef.h>
#include <uv.h>

enum { NS_PER_MS = 1000 * 1000 };

#define FROM(member, type, field)                                              \
  ((type *)(void *)((char *)(member)-offsetof(type, field)))

static sluice_restore_t *restore_of(sluice__session_t *s) {
  return FROM(s, sluice_restore_t, file.behind);
}

static void on_range(void *ctx, const sluice_damage_t *range) {
  sluice__restore_tell_damage(ctx, range);
}

static void finish(sluice_restore_t *restore) {
  sluice__restore_file_t *f = &restore->file;
  sluice_error_t err = {0};

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

  if (f->late != NULL || sluice__session_is_paced(s)) {
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
  sluice__file_job_cancel(&restore_of(s)->file.job);
}

static bool settle(sluice__session_t *s) {
  sluice_restore_t *restore = restore_of(s);

  if (restore->file.job.is_busy || restore->file.late != NULL) {
    return false; /* either wakes the turn */
  }
  sluice__verify_close(&restore->file.verify);
  sluice__restore_close_source(restore);
  return true;
}

static void deliver(sluice__session_t *s) {
  sluice__restore_tell_verified(restore_of(s), s->error.code);
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

int sluice__restore_open_behind(sluice_restore_t *restore) {
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
  f->verify = (sluice__verify_t){.job = &f->job,
                                 .fd = f->survey.fd,
                                 .tell = on_range,
                                 .is_known = sluice__restore_knows_lost,
                                 .ctx = restore};
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

/* While it waits for late pages it does not stall: the watch goes on, but has
 * no limit. */
void sluice__restore_start_behind(sluice_restore_t *restore) {
  sluice__session_t *s = &restore->file.behind;

  sluice__session_start(s);
  if (restore->file.late != NULL) {
    s->stall_ns = 0;
  }
}

void sluice__restore_resume_behind(sluice_restore_t *restore) {
  sluice__session_t *s = &restore->file.behind;

  s->stall_ns = (uint64_t)restore->options.stall_ms * NS_PER_MS;
  sluice__session_moved(s);
  sluice__session_wake(s);
}
