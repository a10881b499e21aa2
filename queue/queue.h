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
 * A continuation ends in exactly one of three ways: its step returns DONE, its
 * step returns an error, or on_cancel is called. After any of them the queue
 * does not touch it again, so it may free itself there; it may also be woken
 * again, which begins a new life.
 *
 * Invariant: a node is in exactly one of these states, and a READY or PARKED
 * node is on exactly one list. Everything runs on the queue's own thread but
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

/* Does a bounded piece of work, charging `b` for it; at least one unit of it,
 * even if `b` is spent. May enqueue, wake, cancel and init any continuation,
 * itself included, free any that is IDLE, and itself when it returns DONE or an
 * error. May not drain the queue it is run by. */
typedef int (*sluice__step_fn)(sluice__cont_t *c, sluice__budget_t *b);

/* Bytes of work that `c` could do right now (none while it is paced or its sink
 * is full); for lost wake-up detection. */
typedef uint64_t (*sluice__pending_fn)(const sluice__cont_t *c);

/* Called once for a continuation that is cancelled before it was DONE; the last
 * touch: it may be freed, or woken, in here. */
typedef void (*sluice__cancel_fn)(sluice__cont_t *c);

/* A step that ends the continuation may free it, so of that one only `steps`
 * is counted here. */
typedef struct sluice__cont_stats_s {
  uint64_t steps;
  uint64_t bytes;
  uint64_t overruns;   /* steps that were timed alone and took too long */
  uint64_t longest_ns; /* of the steps that were timed alone */
} sluice__cont_stats_t;

struct sluice__cont_s {
  /* Set by the owner before sluice__cont_init() or never. */
  sluice__pending_fn pending;  /* optional */
  sluice__cancel_fn on_cancel; /* optional */

  /* Private to the queue. */
  sluice__queue_t *queue;
  sluice__cont_t *posted_next; /* in the queue's list of remote wake-ups */
  atomic_bool posted;

  /* From here to `stats.bytes`: all that a drain touches, 64 bytes. */
  sluice__step_fn step;
  sluice__cont_t *next;
  sluice__cont_t *prev;
  uint64_t turn;   /* of the queue, when it went to where it is now */
  int64_t deficit; /* bytes it may still use; 0 while its step runs */
  uint32_t weight;
  uint8_t class_;
  uint8_t state; /* IDLE while its step runs: see sluice__cont_state() */
  bool woken;    /* a wake-up came while RUNNING: WAIT then means MORE */
  sluice__cont_stats_t stats; /* readable by anyone on the queue's thread */
};

typedef struct sluice__cont_list_s {
  sluice__cont_t *first;
  sluice__cont_t *last;
  uint64_t weight; /* sum over the list */
  uint64_t count;
} sluice__cont_list_t;

typedef struct sluice__queue_config_s {
  uint64_t quantum_min;  /* bytes for an average weight; 0: 4096 */
  uint32_t urgent_share; /* percent of a turn urgent may use; 0: 75 */
  uint64_t overrun_ns;   /* a step longer than this is an overrun; 0: 1 ms */
} sluice__queue_config_t;

struct sluice__queue_s {
  sluice__queue_config_t config; /* no zeroes */
  sluice__cont_list_t ready[SLUICE__CLASS_COUNT];
  sluice__cont_list_t parked;
  _Atomic(sluice__cont_t *) posted; /* latest first */
  sluice__cont_t *running;          /* its step is on the stack */
  bool is_running_cancelled;
  bool is_draining;
  uint64_t turn; /* counts drains; a ready node of an older one is due */
  /* Turns in a row in which a class was ready and got nothing. */
  uint32_t passed_over[SLUICE__CLASS_COUNT];
  /* Set by the owner after sluice__queue_init(). Called when the queue turns
   * runnable: by a wake-up outside of a drain, or, if `remote`, by any post,
   * then from any thread or signal handler. The hook of a nested queue wakes
   * the outer continuation, or posts it if `remote`. */
  void (*on_runnable)(void *ctx, bool remote);
  void *runnable_ctx;
  uint64_t overruns;    /* of all continuations, also those that are gone */
  uint32_t exact_steps; /* this many next steps are timed one by one */
};

/* `config` is copied; NULL: all defaults. A share above 100 is taken as 100,
 * which leaves bulk no floor. */
void sluice__queue_init(sluice__queue_t *q,
                        const sluice__queue_config_t *config);

/* Prepares a continuation for `q`: IDLE, no deficit. `weight` is 1..1000. One
 * that is READY or PARKED must be cancelled first. A step may prepare its own
 * continuation anew: what it returns then, unless an error, is dropped. */
void sluice__cont_init(sluice__cont_t *c, sluice__queue_t *q,
                       sluice__step_fn step, sluice__class_t class_,
                       uint32_t weight);

sluice__cont_state_t sluice__cont_state(const sluice__cont_t *c);

/* Makes `c` READY at the end of its class. No-op when it is READY; when it is
 * RUNNING it will be READY after this step whatever the step returns but DONE
 * or an error. */
void sluice__queue_wake(sluice__cont_t *c);

/* The same from any thread, and async-signal-safe; takes effect at the start of
 * the next drain. What the caller wrote before is seen by the step that
 * follows. `c` must stay alive until that drain or until it is cancelled on the
 * queue's thread; the owner sees to it that no post runs beside that cancel. */
void sluice__queue_post(sluice__cont_t *c);

/* Makes READY what was posted, in order. A drain begins with it. */
void sluice__queue_take_posted(sluice__queue_t *q);

/* Moves `c` to another class; a READY one goes to the end of it, and waits for
 * the next turn when a drain is on. No-op when it is of that class already. */
void sluice__queue_reclass(sluice__cont_t *c, sluice__class_t class_);

/* Takes `c` out wherever it is, then calls its on_cancel. A RUNNING one is only
 * marked: wake-ups are ignored from then on, and what its step returns is
 * dropped: after MORE and WAIT on_cancel is called, after DONE and an error the
 * continuation has ended by that. An IDLE one is only taken off the list of
 * remote wake-ups. */
void sluice__queue_cancel(sluice__cont_t *c);

/* Cancels everything there is, class by class and then the parked, oldest
 * first. What an on_cancel wakes stays. */
void sluice__queue_cancel_all(sluice__queue_t *q);

/* Runs one turn: what was ready when it began, at most once each, until the
 * budget is spent; but at least one step. What the budget left over stays in
 * front, in order. `b` is charged with all that the steps used.
 *
 * Returns SLUICE__MORE when something is ready, SLUICE__WAIT when all is
 * parked, SLUICE__DONE when the queue is empty, or the first error, with
 * `*failed` the continuation that returned it: IDLE, and freed if its step did
 * so. The rest is as it was: the owner of a nested queue handles the error in
 * its own step and returns what the outer queue should think of it. */
int sluice__queue_drain(sluice__queue_t *q, sluice__budget_t *b,
                        sluice__cont_t **failed);

/* True when a drain would run a step (remote wake-ups included). */
bool sluice__queue_is_runnable(const sluice__queue_t *q);

/* A parked continuation that says it could work and that nobody has posted: a
 * wake-up was lost. NULL when all is well. O(parked): debug builds call it when
 * the queue goes quiet. */
sluice__cont_t *sluice__queue_find_lost(const sluice__queue_t *q);

#endif
