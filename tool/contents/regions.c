/* regions.c - see regions.h. Relies on the decoder for ranges: pages that an
 * item names exist. */
#include "contents/regions.h"

#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

static int grow(regions_t *r) {
  size_t cap = r->cap == 0 ? 8 : r->cap * 2;
  region_t *list;

  if (r->count < r->cap) {
    return 0;
  }
  list = realloc(r->list, cap * sizeof(*list));
  if (list == NULL) {
    return UV_ENOMEM;
  }
  r->list = list;
  r->cap = cap;
  return 0;
}

static int add(regions_t *r, const sluice_region_t *decl) {
  region_t *region;

  if (grow(r) < 0) {
    return UV_ENOMEM;
  }
  region = &r->list[r->count++];
  (void)snprintf(region->name, sizeof(region->name), "%s", decl->name);
  region->bytes = decl->bytes;
  region->page_size = decl->page_size;
  return page_states_init(&region->states, decl->bytes / decl->page_size) < 0
             ? UV_ENOMEM
             : 0;
}

static int set(regions_t *r, const sluice_run_t *run, page_state_t state) {
  region_t *region = &r->list[run->region];

  return page_states_set(&region->states, run->offset / region->page_size,
                         run->count, state) < 0
             ? UV_ENOMEM
             : 0;
}

int regions_note(regions_t *r, const sluice_item_t *item) {
  switch (item->kind) {
  case SLUICE_ITEM_REGION: return add(r, &item->u.region);
  case SLUICE_ITEM_PAGES:
  case SLUICE_ITEM_DELTA: return set(r, &item->u.run, PAGE_DATA);
  case SLUICE_ITEM_ZEROS:
    return set(r, &item->u.run, item->u.run.fill == 0 ? PAGE_ZERO : PAGE_DATA);
  case SLUICE_ITEM_HEADER:
  case SLUICE_ITEM_NOTE:
  case SLUICE_ITEM_SECTION:
  case SLUICE_ITEM_PART:
  case SLUICE_ITEM_END:
  case SLUICE_ITEM_CLOSE:
  case SLUICE_ITEM_BYTES:
  case SLUICE_ITEM_COMMAND:
  case SLUICE_ITEM_ABORT:
  case SLUICE_ITEM_TRAILER: return 0;
  }
  return 0;
}

uint64_t regions_count(const regions_t *r, page_state_t state) {
  uint64_t n = 0;

  for (size_t i = 0; i < r->count; i++) {
    n += r->list[i].states.count[state];
  }
  return n;
}

void regions_done(regions_t *r) {
  for (size_t i = 0; i < r->count; i++) {
    page_states_done(&r->list[i].states);
  }
  free(r->list);
  *r = (regions_t){0};
}
