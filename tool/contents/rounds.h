/* rounds.h - how often a machine's memory has come by now, seen in its stream.
 *
 * QEMU sweeps over the regions in the order of their declaration, and over what
 * was written meanwhile again: a page before the one that came last begins a
 * new round. Tells the bar, and whoever wants details. */
#ifndef SLUICE_TOOL_CONTENTS_ROUNDS_H
#define SLUICE_TOOL_CONTENTS_ROUNDS_H

#include <stdbool.h>
#include <stdint.h>

#include <sluice/item.h>

typedef struct rounds_s {
  bool is_verbose;   /* a line about each round on standard error */
  uint32_t count;    /* begun; 0: no page has come */
  uint32_t region;   /* of the page that came last */
  uint64_t end;      /* of that page, in its region */
  uint64_t declared; /* bytes of all regions */
  uint64_t seen;     /* bytes of memory in this round */
  uint64_t former;   /* and in the one before */
  uint64_t moved;    /* bytes of memory in all rounds */
  uint64_t shown;    /* of that, when the bar was told last */
} rounds_t;

/* Takes every item of the stream. */
void rounds_note(rounds_t *r, const sluice_item_t *item);

/* What is left, as far as one can see: of the first round what has not come, of
 * others what came in the one before. */
uint64_t rounds_left(const rounds_t *r);

#endif
