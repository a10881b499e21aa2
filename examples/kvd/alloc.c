/* alloc.c - takes and frees blocks.
 *
 * Invariants: no two free blocks are neighbours; a free block repeats its size
 * in its last word and the block after it knows (BEFORE_FREE); the last word
 * below the top is a block of size 0 that is never free, so every block has one
 * after it. */
#include "alloc.h"

#include <string.h>

#include <uv.h>

#include "alloc_private.h"

/* The heap grows by at least this, so that small blocks seldom make it. */
static const uint64_t grow_step = (uint64_t)1 << 20;

/* From here on blocks keep their exact size: rounding costs up to a 32nd, and
 * that of 512 MiB is much. */
static const uint64_t exact_min = 65536;

/* --- free lists --- */

static void set_head(heap_t *h, alloc_place_t at, ref_t b) {
  alloc_state_t *s;
  ref_t head = STATE_AT + offsetof(alloc_state_t, heads) +
               (at.row * COLUMNS + at.column) * sizeof(ref_t);

  heap_put_word(h, head, b);
  s = heap_edit(h, STATE_AT, offsetof(alloc_state_t, heads));
  if (b != 0) {
    s->columns[at.row] |= 1u << at.column;
    s->rows |= 1u << at.row;
    return;
  }
  s->columns[at.row] &= ~(1u << at.column);
  if (s->columns[at.row] == 0) {
    s->rows &= ~(1u << at.row);
  }
}

static void list_push(heap_t *h, ref_t b) {
  alloc_place_t at = alloc_place(block_size(h, b));
  ref_t head = alloc_state(h)->heads[at.row][at.column];

  heap_put_word(h, b + 8, head);
  heap_put_word(h, b + 16, 0);
  if (head != 0) {
    heap_put_word(h, head + 16, b);
  }
  set_head(h, at, b);
}

static void list_remove(heap_t *h, ref_t b) {
  ref_t next = block_next(h, b);
  ref_t prev = block_prev(h, b);

  if (next != 0) {
    heap_put_word(h, next + 16, prev);
  }
  if (prev != 0) {
    heap_put_word(h, prev + 8, next);
  } else {
    set_head(h, alloc_place(block_size(h, b)), next);
  }
}

/* The first block of the first list, from `at` on, that has one; 0: none. */
static ref_t list_first(const alloc_state_t *s, alloc_place_t at) {
  uint32_t columns = s->columns[at.row] & (UINT32_MAX << at.column);
  uint32_t rows;

  if (columns == 0) {
    rows = s->rows & ~(uint32_t)(((uint64_t)2 << at.row) - 1);
    if (rows == 0) {
      return 0;
    }
    at.row = (unsigned)__builtin_ctz(rows);
    columns = s->columns[at.row];
  }
  return s->heads[at.row][__builtin_ctz(columns)];
}

/* A block that fits among the first few of the list where some fit and some do
 * not: a large value overwritten by one of its size finds its old place. */
static ref_t list_try(const heap_t *h, uint64_t size) {
  alloc_place_t at = alloc_place(size);
  ref_t b = alloc_state(h)->heads[at.row][at.column];

  for (int tries = 8; b != 0 && tries > 0; tries--) {
    if (block_size(h, b) >= size) {
      return b;
    }
    b = block_next(h, b);
  }
  return 0;
}

/* --- blocks --- */

/* The smallest size, not below `size`, of which a whole list fits. */
static uint64_t round_to_list(uint64_t size) {
  uint64_t step;

  if (size < (uint64_t)UNIT * COLUMNS) {
    return size;
  }
  step = (uint64_t)1 << (63 - __builtin_clzll(size) - 5);
  return (size + step - 1) & ~(step - 1);
}

/* The size of a block for `bytes` of the caller's; 0: there is none so big. */
static uint64_t size_for(uint64_t bytes) {
  uint64_t size;

  if (bytes >= HEAP_RESERVE_MAX) {
    return 0;
  }
  size = (bytes + 8 + UNIT - 1) & ~(uint64_t)(UNIT - 1);
  if (size < MIN_BLOCK) {
    size = MIN_BLOCK;
  }
  return size < exact_min ? round_to_list(size) : size;
}

static void set_flag(heap_t *h, ref_t b, uint64_t flag, bool on) {
  uint64_t word = heap_get_word(h, b);

  heap_put_word(h, b, on ? word | flag : word & ~flag);
}

/* Makes [b, b + size) a free block; its neighbours are not free. */
static void make_free(heap_t *h, ref_t b, uint64_t size) {
  heap_put_word(h, b, size | FREE);
  heap_put_word(h, b + size - 8, size);
  set_flag(h, b + size, BEFORE_FREE, true);
  list_push(h, b);
}

/* As make_free(), and joins it with neighbours that are. */
static void join_free(heap_t *h, ref_t b, uint64_t size) {
  ref_t after = b + size;

  if (block_flags(h, after) & FREE) {
    list_remove(h, after);
    size += block_size(h, after);
  }
  if (block_flags(h, b) & BEFORE_FREE) {
    uint64_t before = heap_get_word(h, b - 8);

    b -= before;
    list_remove(h, b);
    size += before;
  }
  make_free(h, b, size);
}

static void count(heap_t *h, int64_t bytes, int64_t blocks) {
  alloc_state_t *s = heap_edit(h, STATE_AT, offsetof(alloc_state_t, rows));

  s->used += (uint64_t)bytes;
  s->taken += (uint64_t)blocks;
}

/* Turns [b, b + have), which is on no list, into a block of `size` that is
 * taken and a free rest, if the rest is worth it. */
static void carve(heap_t *h, ref_t b, uint64_t have, uint64_t size) {
  uint64_t before_free = block_flags(h, b) & BEFORE_FREE;

  if (have - size < MIN_BLOCK) {
    size = have;
    set_flag(h, b + size, BEFORE_FREE, false);
  } else {
    make_free(h, b + size, have - size);
  }
  heap_put_word(h, b, size | before_free);
  count(h, (int64_t)size, 1);
}

/* Makes the free block at the top, if there is one, at least `size` long. */
static int grow(heap_t *h, uint64_t size) {
  ref_t end = heap_header(h)->top - 8; /* becomes the new block */
  uint64_t have =
      block_flags(h, end) & BEFORE_FREE ? heap_get_word(h, end - 8) : 0;
  uint64_t missing = have < size ? size - have : 0;
  int r = heap_grow(h, missing > grow_step ? missing : grow_step);

  if (r != 0 && missing > 0 && missing < grow_step) {
    r = heap_grow(h, missing);
  }
  if (r == 0) {
    heap_put_word(h, heap_header(h)->top - 8, 0);
    join_free(h, end, heap_header(h)->top - 8 - end);
  }
  return r;
}

static ref_t find(const heap_t *h, uint64_t size) {
  ref_t b = size < exact_min ? 0 : list_try(h, size);

  return b != 0 ? b
                : list_first(alloc_state(h), alloc_place(round_to_list(size)));
}

/* --- what others call --- */

int alloc_init(heap_t *h) {
  int r = heap_grow(h, ARENA_AT - 8);

  if (r == 0) {
    memset(heap_edit(h, STATE_AT, sizeof(alloc_state_t)), 0,
           sizeof(alloc_state_t));
    heap_put_word(h, heap_header(h)->top - 8, 0);
    make_free(h, ARENA_AT, heap_header(h)->top - 8 - ARENA_AT);
  }
  return r;
}

ref_t alloc_take(heap_t *h, uint64_t bytes) {
  uint64_t size = size_for(bytes);
  ref_t b;

  if (size == 0) {
    return 0;
  }
  b = find(h, size);
  if (b == 0 && grow(h, size) == 0) {
    b = find(h, size);
  }
  if (b == 0) {
    return 0;
  }
  list_remove(h, b);
  carve(h, b, block_size(h, b), size);
  return b + 8;
}

void alloc_free(heap_t *h, ref_t block) {
  ref_t b = block - 8;
  uint64_t size = block_size(h, b);

  assert(!(block_flags(h, b) & FREE));
  count(h, -(int64_t)size, -1);
  join_free(h, b, size);
}

bool alloc_extend(heap_t *h, ref_t block, uint64_t bytes) {
  ref_t b = block - 8;
  uint64_t size = block_size(h, b);
  uint64_t want = size_for(bytes);
  uint64_t have = size + block_size(h, b + size);

  if (want <= size) {
    return want != 0;
  }
  if (!(block_flags(h, b + size) & FREE) || have < want) {
    return false;
  }
  list_remove(h, b + size);
  count(h, -(int64_t)size, -1);
  carve(h, b, have, want);
  return true;
}

uint64_t alloc_size(const heap_t *h, ref_t block) {
  return block_size(h, block - 8) - 8;
}

uint64_t alloc_used(const heap_t *h) {
  return alloc_state(h)->used;
}
