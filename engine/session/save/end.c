/* end.c - how a save ends: one path for success, failure and cancel.
 *
 *   fail, settle: once no page is lent any more, handlers are told, the host
 *            may go on, ABORT goes out
 *   settle:  handlers that have much to release are told when they have; the
 *            sink is drained or given up, undone, closed
 *   deliver: the host's callback, once
 *
 * ABORT gets a short grace: a receiver learns the reason, but a sink that takes
 * nothing cannot hold up the end. */
#include "session/save/save.h"

#include <assert.h>
#include <uv.h>

#include "io/sink.h"
#include "stream/encoder.h"

#define GRACE_NS UINT64_C(500000000)

static void send_abort(sluice_save_t *save) {
  sluice__session_t *s = &save->session;

  if (!save->is_sink_open || save->direct.code < 0 ||
      sluice__chunks_are_full(&save->chunks)) {
    sluice__direct_writer_shut(&save->direct);
    return;
  }
  (void)sluice_encoder_abort(save->encoder, &s->error);
  save->grace_ns = sluice__save_now(save) + GRACE_NS;
  sluice__pump_delay(&s->engine->pump, &s->pace, save->grace_ns);
}

void sluice__save_fail(sluice__session_t *s) {
  sluice_save_t *save = (sluice_save_t *)s;

  save->is_failing = true;
  sluice__prove_cancel(&save->prove);
}

/* What was laid out is filled in if it still may go out, before the ABORT
 * record; a part of it a turn. What a thread has begun must end in any case.
 * True: no page is lent any more. */
static bool take_pages_back(sluice_save_t *save) {
  if (!save->is_sink_open || save->direct.code < 0) {
    sluice__copy_jobs_abandon(&save->jobs);
  } else if (sluice__copy_jobs_run_late(&save->jobs, UINT64_MAX) > 0) {
    sluice__session_wake(&save->session);
  }
  sluice__copy_jobs_collect(&save->jobs, true);
  return sluice__copy_jobs_are_quiet(&save->jobs);
}

static void give_up(sluice_save_t *save) {
  save->is_failing = false;
  sluice__save_end_sections(save, save->session.error.code);
  sluice__save_resume_host(save);
  send_abort(save);
  sluice__direct_writer_shut(&save->direct);
}

static void on_aborted(void *ctx, int status) {
  sluice_save_t *save = ctx;

  (void)status; /* the first error is the one that counts */
  save->is_sink_busy = false;
  sluice__session_wake(&save->session);
}

/* True when the ABORT record is out, or has had its time. */
static bool is_grace_over(const sluice_save_t *save) {
  return sluice__chunks_flying(&save->chunks) == 0 || save->direct.code < 0 ||
         sluice__save_now(save) >= save->grace_ns;
}

static void abort_sink(sluice_save_t *save) {
  int r;

  save->is_aborting = true;
  if (save->is_sink_open) {
    r = sluice__sink_abort(save->sink, on_aborted, save);
    save->is_sink_busy = r == 0;
  }
}

/* The encoder gives back the chunk that it was lent. */
static void free_memory(sluice_save_t *save) {
  sluice__prove_close(&save->prove);
  sluice_encoder_free(save->encoder);
  save->encoder = NULL;
  sluice__copy_jobs_done(&save->jobs);
  sluice__registry_free_stashes(save->session.registry, &save->session.mem);
  sluice__chunks_done(&save->chunks);
}

static void close_parts(sluice_save_t *save) {
  assert(sluice__copy_jobs_are_quiet(&save->jobs) && save->direct.writes == 0);
  sluice__pump_undelay(&save->session.engine->pump, &save->late);
  sluice__encoder_totals(save->encoder, &save->totals);
  free_memory(save);
  sluice__sink_close(save->sink);
  save->sink = NULL;
}

bool sluice__save_settle(sluice__session_t *s) {
  sluice_save_t *save = (sluice_save_t *)s;

  if (save->is_failing) {
    if (!take_pages_back(save)) {
      return false;
    }
    give_up(save);
  }
  if (sluice__prove_is_busy(&save->prove)) {
    return false; /* its end wakes the turn */
  }
  if (!sluice__save_release_sections(save)) {
    sluice__session_wake(s); /* a slice a turn */
    return false;
  }
  if (save->is_sink_busy) {
    return false;
  }
  if (s->error.code != 0 && !save->is_aborting) {
    if (!is_grace_over(save)) {
      return false;
    }
    abort_sink(save);
  }
  if (save->is_sink_busy || sluice__chunks_flying(&save->chunks) > 0) {
    return false;
  }
  if (!sluice__encoder_shrink(save->encoder)) {
    sluice__session_wake(s);
    return false;
  }
  close_parts(save);
  return true;
}

void sluice__save_deliver(sluice__session_t *s) {
  sluice_save_t *save = (sluice_save_t *)s;

  save->cb(save, s->error.code); /* last touch: the host may free it here */
}

void sluice__save_free_struct(sluice_save_t *save) {
  sluice_alloc_t a = save->alloc;

  a.release(a.ctx, save, sizeof(*save), _Alignof(max_align_t));
}

/* Nothing of what the encoder gives back may go to the sink. */
void sluice__save_abandon(sluice__session_t *s) {
  sluice_save_t *save = (sluice_save_t *)s;

  sluice__direct_writer_shut(&save->direct);
  free_memory(save);
  sluice__sink_abandon(save->sink);
  sluice__session_done(s);
  sluice__save_free_struct(save);
}
