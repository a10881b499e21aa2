/* rescan.h - the save set walked again and again: what the queue is beside.
 *
 * Two walks over the same handlers that the queue runs:
 *
 *   2008   every handler is called, the results are taken together
 *   7.2    as QEMU 7.2 walks: one that is not active is passed over, and one
 *          that has not come to its end (result 0) ends the walk
 *
 * Our own few lines to the same effect; nothing of QEMU's. */
#ifndef SLUICE_BENCH_RESCAN_H
#define SLUICE_BENCH_RESCAN_H

#include <stdbool.h>
#include <stdint.h>

#include "queue.h"

typedef struct rescan_node_s rescan_node_t;

struct rescan_node_s {
  sluice__cont_t cont; /* for the queue; its step is what the walks call */
  bool (*is_active)(const rescan_node_t *node);
  rescan_node_t *next;
  uint64_t left; /* work; UINT64_MAX: never clean */
  uint64_t done;
  bool is_over; /* of the walk of 7.2: it came to its end in this call */
};

/* One walk. The steps see by `b` when to return; each does at least one unit.
 */
void rescan_2008(rescan_node_t *first, sluice__budget_t *b);
void rescan_72(rescan_node_t *first, sluice__budget_t *b);

#endif
