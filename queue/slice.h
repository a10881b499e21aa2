/* slice.h - how long a turn may be, by how busy the host is.
 *
 * Between two turns the host's own callbacks run. Where they had something to
 * do, somebody waited for the turn before: the next is half as long, down to
 * the floor, which is never 0, so the work always moves. Where they had
 * nothing, the next is a quarter longer, up to the ceiling: fewer turns cost
 * less. So a host that is called once a millisecond meets turns of about 0.3
 * ms, and one that is always busy the floor.
 *
 * Pure arithmetic: no clock, no libuv. */
#ifndef SLUICE_QUEUE_SLICE_H
#define SLUICE_QUEUE_SLICE_H

#include <stdint.h>

/* Invariant: 0 < floor_ns <= now_ns <= ceiling_ns. */
typedef struct sluice__slice_s {
  uint64_t floor_ns;
  uint64_t ceiling_ns;
  uint64_t now_ns; /* of the next turn */
} sluice__slice_t;

/* Begins at the ceiling. A floor above it is lowered to it; 0 is 1. */
void sluice__slice_init(sluice__slice_t *s, uint64_t floor_ns,
                        uint64_t ceiling_ns);

/* `host_ns`: what passed since the last turn that was not ours. */
void sluice__slice_adapt(sluice__slice_t *s, uint64_t host_ns);

/* Of `full` bytes that go with the ceiling, the part that goes with this turn,
 * but 512 KiB in any case if `full` has as many. */
uint64_t sluice__slice_bytes(const sluice__slice_t *s, uint64_t full);

#endif
