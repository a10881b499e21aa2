/* table.h - finds entries by key: linear hashing inside the heap.
 *
 * The table has any number of buckets, not only powers of two. It grows by one
 * bucket at a time, which takes its share of the entries of one other, and
 * shrinks the same way: there is never a second table to move everything to,
 * and no operation takes longer because of how many entries there are.
 *
 * Buckets lie in segments, each as long as all before it together; a bucket is
 * written when it comes to life, so a new segment need not be cleared.
 *
 *   segment 0: buckets 0 .. 1023      segment 2: 2048 .. 4095
 *   segment 1: buckets 1024 .. 2047   segment k: 2^(9+k) .. 2^(10+k) - 1 */
#ifndef KVD_TABLE_H
#define KVD_TABLE_H

#include "bytes.h"
#include "heap.h"

enum { TABLE_FIRST = 1024, TABLE_SEGMENTS = 30 };

typedef struct table_s {
  uint64_t count;   /* entries */
  uint64_t buckets; /* alive; TABLE_FIRST at least */
  ref_t next;       /* for the owner */
  ref_t segments[TABLE_SEGMENTS];
} table_t;

/* Where an entry hangs, or would: good until the next insert or remove. */
typedef struct slot_s {
  uint64_t hash;
  ref_t link;  /* the word that leads to it */
  ref_t entry; /* 0: there is none */
} slot_t;

/* 0: no room. Only an empty table is freed. */
ref_t table_new(heap_t *h);
void table_free(heap_t *h, ref_t table);

static inline const table_t *table_get(const heap_t *h, ref_t table) {
  return (const table_t *)heap_get(h, table);
}

void table_set_next(heap_t *h, ref_t table, ref_t next);

uint64_t table_hash(const heap_t *h, bytes_t key);
slot_t table_find(const heap_t *h, ref_t table, bytes_t key);

/* `entry` is not in the table; its hash is set. Cannot fail: when there is no
 * room for another bucket, chains become longer. */
void table_insert(heap_t *h, ref_t table, ref_t entry);
/* The slot's entry gives its place to another with the same key. */
void table_replace(heap_t *h, slot_t slot, ref_t entry);
/* Takes the slot's entry out; the caller frees it. */
void table_remove(heap_t *h, ref_t table, slot_t slot);

/* The word in which bucket `i` < buckets begins. */
ref_t table_bucket(const table_t *t, uint64_t i);
/* The bucket of a hash. */
uint64_t table_bucket_of(const table_t *t, uint64_t hash);

/* Takes any entry out, without keeping the table in shape for finding; 0: it
 * is empty. For a table that is being thrown away: call nothing else on it. */
ref_t table_pop(heap_t *h, ref_t table);

#endif
