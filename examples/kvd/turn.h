/* turn.h - how long a turn of the loop takes, from when it has something to do
 * until it waits again; and when a turn's share for clients is used up.
 *
 * Whatever else uses the loop (a save, for one) comes between two turns, so no
 * single turn should be long. */
#ifndef KVD_TURN_H
#define KVD_TURN_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

typedef struct turn_s {
  uv_prepare_t prepare; /* just before the loop waits: a turn ends */
  uint64_t began_ns;    /* for clients; 0: none had its turn yet */
  uint64_t ended_ns;    /* the turn before */
  uint64_t idle_ns;     /* how long the loop had waited by then, in all */
  uint64_t longest_ns;  /* since turn_reset() */
  unsigned steps;
} turn_t;

/* Before the loop runs for the first time. */
int turn_init(turn_t *t, uv_loop_t *loop);
void turn_close(turn_t *t);

/* To be called before anything is done for a client. */
static inline void turn_enter(turn_t *t) {
  if (t->began_ns == 0) {
    t->began_ns = uv_hrtime();
  }
}

/* Whether it is time to leave the rest to the next turn. Looks at the clock
 * each sixteenth time only: to be called before each small piece of work. */
bool turn_is_over(turn_t *t);

void turn_reset(turn_t *t);

#endif
