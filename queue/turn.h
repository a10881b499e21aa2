/* turn.h - what one drain knows: shared by drain.c, which decides the order,
 * and service.c, which runs one continuation at a time. For nobody else.
 *
 * Lives on the stack of one drain. `share` is lent to each step in turn;
 * between steps it is the one account of the time. */
#ifndef SLUICE_QUEUE_TURN_H
#define SLUICE_QUEUE_TURN_H

#include "queue.h"

typedef struct sluice__turn_s {
  sluice__queue_t *queue;
  sluice__cont_t *failed;
  sluice__budget_t share; /* lent to the running step */
  uint64_t bytes;         /* that the turn may use; saturated: unlimited */
  uint64_t opened_ns;
  uint64_t time_ns; /* that the turn may take; UINT64_MAX: unlimited */
  uint64_t used;    /* bytes, so far */
  bool has_run;     /* at least one step */
  bool was_due[SLUICE__CLASS_COUNT];
  bool was_served[SLUICE__CLASS_COUNT];
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
  int64_t deficit_most;
  uint64_t slice_ns;

  /* Steps since the clock was read. */
  uint64_t batch_ns;
  uint64_t batch_from; /* `used` then */
  uint32_t batch_steps;
  uint32_t batch_skips;
  sluice__cont_t *batch_last; /* NULL: gone, or none */
} sluice__turn_t;

/* Forgets what the last weight came to: to be called when the class or what it
 * may use has changed. */
static inline void sluice__turn_forget_quantum(sluice__turn_t *t) {
  t->quantum_weight = 0; /* no continuation has it */
}

/* Makes `quantum` that of `weight`. */
void sluice__turn_pick_quantum(sluice__turn_t *t, uint32_t weight);

/* Gives a node its quantum and runs it if that is enough; else puts it to the
 * end of its class. Returns 0 or the step's error. `c` may be gone. */
int sluice__turn_serve(sluice__turn_t *t, sluice__cont_t *c);

/* Reads the clock; what passed since it was last read here is laid at the door
 * of the steps in between, if need be by timing the next ones one by one. */
void sluice__turn_close_batch(sluice__turn_t *t);

#endif
