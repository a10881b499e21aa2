/* engine.c - life of an engine; the work is in pump.c and the sessions.
 *
 * Closing: cancel what runs, wait until the last session has told its host and
 * the last guest has left, then close the handles. Sessions call
 * sluice__engine_left() as they go. */
#include "session/engine.h"

#include <string.h>

#include "session/session.h"

enum { NS_PER_US = 1000 };

static void set_clock(sluice_engine_t *engine,
                      const sluice_engine_options_t *o) {
  if (o->clock != NULL) {
    engine->clock.now = o->clock;
    engine->clock.ctx = o->clock_ctx;
  }
}

/* Goes back when a session goes: the pump counts 0 for that turn. */
static uint64_t get_own_ns(sluice__pump_t *pump) {
  const sluice_engine_t *engine = pump->data;
  uint64_t sum = 0;

  for (const sluice__session_t *s = engine->sessions; s != NULL; s = s->next) {
    sum += s->ops->own_ns(s);
  }
  return sum;
}

static void on_pool_idle(void *ctx) {
  sluice__engine_left(ctx);
}

static int open_parts(sluice_engine_t *engine, uv_loop_t *loop,
                      const sluice__pump_config_t *config,
                      const sluice_executor_t *executor) {
  int r = sluice__thread_pool_init(&engine->threads, &engine->pump, executor);

  if (r < 0) {
    return r;
  }
  r = sluice__pump_init(&engine->pump, loop, config);
  if (r < 0) {
    sluice__thread_pool_done(&engine->threads);
  }
  return r;
}

int sluice_engine_new(sluice_engine_t **out, uv_loop_t *loop,
                      const sluice_engine_options_t *options) {
  static const sluice_engine_options_t none = {0};
  const sluice_engine_options_t *o = options != NULL ? options : &none;
  const sluice_alloc_t *a = o->alloc != NULL ? o->alloc : sluice_alloc_libc();
  sluice_engine_t *engine =
      a->alloc(a->ctx, sizeof(*engine), _Alignof(max_align_t));
  sluice__pump_config_t config = {0};
  int r;

  if (engine == NULL) {
    return UV_ENOMEM;
  }
  memset(engine, 0, sizeof(*engine));
  engine->alloc = *a;
  set_clock(engine, o);
  config.slice_ns = (uint64_t)o->slice_us * NS_PER_US;
  config.slice_min_ns = (uint64_t)o->slice_min_us * NS_PER_US;
  config.slice_bytes = o->slice_bytes;
  config.clock = engine->clock.now != NULL ? &engine->clock : NULL;
  r = open_parts(engine, loop, &config, o->executor);
  if (r < 0) {
    a->release(a->ctx, engine, sizeof(*engine), _Alignof(max_align_t));
    return r;
  }
  engine->pump.data = engine;
  engine->threads.on_idle = on_pool_idle;
  engine->threads.ctx = engine;
  engine->pump.own_ns = get_own_ns;
  *out = engine;
  return 0;
}

static void on_pump_closed(sluice__pump_t *pump) {
  sluice_engine_t *engine = pump->data;
  sluice_engine_close_cb cb = engine->close_cb;
  void *data = engine->close_data;
  sluice_alloc_t alloc = engine->alloc;

  sluice__thread_pool_done(&engine->threads);
  alloc.release(alloc.ctx, engine, sizeof(*engine), _Alignof(max_align_t));
  if (cb != NULL) {
    cb(data); /* last touch */
  }
}

void sluice__engine_left(sluice_engine_t *engine) {
  if (!engine->is_closing || engine->sessions != NULL ||
      engine->guests != NULL || engine->pump.is_closing) {
    return;
  }
  if (engine->threads.jobs_out == 0) {
    sluice__pump_close(&engine->pump, on_pump_closed);
  } else {
    sluice__thread_pool_cancel(&engine->threads);
  }
}

void sluice__engine_join(sluice_engine_t *engine, sluice__guest_t *guest) {
  guest->prev = NULL;
  guest->next = engine->guests;
  if (guest->next != NULL) {
    guest->next->prev = guest;
  }
  engine->guests = guest;
}

void sluice__engine_part(sluice_engine_t *engine, sluice__guest_t *guest) {
  if (guest->prev != NULL) {
    guest->prev->next = guest->next;
  } else {
    engine->guests = guest->next;
  }
  if (guest->next != NULL) {
    guest->next->prev = guest->prev;
  }
  sluice__engine_left(engine);
}

/* Each may go at once. */
static void ask_guests_to_leave(sluice_engine_t *engine) {
  sluice__guest_t *next;

  for (sluice__guest_t *g = engine->guests; g != NULL; g = next) {
    next = g->next;
    g->leave(g);
  }
}

int sluice_engine_close(sluice_engine_t *engine, sluice_engine_close_cb cb,
                        void *data) {
  if (engine->is_closing) {
    return UV_EALREADY;
  }
  engine->is_closing = true;
  engine->close_cb = cb;
  engine->close_data = data;
  sluice__pump_ref(&engine->pump); /* jobs may be out when no session is */
  for (sluice__session_t *s = engine->sessions; s != NULL; s = s->next) {
    sluice__session_cancel(s);
  }
  ask_guests_to_leave(engine);
  sluice__engine_left(engine);
  return 0;
}

uv_loop_t *sluice_engine_loop(const sluice_engine_t *engine) {
  return engine->pump.loop;
}

void sluice_engine_stats(const sluice_engine_t *engine,
                         sluice_engine_stats_t *out) {
  out->turns = engine->pump.stats.turns;
  out->busy_ns = engine->pump.stats.busy_ns;
  out->longest_turn_ns = engine->pump.stats.longest_turn_ns;
  out->overruns = engine->pump.queue.overruns;
  out->slice_ns = engine->pump.slice.now_ns;
}
