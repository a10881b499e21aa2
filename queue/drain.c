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
 * Within a class: deficit round robin. A visit gives a node its part, by
 * weight, of the bytes that its class may use; it runs if that outweighs its
 * debt, with what it has as its budget, and is charged afterwards. Time is
 * parted by weight as well, but not saved up: a slow node that never gets
 * through its bytes must not hold the whole turn.
 *
 * Invariant: after a step that returned DONE or an error its node is not
 * touched. `share` is the one account of time while the drain is on. */
#include <assert.h>
#include <limits.h>

#include "lists.h"
#include "queue.h"

enum {
  BATCH_STEPS = SLUICE__BUDGET_CLOCK_STEPS,
  BATCH_BYTES = SLUICE__BUDGET_CLOCK_BYTES,
  BATCH_SKIPS = 64,        /* of about 2 ns: seldom enough to be lost */
  EXACT_STEPS_HUNT = 1024, /* some turns of any sane number of nodes */
  SAVED_QUANTA = 4,        /* a guess: how far a node may run ahead at most */
  SLICE_PART = 16          /* of the turn's time: no slice is shorter */
};

/* Lives on the stack of one drain. */
typedef struct turn_s {
  sluice__queue_t *queue;
  sluice__cont_t *failed;
  sluice__budget_t share; /* lent to the running step */
  uint64_t bytes;         /* that the turn may use; saturated: unlimited */
  uint64_t opened_ns;
  uint64_t time_ns; /* that the turn may take; UINT64_MAX: unlimited */
  uint64_t used;    /* bytes, so far */
  bool has_run;     /* at least one step */
  bool was_due[SLUICE__CLASS_COUNT];
  bool was_visited[SLUICE__CLASS_COUNT];
  uint64_t weight[SLUICE__CLASS_COUNT]; /* of the due, when it began */
  uint64_t count[SLUICE__CLASS_COUNT];

  /* Of the class that runs now. */
  uint64_t limit;       /* `used` may go up to here */
  uint64_t deadline_ns; /* UINT64_MAX: none */
  uint64_t class_bytes; /* parted among the nodes */
  uint64_t class_ns;
  uint64_t class_weight;

  /* What the last weight came to: mostly all weights are the same. */
  uint32_t quantum_weight;
  int64_t quantum;
  uint64_t slice_ns;

  /* Steps since the clock was read. */
  uint64_t batch_ns;
  uint64_t batch_used;
  uint32_t batch_steps;
  uint32_t batch_skips;
  sluice__cont_t *batch_last; /* NULL: gone, or none */
} turn_t;

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
  return whole / total * weight + whole % total * weight / total;
}

static bool is_due(const turn_t *t, int k) {
  const sluice__cont_t *c = t->queue->ready[k].first;

  return c != NULL && c->turn != t->queue->turn;
}

static bool is_spent(const turn_t *t) {
  return t->used >= t->limit || t->share.now_ns >= t->deadline_ns;
}

/* --- time ------------------------------------------------------------- */

static void note_alone(turn_t *t, uint64_t took) {
  sluice__cont_t *c = t->batch_last;
  bool is_overrun = took > t->queue->config.overrun_ns;

  t->queue->overruns += is_overrun;
  if (c != NULL) {
    c->stats.overruns += is_overrun;
    c->stats.longest_ns = max_u64(c->stats.longest_ns, took);
  }
}

/* Reads the clock; what passed since it was last read here is laid at the door
 * of the steps in between, if need be by timing the next ones one by one. */
static void close_batch(turn_t *t) {
  uint64_t now = sluice__budget_read_clock(&t->share);
  uint64_t took = now - t->batch_ns;

  if (t->batch_steps == 1) {
    note_alone(t, took);
  } else if (t->batch_steps > 1 && took > t->queue->config.overrun_ns) {
    t->queue->exact_steps = EXACT_STEPS_HUNT;
  }
  t->batch_ns = now;
  t->batch_used = 0;
  t->batch_steps = 0;
  t->batch_skips = 0;
}

static void count_step(turn_t *t, sluice__cont_t *c, uint64_t used) {
  bool is_exact = t->queue->exact_steps > 0;

  t->queue->exact_steps -= is_exact;
  t->batch_last = c;
  t->batch_steps++;
  t->batch_used = add_saturated(t->batch_used, used);
  if (is_exact || t->batch_steps >= BATCH_STEPS ||
      t->batch_used >= BATCH_BYTES) {
    close_batch(t);
  }
}

/* Walking past nodes in debt takes time too. */
static void count_skip(turn_t *t) {
  t->batch_skips++;
  if (t->batch_skips >= BATCH_SKIPS) {
    close_batch(t);
  }
}

/* --- one node --------------------------------------------------------- */

static void pick_quantum(turn_t *t, uint32_t weight) {
  uint64_t quantum = part_of(t->class_bytes, weight, t->class_weight);

  t->quantum_weight = weight;
  t->quantum = quantum == 0 ? 1 : (int64_t)quantum;
  t->slice_ns = UINT64_MAX;
  if (t->class_ns != UINT64_MAX) {
    t->slice_ns = max_u64(part_of(t->class_ns, weight, t->class_weight),
                          t->class_ns / SLICE_PART);
  }
}

static int64_t credit(int64_t deficit, int64_t quantum) {
  int64_t most =
      quantum > INT64_MAX / SAVED_QUANTA ? INT64_MAX : quantum * SAVED_QUANTA;

  return deficit > most - quantum ? most : deficit + quantum;
}

static int64_t debit(int64_t deficit, uint64_t used) {
  /* Half the range, so that no later sum wraps. */
  int64_t cost = (int64_t)min_u64(used, INT64_MAX / 2);

  return deficit < cost - INT64_MAX / 2 ? -(INT64_MAX / 2) : deficit - cost;
}

static void lend_share(turn_t *t, int64_t deficit) {
  sluice__budget_t *b = &t->share;
  uint64_t left = t->used < t->limit ? t->limit - t->used : 0;

  b->bytes_left = (int64_t)min_u64(left, (uint64_t)deficit);
  b->bytes_used = 0;
  b->start_ns = b->now_ns;
  b->deadline_ns =
      min_u64(t->deadline_ns, add_saturated(b->now_ns, t->slice_ns));
  b->expired = b->deadline_ns != UINT64_MAX && b->now_ns >= b->deadline_ns;
}

/* A node that lives on goes where its step said. Debt is kept while it is
 * parked, so that parking does not launder it; savings are not. */
static void put_back(turn_t *t, sluice__cont_t *c, int r, int64_t deficit) {
  assert(r == SLUICE__MORE || r == SLUICE__WAIT);
  if (r == SLUICE__MORE || c->woken) {
    c->deficit = deficit;
    sluice__list_put_ready(t->queue, c);
  } else {
    c->deficit = deficit < 0 ? deficit : 0;
    sluice__list_put_parked(t->queue, c);
  }
}

/* Its step said MORE or WAIT, so nothing has freed it; its on_cancel may. */
static void end_cancelled(sluice__cont_t *c) {
  if (c->on_cancel != NULL) {
    c->on_cancel(c);
  }
}

static int finish_step(turn_t *t, sluice__cont_t *c, int r, int64_t deficit) {
  sluice__queue_t *q = t->queue;
  uint64_t used = t->share.bytes_used;
  bool is_ours = q->running == c; /* else it began a new life */
  bool is_kept = r > SLUICE__DONE && is_ours && !q->is_running_cancelled;

  t->used = add_saturated(t->used, used);
  q->running = NULL;
  if (is_kept) {
    c->stats.bytes += used;
    put_back(t, c, r, debit(deficit, used));
  }
  count_step(t, is_kept ? c : NULL, used);
  if (r > SLUICE__DONE && is_ours && q->is_running_cancelled) {
    end_cancelled(c);
  } else if (r < 0 && !(is_ours && q->is_running_cancelled)) {
    t->failed = c;
    return r;
  }
  return 0;
}

static int run_step(turn_t *t, sluice__cont_t *c, int64_t deficit) {
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

/* Gives a node its quantum and runs it if that is enough. Returns 0 or an
 * error. */
static int visit(turn_t *t, sluice__cont_t *c) {
  int64_t deficit;

  if (c->weight != t->quantum_weight) {
    pick_quantum(t, c->weight);
  }
  t->was_visited[c->class_] = true;
  deficit = credit(c->deficit, t->quantum);
  if (deficit > 0) {
    return run_step(t, c, deficit);
  }
  c->deficit = deficit;
  sluice__list_remove(&t->queue->ready[c->class_], c);
  sluice__list_put_ready(t->queue, c);
  count_skip(t);
  return 0;
}

/* --- one class -------------------------------------------------------- */

/* Sets how far class `k` may go: to `bytes` of the turn's and `time_ns` after
 * it began. */
static void enter_class(turn_t *t, int k, uint64_t bytes, uint64_t time_ns) {
  uint64_t left = t->used < bytes ? bytes - t->used : 0;
  uint64_t now = t->share.now_ns;

  t->limit = bytes;
  t->deadline_ns = add_saturated(t->opened_ns, time_ns);
  t->class_bytes = max_u64(left, t->queue->config.quantum_min * t->count[k]);
  t->class_ns = UINT64_MAX;
  if (t->deadline_ns != UINT64_MAX) {
    t->class_ns = t->deadline_ns > now ? t->deadline_ns - now : 0;
  }
  t->class_weight = t->weight[k];
  t->quantum_weight = 0;
}

static int run_class(turn_t *t, int k) {
  int r = 0;

  while (r == 0 && is_due(t, k) && !is_spent(t)) {
    r = visit(t, t->queue->ready[k].first);
  }
  return r;
}

static uint64_t upper_part(const turn_t *t, uint64_t whole) {
  return part_of(whole, t->queue->config.urgent_share, 100);
}

/* Every class below that is due keeps its part of what is shared with it. */
static int run_capped(turn_t *t, int k) {
  uint64_t bytes = t->bytes;
  uint64_t time_ns = t->time_ns;

  for (int below = k + 1; below < SLUICE__CLASS_COUNT; below++) {
    if (is_due(t, below)) {
      bytes = upper_part(t, bytes);
      time_ns = time_ns == UINT64_MAX ? time_ns : upper_part(t, time_ns);
    }
  }
  enter_class(t, k, bytes, time_ns);
  return run_class(t, k);
}

static int run_uncapped(turn_t *t, int k) {
  enter_class(t, k, t->bytes, t->time_ns);
  return run_class(t, k);
}

/* Visits until `c` could run. */
static uint64_t visits_needed(turn_t *t, const sluice__cont_t *c) {
  if (c->deficit > 0) {
    return 1;
  }
  if (c->weight != t->quantum_weight) {
    pick_quantum(t, c->weight);
  }
  return (uint64_t)(-c->deficit / t->quantum) + 1;
}

/* Does the rounds of visits in which nobody would run at once: after one step
 * of many megabytes there may be thousands of them. */
static void skip_rounds(turn_t *t, sluice__cont_list_t *l) {
  uint64_t rounds = UINT64_MAX;

  for (sluice__cont_t *c = l->first; c != NULL; c = c->next) {
    rounds = min_u64(rounds, visits_needed(t, c) - 1);
  }
  for (sluice__cont_t *c = l->first; c != NULL && rounds > 0; c = c->next) {
    if (c->weight != t->quantum_weight) {
      pick_quantum(t, c->weight);
    }
    c->deficit += (int64_t)rounds * t->quantum; /* still not above 0 */
  }
}

/* Runs one step of class `k` whatever is left: visits until somebody may. Looks
 * at the whole list only if the first may not. */
static int force_class(turn_t *t, int k) {
  sluice__cont_list_t *l = &t->queue->ready[k];
  bool had_run = t->has_run;
  int r;

  t->has_run = false;
  r = visit(t, l->first);
  if (!t->has_run) {
    skip_rounds(t, l);
  }
  while (!t->has_run) {
    r = visit(t, l->first);
  }
  t->has_run = t->has_run || had_run;
  return r;
}

/* --- the turn --------------------------------------------------------- */

static void open_turn(turn_t *t, sluice__queue_t *q, sluice__budget_t *b) {
  q->turn++;
  t->queue = q;
  t->share = *b;
  if (b->unclocked_bytes > 0 || b->unclocked_steps > 0) {
    (void)sluice__budget_read_clock(&t->share);
  }
  t->opened_ns = t->share.now_ns;
  t->batch_ns = t->opened_ns;
  t->bytes = b->bytes_left > 0 ? (uint64_t)b->bytes_left : 0;
  t->time_ns = UINT64_MAX;
  if (b->deadline_ns != UINT64_MAX) {
    t->time_ns = t->share.expired ? 0 : b->deadline_ns - t->opened_ns;
  }
  for (int k = 0; k < SLUICE__CLASS_COUNT; k++) {
    t->weight[k] = q->ready[k].weight;
    t->count[k] = q->ready[k].count;
    t->was_due[k] = q->ready[k].count > 0;
  }
}

/* Steps that overshoot their budgets can eat up what the caps left for the
 * classes below. So one that was due and got nothing for as many turns as its
 * part stands for gets one step, of its part, before all others. */
static int run_passed_over(turn_t *t) {
  uint32_t share = t->queue->config.urgent_share;
  uint32_t patience = share == 100 ? UINT32_MAX : share / (100 - share);

  for (int k = SLUICE__CLASS_COUNT - 1; k > 0; k--) {
    if (t->was_due[k] && t->queue->passed_over[k] >= max_u64(patience, 1)) {
      uint64_t floor_ns = t->time_ns == UINT64_MAX
                              ? UINT64_MAX
                              : t->time_ns - upper_part(t, t->time_ns);

      enter_class(t, k, t->bytes - upper_part(t, t->bytes), floor_ns);
      return force_class(t, k);
    }
  }
  return 0;
}

static int run_forced(turn_t *t) {
  for (int k = 0; k < SLUICE__CLASS_COUNT; k++) {
    if (t->was_due[k]) {
      enter_class(t, k, t->bytes, t->time_ns);
      return force_class(t, k);
    }
  }
  return 0;
}

static int run_turn(turn_t *t) {
  int r = run_passed_over(t);

  for (int k = 0; k < SLUICE__CLASS_COUNT && r == 0; k++) {
    r = run_capped(t, k);
  }
  for (int k = 0; k < SLUICE__CLASS_COUNT && r == 0; k++) {
    r = run_uncapped(t, k);
  }
  return r == 0 && !t->has_run ? run_forced(t) : r;
}

static void close_turn(turn_t *t, sluice__budget_t *b) {
  if (t->batch_steps > 0) {
    close_batch(t);
  }
  for (int k = 0; k < SLUICE__CLASS_COUNT; k++) {
    uint32_t *passed_over = &t->queue->passed_over[k];

    if (!t->was_due[k] || t->was_visited[k]) {
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
  turn_t t = {0};
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
