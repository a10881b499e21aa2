/* drain.c - one turn of a queue.
 *
 * Knows nothing of other threads and of who waits where (queue.c). What is due
 * this turn are the nodes whose `turn` is older than the queue's; they stand in
 * front of their lists, so what is not reached simply stays there, in order.
 *
 *   drain:  the class that was passed over for too long: one step
 *           urgent, demand, bulk: each up to its cap
 *           urgent, demand, bulk: what the others left over
 *           nothing ran yet: one step all the same
 *
 * Within a class: deficit round robin, of what the class may use now; service.c
 * does one service. */
#include <assert.h>
#include <stddef.h>

#include "lists.h"
#include "turn.h"

static uint64_t add_saturated(uint64_t a, uint64_t b) {
  return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static bool is_due(const sluice__turn_t *t, int k) {
  const sluice__cont_t *c = t->queue->ready[k].first;

  return c != NULL && c->turn != t->queue->turn;
}

static bool is_spent(const sluice__turn_t *t) {
  return t->used >= t->limit || t->share.now_ns >= t->deadline_ns;
}

/* Sets how far class `k` may go: to `bytes` of the turn's and `time_ns` after
 * it began. */
static void enter_class(sluice__turn_t *t, int k, uint64_t bytes,
                        uint64_t time_ns) {
  uint64_t left = t->used < bytes ? bytes - t->used : 0;
  uint64_t least = t->queue->config.quantum_min * t->count[k];
  uint64_t now = t->share.now_ns;

  t->limit = bytes;
  t->deadline_ns = add_saturated(t->opened_ns, time_ns);
  t->class_bytes = left > least ? left : least;
  t->class_ns = UINT64_MAX;
  if (t->deadline_ns != UINT64_MAX) {
    t->class_ns = t->deadline_ns > now ? t->deadline_ns - now : 0;
  }
  t->class_weight = t->weight[k];
  sluice__turn_forget_quantum(t);
}

static int run_class(sluice__turn_t *t, int k) {
  int r = 0;

  while (r == 0 && is_due(t, k) && !is_spent(t)) {
    r = sluice__turn_serve(t, t->queue->ready[k].first);
  }
  return r;
}

static uint64_t upper_part(const sluice__turn_t *t, uint64_t whole) {
  uint64_t share = t->queue->config.urgent_share;

  return whole / 100 * share + whole % 100 * share / 100;
}

/* Every class below that is due keeps its part of what is shared with it. */
static int run_capped(sluice__turn_t *t, int k) {
  uint64_t bytes = t->bytes;
  uint64_t time_ns = t->time_ns;

  if (!is_due(t, k)) {
    return 0;
  }
  for (int below = k + 1; below < SLUICE__CLASS_COUNT; below++) {
    if (is_due(t, below)) {
      bytes = upper_part(t, bytes);
      time_ns = time_ns == UINT64_MAX ? time_ns : upper_part(t, time_ns);
    }
  }
  enter_class(t, k, bytes, time_ns);
  return run_class(t, k);
}

static int run_uncapped(sluice__turn_t *t, int k) {
  if (!is_due(t, k)) {
    return 0;
  }
  enter_class(t, k, t->bytes, t->time_ns);
  return run_class(t, k);
}

/* Visits until `c` could run. */
static uint64_t services_needed(sluice__turn_t *t, const sluice__cont_t *c) {
  if (c->deficit > 0) {
    return 1;
  }
  if (c->weight != t->quantum_weight) {
    sluice__turn_pick_quantum(t, c->weight);
  }
  return (uint64_t)(-c->deficit / t->quantum) + 1;
}

/* Does the rounds of services in which nobody would run at once: after one step
 * of many megabytes there may be thousands of them. */
static void skip_rounds(sluice__turn_t *t, sluice__cont_list_t *l) {
  uint64_t rounds = UINT64_MAX;

  for (sluice__cont_t *c = l->first; c != NULL; c = c->next) {
    uint64_t needed = services_needed(t, c);

    rounds = needed - 1 < rounds ? needed - 1 : rounds;
  }
  for (sluice__cont_t *c = l->first; c != NULL && rounds > 0; c = c->next) {
    if (c->weight != t->quantum_weight) {
      sluice__turn_pick_quantum(t, c->weight);
    }
    c->deficit += (int64_t)rounds * t->quantum; /* still not above 0 */
    c->turn = t->queue->turn;                   /* it was served, after all */
  }
}

/* Runs one step of class `k` whatever is left: services until somebody may.
 * Looks at the whole list only if the first may not. */
static int force_class(sluice__turn_t *t, int k) {
  sluice__cont_list_t *l = &t->queue->ready[k];
  int r;

  t->has_run = false;
  r = sluice__turn_serve(t, l->first);
  if (!t->has_run) {
    skip_rounds(t, l);
  }
  while (!t->has_run) {
    r = sluice__turn_serve(t, l->first);
  }
  return r;
}

static void open_turn(sluice__turn_t *t, sluice__queue_t *q,
                      sluice__budget_t *b) {
  q->turn++;
  t->queue = q;
  t->failed = NULL;
  t->share = *b;
  if (b->unclocked_bytes > 0 || b->unclocked_steps > 0) {
    (void)sluice__budget_read_clock(&t->share);
  }
  t->opened_ns = t->share.now_ns;
  t->batch_ns = t->opened_ns;
  t->batch_from = 0;
  t->batch_steps = 0;
  t->batch_skips = 0;
  t->batch_last = NULL;
  t->used = 0;
  t->has_run = false;
  t->bytes = b->bytes_left > 0 ? (uint64_t)b->bytes_left : 0;
  t->time_ns = UINT64_MAX;
  if (b->deadline_ns != UINT64_MAX) {
    t->time_ns = t->share.expired ? 0 : b->deadline_ns - t->opened_ns;
  }
  for (int k = 0; k < SLUICE__CLASS_COUNT; k++) {
    t->weight[k] = q->ready[k].weight;
    t->count[k] = q->ready[k].count;
    t->was_due[k] = q->ready[k].count > 0;
    t->was_served[k] = false;
  }
}

/* Turns that a class can be passed over before its part comes to a whole one.
 */
static uint32_t patience(const sluice__queue_t *q) {
  uint32_t share = q->config.urgent_share;

  if (share == 100) {
    return UINT32_MAX;
  }
  return share < 50 ? 1 : share / (100 - share);
}

/* Steps that overshoot their budgets can eat up what the caps left for the
 * classes below. So one that was due and got nothing for as many turns as its
 * part stands for gets one step, of its part, before all others. */
static int run_passed_over(sluice__turn_t *t) {
  for (int k = SLUICE__CLASS_COUNT - 1; k > 0; k--) {
    if (t->was_due[k] && t->queue->passed_over[k] >= patience(t->queue)) {
      uint64_t floor_ns = t->time_ns == UINT64_MAX
                              ? UINT64_MAX
                              : t->time_ns - upper_part(t, t->time_ns);

      enter_class(t, k, t->bytes - upper_part(t, t->bytes), floor_ns);
      return force_class(t, k);
    }
  }
  return 0;
}

static int run_forced(sluice__turn_t *t) {
  for (int k = 0; k < SLUICE__CLASS_COUNT; k++) {
    if (t->was_due[k]) {
      enter_class(t, k, t->bytes, t->time_ns);
      return force_class(t, k);
    }
  }
  return 0;
}

static int run_turn(sluice__turn_t *t) {
  int r = run_passed_over(t);

  for (int k = 0; k < SLUICE__CLASS_COUNT && r == 0; k++) {
    r = run_capped(t, k);
  }
  for (int k = 0; k < SLUICE__CLASS_COUNT && r == 0; k++) {
    r = run_uncapped(t, k);
  }
  return r == 0 && !t->has_run ? run_forced(t) : r;
}

static void close_turn(sluice__turn_t *t, sluice__budget_t *b) {
  if (t->batch_steps > 0) {
    sluice__turn_close_batch(t);
  }
  for (int k = 0; k < SLUICE__CLASS_COUNT; k++) {
    uint32_t *passed_over = &t->queue->passed_over[k];

    if (!t->was_due[k] || t->was_served[k]) {
      *passed_over = 0;
    } else if (*passed_over < UINT32_MAX) {
      (*passed_over)++;
    }
  }
  t->share.bytes_used = t->used;
  sluice__budget_settle(b, &t->share);
}

static int queue_status(const sluice__queue_t *q) {
  if (sluice__queue_is_runnable(q)) {
    return SLUICE__MORE;
  }
  return q->parked.first != NULL ? SLUICE__WAIT : SLUICE__DONE;
}

int sluice__queue_drain(sluice__queue_t *q, sluice__budget_t *b,
                        sluice__cont_t **failed) {
  sluice__turn_t t; /* not zeroed: that alone would cost as much as two steps */
  int r;

  assert(!q->is_draining);
  q->is_draining = true;
  sluice__queue_take_posted(q);
  open_turn(&t, q, b);
  r = run_turn(&t);
  close_turn(&t, b);
  q->is_draining = false;
  if (r < 0) {
    if (failed != NULL) {
      *failed = t.failed;
    }
    return r;
  }
  return queue_status(q);
}
