/* queue.c - who waits where: wake-ups, remote and local, and cancels.
 *
 * Runs no step (drain.c does), reads no clock, allocates nothing.
 *
 * Two things are known of a running continuation only through the queue
 * (`running`, `is_running_cancelled`): the node itself may be freed by its own
 * step, so nothing may have to be written to it afterwards.
 *
 * The remote list is a stack that other threads push to and that the queue's
 * thread only ever takes whole, so there is no ABA. `posted` keeps a node from
 * being pushed twice; its two exchanges order what the poster wrote before what
 * the step reads, also when the push was left out. */
#include "queue.h"

#include <assert.h>

#include "lists.h"

enum {
  QUANTUM_MIN_BYTES = 4096,   /* one page */
  QUANTUM_MIN_MOST = 1 << 30, /* keeps the sums in drain.c from wrapping */
  URGENT_SHARE_PERCENT = 75,
  OVERRUN_NS = 1000 * 1000,
  EXACT_STEPS_FIRST = 64, /* a guess: what stalls at all does so early */
  WEIGHT_MOST = 1000
};

static void set_defaults(sluice__queue_config_t *c) {
  if (c->quantum_min == 0) {
    c->quantum_min = QUANTUM_MIN_BYTES;
  } else if (c->quantum_min > QUANTUM_MIN_MOST) {
    c->quantum_min = QUANTUM_MIN_MOST;
  }
  if (c->urgent_share == 0) {
    c->urgent_share = URGENT_SHARE_PERCENT;
  } else if (c->urgent_share > 100) {
    c->urgent_share = 100;
  }
  if (c->overrun_ns == 0) {
    c->overrun_ns = OVERRUN_NS;
  }
}

void sluice__queue_init(sluice__queue_t *q,
                        const sluice__queue_config_t *config) {
  *q = (sluice__queue_t){.exact_steps = EXACT_STEPS_FIRST};
  if (config != NULL) {
    q->config = *config;
  }
  set_defaults(&q->config);
  atomic_init(&q->posted, NULL);
}

void sluice__cont_init(sluice__cont_t *c, sluice__queue_t *q,
                       sluice__step_fn step, sluice__class_t class_,
                       uint32_t weight) {
  assert(weight >= 1 && weight <= WEIGHT_MOST);
  if (q->running == c) {
    q->running = NULL; /* the drain will not know it any more */
  }
  c->posted_next = NULL;
  atomic_init(&c->posted, false);
  c->step = step;
  c->queue = q;
  c->next = NULL;
  c->prev = NULL;
  c->turn = 0;
  c->deficit = 0;
  c->weight = weight;
  c->class_ = (uint8_t)class_;
  c->state = SLUICE__CONT_IDLE;
  c->woken = false;
  c->stats = (sluice__cont_stats_t){0};
}

sluice__cont_state_t sluice__cont_state(const sluice__cont_t *c) {
  return c->queue->running == c ? SLUICE__CONT_RUNNING
                                : (sluice__cont_state_t)c->state;
}

static void make_ready(sluice__queue_t *q, sluice__cont_t *c) {
  bool had_ready = sluice__list_has_ready(q);

  sluice__list_put_ready(q, c);
  if (!had_ready && !q->is_draining && q->on_runnable != NULL) {
    q->on_runnable(q->runnable_ctx, false);
  }
}

void sluice__queue_wake(sluice__cont_t *c) {
  sluice__queue_t *q = c->queue;

  if (q->running == c) {
    c->woken = true;
    return;
  }
  if (c->state == SLUICE__CONT_READY) {
    return;
  }
  if (c->state == SLUICE__CONT_PARKED) {
    sluice__list_remove(&q->parked, c);
  }
  make_ready(q, c);
}

void sluice__queue_post(sluice__cont_t *c) {
  sluice__queue_t *q = c->queue;
  sluice__cont_t *head;

  if (atomic_exchange_explicit(&c->posted, true, memory_order_acq_rel)) {
    return; /* on the list already, or about to be */
  }
  head = atomic_load_explicit(&q->posted, memory_order_relaxed);
  do {
    c->posted_next = head;
  } while (!atomic_compare_exchange_weak_explicit(
      &q->posted, &head, c, memory_order_release, memory_order_relaxed));
  /* Also when the list was not empty: whoever pushed first may be preempted
   * between his push and his call. From here on `c` may be gone. */
  if (q->on_runnable != NULL) {
    q->on_runnable(q->runnable_ctx, true);
  }
}

/* Takes the whole stack, turned round: first posted, first out. */
static sluice__cont_t *take_stack(sluice__queue_t *q) {
  sluice__cont_t *c;
  sluice__cont_t *in_order = NULL;

  if (atomic_load_explicit(&q->posted, memory_order_relaxed) == NULL) {
    return NULL; /* the usual case costs no locked instruction */
  }
  c = atomic_exchange_explicit(&q->posted, NULL, memory_order_acquire);
  while (c != NULL) {
    sluice__cont_t *next = c->posted_next;

    c->posted_next = in_order;
    in_order = c;
    c = next;
  }
  return in_order;
}

/* Pops the first of a taken list; from then on it can be posted again. */
static sluice__cont_t *pop_taken(sluice__cont_t **list) {
  sluice__cont_t *c = *list;

  if (c != NULL) {
    *list = c->posted_next;
    (void)atomic_exchange_explicit(&c->posted, false, memory_order_acq_rel);
  }
  return c;
}

void sluice__queue_take_posted(sluice__queue_t *q) {
  sluice__cont_t *taken = take_stack(q);
  sluice__cont_t *c;

  while ((c = pop_taken(&taken)) != NULL) {
    sluice__queue_wake(c);
  }
}

static void drop_posted(sluice__queue_t *q) {
  sluice__cont_t *taken = take_stack(q);

  while (pop_taken(&taken) != NULL) {
  }
}

void sluice__queue_reclass(sluice__cont_t *c, sluice__class_t class_) {
  sluice__queue_t *q = c->queue;
  bool is_ready = c->state == SLUICE__CONT_READY;

  if (c->class_ == class_) {
    return; /* asking again and again must not put it off for ever */
  }
  if (is_ready) {
    sluice__list_remove(&q->ready[c->class_], c);
  }
  c->class_ = (uint8_t)class_;
  if (is_ready) {
    sluice__list_put_ready(q, c);
  }
}

/* A READY or PARKED one; may free it. */
static void cancel_waiting(sluice__queue_t *q, sluice__cont_t *c) {
  sluice__list_remove(
      c->state == SLUICE__CONT_READY ? &q->ready[c->class_] : &q->parked, c);
  c->state = SLUICE__CONT_IDLE;
  c->deficit = 0;
  if (c->on_cancel != NULL) {
    c->on_cancel(c);
  }
}

/* An IDLE one may have been posted; others then get their wake-ups early. */
static void take_off_posted(sluice__queue_t *q, sluice__cont_t *c) {
  if (!atomic_load_explicit(&c->posted, memory_order_acquire)) {
    return;
  }
  sluice__queue_take_posted(q);
}

void sluice__queue_cancel(sluice__cont_t *c) {
  sluice__queue_t *q = c->queue;
  sluice__cont_state_t before = sluice__cont_state(c);

  take_off_posted(q, c);
  switch (before) {
  case SLUICE__CONT_IDLE:
    if (c->state == SLUICE__CONT_READY) { /* by that post */
      sluice__list_remove(&q->ready[c->class_], c);
      c->state = SLUICE__CONT_IDLE;
    }
    break;
  case SLUICE__CONT_RUNNING: q->is_running_cancelled = true; break;
  case SLUICE__CONT_READY:
  case SLUICE__CONT_PARKED: cancel_waiting(q, c); break;
  }
}

/* Those that were there when `q->turn` was raised. */
static void cancel_older(sluice__queue_t *q, sluice__cont_list_t *l) {
  while (l->first != NULL && l->first->turn != q->turn) {
    cancel_waiting(q, l->first);
  }
}

void sluice__queue_cancel_all(sluice__queue_t *q) {
  drop_posted(q);
  if (q->running != NULL) {
    q->is_running_cancelled = true;
  }
  /* Within a drain this is harmless: nothing older is left for it to run. */
  q->turn++;
  for (int k = 0; k < SLUICE__CLASS_COUNT; k++) {
    cancel_older(q, &q->ready[k]);
  }
  cancel_older(q, &q->parked);
}

bool sluice__queue_is_runnable(const sluice__queue_t *q) {
  return sluice__list_has_ready(q) ||
         atomic_load_explicit(&q->posted, memory_order_relaxed) != NULL;
}

sluice__cont_t *sluice__queue_find_lost(const sluice__queue_t *q) {
  sluice__cont_t *next;

  for (sluice__cont_t *c = q->parked.first; c != NULL; c = next) {
    next = c->next; /* a pending hook that finds work may wake its own node */
    if (c->pending != NULL && c->pending(c) > 0 &&
        c->state == SLUICE__CONT_PARKED &&
        !atomic_load_explicit(&c->posted, memory_order_relaxed)) {
      return c;
    }
  }
  return NULL;
}
