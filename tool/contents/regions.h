/* regions.h - the regions of a stream, and what became of their pages. */
#ifndef SLUICE_TOOL_CONTENTS_REGIONS_H
#define SLUICE_TOOL_CONTENTS_REGIONS_H

#include <stddef.h>

#include <sluice/item.h>

#include "contents/page_states.h"

typedef struct region_s {
  char name[SLUICE_NAME_MAX + 1];
  uint64_t bytes;
  uint32_t page_size;
  page_states_t states; /* after all items so far: the last copy counts */
} region_t;

typedef struct regions_s {
  region_t *list; /* by index in the stream */
  size_t count;
  size_t cap;
} regions_t;

/* Takes REGION, PAGES, ZEROS and DELTA items in, leaves others alone.
 * 0 or UV_ENOMEM. */
int regions_note(regions_t *r, const sluice_item_t *item);

/* Pages in `state`, of all regions. */
uint64_t regions_count(const regions_t *r, page_state_t state);

void regions_done(regions_t *r);

#endif
