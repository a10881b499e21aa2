/* scrub_session.c - see scrub_session.h. */
#include "session/restore/scrub_session.h"

static sluice__scrub_session_t *scrub_of(sluice__session_t *s) {
  return (sluice__scrub_session_t *)s;
}

static void finish(sluice__scrub_session_t *s) {
  sluice_error_t err = {0};

  if (s->scrub.damaged == 0) {
    sluice__session_finish(&s->session);
    return;
  }
  (void)sluice_fail(&err, SLUICE_ECORRUPT,
                    "%llu bytes of pages are not what was written",
                    (unsigned long long)s->scrub.damaged);
  sluice__session_fail(&s->session, SLUICE_ECORRUPT, NULL, SLUICE_OFFSET_NONE,
                       &err);
}

static int run(sluice__session_t *session, sluice__budget_t *b) {
  sluice__scrub_session_t *s = scrub_of(session);
  int r;

  if (s->is_held || sluice__session_is_paced(session)) {
    return SLUICE__WAIT;
  }
  r = sluice__scrub_run(&s->scrub, b);
  session->bytes_done = sluice_decoder_offset(s->scrub.decoder);
  sluice__session_moved(session);
  if (r < 0) {
    sluice__session_fail(session, r, NULL, session->bytes_done,
                         &s->scrub.error);
    return SLUICE__WAIT;
  }
  s->owner.seen(s->owner.ctx,
                r == SLUICE__DONE ? UINT64_MAX : session->bytes_done);
  if (r == SLUICE__DONE) {
    finish(s);
    return SLUICE__MORE;
  }
  return r;
}

static void fail(sluice__session_t *s) {
  sluice__file_job_cancel(&scrub_of(s)->job);
}

static bool settle(sluice__session_t *session) {
  sluice__scrub_session_t *s = scrub_of(session);

  if (s->job.is_busy || s->is_held) {
    return false; /* either wakes the turn */
  }
  sluice__scrub_close(&s->scrub);
  return true;
}

static void deliver(sluice__session_t *session) {
  sluice__scrub_session_t *s = scrub_of(session);

  s->owner.over(s->owner.ctx, session->error.code);
}

/* Its owner is a guest of its own. */
static void abandon(sluice__session_t *session) {
  sluice__scrub_session_t *s = scrub_of(session);

  sluice__scrub_close(&s->scrub);
  sluice__scrub_session_close(s);
}

static uint64_t get_own_ns(const sluice__session_t *s) {
  (void)s; /* files are read on the pool */
  return 0;
}

static void tell(sluice__session_t *session, const sluice_progress_t *p) {
  sluice__scrub_session_t *s = scrub_of(session);

  s->owner.progress(s->owner.ctx, p);
}

static void progress(const sluice__session_t *session, sluice_progress_t *out) {
  const sluice__scrub_session_t *s = (const sluice__scrub_session_t *)session;

  out->bytes_left = s->size - session->bytes_done;
}

static const sluice__session_ops_t scrub_ops = {
    .run = run,
    .fail = fail,
    .settle = settle,
    .deliver = deliver,
    .abandon = abandon,
    .own_ns = get_own_ns,
    .progress = progress,
    .tell = tell,
};

static void on_job(void *ctx) {
  sluice__scrub_session_t *s = ctx;

  sluice__session_wake(&s->session);
}

int sluice__scrub_session_open(sluice__scrub_session_t *s,
                               const sluice__session_config_t *config,
                               const sluice__scrub_owner_t *owner, int fd,
                               uint64_t size) {
  sluice__session_config_t own = *config;
  int r;

  own.ops = &scrub_ops;
  r = sluice__session_init(&s->session, &own);
  if (r < 0) {
    return r;
  }
  s->owner = *owner;
  s->size = size;
  s->job.loop = config->engine->pump.loop;
  s->job.done = on_job;
  s->job.ctx = s;
  s->scrub = (sluice__scrub_t){.job = &s->job,
                               .fd = fd,
                               .tell = owner->tell,
                               .found_part = owner->found,
                               .ctx = owner->ctx};
  r = sluice__scrub_open(&s->scrub, &s->session.mem_alloc, config->max_memory);
  if (r < 0) {
    sluice__session_undo(&s->session);
    return r;
  }
  s->is_open = true;
  s->session.phase = SLUICE_PHASE_VERIFY;
  return 0;
}

/* While it is held it does not stall: the watch goes on, but has no limit. */
void sluice__scrub_session_start(sluice__scrub_session_t *s, bool is_held) {
  sluice__session_start(&s->session);
  s->is_held = is_held;
  s->stall_ns = s->session.stall_ns;
  if (is_held) {
    s->session.stall_ns = 0;
  }
}

void sluice__scrub_session_release(sluice__scrub_session_t *s) {
  s->is_held = false;
  s->session.stall_ns = s->stall_ns;
  sluice__session_moved(&s->session);
  sluice__session_wake(&s->session);
}

void sluice__scrub_session_close(sluice__scrub_session_t *s) {
  if (s->is_open) {
    sluice__session_done(&s->session);
    s->is_open = false;
  }
}
