/* pump.c - drains a queue from a libuv loop, once an iteration.
 *
 * Knows libuv and the queue; knows no session.
 *
 *   QUIET     all off: the loop may sleep in poll
 *   SPINNING  idle on (poll does not block), check on (drains after I/O)
 *
 * A wake-up on the loop's thread begins spinning at once, one from another
 * thread does so through the async; a drain that leaves nothing runnable ends
 * it. The timer is on while there are delays. The async is always on, but has
 * no reference unless sluice__pump_ref() gave it one.
 *
 * Invariant: outside of a drain the pump spins exactly while something is
 * runnable, but for posts whose async is still on its way. */
#include "pump.h"

#include <assert.h>
#include <stddef.h>

enum {
  SLICE_NS = 500 * 1000,    /* half of what a client could notice */
  SLICE_MIN_NS = 50 * 1000, /* about what ten small requests take */
  SLICE_BYTES =
      1024 * 1024, /* 4 MiB make turns of 1 ms, with the sink's part */
  NS_PER_MS = 1000 * 1000,
  HANDLES = 4
};

static uint64_t read_hrtime(void *ctx) {
  (void)ctx;
  return uv_hrtime();
}

/* Its being active is all that the idle handle is for. */
static void on_idle(uv_idle_t *handle) {
  (void)handle;
}

static void stop_spinning(sluice__pump_t *p) {
  p->is_spinning = false;
  (void)uv_idle_stop(&p->idle);
  (void)uv_check_stop(&p->check);
}

static void count_turn(sluice__pump_t *p, const sluice__budget_t *b) {
  uint64_t took = b->now_ns - b->start_ns; /* a drain ends with a look */

  p->stats.turns++;
  p->stats.busy_ns += took;
  if (took > p->stats.longest_turn_ns) {
    p->stats.longest_turn_ns = took;
  }
}

#ifndef NDEBUG
static bool is_delayed(const sluice__pump_t *p, const sluice__cont_t *c) {
  for (const sluice__delay_t *d = p->delays; d != NULL; d = d->next) {
    if (d->cont == c) {
      return true;
    }
  }
  return false;
}

static void report_lost(sluice__pump_t *p) {
  sluice__cont_t *lost = sluice__queue_find_lost(&p->queue);

  if (lost != NULL && p->on_lost != NULL && !is_delayed(p, lost)) {
    p->on_lost(p, lost);
  }
}
#endif

static void go_quiet(sluice__pump_t *p) {
  stop_spinning(p);
#ifndef NDEBUG
  report_lost(p);
#endif
}

static uint64_t get_own_ns(sluice__pump_t *p) {
  return p->own_ns != NULL ? p->own_ns(p) : 0;
}

/* What has passed since the last turn is the host's time, but for what was
 * spent in callbacks of ours; libuv's own share is too small to tell. */
static void adapt_slice(sluice__pump_t *p) {
  uint64_t passed = sluice__pump_now(p) - p->left_ns;
  uint64_t own = get_own_ns(p);
  uint64_t owned = own > p->owned_ns ? own - p->owned_ns : 0;

  if (p->left_ns != 0) {
    sluice__slice_adapt(&p->slice, passed > owned ? passed - owned : 0);
  }
}

static void leave_turn(sluice__pump_t *p, const sluice__budget_t *b) {
  p->left_ns = b->now_ns;
  p->owned_ns = get_own_ns(p);
}

/* Any callback below may close the pump; its memory is there until on_closed,
 * which libuv runs after all checks. */
static void on_check(uv_check_t *handle) {
  sluice__pump_t *p = handle->data;
  sluice__cont_t *failed = NULL;
  sluice__budget_t b;
  int r;

  p->thread = uv_thread_self();
  p->has_turned = true;
  adapt_slice(p);
  sluice__budget_open(&b, &p->clock,
                      sluice__slice_bytes(&p->slice, p->slice_bytes),
                      p->slice.now_ns);
  r = sluice__queue_drain(&p->queue, &b, &failed);
  count_turn(p, &b);
  leave_turn(p, &b);
  if (r < 0 && p->on_error != NULL) {
    p->on_error(p, failed, r);
  }
  if (!p->is_closing && !sluice__queue_is_runnable(&p->queue)) {
    go_quiet(p);
  }
}

static void start_spinning(sluice__pump_t *p) {
  if (p->is_spinning || p->is_closing) {
    return;
  }
  p->is_spinning = true;
  p->left_ns = 0;
  (void)uv_idle_start(&p->idle, on_idle);
  (void)uv_check_start(&p->check, on_check);
}

/* Stale when a drain took the posts before libuv got here. */
static void on_async(uv_async_t *handle) {
  sluice__pump_t *p = handle->data;

  if (sluice__queue_is_runnable(&p->queue)) {
    start_spinning(p);
  }
}

static void on_runnable(void *ctx, bool remote) {
  sluice__pump_t *p = ctx;

  if (remote) {
    (void)uv_async_send(&p->async); /* other threads touch nothing else */
  } else {
    start_spinning(p);
  }
}

static void on_timer(uv_timer_t *handle);

/* Rounded up, and never 0: libuv 1.44 does not return from a zero timer that
 * its own callback starts again. */
static uint64_t ms_until(const sluice__pump_t *p, uint64_t due_ns) {
  uint64_t now = sluice__pump_now(p);
  uint64_t ns = due_ns > now ? due_ns - now : 0;
  uint64_t ms = ns / NS_PER_MS + (ns % NS_PER_MS != 0);

  return ms == 0 ? 1 : ms;
}

static void arm_timer(sluice__pump_t *p) {
  if (p->delays == NULL) {
    (void)uv_timer_stop(&p->timer);
  } else {
    (void)uv_timer_start(&p->timer, on_timer, ms_until(p, p->delays->due_ns),
                         0);
  }
}

/* libuv counts from the start of the iteration, so this may be a bit early:
 * then nothing is due yet and the timer is set once more. */
static void on_timer(uv_timer_t *handle) {
  sluice__pump_t *p = handle->data;
  uint64_t now = sluice__pump_now(p);

  while (p->delays != NULL && p->delays->due_ns <= now) {
    sluice__delay_t *d = p->delays;

    p->delays = d->next;
    d->armed = false;
    sluice__queue_wake(d->cont);
  }
  arm_timer(p);
}

static void insert_delay(sluice__pump_t *p, sluice__delay_t *d) {
  sluice__delay_t **at = &p->delays;

  while (*at != NULL && (*at)->due_ns <= d->due_ns) {
    at = &(*at)->next;
  }
  d->next = *at;
  *at = d;
  d->armed = true;
}

static void remove_delay(sluice__pump_t *p, sluice__delay_t *d) {
  sluice__delay_t **at = &p->delays;

  while (*at != d) {
    assert(*at != NULL);
    at = &(*at)->next;
  }
  *at = d->next;
  d->armed = false;
}

void sluice__pump_delay(sluice__pump_t *p, sluice__delay_t *d,
                        uint64_t due_ns) {
  sluice__pump_undelay(p, d);
  if (p->is_closing) {
    return;
  }
  if (due_ns <= sluice__pump_now(p)) {
    sluice__queue_wake(d->cont);
    return;
  }
  d->due_ns = due_ns;
  insert_delay(p, d);
  if (p->delays == d) {
    arm_timer(p);
  }
}

void sluice__pump_undelay(sluice__pump_t *p, sluice__delay_t *d) {
  bool was_first = p->delays == d;

  if (!d->armed) {
    return;
  }
  remove_delay(p, d);
  if (was_first) {
    arm_timer(p);
  }
}

void sluice__pump_ref(sluice__pump_t *p) {
  if (p->refs++ == 0) {
    uv_ref((uv_handle_t *)&p->async);
  }
}

void sluice__pump_unref(sluice__pump_t *p) {
  assert(p->refs > 0);
  if (--p->refs == 0) {
    uv_unref((uv_handle_t *)&p->async);
  }
}

uint64_t sluice__pump_now(const sluice__pump_t *p) {
  return p->clock.now(p->clock.ctx);
}

static void set_config(sluice__pump_t *p, const sluice__pump_config_t *c) {
  bool has_clock = c != NULL && c->clock != NULL;

  p->clock = has_clock ? *c->clock : (sluice__clock_t){read_hrtime, NULL};
  sluice__slice_init(&p->slice,
                     c != NULL && c->slice_min_ns != 0 ? c->slice_min_ns
                                                       : SLICE_MIN_NS,
                     c != NULL && c->slice_ns != 0 ? c->slice_ns : SLICE_NS);
  p->slice_bytes =
      c != NULL && c->slice_bytes != 0 ? c->slice_bytes : SLICE_BYTES;
  sluice__queue_init(&p->queue, c != NULL ? &c->queue : NULL);
  p->queue.on_runnable = on_runnable;
  p->queue.runnable_ctx = p;
}

static void adopt_handle(sluice__pump_t *p, uv_handle_t *handle) {
  handle->data = p;
  uv_unref(handle);
  p->handles_open++;
}

int sluice__pump_init(sluice__pump_t *p, uv_loop_t *loop,
                      const sluice__pump_config_t *config) {
  int r;

  *p = (sluice__pump_t){.loop = loop};
  set_config(p, config);
  r = uv_async_init(loop, &p->async, on_async); /* the only one that can fail */
  if (r != 0) {
    return r;
  }
  (void)uv_idle_init(loop, &p->idle);
  (void)uv_check_init(loop, &p->check);
  (void)uv_timer_init(loop, &p->timer);
  adopt_handle(p, (uv_handle_t *)&p->async);
  adopt_handle(p, (uv_handle_t *)&p->idle);
  adopt_handle(p, (uv_handle_t *)&p->check);
  adopt_handle(p, (uv_handle_t *)&p->timer);
  assert(p->handles_open == HANDLES);
  return 0;
}

static void on_handle_closed(uv_handle_t *handle) {
  sluice__pump_t *p = handle->data;

  assert(p->handles_open > 0);
  if (--p->handles_open == 0 && p->on_closed != NULL) {
    p->on_closed(p); /* last touch: `p` may be freed in here */
  }
}

static void drop_delays(sluice__pump_t *p) {
  while (p->delays != NULL) {
    remove_delay(p, p->delays);
  }
}

bool sluice__pump_is_on_loop(const sluice__pump_t *p) {
  uv_thread_t self = uv_thread_self();

  return !p->has_turned || p->refs == 0 ||
         uv_thread_equal(&self, &p->thread) != 0;
}

void sluice__pump_close(sluice__pump_t *p,
                        void (*on_closed)(sluice__pump_t *)) {
  assert(!p->is_closing);
  p->is_closing = true;
  p->is_spinning = false;
  p->on_closed = on_closed;
  drop_delays(p);
  sluice__queue_cancel_all(&p->queue);
  uv_close((uv_handle_t *)&p->idle, on_handle_closed);
  uv_close((uv_handle_t *)&p->check, on_handle_closed);
  uv_close((uv_handle_t *)&p->timer, on_handle_closed);
  uv_close((uv_handle_t *)&p->async, on_handle_closed);
}
