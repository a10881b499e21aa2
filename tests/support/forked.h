/* forked.h - a host that is forked while its engine is at work.
 *
 * At chosen moments (turns of the loop; calls of hooks and callbacks) a child
 * is forked that abandons the engine and looks at what is left: memory,
 * descriptors, calls, the loop. The kernel ends it if it does what others could
 * see. The parent asserts that it found nothing, and goes on.
 *
 * Link with support/live_blocks.c, support/counting_alloc.c, support/deny.c and
 * -Wl,--wrap=uv_queue_work. One at a time. */
#ifndef SLUICE_TESTS_FORKED_H
#define SLUICE_TESTS_FORKED_H

#include <uv.h>

#include <sluice/sluice.h>

#include "counting_alloc.h"

typedef struct forked_s {
  /* Set between forked_init() and forked_begin(), or later. */
  unsigned turns;     /* a fork in every so many turns; 0: in none */
  unsigned hooks;     /* and at every so many calls; 0: at none */
  int is_busy;        /* libuv's threads may be at work meanwhile: what they
                         have at hand is left */
  void (*turn)(void); /* of the host's, in every turn; or NULL */
  unsigned (*of_host)(void); /* blocks that are its since it began; or NULL */
  unsigned (*files_of_host)(void); /* and open files, at most; or NULL */
  uint32_t slice_bytes;            /* of the engine; small: many turns */

  uv_loop_t loop;
  sluice_engine_t *engine;
  counting_alloc_t counted; /* the engine's */
  unsigned calls;           /* of hooks and callbacks, so far */
  unsigned forks;
} forked_t;

extern forked_t forked;

/* The loop; what is made until _begin is the host's. */
void forked_init(void);
/* The engine. */
void forked_begin(const sluice_executor_t *executor);
/* Runs until nothing is left to do. */
void forked_run(void);
/* Closes all; `before_end` as of odd_executor.h, or NULL. */
void forked_end(void (*before_end)(void));

/* Of every hook and callback of the host's. */
void forked_call(void);
/* Here and now. */
void forked_fork(void);

#endif
