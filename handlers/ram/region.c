/* region.c - see region.h. A region that was never saved counts as written from
 * end to end, which takes a flag and not a bitmap full of ones. */
#include "region.h"

#include <stdlib.h>
#include <string.h>

#include "bitmap.h"

static int open_bitmaps(sluice__ram_region_t *region) {
  region->marks = sluice__bitmap_new(region->pages);
  region->since = sluice__bitmap_new(region->pages);
  region->pending = sluice__bitmap_new(region->pages);
  region->borrowed = sluice__bitmap_new(region->pages);
  return region->marks != NULL && region->since != NULL &&
         region->pending != NULL && region->borrowed != NULL;
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
  region->is_all_since = 1;
  region->memfd = -1;
  region->adopted.fd = -1;
  if (region->name == NULL || !open_bitmaps(region)) {
    sluice__ram_region_free(region);
    return NULL;
  }
  return region;
}

void sluice__ram_region_free(sluice__ram_region_t *region) {
  if (region == NULL) {
    return;
  }
  sluice__staging_close(&region->staging);
  sluice__adopted_close(&region->adopted);
  sluice__bitmap_free(region->marks, region->pages);
  sluice__bitmap_free(region->since, region->pages);
  sluice__bitmap_free(region->pending, region->pages);
  sluice__bitmap_free(region->borrowed, region->pages);
  free(region->name);
  free(region);
}

uint64_t sluice__ram_region_gather(sluice__ram_region_t *region, uint64_t page,
                                   uint64_t count) {
  if (!region->is_all_since) {
    (void)sluice__bitmap_merge(region->since, region->marks, page, count);
  }
  return sluice__bitmap_clear(region->marks, page, count);
}

uint64_t sluice__ram_region_dirty(const sluice__ram_region_t *region) {
  uint64_t n = 0;

  if (region->is_all_since) {
    return region->pages;
  }
  for (uint64_t i = 0; i * 64 < region->pages; i++) {
    n += (uint64_t)__builtin_popcountll(region->marks[i] | region->since[i]);
  }
  return n;
}

uint64_t sluice__ram_region_blank(sluice__ram_region_t *region, uint64_t page) {
  uint64_t count = region->pages - page;

  if (region->is_all_since) {
    region->is_all_since = 0;
    (void)sluice__bitmap_set(region->since, 0, page);
  }
  (void)sluice__bitmap_clear(region->since, page, count);
  region->used = page;
  return sluice__bitmap_clear(region->marks, page, count);
}

void sluice__ram_region_saved(sluice__ram_region_t *region) {
  sluice__bitmap_reset(region->since, region->pages);
  region->is_all_since = 0;
}

void sluice__ram_region_renewed(sluice__ram_region_t *region) {
  region->used = region->pages;
  region->is_all_since = 1;
}
