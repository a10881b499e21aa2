/* page_map.h - where the latest copy of every page stands in the stream.
 *
 * The encoder's memory of what it wrote: the index is made from it, and with
 * keep_last pages are overwritten where it says. 8 bytes a page, in blocks that
 * are allocated when first touched; a block zeroed in one call costs nothing.
 *
 * A page is a number: 0 never written; SLUICE__PAGE_ZERO a page of zeros;
 * otherwise the stream offset of its data (a multiple of 256).
 *
 * No call but _zero and _next takes longer the more pages there are: it is
 * walked, and given back, in steps.
 *
 * Must not know how the bytes get into the stream. Trusts its caller on
 * indices. */
#ifndef SLUICE_STREAM_PAGE_MAP_H
#define SLUICE_STREAM_PAGE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sluice/alloc.h>

enum {
  SLUICE__PAGE_ZERO = 1,
  SLUICE__PAGE_BLOCK = 1024,  /* pages */
  SLUICE__RECORD_BLOCK = 1024 /* records */
};

typedef struct sluice__page_blocks_s {
  uint64_t **blocks;
  size_t count;
  size_t left; /* not given back */
  uint64_t pages;
} sluice__page_blocks_t;

/* Where a PAGES record has its data and its hashes. */
typedef struct sluice__page_record_s {
  uint64_t data;
  uint64_t hashes;
} sluice__page_record_t;

typedef struct sluice__page_map_s {
  sluice_alloc_t alloc;
  sluice__page_blocks_t *regions;
  uint32_t region_count;
  uint32_t region_cap;
  sluice__page_record_t **records; /* blocks; ascending */
  size_t record_count;
  size_t record_blocks; /* that `records` has room for */
} sluice__page_map_t;

/* Pages that are next to each other in region and stream. */
typedef struct sluice__page_run_s {
  uint64_t page; /* the first one's number */
  uint64_t count;
  uint64_t data; /* stream offset; 0: zeros */
} sluice__page_run_t;

/* A walk over a region's runs that can stop anywhere. Zeroed: at the start. */
typedef struct sluice__page_walk_s {
  uint64_t page;          /* the next to be looked at */
  sluice__page_run_t run; /* what was found of the run at hand; count 0: none */
} sluice__page_walk_t;

void sluice__page_map_init(sluice__page_map_t *m, const sluice_alloc_t *alloc);
void sluice__page_map_done(sluice__page_map_t *m);

/* The next region has `pages` pages. 0 or UV_ENOMEM, as below. */
int sluice__page_map_region(sluice__page_map_t *m, uint64_t pages);

/* A PAGES record was completed. */
int sluice__page_map_record(sluice__page_map_t *m, uint64_t data,
                            uint64_t hashes);

/* Notes `count` pages as zeros; adds to `*dropped` how many of them had data in
 * the stream. */
int sluice__page_map_zero(sluice__page_map_t *m, uint32_t region, uint64_t page,
                          uint64_t count, uint64_t *dropped);

/* The page's number, to be set; NULL: no memory. */
uint64_t *sluice__page_map_slot(sluice__page_map_t *m, uint32_t region,
                                uint64_t page);

uint64_t sluice__page_map_get(const sluice__page_map_t *m, uint32_t region,
                              uint64_t page);

/* The page behind `page` and those that are like it because their block is of
 * one kind throughout. */
uint64_t sluice__page_map_step(const sluice__page_map_t *m, uint32_t region,
                               uint64_t page);

/* Stream offset of the hash of the page whose data is at `data`. */
uint64_t sluice__page_map_hash(const sluice__page_map_t *m, uint64_t data,
                               uint32_t page_size);

typedef enum sluice__page_found_e {
  SLUICE__PAGES_OVER, /* there are no more runs in the region */
  SLUICE__PAGES_RUN,  /* `*out` is the next one */
  SLUICE__PAGES_LATER /* `*looks` are used up: call again */
} sluice__page_found_t;

/* Finds the next run; a look is one page, or one block of one kind. */
sluice__page_found_t sluice__page_map_walk(const sluice__page_map_t *m,
                                           uint32_t region, uint32_t page_size,
                                           sluice__page_walk_t *walk,
                                           uint64_t *looks,
                                           sluice__page_run_t *out);

/* The first run from page `from` on, however long it takes; false: none. */
bool sluice__page_map_next(const sluice__page_map_t *m, uint32_t region,
                           uint32_t page_size, uint64_t from,
                           sluice__page_run_t *out);

/* Gives back `blocks` of them at most; true when there are no more. What it
 * knew is gone; only _done may follow. */
bool sluice__page_map_shrink(sluice__page_map_t *m, size_t blocks);

#endif
