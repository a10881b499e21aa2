/* session.c - life, latch and delivery of a session. See session.h.
 *
 * Knows neither streams nor sinks. */
#include "session/session.h"

#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define FROM(member, type, field)                                              \
  ((type *)(void *)((char *)(member)-offsetof(type, field)))

enum {
  NS_PER_MS = 1000 * 1000,
  WEIGHT_DEFAULT = 100,
  WEIGHT_MAX = 1000,
  IDLE_STEPS_DEFAULT = 1000 * 1000
};
#define NS_PER_S UINT64_C(1000000000)

static int turn_step(sluice__cont_t *c, sluice__budget_t *b);
static int watch_step(sluice__cont_t *c, sluice__budget_t *b);

static void on_runnable(void *ctx, bool is_remote) {
  sluice__session_t *s = ctx;

  if (is_remote) {
    sluice__queue_post(&s->turn);
  } else {
    sluice__queue_wake(&s->turn);
  }
}

static void init_conts(sluice__session_t *s, uint32_t weight) {
  sluice__queue_t *q = &s->engine->pump.queue;

  sluice__queue_init(&s->queue, NULL);
  s->queue.on_runnable = on_runnable;
  s->queue.runnable_ctx = s;
  sluice__cont_init(&s->turn, q, turn_step, SLUICE__BULK,
                    weight != 0 ? weight : WEIGHT_DEFAULT);
  sluice__cont_init(&s->watch, q, watch_step, SLUICE__URGENT, WEIGHT_DEFAULT);
  s->pace.cont = &s->turn;
  s->watch_delay.cont = &s->watch;
}

int sluice__session_check(const sluice_engine_t *engine,
                          const sluice_registry_t *registry, bool has_cb,
                          sluice_error_t *err) {
  if (engine == NULL || registry == NULL || !has_cb) {
    return sluice_fail(err, UV_EINVAL, "there is no %s",
                       engine == NULL     ? "engine"
                       : registry == NULL ? "registry"
                                          : "callback");
  }
  if (engine->is_closing) {
    return sluice_fail(err, SLUICE_ESTATE, "the engine is closing");
  }
  if (registry->user != NULL) {
    return sluice_fail(err, UV_EBUSY, "another operation uses the registry");
  }
  if (registry->count == 0) {
    return sluice_fail(err, UV_EINVAL, "no section is registered");
  }
  return 0;
}

int sluice__session_check_weight(uint32_t weight, sluice_error_t *err) {
  return weight <= WEIGHT_MAX
             ? 0
             : sluice_fail(err, UV_EINVAL, "weight is %u, at most %d",
                           (unsigned)weight, WEIGHT_MAX);
}

static uint32_t idle_limit(uint32_t steps) {
  return steps == 0 ? IDLE_STEPS_DEFAULT : steps == UINT32_MAX ? 0 : steps;
}

int sluice__session_init(sluice__session_t *s,
                         const sluice__session_config_t *config) {
  int r;

  memset(s, 0, sizeof(*s));
  s->ops = config->ops;
  s->engine = config->engine;
  s->registry = config->registry;
  s->bandwidth = config->bandwidth;
  s->stall_ns = (uint64_t)config->stall_ms * NS_PER_MS;
  s->max_idle_steps = idle_limit(config->max_idle_steps);
  s->wants_ticks = config->wants_ticks;
  s->data = config->data;
  if (s->engine->is_closing) {
    return SLUICE_ESTATE;
  }
  r = sluice__mem_open(
      &s->mem, config->alloc != NULL ? config->alloc : &s->engine->alloc,
      config->max_memory);
  if (r < 0) {
    return r;
  }
  s->mem_alloc = sluice__mem_as_alloc(&s->mem);
  r = s->registry != NULL ? sluice__registry_acquire(s->registry, s) : 0;
  if (r < 0) {
    (void)sluice__mem_close(&s->mem);
    return r;
  }
  init_conts(s, config->weight);
  return 0;
}

static void release_registry(sluice__session_t *s) {
  if (s->registry != NULL) {
    sluice__registry_release(s->registry);
  }
}

void sluice__session_undo(sluice__session_t *s) {
  release_registry(s);
  (void)sluice__mem_close(&s->mem);
}

static void on_leave(sluice__guest_t *guest) {
  sluice__session_cancel(FROM(guest, sluice__session_t, guest));
}

static void on_abandon(sluice__guest_t *guest) {
  sluice__session_abandon(FROM(guest, sluice__session_t, guest));
}

void sluice__session_abandon(sluice__session_t *s) {
  sluice__engine_part(s->engine, &s->guest);
  s->ops->abandon(s);
}

static uint64_t get_own_ns(const sluice__guest_t *guest) {
  const sluice__session_t *s =
      (const sluice__session_t *)(const void *)((const char *)guest -
                                                offsetof(sluice__session_t,
                                                         guest));

  return s->ops->own_ns(s);
}

static void join_engine(sluice__session_t *s) {
  s->guest.leave = on_leave;
  s->guest.abandon = on_abandon;
  s->guest.own_ns = get_own_ns;
  sluice__engine_join(s->engine, &s->guest);
}

static uint64_t now(const sluice__session_t *s) {
  return sluice__pump_now(&s->engine->pump);
}

static void arm_watch(sluice__session_t *s) {
  sluice__pump_delay(&s->engine->pump, &s->watch_delay,
                     now(s) + SLUICE__TICK_MS * UINT64_C(1000000));
}

void sluice__session_watch(sluice__session_t *s) {
  if (!s->watch_delay.armed) {
    arm_watch(s);
  }
}

void sluice__session_start(sluice__session_t *s) {
  s->begun_ns = now(s);
  s->moved_ns = s->begun_ns;
  s->paced_ns = s->begun_ns;
  s->rate.at_ns = s->begun_ns;
  join_engine(s);
  sluice__pump_ref(&s->engine->pump);
  sluice__queue_wake(&s->turn);
  if (s->wants_ticks || s->stall_ns != 0) {
    arm_watch(s);
  }
}

void sluice__session_done(sluice__session_t *s) {
  (void)sluice__mem_close(&s->mem);
}

void sluice__session_wake(sluice__session_t *s) {
  if (s->state != SLUICE__SESSION_OVER) {
    sluice__queue_wake(&s->turn);
  }
}

void sluice__session_urgent(sluice__session_t *s) {
  sluice__queue_reclass(&s->turn, SLUICE__URGENT);
  sluice__session_wake(s);
}

static void describe(sluice_error_t *e, int code,
                     const sluice_section_t *section, uint64_t offset,
                     const sluice_error_t *err) {
  if (err != NULL && err->code != 0) {
    *e = *err;
  } else {
    (void)snprintf(e->message, sizeof(e->message), "%s", sluice_strerror(code));
    e->offset = SLUICE_OFFSET_NONE;
  }
  e->code = code;
  if (section != NULL && e->section[0] == '\0') {
    (void)snprintf(e->section, sizeof(e->section), "%.63s",
                   sluice__section_name(section));
    e->instance = section->options.instance;
  }
  if (e->offset == SLUICE_OFFSET_NONE) {
    e->offset = offset;
  }
}

void sluice__session_fail(sluice__session_t *s, int code,
                          const sluice_section_t *section, uint64_t offset,
                          const sluice_error_t *err) {
  assert(code < 0);
  if (s->error.code != 0 || s->state != SLUICE__SESSION_RUNNING) {
    return; /* later failures are consequences of the first */
  }
  if (code == UV_ENOMEM && s->mem.hit_cap) {
    code = SLUICE_ELIMIT; /* who asked for it cannot know why it was refused */
  }
  describe(&s->error, code, section, offset, err);
  s->error.phase = s->phase;
  sluice__session_wake(s);
}

void sluice__session_blame(sluice__session_t *s, int code,
                           const sluice_section_t *section,
                           const sluice_error_t *err) {
  if (s->error.code == 0) {
    describe(&s->error, code, section, s->bytes_done, err);
    s->error.phase = s->phase;
  }
}

void sluice__session_seal(sluice__session_t *s) {
  s->is_sealed = true;
}

void sluice__session_cancel(sluice__session_t *s) {
  if (!s->is_sealed) {
    sluice__session_fail(s, UV_ECANCELED, NULL, s->bytes_done, NULL);
  }
}

void sluice__session_finish(sluice__session_t *s) {
  s->state = SLUICE__SESSION_ENDING;
}

void sluice__session_moved(sluice__session_t *s) {
  s->moved_ns = now(s);
}

bool sluice__session_is_paced(sluice__session_t *s) {
  uint64_t sent = s->bytes_done - s->paced_bytes;
  uint64_t t;

  if (s->bandwidth == 0) {
    return false;
  }
  t = now(s);
  if (s->paced_ns < t && sent == 0) {
    s->paced_ns = t; /* time that was not used is not saved up */
  }
  s->paced_bytes = s->bytes_done;
  s->paced_ns += (uint64_t)((double)sent * 1e9 / (double)s->bandwidth);
  if (s->paced_ns <= t) {
    return false;
  }
  sluice__pump_delay(&s->engine->pump, &s->pace, s->paced_ns);
  return true;
}

static void begin_ending(sluice__session_t *s) {
  s->state = SLUICE__SESSION_ENDING;
  sluice__pump_undelay(&s->engine->pump, &s->pace);
  sluice__queue_cancel_all(&s->queue);
  s->ops->fail(s);
}

/* The last thing a session does. `deliver` may free it. */
static int end(sluice__session_t *s) {
  sluice_engine_t *engine = s->engine;

  sluice__session_progress(s, &s->last);
  s->state = SLUICE__SESSION_OVER;
  s->current = NULL; /* sections are the host's again, to free too */
  sluice__pump_undelay(&engine->pump, &s->pace);
  sluice__pump_undelay(&engine->pump, &s->watch_delay);
  sluice__queue_cancel(&s->watch);
  sluice__queue_cancel_all(&s->queue);
  /* It runs right now, but another thread may have posted it meanwhile. */
  sluice__queue_cancel(&s->turn);
  release_registry(s);
  sluice__engine_part(engine, &s->guest);
  sluice__pump_unref(&engine->pump);
  s->ops->deliver(s);
  sluice__engine_left(engine);
  return SLUICE__DONE;
}

static void tell(sluice__session_t *s) {
  sluice_progress_t p;

  if (s->wants_ticks && s->state == SLUICE__SESSION_RUNNING) {
    s->told_phase = s->phase;
    sluice__session_progress(s, &p);
    s->ops->tell(s, &p);
  }
}

static int turn_step(sluice__cont_t *c, sluice__budget_t *b) {
  sluice__session_t *s = FROM(c, sluice__session_t, turn);
  int r = SLUICE__MORE;

  sluice__queue_reclass(c, SLUICE__BULK); /* urgent is for one turn */
  if (s->state == SLUICE__SESSION_RUNNING && s->error.code == 0) {
    r = s->ops->run(s, b);
    if (s->phase != s->told_phase) {
      tell(s);
    }
  }
  if (s->state == SLUICE__SESSION_RUNNING && s->error.code != 0) {
    begin_ending(s);
  }
  if (s->state != SLUICE__SESSION_ENDING) {
    return r;
  }
  return s->ops->settle(s) ? end(s) : SLUICE__WAIT;
}

static void note_rate(sluice__session_t *s) {
  uint64_t t = now(s);
  uint64_t span = t - s->rate.at_ns;

  if (span >= NS_PER_S / 2) {
    s->rate.per_s = (uint64_t)((double)(s->bytes_done - s->rate.bytes) * 1e9 /
                               (double)span);
    s->rate.at_ns = t;
    s->rate.bytes = s->bytes_done;
  }
}

static int watch_step(sluice__cont_t *c, sluice__budget_t *b) {
  sluice__session_t *s = FROM(c, sluice__session_t, watch);

  (void)b;
  note_rate(s);
  tell(s);
  if (s->stall_ns != 0 && !s->is_sealed && now(s) - s->moved_ns > s->stall_ns) {
    sluice__session_fail(s, UV_ETIMEDOUT, s->current, s->bytes_done, NULL);
  }
  if (s->ops->tick != NULL && s->state == SLUICE__SESSION_RUNNING) {
    s->ops->tick(s);
  }
  sluice__session_wake(s); /* an end that waits for its grace looks again */
  arm_watch(s);
  return SLUICE__WAIT;
}

static uint64_t average_rate(const sluice__session_t *s, uint64_t elapsed_ns) {
  if (s->rate.per_s != 0) {
    return s->rate.per_s;
  }
  return elapsed_ns == 0
             ? 0
             : (uint64_t)((double)s->bytes_done * 1e9 / (double)elapsed_ns);
}

void sluice__session_progress(const sluice__session_t *s,
                              sluice_progress_t *out) {
  uint64_t elapsed = now(s) - s->begun_ns;

  if (s->state == SLUICE__SESSION_OVER) {
    *out = s->last;
    return;
  }
  memset(out, 0, sizeof(*out));
  out->phase = s->phase;
  out->bytes_done = s->bytes_done;
  out->bytes_left = SLUICE_UNKNOWN;
  out->elapsed_ms = elapsed / NS_PER_MS;
  out->bytes_per_s = average_rate(s, elapsed);
  out->memory_bytes = s->mem.used;
  out->memory_peak = s->mem.peak;
  out->sections_done = s->sections_done;
  out->sections_total = s->registry != NULL ? s->registry->count : 0;
  if (s->current != NULL) {
    (void)snprintf(out->section, sizeof(out->section), "%.63s",
                   sluice__section_name(s->current));
  }
  if (s->ops->progress != NULL) {
    s->ops->progress(s, out);
  }
  out->left_ms = SLUICE_UNKNOWN;
  if (out->bytes_left != SLUICE_UNKNOWN && out->bytes_per_s != 0) {
    out->left_ms =
        (uint64_t)((double)out->bytes_left * 1e3 / (double)out->bytes_per_s);
  }
}
