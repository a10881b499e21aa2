/* extent.h - the extents that are paged in on demand: a list by address, looked
 * up by address and by number of page. Pure; any thread, once it is fixed. */
#ifndef SLUICE_IMAGE_DEMAND_EXTENT_H
#define SLUICE_IMAGE_DEMAND_EXTENT_H

#include "image/demand/demand.h"

typedef struct sluice__demand_extent_s {
  sluice__demand_pages_t pages;
  uint64_t first; /* number of its first page, among all of the list */
  uint64_t done;  /* bytes from its start that are there; the thread's */
} sluice__demand_extent_t;

uint64_t sluice__demand_page(void); /* bytes of one of the kernel's */

/* The extent that holds `at`, or the first behind it. */
size_t sluice__demand_find(const sluice__demand_extent_t *list, size_t count,
                           const uint8_t *at);

/* The extent that has this page; there is one. */
const sluice__demand_extent_t *
sluice__demand_extent_of(const sluice__demand_extent_t *list, size_t count,
                         uint64_t page);

#endif
