/* run.c - the states of a save, one function each.
 *
 * Every state either moves on, or waits for a completion that wakes the turn.
 * Back-pressure is looked at before anything is asked of a handler. */
#include "session/save/save.h"

#include <assert.h>
#include <uv.h>

#include "io/sink.h"
#include "stream/encoder.h"

/* A thread that is free begins within 0.1 ms. */
#define LATE_NS UINT64_C(1000000)

enum {
  /* Two requests under way at a file sink and one being made. With one, sink
   * and encoder took turns; with four, more leaves the cache before it is
   * written (a unix socket took 4 % more processor time). */
  STAGED_CHUNKS = 3,
  /* A chunk may take this part of a session's memory. So with as much as
   * needed, and one more, an index is left nearly all of it. */
  CHUNK_PART = 64,
  /* Each in a run of its own: 0.1 ms. In long runs: 3 us. */
  INDEX_PAGES = 1024,
  /* What looking at them is worth in bytes, so that the clock is read. */
  INDEX_COST = SLUICE__BUDGET_CLOCK_BYTES
};

static void enter(sluice_save_t *save, sluice__save_state_t state,
                  sluice_phase_t phase) {
  save->state = state;
  save->session.phase = phase;
}

/* As large as the sink likes, and memory and `staging` allow. Threads fill a
 * record each, and the loop those that are late: a large one would make its
 * slices longer. */
static size_t choose_chunk(const sluice_save_t *save) {
  const sluice_save_options_t *o = &save->options;
  size_t bytes = SLUICE_CHUNK_BYTES;

  if (o->format != SLUICE_FORMAT_QEMU3 &&
      !sluice__copy_jobs_have_threads(&save->jobs)) {
    bytes = sluice__sink_chunk_bytes(save->sink);
  }
  while (bytes > SLUICE_CHUNK_BYTES &&
         (bytes > o->max_memory / CHUNK_PART ||
          (o->staging != 0 && bytes > o->staging / STAGED_CHUNKS))) {
    bytes /= 2;
  }
  return bytes;
}

static int size_chunks(sluice_save_t *save) {
  size_t bytes = choose_chunk(save);
  size_t staging = save->options.staging;

  sluice__chunks_resize(&save->chunks, bytes,
                        staging != 0 ? staging : STAGED_CHUNKS * bytes);
  return sluice__encoder_set_chunk(save->encoder, bytes);
}

static void begin_live(sluice_save_t *save) {
  int r = size_chunks(save);

  sluice__direct_writer_open(&save->direct);
  if (sluice__sink_can_patch(save->sink)) {
    sluice__encoder_keep_last(save->encoder);
  }
  enter(save, save->arming > 0 ? SLUICE__SAVE_ARMING : SLUICE__SAVE_LIVE,
        SLUICE_PHASE_BEGIN);
  assert(r == 0);
  (void)r;
  if (sluice_encoder_header(save->encoder) < 0) {
    sluice__save_fail_encoder(save, NULL);
  }
}

/* The image is safe: from here on nothing can fail, and a cancel is too late.
 */
static void succeed(sluice_save_t *save) {
  save->is_sink_open = false; /* finished: no abort */
  sluice__save_end_sections(save, 0);
  sluice__session_finish(&save->session);
}

static void sink_answered(sluice_save_t *save) {
  if (save->state == SLUICE__SAVE_OPENING) {
    begin_live(save);
  } else if (save->state == SLUICE__SAVE_SYNCING) {
    succeed(save);
  }
}

void sluice__save_on_sink(void *ctx, int status) {
  sluice_save_t *save = ctx;

  save->is_sink_busy = false;
  if (status < 0) {
    save->is_sink_open = false; /* it has cleaned up itself: no abort */
    sluice__session_fail(&save->session, status, NULL,
                         sluice_encoder_offset(save->encoder),
                         &save->sink_error);
  } else if (save->session.error.code == 0) {
    sink_answered(save);
  }
  sluice__session_wake(&save->session);
}

/* `r` is what an operation of the sink's returned: 1 done, 0 will answer. */
static int asked(sluice_save_t *save, int r) {
  if (r < 0) {
    save->is_sink_open = false; /* it has cleaned up itself: no abort */
    sluice__session_fail(&save->session, r, NULL, 0, &save->sink_error);
    return SLUICE__WAIT;
  }
  save->is_sink_busy = r == 0;
  if (r == 1) {
    sink_answered(save);
  }
  return r == 1 ? SLUICE__MORE : SLUICE__WAIT;
}

static int open_sink(sluice_save_t *save) {
  int r;

  enter(save, SLUICE__SAVE_OPENING, SLUICE_PHASE_BEGIN);
  r = sluice__sink_open(save->sink, save->session.engine->pump.loop,
                        sluice__save_on_sink, save, &save->sink_error);
  save->is_sink_open = r >= 0;
  return asked(save, r);
}

/* All that is left fits the downtime, or somebody said so. */
static int pause_host(sluice_save_t *save) {
  enter(save, SLUICE__SAVE_PAUSING, SLUICE_PHASE_PAUSED);
  sluice__save_pause_begins(save);
  save->is_finishing_live = true;
  sluice__direct_writer_hurry(&save->direct); /* the pause does not wait */
  save->finishing = save->session.registry->first;
  if (save->options.pause == NULL) {
    save->state = SLUICE__SAVE_PAUSED;
    return SLUICE__MORE;
  }
  save->is_host_paused = true;
  sluice__session_watch(&save->session);
  save->options.pause(save); /* may answer in here */
  return save->state == SLUICE__SAVE_PAUSED ? SLUICE__MORE : SLUICE__WAIT;
}

static int arming_turn(sluice_save_t *save, sluice__budget_t *b) {
  sluice__cont_t *failed = NULL;
  int r = sluice__queue_drain(&save->session.queue, b, &failed);

  if (save->arming == 0 && save->session.error.code == 0) {
    sluice__save_rearm(save);
  }
  if (save->session.error.code != 0 || save->arming > 0) {
    return r == SLUICE__MORE || save->arming > 0 ? SLUICE__MORE : SLUICE__WAIT;
  }
  enter(save, SLUICE__SAVE_LIVE, SLUICE_PHASE_BEGIN);
  sluice__save_take_snapshot(save);
  return SLUICE__MORE;
}

/* A snapshot has no rounds: every live section goes on until it is done. */
static int judge_snapshot(sluice_save_t *save, int drained) {
  save->session.phase = SLUICE_PHASE_LIVE;
  if (save->ended == save->live && !save->prove.is_pending) {
    save->finishing = save->session.registry->first;
    enter(save, SLUICE__SAVE_KEPT, SLUICE_PHASE_LIVE);
    return SLUICE__MORE;
  }
  return drained == SLUICE__MORE ? SLUICE__MORE : SLUICE__WAIT;
}

static int live_turn(sluice_save_t *save, sluice__budget_t *b) {
  sluice__session_t *s = &save->session;
  sluice__cont_t *failed = NULL;
  int r;

  if (sluice__session_is_paced(s)) {
    return SLUICE__WAIT;
  }
  r = sluice__queue_drain(&s->queue, b, &failed);
  if (s->error.code != 0) {
    return SLUICE__WAIT;
  }
  if (save->options.mode == SLUICE_CUT) {
    return judge_snapshot(save, r);
  }
  switch (sluice__save_judge(save, r)) {
  case SLUICE_GO_ON: break;
  case SLUICE_SWITCH: return pause_host(save);
  case SLUICE_GIVE_UP: sluice__save_fail_rounds(save); break;
  }
  return r == SLUICE__MORE ? SLUICE__MORE : SLUICE__WAIT;
}

/* Index and trailer, a few pages at a time. */
static int index_turn(sluice_save_t *save, sluice__budget_t *b) {
  int r;

  do {
    uint64_t before = sluice_encoder_offset(save->encoder);

    r = sluice_encoder_finish_some(save->encoder, INDEX_PAGES);
    sluice__budget_charge(b, sluice_encoder_offset(save->encoder) - before +
                                 INDEX_COST);
  } while (r == 1 && !sluice__budget_should_yield(b));
  if (r < 0) {
    sluice__save_fail_encoder(save, NULL);
    return SLUICE__WAIT;
  }
  if (r == 0) {
    enter(save, SLUICE__SAVE_FLUSH, SLUICE_PHASE_FINISH);
  }
  save->session.bytes_done = sluice_encoder_offset(save->encoder);
  return SLUICE__MORE;
}

static int paused_turn(sluice_save_t *save, sluice__budget_t *b) {
  int r = sluice__save_finish_sections(save, b);

  if (r != SLUICE_DONE || save->session.error.code != 0) {
    return r;
  }
  sluice__copy_jobs_start(&save->jobs);
  if (!sluice__copy_jobs_are_quiet(&save->jobs)) {
    return SLUICE__WAIT; /* the host's pages are still being read */
  }
  if (sluice__save_pause_is_too_long(save)) {
    return SLUICE__WAIT;
  }
  save->pause_took_ns = sluice__save_now(save) - save->paused_ns;
  enter(save, SLUICE__SAVE_INDEX, SLUICE_PHASE_FINISH);
  sluice__save_resume_host(save);
  return SLUICE__MORE;
}

static int kept_turn(sluice_save_t *save, sluice__budget_t *b) {
  int r;

  if (sluice__session_is_paced(&save->session)) {
    return SLUICE__WAIT;
  }
  r = sluice__save_write_kept(save, b);
  if (r != SLUICE_DONE || save->session.error.code != 0) {
    return r;
  }
  enter(save, SLUICE__SAVE_INDEX, SLUICE_PHASE_FINISH);
  return SLUICE__MORE;
}

static int flush_turn(sluice_save_t *save) {
  save->session.bytes_done = sluice_encoder_offset(save->encoder);
  sluice__chunks_flush(&save->chunks);
  if (sluice__chunks_flying(&save->chunks) > 0 ||
      save->session.error.code != 0) {
    return SLUICE__WAIT;
  }
  if (!sluice__prove_holds(&save->prove)) {
    return SLUICE__WAIT;
  }
  enter(save, SLUICE__SAVE_SYNCING, SLUICE_PHASE_FINISH);
  sluice__session_seal(&save->session);
  return asked(save,
               sluice__sink_finish(save->sink, sluice__save_on_sink, save));
}

static int run_state(sluice_save_t *save, sluice__budget_t *b) {
  switch (save->state) {
  case SLUICE__SAVE_OPEN: return open_sink(save);
  case SLUICE__SAVE_OPENING: return SLUICE__WAIT;
  case SLUICE__SAVE_ARMING: return arming_turn(save, b);
  case SLUICE__SAVE_LIVE: return live_turn(save, b);
  case SLUICE__SAVE_PAUSING: return SLUICE__WAIT;
  case SLUICE__SAVE_PAUSED: return paused_turn(save, b);
  case SLUICE__SAVE_KEPT: return kept_turn(save, b);
  case SLUICE__SAVE_INDEX: return index_turn(save, b);
  case SLUICE__SAVE_FLUSH: return flush_turn(save);
  case SLUICE__SAVE_SYNCING: return SLUICE__WAIT;
  }
  return SLUICE__WAIT;
}

/* The save waits, perhaps for pages that nobody has begun to copy: the
 * host's own work may keep the threads busy. Those that are late are done here.
 */
static int help_copying(sluice_save_t *save, sluice__budget_t *b) {
  sluice__pump_t *pump = &save->session.engine->pump;
  uint64_t now;
  uint64_t done;

  if (sluice__copy_jobs_are_quiet(&save->jobs)) {
    return SLUICE__WAIT;
  }
  now = sluice__pump_now(pump);
  do {
    done = sluice__copy_jobs_run_late(&save->jobs, now - LATE_NS);
    sluice__budget_charge(b, done);
  } while (done > 0 && !sluice__budget_should_yield(b));
  if (done > 0) {
    return SLUICE__MORE;
  }
  if (!save->late.armed) {
    sluice__pump_delay(pump, &save->late, now + LATE_NS);
  }
  return SLUICE__WAIT;
}

/* The sink was given something, or has taken it at once. */
static void note_progress(sluice_save_t *save) {
  if (save->direct.offset != save->seen_offset) {
    save->seen_offset = save->direct.offset;
    sluice__session_moved(&save->session);
  }
}

/* Beside the states; it wakes the turn when it has something new. */
static int run_prove(sluice_save_t *save, sluice__budget_t *b) {
  int r = sluice__prove_run(&save->prove, b);

  if (save->session.error.code != 0) {
    return SLUICE__WAIT;
  }
  if (r != SLUICE__DONE && save->prove.may_write) {
    return r; /* what is damaged has to be known before it is written */
  }
  if (!sluice__chunks_are_full(&save->chunks)) {
    r = run_state(save, b);
  }
  return r;
}

int sluice__save_run(sluice__session_t *s, sluice__budget_t *b) {
  sluice_save_t *save = (sluice_save_t *)s;
  int r = SLUICE__WAIT; /* a completed write wakes us */

  if (sluice__save_pause_is_too_long(save)) {
    r = SLUICE__WAIT;
  } else if (save->prove.is_pending) {
    r = run_prove(save, b);
  } else if (!sluice__chunks_are_full(&save->chunks)) {
    r = run_state(save, b);
  }
  sluice__copy_jobs_start(&save->jobs);
  if (r == SLUICE__WAIT && s->error.code == 0) {
    r = help_copying(save, b);
  }
  if (s->error.code == 0) {
    /* Whoever wrote last may have ended another's record, or filled one. */
    sluice__copy_jobs_collect(&save->jobs, false);
  }
  note_progress(save);
  if (r == SLUICE__WAIT && s->error.code == 0) {
    (void)sluice__save_is_stuck(save);
  }
  return r;
}
