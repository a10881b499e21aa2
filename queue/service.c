/* service.c - one continuation's part of a turn: credit, run, charge, time.
 *
 * Knows nothing of classes and of the order of service (drain.c).
 *
 * A service gives a node its quantum; it runs if that outweighs its debt, with
 * what it then has as its budget, and is charged afterwards. Time is parted by
 * weight as well, but not saved up: a slow node that never gets through its
 * bytes must not hold the whole turn.
 *
 * The clock is read once for a batch of short steps (budget.h says why). Only a
 * batch of one tells whose time it was.
 *
 * Invariant: after a step that returned DONE or an error its node is not
 * touched, since it may have been freed. */
#include <assert.h>
#include <stddef.h>

#include "lists.h"
#include "turn.h"

enum {
  BATCH_STEPS = SLUICE__BUDGET_CLOCK_STEPS,
  BATCH_BYTES = SLUICE__BUDGET_CLOCK_BYTES,
  BATCH_SKIPS = 64,        /* of about 2 ns: seldom enough to be lost */
  EXACT_STEPS_HUNT = 1024, /* some turns of any sane number of nodes */
  SAVED_QUANTA = 4,        /* a guess: how far a node may run ahead at most */
  SLICE_PART = 16          /* of the turn's time: no slice is shorter */
};

typedef enum fate_e {
  FATE_KEPT,
  FATE_GONE, /* maybe freed */
  FATE_CANCELLED,
  FATE_FAILED /* maybe freed */
} fate_t;

static uint64_t min_u64(uint64_t a, uint64_t b) {
  return a < b ? a : b;
}

static uint64_t max_u64(uint64_t a, uint64_t b) {
  return a > b ? a : b;
}

static uint64_t add_saturated(uint64_t a, uint64_t b) {
  return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* `whole` * `weight` / `total` without wrapping, for weight <= total < 2^53. */
static uint64_t part_of(uint64_t whole, uint32_t weight, uint64_t total) {
  if (weight == total) {
    return whole;
  }
  return whole / total * weight + whole % total * weight / total;
}

static void note_alone(sluice__turn_t *t, uint64_t took) {
  sluice__cont_t *c = t->batch_last;
  bool is_overrun = took > t->queue->config.overrun_ns;

  t->queue->overruns += is_overrun;
  if (c != NULL) {
    c->stats.overruns += is_overrun;
    c->stats.longest_ns = max_u64(c->stats.longest_ns, took);
  }
}

void sluice__turn_close_batch(sluice__turn_t *t) {
  uint64_t now = sluice__budget_read_clock(&t->share);
  uint64_t took = now - t->batch_ns;

  if (t->batch_steps == 1) {
    note_alone(t, took);
  } else if (t->batch_steps > 1 && took > t->queue->config.overrun_ns) {
    t->queue->exact_steps = EXACT_STEPS_HUNT;
  }
  t->batch_ns = now;
  t->batch_from = t->used;
  t->batch_steps = 0;
  t->batch_skips = 0;
}

static void count_step(sluice__turn_t *t, sluice__cont_t *c) {
  bool is_exact = t->queue->exact_steps > 0;

  t->queue->exact_steps -= is_exact;
  t->batch_last = c;
  t->batch_steps++;
  if (is_exact || t->batch_steps >= BATCH_STEPS ||
      t->used - t->batch_from >= BATCH_BYTES) {
    sluice__turn_close_batch(t);
  }
}

/* Walking past nodes in debt takes time too. */
static void count_skip(sluice__turn_t *t) {
  t->batch_skips++;
  if (t->batch_skips >= BATCH_SKIPS) {
    sluice__turn_close_batch(t);
  }
}

void sluice__turn_pick_quantum(sluice__turn_t *t, uint32_t weight) {
  uint64_t quantum = part_of(t->class_bytes, weight, t->class_weight);

  t->quantum_weight = weight;
  t->quantum = quantum == 0 ? 1 : (int64_t)quantum;
  t->deficit_most = t->quantum > INT64_MAX / SAVED_QUANTA
                        ? INT64_MAX
                        : t->quantum * SAVED_QUANTA;
  t->slice_ns = UINT64_MAX;
  if (t->class_ns != UINT64_MAX) {
    t->slice_ns = max_u64(part_of(t->class_ns, weight, t->class_weight),
                          t->class_ns / SLICE_PART);
  }
}

static int64_t credit(const sluice__turn_t *t, int64_t deficit) {
  return deficit > t->deficit_most - t->quantum ? t->deficit_most
                                                : deficit + t->quantum;
}

static void lend_share(sluice__turn_t *t, int64_t deficit) {
  sluice__budget_t *b = &t->share;
  uint64_t left = t->used < t->limit ? t->limit - t->used : 0;

  b->bytes_left = (int64_t)min_u64(left, (uint64_t)deficit);
  b->bytes_used = 0;
  b->start_ns = b->now_ns;
  b->deadline_ns =
      min_u64(t->deadline_ns, add_saturated(b->now_ns, t->slice_ns));
  b->expired = b->now_ns >= b->deadline_ns;
}

/* A node that lives on goes where its step said. Debt is kept while it is
 * parked, so that parking does not launder it; savings are not. */
static void put_back(sluice__turn_t *t, sluice__cont_t *c, int r,
                     int64_t deficit) {
  assert(r == SLUICE__MORE || r == SLUICE__WAIT);
  if (r == SLUICE__MORE || c->woken) {
    c->deficit = deficit;
    sluice__list_put_ready(t->queue, c);
  } else {
    c->deficit = deficit < 0 ? deficit : 0;
    sluice__list_put_parked(t->queue, c);
  }
}

/* After a step: who still knows the node? */
static fate_t step_fate(const sluice__turn_t *t, const sluice__cont_t *c,
                        int r) {
  const sluice__queue_t *q = t->queue;

  if (q->running != c) {
    return r < 0 ? FATE_FAILED : FATE_GONE; /* it began a new life */
  }
  if (q->is_running_cancelled) {
    return r > SLUICE__DONE ? FATE_CANCELLED : FATE_GONE;
  }
  if (r > SLUICE__DONE) {
    return FATE_KEPT;
  }
  return r < 0 ? FATE_FAILED : FATE_GONE;
}

static int finish_step(sluice__turn_t *t, sluice__cont_t *c, int r,
                       int64_t deficit) {
  /* Half the range: one such step ends the turn, and two sums do not wrap. */
  uint64_t used = min_u64(t->share.bytes_used, INT64_MAX / 2);
  fate_t fate = step_fate(t, c, r);

  t->used += used;
  t->queue->running = NULL;
  if (fate == FATE_KEPT) {
    c->stats.bytes += used;
    put_back(t, c, r, deficit - (int64_t)used);
  }
  count_step(t, fate == FATE_KEPT ? c : NULL);
  if (fate == FATE_CANCELLED && c->on_cancel != NULL) {
    c->on_cancel(c); /* its step said MORE or WAIT, so nothing has freed it */
  }
  if (fate == FATE_FAILED) {
    t->failed = c;
    return r;
  }
  return 0;
}

static int run_step(sluice__turn_t *t, sluice__cont_t *c, int64_t deficit) {
  sluice__queue_t *q = t->queue;

  lend_share(t, deficit);
  sluice__list_remove(&q->ready[c->class_], c);
  /* All that DONE asks for is done before the step: see the invariant. */
  c->state = SLUICE__CONT_IDLE;
  c->deficit = 0;
  c->woken = false;
  c->stats.steps++;
  q->running = c;
  q->is_running_cancelled = false;
  t->has_run = true;
  return finish_step(t, c, c->step(c, &t->share), deficit);
}

int sluice__turn_serve(sluice__turn_t *t, sluice__cont_t *c) {
  int64_t deficit;

  if (c->weight != t->quantum_weight) {
    sluice__turn_pick_quantum(t, c->weight);
  }
  t->was_served[c->class_] = true;
  deficit = credit(t, c->deficit);
  if (deficit > 0) {
    return run_step(t, c, deficit);
  }
  c->deficit = deficit;
  sluice__list_remove(&t->queue->ready[c->class_], c);
  sluice__list_put_ready(t->queue, c);
  count_skip(t);
  return 0;
}
