/* mem.c - counting and capping, on top of any provider.
 *
 * Must not know: jemalloc, sessions, streams. Invariant: `used` is the sum of
 * the sizes of `blocks` live blocks and never exceeds `cap`. */
#include "memory/mem.h"

#include <assert.h>
#include <stdalign.h>
#include <stdint.h>
#include <string.h>
#include <uv.h>

#include <sluice/error.h>

/* Providers are never asked for 0 bytes, and a free must count what its alloc
 * counted: both sides go through here. */
static size_t at_least_one(size_t size) {
  return size == 0 ? 1 : size;
}

int sluice__mem_open(sluice__mem_t *mem, const sluice_alloc_t *alloc,
                     size_t cap) {
  const sluice_alloc_t *from = alloc == NULL ? sluice_alloc_libc() : alloc;
  sluice__mem_t opened = {.alloc = *from, .cap = cap};

  if (from->open != NULL) {
    int r = from->open(from->ctx, cap, &opened.alloc);

    if (r < 0) {
      return r;
    }
    opened.is_own = true;
  }
  *mem = opened;
  return 0;
}

size_t sluice__mem_close(sluice__mem_t *mem) {
  size_t live = mem->blocks;

  if (mem->is_own && mem->alloc.close != NULL) {
    mem->alloc.close(&mem->alloc);
  }
  memset(mem, 0, sizeof(*mem));
  return live;
}

static void count_in(sluice__mem_t *mem, size_t size) {
  mem->used += size;
  mem->blocks++;
  if (mem->used > mem->peak) {
    mem->peak = mem->used;
  }
}

void *sluice__mem_alloc_aligned(sluice__mem_t *mem, size_t size, size_t align) {
  size_t bytes = at_least_one(size);
  void *p;

  mem->hit_cap = bytes > mem->cap - mem->used;
  if (mem->hit_cap) {
    return NULL;
  }
  p = mem->alloc.alloc(mem->alloc.ctx, bytes, align);
  if (p != NULL) {
    count_in(mem, bytes);
  } else if (mem->alloc.is_full != NULL) {
    mem->hit_cap = mem->alloc.is_full(mem->alloc.ctx) != 0;
  }
  return p;
}

void sluice__mem_free_aligned(sluice__mem_t *mem, void *p, size_t size,
                              size_t align) {
  size_t bytes = at_least_one(size);

  if (p == NULL) {
    return;
  }
  assert(mem->blocks > 0 && mem->used >= bytes);
  mem->used -= bytes;
  mem->blocks--;
  mem->alloc.release(mem->alloc.ctx, p, bytes, align);
}

void *sluice__mem_alloc(sluice__mem_t *mem, size_t size) {
  return sluice__mem_alloc_aligned(mem, size, alignof(max_align_t));
}

void *sluice__mem_zalloc(sluice__mem_t *mem, size_t size) {
  void *p = sluice__mem_alloc(mem, size);

  return p == NULL ? NULL : memset(p, 0, size);
}

void *sluice__mem_array(sluice__mem_t *mem, size_t n, size_t size) {
  if (size != 0 && n > SIZE_MAX / size) {
    mem->hit_cap = true; /* more than any cap */
    return NULL;
  }
  return sluice__mem_alloc(mem, n * size);
}

void sluice__mem_free(sluice__mem_t *mem, void *p, size_t size) {
  sluice__mem_free_aligned(mem, p, size, alignof(max_align_t));
}

void *sluice__mem_resize(sluice__mem_t *mem, void *p, size_t old_size,
                         size_t new_size) {
  void *bigger = sluice__mem_alloc(mem, new_size);

  if (bigger != NULL && p != NULL) {
    memcpy(bigger, p, old_size < new_size ? old_size : new_size);
    sluice__mem_free(mem, p, old_size);
  }
  return bigger;
}

int sluice__mem_error(const sluice__mem_t *mem) {
  return mem->hit_cap ? SLUICE_ELIMIT : UV_ENOMEM;
}

int sluice__mem_explain(const sluice__mem_t *mem, int code) {
  return code == UV_ENOMEM ? sluice__mem_error(mem) : code;
}

static void *view_alloc(void *ctx, size_t size, size_t align) {
  return sluice__mem_alloc_aligned(ctx, size, align);
}

static void view_release(void *ctx, void *p, size_t size, size_t align) {
  sluice__mem_free_aligned(ctx, p, size, align);
}

sluice_alloc_t sluice__mem_as_alloc(sluice__mem_t *mem) {
  sluice_alloc_t view = {
      .ctx = mem, .alloc = view_alloc, .release = view_release};

  return view;
}
