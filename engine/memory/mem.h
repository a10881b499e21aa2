/* mem.h - the memory of one session: counted, and never over its cap.
 *
 * Wraps a provider (alloc.h). The cap holds whatever the provider does: it is
 * on the bytes asked for, so a session refuses the same request on every
 * machine. A provider with arenas may refuse earlier, since it rounds up.
 *
 * Knows nothing of sessions or streams. Not movable while it is open: what
 * sluice__mem_as_alloc() gives points to it. One thread at a time. */
#ifndef SLUICE_ENGINE_MEM_H
#define SLUICE_ENGINE_MEM_H

#include <stdbool.h>
#include <stddef.h>

#include <sluice/alloc.h>

/* Zeroed is a valid closed one. Fields are for reading. */
typedef struct sluice__mem_s {
  sluice_alloc_t alloc; /* the session's own when is_own */
  size_t cap;           /* bytes; SIZE_MAX: none */
  size_t used;          /* bytes, <= cap */
  size_t peak;          /* the most that `used` has been */
  size_t blocks;        /* live ones */
  bool is_own;          /* `alloc` came from the provider's open() */
  bool hit_cap;         /* the last refusal was for the cap: ours, or that of
                           the provider's arena */
} sluice__mem_t;

/* Opens a session's memory of at most `cap` bytes from `alloc` (copied; NULL:
 * the C library's). Returns 0 or what the provider's open() returned; after a
 * failure nothing needs closing. */
int sluice__mem_open(sluice__mem_t *mem, const sluice_alloc_t *alloc,
                     size_t cap);

/* Gives an arena back whole. Returns how many blocks were still live: a leak of
 * ours, for tests to assert on. A provider without arenas loses them. */
size_t sluice__mem_close(sluice__mem_t *mem);

/* All of these return NULL over the cap or when the provider has nothing, and
 * change nothing then. A size of 0 counts as 1. */
void *sluice__mem_alloc(sluice__mem_t *mem, size_t size);
void *sluice__mem_zalloc(sluice__mem_t *mem, size_t size);
/* `n` elements of `size` bytes, not zeroed; NULL when the product overflows. */
void *sluice__mem_array(sluice__mem_t *mem, size_t n, size_t size);
/* A new block with the first bytes of the old one, which is then freed. `p`
 * NULL (with `old_size` 0) is a plain alloc. On failure `p` stays as it is. */
void *sluice__mem_resize(sluice__mem_t *mem, void *p, size_t old_size,
                         size_t new_size);
/* `size` as it was asked for; for an array the product. NULL is fine. */
void sluice__mem_free(sluice__mem_t *mem, void *p, size_t size);

/* `align`: a power of two, at most 4096; the same for both. */
void *sluice__mem_alloc_aligned(sluice__mem_t *mem, size_t size, size_t align);
void sluice__mem_free_aligned(sluice__mem_t *mem, void *p, size_t size,
                              size_t align);

/* Why the last alloc gave NULL: SLUICE_ELIMIT (the cap) or UV_ENOMEM. */
int sluice__mem_error(const sluice__mem_t *mem);
/* The same of the UV_ENOMEM of somebody who knows providers only; other codes
 * as they are. */
int sluice__mem_explain(const sluice__mem_t *mem, int code);

/* A provider whose blocks are counted in `mem`; valid until it is closed. */
sluice_alloc_t sluice__mem_as_alloc(sluice__mem_t *mem);

#endif
