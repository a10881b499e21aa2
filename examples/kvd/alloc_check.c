/* alloc_check.c - looks at every block and every free list of a heap that may
 * come from a damaged file. Reads nothing it has not bounded before. */
#include "alloc.h"

#include <uv.h>

#include "alloc_private.h"

typedef struct walk_s {
  const heap_t *heap;
  ref_t end; /* of the blocks: where the block of size 0 lies */
  uint64_t used;
  uint64_t taken;
  uint64_t free;
  bool before_free;
} walk_t;

static bool is_inside(const walk_t *w, ref_t b, uint64_t size) {
  return b >= ARENA_AT && b % UNIT == 8 && b < w->end && size <= w->end - b;
}

/* One block; false: it cannot be. */
static bool walk_block(walk_t *w, ref_t b, uint64_t size) {
  uint64_t flags = block_flags(w->heap, b);

  if (size < MIN_BLOCK || !is_inside(w, b, size) ||
      (flags & ~(uint64_t)(FREE | BEFORE_FREE)) != 0 ||
      ((flags & BEFORE_FREE) != 0) != w->before_free) {
    return false;
  }
  w->before_free = (flags & FREE) != 0;
  if (!w->before_free) {
    w->used += size;
    w->taken++;
    return true;
  }
  w->free++;
  return !(flags & BEFORE_FREE) && heap_get_word(w->heap, b + size - 8) == size;
}

static bool walk_blocks(walk_t *w, alloc_visit_cb visit, void *ctx) {
  ref_t b = ARENA_AT;

  while (b < w->end) {
    uint64_t size = block_size(w->heap, b);

    if (!walk_block(w, b, size)) {
      return false;
    }
    if (!w->before_free && visit != NULL) {
      visit(ctx, b + 8);
    }
    b += size;
  }
  return heap_get_word(w->heap, b) == (w->before_free ? BEFORE_FREE : 0u);
}

/* One list. Every block on it is counted off `left`, so a ring ends. */
static bool walk_list(const walk_t *w, alloc_place_t at, uint64_t *left) {
  ref_t prev = 0;

  for (ref_t b = alloc_state(w->heap)->heads[at.row][at.column]; b != 0;
       b = block_next(w->heap, b)) {
    alloc_place_t mine;

    if (*left == 0 || !is_inside(w, b, MIN_BLOCK) ||
        !(block_flags(w->heap, b) & FREE) || block_prev(w->heap, b) != prev) {
      return false;
    }
    mine = alloc_place(block_size(w->heap, b));
    if (mine.row != at.row || mine.column != at.column) {
      return false;
    }
    --*left;
    prev = b;
  }
  return true;
}

static bool walk_row(const walk_t *w, unsigned row, uint64_t *left) {
  const alloc_state_t *s = alloc_state(w->heap);

  for (unsigned c = 0; c < COLUMNS; c++) {
    bool marked = (s->columns[row] >> c & 1) != 0;

    if (marked != (s->heads[row][c] != 0) ||
        !walk_list(w, (alloc_place_t){row, c}, left)) {
      return false;
    }
  }
  return (s->rows >> row & 1) == (s->columns[row] != 0);
}

int alloc_check(const heap_t *h, alloc_visit_cb visit, void *ctx) {
  walk_t w = {.heap = h, .end = heap_header(h)->top - 8};
  const alloc_state_t *s;

  if (heap_header(h)->top < ARENA_AT + MIN_BLOCK + 8 ||
      !walk_blocks(&w, visit, ctx)) {
    return UV_EINVAL;
  }
  s = alloc_state(h);
  if (s->used != w.used || s->taken != w.taken) {
    return UV_EINVAL;
  }
  for (unsigned row = 0; row < ROWS; row++) {
    if (!walk_row(&w, row, &w.free)) {
      return UV_EINVAL;
    }
  }
  return w.free == 0 ? 0 : UV_EINVAL;
}
