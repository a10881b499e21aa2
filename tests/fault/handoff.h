/* handoff.h - a hand-over from one half of a world to the other, on one loop.
 *
 * The source's engine is the world's; the target has one of its own. Beside
 * the world's sections there are a region whose memory is a memfd and the read
 * end of a pipe. Time is virtual, so a step is a turn of the loop, or one of
 * the calls that the host gets: each is a chance for it to do something. */
#ifndef SLUICE_FAULT_HANDOFF_H
#define SLUICE_FAULT_HANDOFF_H

#include <sluice/descriptors.h>
#include <sluice/handover.h>

#include "world.h"

enum { SHARED_PAGES = 4, SHARED_BYTES = SHARED_PAGES * PAGE };

/* Whom the host's own doings strike. */
typedef enum handoff_side_e { OLD_SIDE, NEW_SIDE } handoff_side_t;

typedef struct handoff_plan_s {
  const char *name;
  unsigned parts;      /* of the world */
  handoff_side_t side; /* whose host cancels, closes, ... */
  int copies;          /* the memfd is not passed */
  int destroys;        /* whoever is over frees all he has in the callback */
} handoff_plan_t;

typedef struct handoff_end_s {
  int begun;     /* what begin said */
  unsigned done; /* calls of the callback */
  int status;
  sluice_error_t error;
} handoff_end_t;

typedef struct handoff_s {
  world_t world; /* first */
  const handoff_plan_t *plan;
  uint32_t timeout_ms;     /* 0: the default */
  sluice_engine_t *second; /* of the target; NULL: closed */
  int is_second_gone;
  sluice_handover_t *handover;
  sluice_takeover_t *takeover;
  int sockets[2]; /* not taken yet; else -1 */
  uv_prepare_t turn;
  handoff_end_t old, new;
  int in_begin;
  unsigned pauses, resumes;
  int is_paused;
  int has_destroyed[2];
  const char *complaint;

  sluice_ram_t *shared[2];
  uint8_t *memory[2];
  int memfd;
  uint64_t shared_instant; /* of memory[0] at the pause */
  sluice_descriptors_t *pipes[2];
  int pipe; /* the read end; -1: taken by the other side and closed */
  int arrived;
} handoff_t;

/* All that is needed; no fault strikes. */
void handoff_open(handoff_t *h, const handoff_plan_t *plan);
/* From begin to the end of both; faults strike. */
void handoff_run(handoff_t *h);
/* What is wrong with how it ended; NULL: nothing. At most one serves, and
 * whoever does has everything. */
const char *handoff_judge(handoff_t *h);
/* What is left over; NULL: nothing. */
const char *handoff_close(handoff_t *h);

#endif
