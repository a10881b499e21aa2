/* engine.c - life of an engine; the work is in pump.c and the guests.
 *
 * Closing: ask all guests to leave, wait until the last has, then close the
 * handles. */
#include "session/engine.h"

#include <string.h>

#include <sluice/options.h>

#include "error.h"

enum { NS_PER_US = 1000 };

static void set_clock(sluice_engine_t *engine,
                      const sluice_engine_options_t *o) {
  if (o->clock != NULL) {
    engine->clock.now = o->clock;
    engine->clock.ctx = o->clock_ctx;
  }
}

/* Goes back when a guest goes: the pump counts 0 for that turn. */
static uint64_t get_own_ns(sluice__pump_t *pump) {
  const sluice_engine_t *engine = pump->data;
  uint64_t sum = 0;

  for (const sluice__guest_t *g = engine->guests; g != NULL; g = g->next) {
    sum += g->own_ns != NULL ? g->own_ns(g) : 0;
  }
  return sum;
}

static void on_pool_idle(void *ctx) {
  sluice__engine_left(ctx);
}

static int open_parts(sluice_engine_t *engine, uv_loop_t *loop,
                      const sluice__pump_config_t *config,
                      const sluice_executor_t *executor, sluice_error_t *err) {
  int r =
      sluice__thread_pool_init(&engine->threads, &engine->pump, executor, err);

  if (r < 0) {
    return r;
  }
  r = sluice__pump_init(&engine->pump, loop, config);
  if (r < 0) {
    sluice__thread_pool_done(&engine->threads);
    (void)sluice_fail(err, r, "the engine's handles cannot be opened");
  }
  return r;
}

static int open_engine(sluice_engine_t *engine, uv_loop_t *loop,
                       const sluice_engine_options_t *o, sluice_error_t *err) {
  sluice__pump_config_t config = {
      .slice_ns = (uint64_t)o->slice_us * NS_PER_US,
      .slice_min_ns = (uint64_t)o->slice_min_us * NS_PER_US,
      .slice_bytes = o->slice_bytes,
  };
  int r;

  set_clock(engine, o);
  config.clock = engine->clock.now != NULL ? &engine->clock : NULL;
  r = open_parts(engine, loop, &config, o->executor, err);
  engine->pump.data = engine;
  engine->threads.on_idle = on_pool_idle;
  engine->threads.ctx = engine;
  engine->pump.own_ns = get_own_ns;
  return r;
}

static void free_struct(sluice_engine_t *engine) {
  sluice_alloc_t a = engine->alloc;

  a.release(a.ctx, engine, sizeof(*engine), _Alignof(max_align_t));
}

static int check_new(sluice_engine_t **out, uv_loop_t *loop,
                     sluice_error_t *err) {
  if (out == NULL || loop == NULL) {
    return sluice_fail(err, UV_EINVAL, "an engine needs a loop, and a place");
  }
  return 0;
}

int sluice_engine_new(sluice_engine_t **out, uv_loop_t *loop,
                      const sluice_engine_options_t *options,
                      sluice_error_t *err) {
  const sluice_alloc_t *a;
  sluice_engine_options_t o;
  sluice_engine_t *engine;
  int r;

  sluice__error_clear(err);
  r = check_new(out, loop, err);
  if (r == 0) {
    r = SLUICE_OPTIONS_COPY(&o, options, "engine options",
                            sluice_engine_options_t, executor, err);
  }
  if (r < 0) {
    return r;
  }
  a = o.alloc != NULL ? o.alloc : sluice_alloc_libc();
  engine = a->alloc(a->ctx, sizeof(*engine), _Alignof(max_align_t));
  if (engine == NULL) {
    return sluice_fail(err, UV_ENOMEM, "no memory for an engine");
  }
  memset(engine, 0, sizeof(*engine));
  engine->alloc = *a;
  r = open_engine(engine, loop, &o, err);
  if (r < 0) {
    free_struct(engine);
    return r;
  }
  *out = engine;
  return 0;
}

static void on_pump_closed(sluice__pump_t *pump) {
  sluice_engine_t *engine = pump->data;
  sluice_engine_close_cb cb = engine->close_cb;
  void *data = engine->close_data;

  sluice__thread_pool_done(&engine->threads);
  free_struct(engine);
  if (cb != NULL) {
    cb(data); /* last touch */
  }
}

void sluice__engine_left(sluice_engine_t *engine) {
  if (!engine->is_closing || engine->guests != NULL ||
      engine->pump.is_closing) {
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
  if (engine == NULL) {
    return UV_EINVAL;
  }
  SLUICE__ASSERT_ON_LOOP(engine);
  if (engine->is_closing) {
    return UV_EALREADY;
  }
  engine->is_closing = true;
  engine->close_cb = cb;
  engine->close_data = data;
  sluice__pump_ref(&engine->pump); /* jobs may be out when no guest is */
  ask_guests_to_leave(engine);
  sluice__engine_left(engine);
  return 0;
}

/* Neither the pump nor the thread pool holds memory of its own. The pool's lock
 * may be held for ever, by a thread that this process does not have: it is not
 * destroyed. */
void sluice_engine_abandon(sluice_engine_t *engine) {
  if (engine == NULL) {
    return;
  }
  SLUICE__ASSERT_ON_LOOP(engine);
  while (engine->guests != NULL) {
    engine->guests->abandon(engine->guests);
  }
  free_struct(engine);
}

uv_loop_t *sluice_engine_loop(const sluice_engine_t *engine) {
  return engine == NULL ? NULL : engine->pump.loop;
}

void sluice_engine_stats(const sluice_engine_t *engine,
                         sluice_engine_stats_t *out, size_t size) {
  sluice_engine_stats_t stats = {0};

  if (engine != NULL) {
    stats.turns = engine->pump.stats.turns;
    stats.busy_ns = engine->pump.stats.busy_ns;
    stats.longest_turn_ns = engine->pump.stats.longest_turn_ns;
    stats.overruns = engine->pump.queue.overruns;
    stats.slice_ns = engine->pump.slice.now_ns;
  }
  sluice_result_copy(out, size, &stats, sizeof(stats));
}
