/* alloc_private.h - how blocks and free lists lie in the heap; for alloc.c, and
 * for alloc_check.c, which doubts all of it. */
#ifndef KVD_ALLOC_PRIVATE_H
#define KVD_ALLOC_PRIVATE_H

#include "alloc.h"

enum {
  UNIT = 16,      /* sizes are multiples of it */
  MIN_BLOCK = 32, /* size, next, prev, size */
  ROWS = 32,      /* a row for each power of two, 2^9 .. 2^39; row 0: below */
  COLUMNS = 32,   /* equal parts of a row */
  FREE = 1,
  BEFORE_FREE = 2,
  STATE_AT = HEAP_PAGE,
  ARENA_AT = 4 * HEAP_PAGE + 8, /* the first block */
};

typedef struct alloc_state_s {
  uint64_t used;              /* bytes of blocks taken, with their sizes */
  uint64_t taken;             /* blocks */
  uint32_t rows;              /* bit r: columns[r] is not 0 */
  uint32_t columns[ROWS];     /* bit c: heads[r][c] is not 0 */
  ref_t heads[ROWS][COLUMNS]; /* the first free block of a size */
} alloc_state_t;

_Static_assert(STATE_AT + sizeof(alloc_state_t) <= ARENA_AT,
               "the state ends before the blocks begin");

typedef struct alloc_place_s {
  unsigned row;
  unsigned column;
} alloc_place_t;

/* Which list a free block of `size` hangs on. */
static inline alloc_place_t alloc_place(uint64_t size) {
  alloc_place_t p = {0, (unsigned)(size / UNIT)};
  unsigned log;

  if (size >= (uint64_t)UNIT * COLUMNS) {
    log = 63u - (unsigned)__builtin_clzll(size);
    p.row = log - 8;
    p.column = (unsigned)(size >> (log - 5)) - COLUMNS;
  }
  return p;
}

static inline const alloc_state_t *alloc_state(const heap_t *h) {
  return (const alloc_state_t *)heap_get(h, STATE_AT);
}

/* A block is named inside by the place of its size word, `b`. */
static inline uint64_t block_size(const heap_t *h, ref_t b) {
  return heap_get_word(h, b) & ~(uint64_t)(UNIT - 1);
}

static inline uint64_t block_flags(const heap_t *h, ref_t b) {
  return heap_get_word(h, b) & (UNIT - 1);
}

static inline ref_t block_next(const heap_t *h, ref_t b) {
  return heap_get_word(h, b + 8);
}

static inline ref_t block_prev(const heap_t *h, ref_t b) {
  return heap_get_word(h, b + 16);
}

#endif
