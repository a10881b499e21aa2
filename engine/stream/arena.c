/* arena.c - see arena.h. Chunks double from 4 KiB up to 256 KiB, so that small
 * streams stay small and large ones cost few allocations. */
#include "stream/arena.h"

#include <stdint.h>
#include <string.h>
#include <uv.h>

#include <sluice/error.h>

enum { ARENA_ALIGN = 16, CHUNK_MIN = 4096, CHUNK_MAX = 256 * 1024 };

struct sluice__arena_chunk_s {
  sluice__arena_chunk_t *next;
  size_t size; /* bytes, this header included */
  size_t used;
};

enum { HEADER = 2 * ARENA_ALIGN }; /* bytes */

_Static_assert(sizeof(sluice__arena_chunk_t) <= HEADER, "the header fits");

void sluice__arena_init(sluice__arena_t *a, const sluice_alloc_t *alloc,
                        size_t max) {
  memset(a, 0, sizeof(*a));
  a->alloc = *alloc;
  a->max = max;
}

void sluice__arena_done(sluice__arena_t *a) {
  while (a->chunks != NULL) {
    sluice__arena_chunk_t *c = a->chunks;

    a->chunks = c->next;
    a->alloc.release(a->alloc.ctx, c, c->size, ARENA_ALIGN);
  }
  a->held = 0;
}

static size_t chunk_size(const sluice__arena_t *a, size_t need) {
  size_t size = a->chunks == NULL ? CHUNK_MIN : a->chunks->size * 2;

  if (size > CHUNK_MAX) {
    size = CHUNK_MAX;
  }
  /* Near the limit a chunk of just what is needed may still fit. */
  if (size < need || size > a->max - a->held) {
    size = need;
  }
  return size;
}

static int add_chunk(sluice__arena_t *a, size_t need) {
  sluice__arena_chunk_t *c;
  size_t size;

  if (a->held > a->max || need > a->max - a->held) {
    return SLUICE_ELIMIT;
  }
  size = chunk_size(a, need);
  c = a->alloc.alloc(a->alloc.ctx, size, ARENA_ALIGN);
  if (c == NULL) {
    return UV_ENOMEM;
  }
  c->next = a->chunks;
  c->size = size;
  c->used = HEADER;
  a->chunks = c;
  a->held += size;
  return 0;
}

void *sluice__arena_alloc(sluice__arena_t *a, size_t size, int *code) {
  sluice__arena_chunk_t *c = a->chunks;
  void *p;

  if (size > SIZE_MAX / 2) {
    *code = SLUICE_ELIMIT;
    return NULL;
  }
  size = (size + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
  if (c == NULL || c->size - c->used < size) {
    *code = add_chunk(a, size + HEADER);
    if (*code < 0) {
      return NULL;
    }
    c = a->chunks;
  }
  p = (uint8_t *)c + c->used;
  c->used += size;
  return memset(p, 0, size);
}

char *sluice__arena_name(sluice__arena_t *a, const void *bytes, size_t len,
                         int *code) {
  char *name = sluice__arena_alloc(a, len + 1, code);

  return name == NULL ? NULL : memcpy(name, bytes, len);
}
