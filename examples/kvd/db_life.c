/* db_life.c - how a database begins and ends, and what it does in small steps
 * beside the commands: expiring keys, and freeing those that FLUSHALL forgot.
 */
#include <string.h>

#include <uv.h>

#include "alloc.h"
#include "db.h"
#include "db_private.h"
#include "entry.h"
#include "verify.h"

/* --- beginning and end --- */

/* The parts that are not in the heap and have to know where it is. */
static void connect_heap(db_t *db) {
  db->blobs.heap = &db->heap;
  db->blobs.limbo = heap_header(&db->heap)->root + offsetof(db_root_t, limbo);
}

int db_format(db_t *db, uint64_t seed) {
  ref_t root;
  ref_t table;
  int r = heap_format(&db->heap, seed);

  if (r == 0) {
    r = alloc_init(&db->heap);
  }
  if (r != 0) {
    return r;
  }
  root = alloc_take(&db->heap, sizeof(db_root_t));
  table = table_new(&db->heap);
  if (root == 0 || table == 0) {
    return UV_ENOMEM;
  }
  heap_edit_header(&db->heap)->root = root;
  memset(db_edit_root(&db->heap), 0, sizeof(db_root_t));
  db_edit_root(&db->heap)->table = table;
  connect_heap(db);
  return 0;
}

static int format_first(db_t *db, uint64_t seed) {
  int r = db_format(db, seed);

  if (r != 0) {
    heap_release(&db->heap);
  }
  return r;
}

int db_open(db_t *db, uint64_t reserve, uint64_t seed) {
  int r;

  memset(db, 0, sizeof(*db));
  r = heap_reserve(&db->heap, reserve);
  return r != 0 ? r : format_first(db, seed);
}

int db_open_memfd(db_t *db, uint64_t reserve, uint64_t seed) {
  int r;

  memset(db, 0, sizeof(*db));
  r = heap_reserve_memfd(&db->heap, reserve);
  return r != 0 ? r : format_first(db, seed);
}

int db_take_over(db_t *db) {
  int r = verify_root(&db->heap);

  if (r == 0) {
    connect_heap(db);
  }
  return r;
}

int db_attach(db_t *db) {
  int r = db_take_over(db);

  if (r == 0) {
    blob_empty_limbo(&db->blobs);
  }
  return r;
}

void db_close(db_t *db) {
  assert(db->blobs.pins == NULL);
  heap_release(&db->heap);
}

/* --- memory --- */

uint64_t db_used(const db_t *db) {
  return alloc_used(&db->heap);
}

bool db_is_full(db_t *db, uint64_t more) {
  uint64_t limit = db->max_memory;

  if (limit == 0) {
    return false;
  }
  /* What was forgotten still counts: let some of it go first. */
  if (db_used(db) > limit || more > limit - db_used(db)) {
    db_reap(db, 100);
  }
  return db_used(db) > limit || more > limit - db_used(db);
}

int db_clear(db_t *db) {
  heap_t *h = &db->heap;
  ref_t old = db_root(h)->table;
  ref_t table = table_new(h);

  if (table == 0) {
    return UV_ENOMEM;
  }
  table_set_next(h, old, db_root(h)->doomed);
  db_edit_root(h)->doomed = old;
  db_edit_root(h)->table = table;
  db_edit_root(h)->expiring = 0;
  db->sweep = 0;
  db->changes++;
  return 0;
}

bool db_reap(db_t *db, unsigned n) {
  heap_t *h = &db->heap;
  ref_t table = db_root(h)->doomed;
  ref_t e;

  for (; table != 0 && n > 0; n--) {
    e = table_pop(h, table);
    if (e != 0) {
      db_free_entry(db, e);
      continue;
    }
    db_edit_root(h)->doomed = table_get(h, table)->next;
    table_free(h, table);
    table = db_root(h)->doomed;
  }
  return table != 0;
}

/* --- expiry --- */

/* Deletes the first expired entry of a bucket. The deletion may move entries
 * between buckets, so whoever wants the next begins again. */
static bool expire_one(db_t *db, uint64_t bucket) {
  const heap_t *h = &db->heap;
  const table_t *t = table_get(h, db_root(h)->table);
  slot_t s = {0};

  if (bucket >= t->buckets) {
    return false;
  }
  s.link = table_bucket(t, bucket);
  while ((s.entry = heap_get_word(h, s.link)) != 0) {
    uint64_t expires = entry_get(h, s.entry)->expires;

    if (expires != 0 && expires <= db->now_ms) {
      db_delete(db, s);
      return true;
    }
    s.link = s.entry;
  }
  return false;
}

unsigned db_sweep(db_t *db, unsigned n) {
  unsigned deleted = 0;

  for (; n > 0 && db_expiring(db) > 0; n--) {
    const heap_t *h = &db->heap;

    if (db->sweep >= table_get(h, db_root(h)->table)->buckets) {
      db->sweep = 0;
    }
    while (expire_one(db, db->sweep)) {
      deleted++;
    }
    db->sweep++;
  }
  db->expired += deleted;
  return deleted;
}
