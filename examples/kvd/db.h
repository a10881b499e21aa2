/* db.h - the database: keys with values and expiry times, in one heap.
 *
 * Commands know this and nothing below it. Time is a field that the server sets
 * before it runs a command. Nothing here takes long because there is much:
 * what would (expiring, throwing all away) is done in small steps. */
#ifndef KVD_DB_H
#define KVD_DB_H

#include "blob.h"
#include "bytes.h"
#include "heap.h"
#include "table.h"

typedef struct db_s {
  heap_t heap;
  blobs_t blobs;
  uint64_t now_ms;     /* since 1970 */
  uint64_t max_memory; /* bytes that blocks may take; 0: as the heap can */
  uint64_t sweep;      /* the bucket that db_sweep() looks at next */
  uint64_t hits;
  uint64_t misses;
  uint64_t expired;
  uint64_t changes; /* of keys, since the start */
} db_t;

/* An empty database in a heap of at most `reserve` bytes; `seed` should be
 * random. Errors of heap_reserve(); after success: db_close(). */
int db_open(db_t *db, uint64_t reserve, uint64_t seed);
/* The same in a memfd. */
int db_open_memfd(db_t *db, uint64_t reserve, uint64_t seed);
void db_close(db_t *db);

/* Uses what a restore has put into db->heap. UV_EINVAL when it cannot be a
 * database; the heap may then be formatted again: db_format(). */
int db_attach(db_t *db);
/* The same of a database that is in use: there are clients with values in
 * limbo. */
int db_take_over(db_t *db);
int db_format(db_t *db, uint64_t seed);

/* Bytes taken, and whether that is over the limit (or `more` would be). */
uint64_t db_used(const db_t *db);
bool db_is_full(db_t *db, uint64_t more);

uint64_t db_count(const db_t *db);
uint64_t db_expiring(const db_t *db); /* keys that have an expiry time */

/* Looks a key up; one whose time has come is deleted first. */
slot_t db_find(db_t *db, bytes_t key);
/* As db_find(), counted as a hit or a miss. */
slot_t db_read(db_t *db, bytes_t key);

/* What a slot with an entry holds; borrowed until the database changes. */
bytes_t db_value(const db_t *db, slot_t s);
ref_t db_blob(const db_t *db, slot_t s); /* 0: the value is a small one */
uint64_t db_expiry(const db_t *db, slot_t s);

/* Sets what db_find(key) has found or not found. The value is `value`, copied,
 * or when not 0 `blob`, which is in limbo and then belongs to the key.
 * UV_ENOMEM: nothing has changed. */
int db_set(db_t *db, slot_t s, bytes_t key, bytes_t value, ref_t blob,
           uint64_t expires);
/* Adds to the value's end; the expiry time stays. UV_ENOMEM as above. */
int db_append(db_t *db, slot_t s, bytes_t key, bytes_t more);
/* Whether that would copy a value so large that it takes long: widen.h. */
bool db_must_widen(db_t *db, slot_t s, size_t more);
/* The slot's value, a blob, is in another one now, which is in limbo. */
void db_move_blob(db_t *db, slot_t s, ref_t blob);

void db_set_expiry(db_t *db, slot_t s, uint64_t expires);
void db_delete(db_t *db, slot_t s);

/* Forgets all keys at once; their memory comes back by db_reap(). UV_ENOMEM. */
int db_clear(db_t *db);

/* Frees up to `n` keys that db_clear() has forgotten; says whether there are
 * more. */
bool db_reap(db_t *db, unsigned n);
/* Looks for expired keys in `n` buckets; says how many it deleted. */
unsigned db_sweep(db_t *db, unsigned n);

#endif
