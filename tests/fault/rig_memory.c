/* rig_memory.c - memory that is refused, and counted.
 *
 * An allocator for the engine, and the C library's functions behind the
 * linker's --wrap: those calls are seen that are linked in statically, which
 * are the library's and the tests', but not libuv's or the C library's own. */
#include "rigs.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fault.h"

#define WRAP(result, name, arguments)                                          \
  result __real_##name arguments;                                              \
  result __wrap_##name arguments;                                              \
  result __wrap_##name arguments

/* ---- which blocks of malloc() are ours: open addressing, never shrinks ----
 */

enum { SLOTS = 1 << 16 };

static atomic_uintptr_t slots[SLOTS];
static atomic_long heap_blocks;

static size_t slot_of(const void *p) {
  return (size_t)(((uintptr_t)p >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 48);
}

/* A block has at most one owner, so a slot is taken once and emptied once. */
static void *note_block(void *p) {
  if (p == NULL) {
    return NULL;
  }
  for (size_t i = slot_of(p);; i = (i + 1) % SLOTS) {
    uintptr_t empty = 0;

    if (atomic_compare_exchange_strong(&slots[i], &empty, (uintptr_t)p)) {
      atomic_fetch_add(&heap_blocks, 1);
      return p;
    }
  }
}

/* Looks as far as blocks are ever pushed; others are not ours. */
static void forget_block(const void *p) {
  size_t at = slot_of(p);

  for (size_t i = 0; p != NULL && i < 64; i++) {
    uintptr_t mine = (uintptr_t)p;

    if (atomic_compare_exchange_strong(&slots[(at + i) % SLOTS], &mine, 0)) {
      atomic_fetch_sub(&heap_blocks, 1);
      return;
    }
  }
}

long rig_heap_blocks(void) {
  return atomic_load(&heap_blocks);
}

WRAP(void, free, (void *p)) {
  forget_block(p);
  __real_free(p);
}

WRAP(void *, malloc, (size_t size)) {
  return fault_breaks(FAULT_HEAP) ? NULL : note_block(__real_malloc(size));
}

WRAP(void *, calloc, (size_t count, size_t size)) {
  return fault_breaks(FAULT_HEAP) ? NULL
                                  : note_block(__real_calloc(count, size));
}

WRAP(void *, realloc, (void *p, size_t size)) {
  void *q;

  if (fault_breaks(FAULT_HEAP)) {
    return NULL;
  }
  forget_block(p); /* before it is somebody else's */
  q = __real_realloc(p, size);
  return note_block(q != NULL ? q : p) == q ? q : NULL;
}

WRAP(char *, strdup, (const char *text)) {
  return fault_breaks(FAULT_HEAP) ? NULL : note_block(__real_strdup(text));
}

WRAP(char *, strndup, (const char *text, size_t len)) {
  return fault_breaks(FAULT_HEAP) ? NULL
                                  : note_block(__real_strndup(text, len));
}

WRAP(void *, aligned_alloc, (size_t align, size_t size)) {
  return fault_breaks(FAULT_HEAP)
             ? NULL
             : note_block(__real_aligned_alloc(align, size));
}

WRAP(int, posix_memalign, (void **out, size_t align, size_t size)) {
  int r;

  if (fault_breaks(FAULT_HEAP)) {
    return UV_ENOMEM < 0 ? -UV_ENOMEM : 0;
  }
  r = __real_posix_memalign(out, align, size);
  if (r == 0) {
    (void)note_block(*out);
  }
  return r;
}

/* ---- libuv's: never refused, as it aborts in several places then ---- */

static void *uv_get(size_t size) {
  return note_block(__real_malloc(size));
}

static void *uv_get_zeros(size_t count, size_t size) {
  return note_block(__real_calloc(count, size));
}

static void *uv_get_more(void *p, size_t size) {
  forget_block(p);
  return note_block(__real_realloc(p, size));
}

static void uv_give(void *p) {
  __wrap_free(p);
}

void rig_count_libuv(void) {
  (void)uv_replace_allocator(uv_get, uv_get_more, uv_get_zeros, uv_give);
}

/* ---- the engine's allocator ---- */

static atomic_long blocks;
static atomic_size_t bytes, peak;

static void *get(void *ctx, size_t size, size_t align) {
  void *p = NULL;
  size_t now;

  (void)ctx;
  if (fault_breaks(FAULT_MEMORY) ||
      __real_posix_memalign(&p, align < sizeof(void *) ? sizeof(void *) : align,
                            size) != 0) {
    return NULL;
  }
  atomic_fetch_add(&blocks, 1);
  now = atomic_fetch_add(&bytes, size) + size;
  if (now > atomic_load(&peak)) {
    atomic_store(&peak, now);
  }
  return p;
}

static void give(void *ctx, void *p, size_t size, size_t align) {
  (void)ctx;
  (void)align;
  atomic_fetch_sub(&blocks, 1);
  atomic_fetch_sub(&bytes, size);
  __real_free(p);
}

static const sluice_alloc_t allocator = {.alloc = get, .release = give};

const sluice_alloc_t *rig_allocator(void) {
  return &allocator;
}

long rig_blocks(void) {
  return atomic_load(&blocks);
}

size_t rig_block_peak(void) {
  return atomic_exchange(&peak, atomic_load(&bytes));
}
