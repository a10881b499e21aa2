/* save.c - begins, cancels and frees a save, and answers questions about it.
 *
 * Whatever begin takes it gives back when it fails. */
#include "session/save/save.h"

#include <assert.h>
#include <string.h>
#include <uv.h>

#include "io/sink.h"
#include "stream/encoder.h"

enum {
  DOWNTIME_DEFAULT_US = 50 * 1000,
  ROUNDS_DEFAULT = 30,
  WEIGHT_MAX = 1000
};
#define MEMORY_DEFAULT ((size_t)256 * 1024 * 1024)

static void on_written(void *ctx, int status) {
  sluice_save_t *save = ctx;

  if (status < 0) {
    sluice__session_fail(&save->session, status, NULL, save->direct.offset,
                         &save->sink_error);
  }
  sluice__session_moved(&save->session);
  sluice__session_wake(&save->session);
}

/* Some of what was lent is back. Also after a failure, which waits for it. */
static void on_copied(void *ctx) {
  sluice_save_t *save = ctx;
  sluice__session_t *s = &save->session;
  bool is_silent = s->state != SLUICE__SESSION_RUNNING || s->error.code != 0;

  sluice__copy_jobs_collect(&save->jobs, is_silent);
  sluice__session_wake(s);
}

static void progress(const sluice__session_t *s, sluice_progress_t *out) {
  const sluice_save_t *save = (const sluice_save_t *)s;

  out->rounds = save->round.number;
  out->bytes_left =
      s->error.code == 0 ? sluice__save_pending(save) : SLUICE_UNKNOWN;
  out->paused_us = save->pause_took_ns / 1000;
  if (save->is_host_paused) {
    out->paused_us =
        (sluice__pump_now(&save->session.engine->pump) - save->paused_ns) /
        1000;
  }
}

static void tell(sluice__session_t *s, const sluice_progress_t *p) {
  sluice_save_t *save = (sluice_save_t *)s;

  save->options.progress(save, p);
}

static uint64_t get_own_ns(const sluice__session_t *s) {
  const sluice_save_t *save = (const sluice_save_t *)s;

  return sluice__sink_busy_ns(save->sink);
}

static const sluice__session_ops_t save_ops = {
    .run = sluice__save_run,
    .fail = sluice__save_fail,
    .settle = sluice__save_settle,
    .deliver = sluice__save_deliver,
    .own_ns = get_own_ns,
    .progress = progress,
    .tell = tell,
};

static bool can_save(const sluice_registry_t *registry) {
  for (const sluice_section_t *s = registry->first; s != NULL; s = s->next) {
    if (s->handler->save_begin == NULL) {
      return false;
    }
  }
  return true;
}

static void fill_defaults(sluice_save_options_t *o) {
  if (o->downtime_us == 0) {
    o->downtime_us = DOWNTIME_DEFAULT_US;
  }
  if (o->max_rounds == 0) {
    o->max_rounds = ROUNDS_DEFAULT;
  }
  if (o->at_max_rounds == SLUICE_GO_ON) {
    o->at_max_rounds = SLUICE_SWITCH;
  }
  if (o->max_memory == 0) {
    o->max_memory = MEMORY_DEFAULT;
  }
}

static int open_session(sluice_save_t *save, sluice_engine_t *engine,
                        sluice_registry_t *registry) {
  const sluice_save_options_t *o = &save->options;
  sluice__session_config_t config = {
      .ops = &save_ops,
      .engine = engine,
      .registry = registry,
      .alloc = o->alloc,
      .max_memory = o->max_memory,
      .weight = o->weight,
      .bandwidth = o->bandwidth,
      .stall_ms = o->stall_ms,
      .wants_ticks = o->progress != NULL,
      .data = o->data,
  };

  return sluice__session_init(&save->session, &config);
}

static int open_encoder(sluice_save_t *save) {
  const sluice_save_options_t *o = &save->options;
  sluice_output_t output = sluice__chunks_output(&save->chunks);
  uint8_t id[16];
  sluice_encoder_options_t e = {
      .format = o->format,
      .host = o->host,
      .host_version = o->host_version,
      .image_id = o->image_id,
      .no_index = o->no_index,
  };
  int r;

  if (e.image_id == NULL) {
    r = uv_random(NULL, NULL, id, sizeof(id), 0, NULL);
    if (r < 0) {
      return r;
    }
    e.image_id = id;
  }
  r = sluice_encoder_new(&save->encoder, &e, &output, &save->session.mem_alloc);
  if (r == 0) {
    sluice__encoder_attach(save->encoder, &save->direct,
                           sluice__copy_jobs_queue(&save->jobs));
  }
  return r;
}

static int open_parts(sluice_save_t *save, sluice_engine_t *engine,
                      sluice_registry_t *registry) {
  int r = open_session(save, engine, registry);

  if (r < 0) {
    return r;
  }
  sluice__direct_writer_init(&save->direct, save->sink);
  sluice__copy_jobs_init(&save->jobs, &engine->threads,
                         &save->session.mem_alloc, &save->chunks);
  save->jobs.on_over = on_copied;
  save->jobs.ctx = save;
  sluice__chunks_init(&save->chunks, &save->session.mem, &save->direct,
                      &save->jobs.queue,
                      SLUICE_CHUNK_BYTES); /* more when the sink is open */
  save->chunks.on_written = on_written;
  save->chunks.ctx = save;
  save->late.cont = &save->session.turn;
  r = open_encoder(save);
  if (r < 0) {
    r = sluice__mem_explain(&save->session.mem, r);
    sluice__session_undo(&save->session);
  }
  return r;
}

static void free_struct(sluice_save_t *save) {
  sluice_alloc_t a = save->alloc;

  a.release(a.ctx, save, sizeof(*save), _Alignof(max_align_t));
}

static int check_begin(const sluice_registry_t *registry,
                       const sluice_save_options_t *o, sluice_save_cb cb) {
  if (cb == NULL || !can_save(registry)) {
    return UV_EINVAL;
  }
  if (o == NULL) {
    return 0;
  }
  if (o->weight > WEIGHT_MAX ||
      (o->mode != SLUICE_CONVERGE && o->mode != SLUICE_CUT)) {
    return UV_EINVAL;
  }
  return o->mode == SLUICE_CUT ? sluice__save_check_snapshot(registry) : 0;
}

int sluice_save_begin(sluice_save_t **out, sluice_engine_t *engine,
                      sluice_registry_t *registry, sluice_sink_t *sink,
                      const sluice_save_options_t *options, sluice_save_cb cb) {
  const sluice_alloc_t *a = &engine->alloc;
  sluice_save_t *save;
  int r = check_begin(registry, options, cb);

  if (r == 0) {
    r = sluice__sink_take(sink);
  }
  if (r < 0) {
    return r;
  }
  save = a->alloc(a->ctx, sizeof(*save), _Alignof(max_align_t));
  if (save == NULL) {
    sluice__sink_give_back(sink);
    return UV_ENOMEM;
  }
  memset(save, 0, sizeof(*save));
  save->alloc = *a;
  save->sink = sink;
  save->cb = cb;
  if (options != NULL) {
    save->options = *options;
  }
  fill_defaults(&save->options);
  r = open_parts(save, engine, registry);
  if (r < 0) {
    sluice__sink_give_back(sink);
    free_struct(save);
    return r;
  }
  save->session.phase = SLUICE_PHASE_BEGIN;
  *out = save;
  sluice__session_start(&save->session);
  if (save->options.mode == SLUICE_CUT) {
    sluice__save_prime_snapshot(save); /* may call the host */
  } else {
    sluice__save_prime(save);
  }
  return 0;
}

void sluice_save_switch(sluice_save_t *save) {
  save->wants_switch = true;
  sluice__session_wake(&save->session);
}

void sluice_save_paused(sluice_save_t *save) {
  if (save->state == SLUICE__SAVE_PAUSING) {
    save->state = SLUICE__SAVE_PAUSED;
    sluice__session_wake(&save->session);
  }
}

void sluice_save_cancel(sluice_save_t *save) {
  sluice__session_cancel(&save->session);
}

int sluice_save_free(sluice_save_t *save) {
  if (save == NULL) {
    return 0;
  }
  if (save->session.state != SLUICE__SESSION_OVER) {
    return UV_EBUSY;
  }
  sluice__session_done(&save->session);
  free_struct(save);
  return 0;
}

void *sluice_save_data(const sluice_save_t *save) {
  return save->session.data;
}

void sluice_save_progress(const sluice_save_t *save, sluice_progress_t *out) {
  sluice__session_progress(&save->session, out);
}

const sluice_error_t *sluice_save_error(const sluice_save_t *save) {
  return &save->session.error;
}

void sluice_save_totals(const sluice_save_t *save, sluice_totals_t *out) {
  *out = save->totals;
  if (save->encoder != NULL) {
    sluice_encoder_totals(save->encoder, out);
  }
}
