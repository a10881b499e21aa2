/* db_private.h - the database's root in the heap; for db*.c and verify.c. */
#ifndef KVD_DB_PRIVATE_H
#define KVD_DB_PRIVATE_H

#include "db.h"

typedef struct db_root_s {
  ref_t table;
  ref_t doomed; /* tables that db_clear() has taken away, by their `next` */
  ref_t limbo;  /* blobs without a key */
  uint64_t expiring;
} db_root_t;

static inline const db_root_t *db_root(const heap_t *h) {
  return (const db_root_t *)heap_get(h, heap_header(h)->root);
}

static inline db_root_t *db_edit_root(heap_t *h) {
  return (db_root_t *)heap_edit(h, heap_header(h)->root, sizeof(db_root_t));
}

/* Frees an entry that is in no table any more, with its value. */
void db_free_entry(db_t *db, ref_t e);

#endif
