/* extents.h - what the index names, joined to extents: which are mapped, and
 * which are not?
 *
 * Each extent that is mapped is a mapping of the kernel's, of which a process
 * may have so many and no more (vm.max_map_count). Where there are more
 * extents, the largest are mapped: that leaves the fewest bytes to be read.
 *
 *   add()... -> choose() -> next(), and leave() what could not be mapped
 *            -> drop_deferred() -> list[0 .. unmapped) is to be read
 *
 * Knows memory and numbers, no files. Loop thread; read-only it may be looked
 * at by the pool. */
#ifndef SLUICE_IMAGE_EXTENTS_H
#define SLUICE_IMAGE_EXTENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memory/mem.h"

enum {
  SLUICE__EXTENT_PAGE = 4096, /* sizes are told apart by this, */
  SLUICE__EXTENT_SIZES = 1025 /* up to the most that a record has */
};

/* Pages one behind the other in a region and in the file. */
typedef struct sluice__image_extent_s {
  void *owner;             /* who gets it; the caller's */
  const char *region_name; /* the caller's */
  uint32_t region;
  uint32_t page_size;
  uint64_t offset;
  uint64_t bytes;
  uint64_t at;
  bool is_deferred; /* need not be read: may be paged in on demand */
} sluice__image_extent_t;

typedef struct sluice__extents_s {
  sluice__image_extent_t *list; /* as in the index: ascending */
  size_t count;
  size_t cap;
  size_t next;     /* to be mapped */
  size_t unmapped; /* so many of the first were not */
  uint64_t gaps;   /* extents that do not follow another in their region */
  uint64_t least;  /* bytes; smaller ones are not mapped */
  uint64_t equal;  /* so many of exactly `least - 1 page` are mapped too */
  uint32_t sizes[SLUICE__EXTENT_SIZES]; /* how many of each size */
} sluice__extents_t;

/* `run` goes on where the last extent ends, and belongs to it now. */
bool sluice__extents_join(sluice__extents_t *x,
                          const sluice__image_extent_t *run);
/* Else: an extent of its own. 0, UV_ENOMEM, SLUICE_ELIMIT. */
int sluice__extents_add(sluice__extents_t *x, sluice__mem_t *mem,
                        const sluice__image_extent_t *run);

/* All are there: the largest `most` will be mapped. `may_defer`: where there
 * are more, only those that are worth a mapping. */
void sluice__extents_choose(sluice__extents_t *x, uint64_t most,
                            bool may_defer);
/* The next one, there is one; is it to be mapped? */
bool sluice__extents_next(sluice__extents_t *x, sluice__image_extent_t *out);
/* It was not. */
void sluice__extents_leave(sluice__extents_t *x,
                           const sluice__image_extent_t *extent);
/* Out of what was not mapped. */
void sluice__extents_drop_deferred(sluice__extents_t *x);

void sluice__extents_close(sluice__extents_t *x, sluice__mem_t *mem);

#endif
