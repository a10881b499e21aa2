/* pending.h - the pages that a save has still to send, and in which order.
 *
 * The bits are the regions'; `ram->pending` counts them and holds the cursor,
 * which goes round. In a snapshot its lock covers both. */
#ifndef SLUICE_RAM_PENDING_H
#define SLUICE_RAM_PENDING_H

#include "section.h"

/* A save begins: nothing is known to be pending. */
void sluice__ram_pending_open(sluice_ram_t *ram);

/* Makes pages pending, and their marks old. */
void sluice__ram_pending_add_all(sluice_ram_t *ram,
                                 sluice__ram_region_t *region, uint64_t page,
                                 uint64_t count);

/* Moves the cursor to the next run, round the end if need be, and behind it;
 * the caller knows that there is one. At most what one run may have. */
sluice__ram_span_t sluice__ram_pending_next(sluice_ram_t *ram,
                                            const sluice_writer_t *w);

/* The most pages that one run may have. */
uint64_t sluice__ram_pending_limit(const sluice_ram_t *ram,
                                   const sluice_writer_t *w);

#endif
