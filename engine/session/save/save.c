/* save.c - begins, cancels and frees a save, and answers questions about it.
 *
 * Whatever begin takes it gives back when it fails. */
#include "session/save/save.h"

#include <assert.h>
#include <string.h>
#include <uv.h>

#include <sluice/options.h>

#include "error.h"
#include "io/sink.h"
#include "stream/encoder.h"

enum { DOWNTIME_DEFAULT_US = 50 * 1000, ROUNDS_DEFAULT = 30 };
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
    out->paused_us = (sluice__save_now(save) - save->paused_ns) / 1000;
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
    .abandon = sluice__save_abandon,
    .own_ns = get_own_ns,
    .progress = progress,
    .tell = tell,
    .tick = sluice__save_tick,
};

static int check_sections(const sluice_registry_t *registry,
                          sluice_error_t *err) {
  for (const sluice_section_t *s = registry->first; s != NULL; s = s->next) {
    if (s->handler->save_begin == NULL) {
      return sluice_fail(err, UV_EINVAL,
                         "the handler of section '%s' cannot save",
                         sluice__section_name(s));
    }
  }
  return 0;
}

static void fill_defaults(sluice_save_options_t *o) {
  if (o->downtime_us == 0) {
    o->downtime_us = DOWNTIME_DEFAULT_US;
  }
  if (o->downtime_max_us != 0 && o->downtime_us > o->downtime_max_us) {
    o->downtime_us = o->downtime_max_us;
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
      .max_idle_steps = o->max_idle_steps,
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
      .size = sizeof(e),
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

static int check_options(const sluice_save_options_t *o, sluice_error_t *err) {
  if (o->mode != SLUICE_CONVERGE && o->mode != SLUICE_CUT &&
      o->mode != SLUICE_AUTO) {
    return sluice_fail(err, UV_EINVAL, "no such mode: %d", (int)o->mode);
  }
  if (o->format != SLUICE_FORMAT_UNKNOWN && o->format != SLUICE_FORMAT_NATIVE &&
      o->format != SLUICE_FORMAT_QEMU3) {
    return sluice_fail(err, UV_EINVAL, "format %d cannot be written",
                       (int)o->format);
  }
  return sluice__session_check_weight(o->weight, err);
}

static int check_begin(const sluice_registry_t *registry,
                       const sluice_save_options_t *o, sluice_error_t *err) {
  int r = check_options(o, err);

  if (r == 0) {
    r = check_sections(registry, err);
  }
  return r == 0 && o->mode == SLUICE_CUT
             ? sluice__save_check_snapshot(registry, err)
             : r;
}

/* Of what the host gave; nothing is taken. */
static int take_options(sluice_save_options_t *o,
                        const sluice_save_options_t *given,
                        const sluice_registry_t *registry,
                        const sluice_sink_t *sink, sluice_error_t *err) {
  int r = SLUICE_OPTIONS_COPY(o, given, "save options", sluice_save_options_t,
                              progress, err);

  if (given == NULL && sluice__sink_is_file(sink)) {
    o->mode = SLUICE_AUTO;
  }
  if (r == 0) {
    r = check_begin(registry, o, err);
  }
  fill_defaults(o);
  return r;
}

static sluice_save_t *new_save(sluice_engine_t *engine,
                               const sluice_registry_t *registry,
                               sluice_sink_t *sink,
                               const sluice_save_options_t *o,
                               sluice_save_cb cb) {
  const sluice_alloc_t *a = &engine->alloc;
  sluice_save_t *save = a->alloc(a->ctx, sizeof(*save), _Alignof(max_align_t));

  if (save != NULL) {
    memset(save, 0, sizeof(*save));
    save->alloc = *a;
    save->sink = sink;
    save->cb = cb;
    save->options = *o;
    sluice__save_choose_mode(&save->options, registry, &save->not_cut);
  }
  return save;
}

static void start(sluice_save_t *save) {
  save->session.phase = SLUICE_PHASE_BEGIN;
  save->prove.session = &save->session;
  save->prove.may_write = save->options.write_damaged != 0 &&
                          save->options.format != SLUICE_FORMAT_QEMU3;
  sluice__prove_begin(&save->prove);
  sluice__session_start(&save->session);
  if (save->options.mode == SLUICE_CUT) {
    sluice__save_prime_snapshot(save); /* may call the host */
  } else {
    sluice__save_prime(save);
  }
}

int sluice_save_begin(sluice_save_t **out, sluice_engine_t *engine,
                      sluice_registry_t *registry, sluice_sink_t *sink,
                      const sluice_save_options_t *options, sluice_save_cb cb,
                      sluice_error_t *err) {
  sluice_save_options_t o;
  sluice_save_t *save;
  int r;

  sluice__error_clear(err);
  if (out == NULL || sink == NULL) {
    return sluice_fail(err, UV_EINVAL, "there is no %s",
                       out == NULL ? "place for the save" : "sink");
  }
  r = sluice__sink_take(sink);
  if (r < 0) {
    return sluice_fail(err, r, "the sink is another save's");
  }
  r = sluice__session_check(engine, registry, cb != NULL, err);
  if (r == 0) {
    SLUICE__ASSERT_ON_LOOP(engine);
    r = take_options(&o, options, registry, sink, err);
  }
  if (r < 0) {
    sluice__sink_give_back(sink);
    return r;
  }
  save = new_save(engine, registry, sink, &o, cb);
  if (save == NULL) {
    sluice__sink_give_back(sink);
    return sluice_fail(err, UV_ENOMEM, "no memory for a save");
  }
  r = open_parts(save, engine, registry);
  if (r < 0) {
    sluice__sink_give_back(sink);
    sluice__save_free_struct(save);
    return sluice_fail(err, r, "the save cannot begin: %s", sluice_strerror(r));
  }
  *out = save;
  start(save);
  return 0;
}

void sluice_save_switch(sluice_save_t *save) {
  if (save != NULL) {
    SLUICE__ASSERT_ON_SESSION_LOOP(&save->session);
    save->wants_switch = true;
    sluice__session_wake(&save->session);
  }
}

void sluice_save_paused(sluice_save_t *save) {
  if (save != NULL && save->state == SLUICE__SAVE_PAUSING) {
    SLUICE__ASSERT_ON_SESSION_LOOP(&save->session);
    save->state = SLUICE__SAVE_PAUSED;
    sluice__session_wake(&save->session);
  }
}

void sluice_save_cancel(sluice_save_t *save) {
  if (save != NULL) {
    SLUICE__ASSERT_ON_SESSION_LOOP(&save->session);
    sluice__session_cancel(&save->session);
  }
}

int sluice_save_free(sluice_save_t *save) {
  if (save == NULL) {
    return 0;
  }
  if (save->session.state != SLUICE__SESSION_OVER) {
    return UV_EBUSY;
  }
  sluice__session_done(&save->session);
  sluice__save_free_struct(save);
  return 0;
}

void *sluice_save_data(const sluice_save_t *save) {
  return save == NULL ? NULL : save->session.data;
}

void sluice_save_progress(const sluice_save_t *save, sluice_progress_t *out,
                          size_t size) {
  sluice_progress_t p = {0};

  if (save != NULL) {
    sluice__session_progress(&save->session, &p);
  }
  sluice_result_copy(out, size, &p, sizeof(p));
}

const sluice_error_t *sluice_save_error(const sluice_save_t *save) {
  return save == NULL ? NULL : &save->session.error;
}

void sluice_save_totals(const sluice_save_t *save, sluice_totals_t *out,
                        size_t size) {
  sluice_totals_t totals = {0};

  if (save != NULL) {
    totals = save->totals;
  }
  if (save != NULL && save->encoder != NULL) {
    sluice__encoder_totals(save->encoder, &totals);
  }
  sluice_result_copy(out, size, &totals, sizeof(totals));
}
