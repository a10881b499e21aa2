/* arena.h - memory that a dialect keeps until the end of its stream.
 *
 * Names, tables and declarations only ever grow with what the stream declares,
 * so they are carved from chunks and given back all at once. Must know nothing
 * of what it holds. Invariant: held <= max whenever an allocation succeeds, so
 * a stream cannot make a decoder take more than its owner allows. */
#ifndef SLUICE_STREAM_ARENA_H
#define SLUICE_STREAM_ARENA_H

#include <stddef.h>

#include <sluice/alloc.h>

typedef struct sluice__arena_chunk_s sluice__arena_chunk_t;

typedef struct sluice__arena_s {
  sluice_alloc_t alloc;
  sluice__arena_chunk_t *chunks; /* the newest first: it is carved from */
  size_t held;                   /* bytes, of all chunks */
  size_t max;
} sluice__arena_t;

void sluice__arena_init(sluice__arena_t *a, const sluice_alloc_t *alloc,
                        size_t max);
void sluice__arena_done(sluice__arena_t *a);

/* Zeroed, aligned for anything. NULL with `*code` UV_ENOMEM or SLUICE_ELIMIT.
 */
void *sluice__arena_alloc(sluice__arena_t *a, size_t size, int *code);

/* A NUL-terminated copy of `len` bytes; as above. */
char *sluice__arena_name(sluice__arena_t *a, const void *bytes, size_t len,
                         int *code);

#endif
