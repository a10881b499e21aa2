/* out.h - what is still to be sent to a client.
 *
 * A chain of chunks: bytes that were copied in, and large values that are sent
 * from where they lie in the heap, pinned until they are out. Empty chunks are
 * kept in a pool for all clients, so a reply costs no malloc() and lands in
 * memory that is still in the cache. Knows no sockets. */
#ifndef KVD_OUT_H
#define KVD_OUT_H

#include <uv.h>

#include "blob.h"
#include "bytes.h"
#include "pack.h"

/* 16 replies of 1 KiB, a usual pipeline, fit one chunk. */
enum { OUT_CHUNK = 32 * 1024, OUT_POOL_MAX = 64 };

typedef struct chunk_s chunk_t;

typedef struct out_pool_s {
  chunk_t *free;
  unsigned count;
} out_pool_t;

typedef struct out_s {
  out_pool_t *pool;
  blobs_t *blobs;
  chunk_t *first;
  chunk_t *last;
  size_t bytes; /* unsent, with those of pinned values */
  bool failed;  /* there was no memory: what follows is dropped */
} out_t;

void out_init(out_t *o, out_pool_t *pool, blobs_t *blobs);
void out_done(out_t *o);
void out_pool_done(out_pool_t *pool);

/* Room for `n` <= 512 bytes in one piece, or NULL; out_added() says how many
 * of them are used. */
char *out_room(out_t *o, size_t n);
void out_added(out_t *o, size_t n);

void out_add(out_t *o, bytes_t b);
/* Adds the bytes of a blob as they are now, without a copy. */
void out_add_blob(out_t *o, ref_t blob);

/* The first unsent bytes, at most `max` of them in `count` pieces; returns the
 * number of pieces. They stay where they are until out_sent(). */
unsigned out_gather(const out_t *o, uv_buf_t *bufs, unsigned count, size_t max);
void out_sent(out_t *o, size_t n);

/* All that is unsent, for a successor; and there, added again. Values that are
 * sent from where they lie are named by their place. `o` NULL: only looks
 * whether it makes sense in that heap. Says whether it does; with little memory
 * `o` has failed. */
void out_pack(const out_t *o, pack_t *p);
bool out_unpack(out_t *o, const heap_t *h, unpack_t *u);

#endif
