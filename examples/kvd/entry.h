/* entry.h - a key with its value, in one block of the heap.
 *
 *   +-------------------+-----+-------+
 *   | entry_t           | key | value |      a value below BLOB_MIN
 *   +-------------------+-----+-------+
 *   | entry_t           | key |  value: the ref_t of a blob (blob.h)
 *   +-------------------+-----+
 *
 * Finding a small key thus touches one place in memory beside the table. */
#ifndef KVD_ENTRY_H
#define KVD_ENTRY_H

#include "bytes.h"
#include "heap.h"

typedef struct entry_s {
  ref_t next; /* in the bucket; first, so that a link to it is like a bucket */
  uint64_t hash;
  uint64_t expires;   /* ms since 1970; 0: never */
  uint64_t value_len; /* bytes; unused when there is a blob */
  ref_t blob;         /* 0: the value follows the key */
  uint64_t key_len;   /* bytes */
} entry_t;

/* Makes an entry with its key; `value_len` bytes of value behind it are for the
 * caller to fill, and `next` too. 0: no room. */
ref_t entry_new(heap_t *h, uint64_t hash, bytes_t key, size_t value_len);

bool entry_is(const heap_t *h, ref_t e, uint64_t hash, bytes_t key);
bytes_t entry_key(const heap_t *h, ref_t e);

/* Borrowed until the heap changes. */
bytes_t entry_value(const heap_t *h, ref_t e);

/* Bytes of value for which there is room behind the key. */
size_t entry_room(const heap_t *h, ref_t e);

/* Writes a value over the one behind the key; it fits the room. */
void entry_write(heap_t *h, ref_t e, bytes_t value);
/* Adds to its end; the room is large enough. */
void entry_append(heap_t *h, ref_t e, bytes_t more);

static inline const entry_t *entry_get(const heap_t *h, ref_t e) {
  return (const entry_t *)heap_get(h, e);
}

#endif
