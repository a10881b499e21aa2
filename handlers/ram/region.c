/* region.c - one region and its bitmaps; see section.h.
 *
 * A region that was never saved counts as written from end to end. */
#include <stdlib.h>
#include <string.h>

#include "bitmap.h"
#include "section.h"

static int open_bitmaps(sluice__ram_region_t *region) {
  region->marks = sluice__bitmap_new(region->pages);
  region->since = sluice__bitmap_new(region->pages);
  region->pending = sluice__bitmap_new(region->pages);
  region->lent = sluice__bitmap_new(region->pages);
  return region->marks != NULL && region->since != NULL &&
         region->pending != NULL && region->lent != NULL;
}

sluice__ram_region_t *sluice__ram_region_new(const char *name, void *base,
                                             uint64_t bytes,
                                             uint32_t page_shift,
                                             uint32_t flags) {
  sluice__ram_region_t *region = calloc(1, sizeof(*region));

  if (region == NULL) {
    return NULL;
  }
  region->name = strdup(name);
  region->base = base;
  region->bytes = bytes;
  region->pages = bytes >> page_shift;
  region->used = region->pages;
  region->flags = flags;
  region->wire = SLUICE__WIRE_NONE;
  region->memfd = -1;
  region->taken.fd = -1;
  if (region->name == NULL || !open_bitmaps(region)) {
    sluice__ram_region_free(region);
    return NULL;
  }
  (void)sluice__bitmap_set(region->since, 0, region->pages);
  return region;
}

void sluice__ram_region_free(sluice__ram_region_t *region) {
  if (region == NULL) {
    return;
  }
  sluice__shadow_close(&region->shadow);
  sluice__taken_close(&region->taken);
  free(region->marks);
  free(region->since);
  free(region->pending);
  free(region->lent);
  free(region->name);
  free(region);
}

uint64_t sluice__ram_region_gather(sluice__ram_region_t *region, uint64_t page,
                                   uint64_t count) {
  (void)sluice__bitmap_merge(region->since, region->marks, page, count);
  return sluice__bitmap_clear(region->marks, page, count);
}
