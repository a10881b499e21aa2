/* turn.h - how long a turn of the loop takes, from when it has something to do
 * until it waits again; and when a turn's share for clients is used up.
 *
 * Whatever else uses the loop (a save, for one) comes between two turns, so no
 * single turn should be long. When there is more to read than a turn has time
 * for, the clients that were left out come first in the next one: they are read
 * in rounds, each client once in a round. */
#ifndef KVD_TURN_H
#define KVD_TURN_H

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

typedef struct turn_s {
  uv_prepare_t prepare; /* just before the loop waits: a turn ends */
  uv_check_t check;     /* after it */
  uint64_t began_ns;    /* for clients; 0: none had its turn yet */
  uint64_t ended_ns;    /* the turn before */
  bool may_wait;        /* the loop, after that */
  uint64_t woke_ns;     /* first thing seen after it; 0: nothing yet */
  uint64_t longest_ns;  /* since turn_reset() */
  bool is_timed;        /* the processor's time, too, which costs a little */
  uint64_t cpu_ns;      /* of this thread, when the turn before ended */
  uint64_t longest_cpu_ns;
  unsigned steps;
  unsigned round;
  bool has_left_out; /* a client, in this turn: the round goes on */
} turn_t;

/* Before the loop runs for the first time. */
int turn_init(turn_t *t, uv_loop_t *loop);
void turn_close(turn_t *t);

/* To be called before anything is done for a client. */
static inline void turn_enter(turn_t *t) {
  if (t->began_ns == 0) {
    t->began_ns = uv_hrtime();
    t->woke_ns = t->woke_ns == 0 ? t->began_ns : t->woke_ns;
  }
}

/* Whether it is time to leave the rest to the next turn. Looks at the clock
 * each sixteenth time only: to be called before each small piece of work. */
bool turn_is_over(turn_t *t);

/* Whether a client whose last round is `*served` may be read from now; then it
 * has had this one. */
bool turn_take(turn_t *t, unsigned *served);

/* Forgets what was longest. `is_timed`: from now on, how much of a turn this
 * thread ran, and not others on its processor, is measured as well. */
void turn_reset(turn_t *t, bool is_timed);

#endif
