/* region.h - one region of memory and what is known of its pages.
 *
 * Four bitmaps, a bit for each page:
 *
 *   marks     the host has written since the last gathering
 *   since     written since the last save that succeeded, without `marks`
 *   pending   still to be sent in this save
 *   borrowed  in a snapshot: sent, but not read yet, so not saved (snapshot.h)
 *
 *   host --mark--> marks --gather--> since and pending --send--> (clear
 * pending)
 *
 * Marks move on before a page is copied, so a write that follows sets a new
 * one. `since` outlives a failed save: nothing has to be put back.
 *
 * `marks` is shown to hosts (sluice_ram_mark() is inline over it): its address
 * stays, and a set bit says that sluice_ram_dirty() would change nothing. All
 * else that is kept of a mark is kept where a bit is set for the first time. */
#ifndef SLUICE_RAM_REGION_H
#define SLUICE_RAM_REGION_H

#include <stdint.h>

#include "adopted.h"
#include "staging.h"

#define SLUICE__WIRE_NONE UINT32_MAX

typedef struct sluice__ram_region_s {
  char *name;
  uint8_t *base; /* the host's */
  uint64_t bytes;
  uint64_t pages;
  uint64_t used;  /* pages from here on were never written: blank */
  uint32_t flags; /* SLUICE_RAM_* */
  uint32_t wire;  /* index in the stream of this operation, or WIRE_NONE */
  uint64_t *marks;
  uint64_t *since;
  uint64_t *pending;
  uint64_t *borrowed;
  int is_all_since; /* every page counts as in `since`, which is not read */
  int is_mapped;    /* pages of it are those of an image's file */
  sluice__staging_t staging; /* while restoring */
  int memfd;     /* what it is mapped from, the host's; -1: nothing */
  int is_passed; /* saving: by its descriptor; no page is pending */
  sluice__adopted_t adopted; /* restoring, and after: by its descriptor */
} sluice__ram_region_t;

/* Made from checked arguments, written from end to end; NULL: no memory. */
sluice__ram_region_t *sluice__ram_region_new(const char *name, void *base,
                                             uint64_t bytes,
                                             uint32_t page_shift,
                                             uint32_t flags);
void sluice__ram_region_free(sluice__ram_region_t *region);

/* Moves the marks of pages to `since`; how many there were. */
uint64_t sluice__ram_region_gather(sluice__ram_region_t *region, uint64_t page,
                                   uint64_t count);
/* Pages written since the last save that succeeded. */
uint64_t sluice__ram_region_dirty(const sluice__ram_region_t *region);
/* From `page` on nothing was ever written; how many marks were cleared. */
uint64_t sluice__ram_region_blank(sluice__ram_region_t *region, uint64_t page);
/* A save has succeeded. */
void sluice__ram_region_saved(sluice__ram_region_t *region);
/* All its pages have new content. */
void sluice__ram_region_renewed(sluice__ram_region_t *region);

#endif
