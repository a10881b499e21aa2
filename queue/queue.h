/* queue.h - which continuation runs next, and for how long.
 *
 * A queue holds continuations: intrusive nodes, owned by whoever embeds them,
 * so that enqueueing neither allocates nor fails. It knows no stream, no libuv,
 * no clock of its own. A queue can itself be a continuation of another queue
 * (its step drains it with the budget it was given): that is how several
 * sessions share one loop fairly.
 *
 *             wake()                      step() == MORE
 *   PARKED ----------> READY ---> RUNNING ----------> READY (next turn)
 *     ^                               |
 *     +------- step() == WAIT --------+--- DONE, error, cancel ---> IDLE
 *
 * Invariant: a node is in exactly one of these states, and a READY node is on
 * exactly one list. Everything runs on the queue's own thread but
 * sluice__queue_post(). */
#ifndef SLUICE_QUEUE_QUEUE_H
#define SLUICE_QUEUE_QUEUE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "budget.h"

/* What a step returns; a negative value is an error and ends the drain. */
enum {
  SLUICE__DONE = 0, /* no work left, ever: the node leaves the queue */
  SLUICE__MORE = 1, /* run me again, next turn */
  SLUICE__WAIT = 2  /* park me until somebody wakes me */
};

/* Urgent goes first but is capped per turn, so that bulk keeps its floor. */
typedef enum sluice__class_e {
  SLUICE__URGENT, /* pre-images that a writer waits for, aborts */
  SLUICE__DEMAND, /* reads that somebody waits for, the final phase */
  SLUICE__BULK,
  SLUICE__CLASS_COUNT
} sluice__class_t;

typedef enum sluice__cont_state_e {
  SLUICE__CONT_IDLE,
  SLUICE__CONT_READY,
  SLUICE__CONT_RUNNING,
  SLUICE__CONT_PARKED
} sluice__cont_state_t;

typedef struct sluice__cont_s sluice__cont_t;
typedef struct sluice__queue_s sluice__queue_t;

/* Does a bounded piece of work, charging `b` for it. May enqueue, wake and
 * cancel any continuation, itself included, and may free itself when it returns
 * DONE or an error. */
typedef int (*sluice__step_fn)(sluice__cont_t *c, sluice__budget_t *b);

/* Bytes of work that `c` could do right now; for lost wake-up detection. */
typedef uint64_t (*sluice__pending_fn)(const sluice__cont_t *c);

/* Called once for a continuation that is cancelled before it was DONE. */
typedef void (*sluice__cancel_fn)(sluice__cont_t *c);

typedef struct sluice__cont_stats_s {
  uint64_t steps;
  uint64_t bytes;
  uint64_t overruns;   /* steps that took over twice their time */
  uint64_t longest_ns; /* of the steps that were timed alone */
} sluice__cont_stats_t;

struct sluice__cont_s {
  /* Set by the owner before sluice__cont_init() or never. */
  sluice__step_fn step;
  sluice__pending_fn pending;  /* optional */
  sluice__cancel_fn on_cancel; /* optional */

  /* Private to the queue. */
  sluice__queue_t *queue;
  sluice__cont_t *next;
  sluice__cont_t *prev;
  sluice__cont_t *posted_next; /* in the queue's list of remote wake-ups */
  atomic_bool posted;
  int64_t deficit;
  uint32_t weight;
  uint8_t class_;
  uint8_t state;
  bool woken; /* a wake-up came while RUNNING: WAIT then means MORE */
  sluice__cont_stats_t stats; /* readable by anyone on the queue's thread */
};

typedef struct sluice__cont_list_s {
  sluice__cont_t *first;
  sluice__cont_t *last;
  uint64_t weight; /* sum over the list */
  size_t count;
} sluice__cont_list_t;

typedef struct sluice__queue_config_s {
  uint64_t quantum_min;  /* bytes; 0: 4096 */
  uint32_t urgent_share; /* percent of a turn urgent may use; 0: 75 */
  uint64_t overrun_ns;   /* a step longer than this is an overrun; 0: 1 ms */
} sluice__queue_config_t;

struct sluice__queue_s {
  sluice__queue_config_t config;
  sluice__cont_list_t ready[SLUICE__CLASS_COUNT];
  sluice__cont_list_t parked;
  _Atomic(sluice__cont_t *) posted;
  /* Called when the queue turns runnable; from any thread if `remote`. */
  void (*on_runnable)(void *ctx, bool remote);
  void *runnable_ctx;
  uint64_t overruns;    /* of all continuations, also those that are gone */
  uint32_t exact_steps; /* this many next steps are timed one by one */
};

void sluice__queue_init(sluice__queue_t *q,
                        const sluice__queue_config_t *config);

/* Prepares a continuation for `q`: IDLE, no deficit. `weight` is 1..1000. */
void sluice__cont_init(sluice__cont_t *c, sluice__queue_t *q,
                       sluice__step_fn step, sluice__class_t class_,
                       uint32_t weight);

/* Makes `c` READY at the end of its class. No-op when it is READY; when it is
 * RUNNING it will be READY after this step whatever the step returns but DONE
 * or an error. */
void sluice__queue_wake(sluice__cont_t *c);

/* The same from any thread, and async-signal-safe; takes effect at the start of
 * the next drain. `c` must stay alive until then or until it is cancelled on
 * the queue's thread. */
void sluice__queue_post(sluice__cont_t *c);

/* Moves `c` to another class; a READY one goes to the end of it. */
void sluice__queue_reclass(sluice__cont_t *c, sluice__class_t class_);

/* Takes `c` out wherever it is, then calls its on_cancel. A RUNNING one is only
 * marked: its step's result is dropped. No-op on an IDLE one. */
void sluice__queue_cancel(sluice__cont_t *c);

/* Cancels everything, oldest first. */
void sluice__queue_cancel_all(sluice__queue_t *q);

/* Runs one turn: what was ready when it began, at most once each, until the
 * budget is spent; but at least one step. What the budget left over stays in
 * front, in order. Returns SLUICE__MORE when something is ready, SLUICE__WAIT
 * when all is parked, SLUICE__DONE when the queue is empty, or the first error,
 * with `*failed` the continuation that returned it (already IDLE). */
int sluice__queue_drain(sluice__queue_t *q, sluice__budget_t *b,
                        sluice__cont_t **failed);

/* True when a drain would run a step (remote wake-ups included). */
bool sluice__queue_is_runnable(const sluice__queue_t *q);

/* A parked continuation that says it could work: a wake-up was lost. NULL when
 * all is well. O(parked): debug builds call it when the queue goes quiet. */
sluice__cont_t *sluice__queue_find_lost(const sluice__queue_t *q);

#endif
