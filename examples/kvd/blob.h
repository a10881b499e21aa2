/* blob.h - large values, each in a block of its own.
 *
 * A blob arrives from a client piece by piece, may then become the value of a
 * key, and is sent to other clients piece by piece while the key already has
 * another value. A blob that no key owns (still arriving, or only still being
 * sent) hangs on a list in the heap, the limbo: the clients of a heap restored
 * from an image are gone, so its limbo is emptied.
 *
 * How many clients are reading a blob is known outside of the heap only:
 * reading must not change what a running save looks at. */
#ifndef KVD_BLOB_H
#define KVD_BLOB_H

#include "bytes.h"
#include "heap.h"

/* Values from here on are blobs: large enough that sending one without a copy
 * is worth the bookkeeping, small enough to be copied in a few microseconds. */
enum { BLOB_MIN = 32 * 1024 };

typedef struct blob_s {
  ref_t next; /* in limbo */
  ref_t prev;
  uint64_t len; /* bytes that follow */
  uint64_t in_limbo;
} blob_t;

typedef struct pin_s pin_t; /* a blob that clients are reading */

typedef struct blobs_s {
  heap_t *heap;
  ref_t limbo; /* where in the heap the list begins */
  pin_t *pins;
  bool is_given_up; /* the heap is another process's: nothing is freed in it */
} blobs_t;

/* A blob in limbo with `len` bytes, undefined, and room for `room` >= len in
 * all; 0: no room in the heap. */
ref_t blob_new(blobs_t *b, uint64_t len, uint64_t room);

/* Out of limbo: a key owns it now. */
void blob_adopt(blobs_t *b, ref_t blob);

/* No key owns it (any more): frees it, at once or when nobody reads it. */
void blob_drop(blobs_t *b, ref_t blob);

/* Keeps the bytes as they are until blob_unpin(). UV_ENOMEM. */
int blob_pin(blobs_t *b, ref_t blob);
void blob_unpin(blobs_t *b, ref_t blob);
/* As blob_pin(), after a takeover: one that is in limbo goes with its last
 * reader. */
int blob_pin_again(blobs_t *b, ref_t blob);

/* Whether there may be a blob of `len` bytes or more, as far as one look tells.
 */
bool blob_is_at(const heap_t *h, ref_t blob, uint64_t len);

/* Room for longer content in place: appending leaves what is being read as it
 * is. Says whether there is; then blob_append() may follow. */
bool blob_has_room(blobs_t *b, ref_t blob, uint64_t len);
void blob_append(blobs_t *b, ref_t blob, bytes_t more);

/* After a restore, when there are no clients. */
void blob_empty_limbo(blobs_t *b);

static inline bytes_t blob_bytes(const heap_t *h, ref_t blob) {
  const blob_t *b = (const blob_t *)heap_get(h, blob);

  return (bytes_t){(const char *)(b + 1), b->len};
}

/* To be written before anything else happens. */
static inline char *blob_edit(heap_t *h, ref_t blob, uint64_t at,
                              uint64_t len) {
  return heap_edit(h, blob + sizeof(blob_t) + at, len);
}

#endif
