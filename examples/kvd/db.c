/* db.c - keys found, set and deleted.
 *
 * Invariant: root.expiring counts the entries in the live table whose expiry is
 * not 0. Whatever can fail comes before the first change. */
#include "db.h"

#include <string.h>

#include <uv.h>

#include "alloc.h"
#include "db_private.h"
#include "entry.h"

/* --- lookup --- */

slot_t db_find(db_t *db, bytes_t key) {
  slot_t s = table_find(&db->heap, db_root(&db->heap)->table, key);
  uint64_t expires = s.entry == 0 ? 0 : db_expiry(db, s);

  if (expires != 0 && expires <= db->now_ms) {
    db->expired++;
    db_delete(db, s);
    s = table_find(&db->heap, db_root(&db->heap)->table, key);
  }
  return s;
}

slot_t db_read(db_t *db, bytes_t key) {
  slot_t s = db_find(db, key);

  if (s.entry != 0) {
    db->hits++;
  } else {
    db->misses++;
  }
  return s;
}

bytes_t db_value(const db_t *db, slot_t s) {
  return entry_value(&db->heap, s.entry);
}

ref_t db_blob(const db_t *db, slot_t s) {
  return entry_get(&db->heap, s.entry)->blob;
}

uint64_t db_expiry(const db_t *db, slot_t s) {
  return entry_get(&db->heap, s.entry)->expires;
}

uint64_t db_count(const db_t *db) {
  return table_get(&db->heap, db_root(&db->heap)->table)->count;
}

uint64_t db_expiring(const db_t *db) {
  return db_root(&db->heap)->expiring;
}

/* --- change --- */

static entry_t *edit(db_t *db, ref_t e) {
  return heap_edit(&db->heap, e, sizeof(entry_t));
}

static void count_expiring(db_t *db, uint64_t before, uint64_t after) {
  if ((before == 0) != (after == 0)) {
    db_edit_root(&db->heap)->expiring += after != 0 ? 1u : (uint64_t)-1;
  }
}

void db_set_expiry(db_t *db, slot_t s, uint64_t expires) {
  uint64_t before = db_expiry(db, s);

  if (before != expires) {
    db->changes++;
    edit(db, s.entry)->expires = expires;
    count_expiring(db, before, expires);
  }
}

void db_free_entry(db_t *db, ref_t e) {
  ref_t blob = entry_get(&db->heap, e)->blob;

  if (blob != 0) {
    blob_drop(&db->blobs, blob);
  }
  alloc_free(&db->heap, e);
}

void db_delete(db_t *db, slot_t s) {
  db->changes++;
  count_expiring(db, db_expiry(db, s), 0);
  table_remove(&db->heap, db_root(&db->heap)->table, s);
  db_free_entry(db, s.entry);
}

/* Hangs a new entry where the slot is, in the place of the old one if any. */
static void install(db_t *db, slot_t s, ref_t e, uint64_t expires) {
  uint64_t before = s.entry == 0 ? 0 : db_expiry(db, s);

  count_expiring(db, before, expires);
  if (expires != 0) {
    edit(db, e)->expires = expires;
  }
  if (s.entry == 0) {
    table_insert(&db->heap, db_root(&db->heap)->table, e);
    return;
  }
  table_replace(&db->heap, s, e);
  db_free_entry(db, s.entry);
}

static int set_blob(db_t *db, slot_t s, bytes_t key, ref_t blob,
                    uint64_t expires) {
  ref_t old = s.entry == 0 ? 0 : db_blob(db, s);
  ref_t e;

  if (old != 0) { /* the entry stays as it is but for this */
    edit(db, s.entry)->blob = blob;
    blob_adopt(&db->blobs, blob);
    blob_drop(&db->blobs, old);
    db_set_expiry(db, s, expires);
    return 0;
  }
  e = entry_new(&db->heap, s.hash, key, 0);
  if (e == 0) {
    return UV_ENOMEM;
  }
  edit(db, e)->blob = blob;
  blob_adopt(&db->blobs, blob);
  install(db, s, e, expires);
  return 0;
}

/* A large value that did not arrive as a blob. */
static int set_large(db_t *db, slot_t s, bytes_t key, bytes_t value,
                     uint64_t expires) {
  ref_t blob = blob_new(&db->blobs, 0, value.n);
  int r;

  if (blob == 0) {
    return UV_ENOMEM;
  }
  blob_append(&db->blobs, blob, value);
  r = set_blob(db, s, key, blob, expires);
  if (r != 0) {
    blob_drop(&db->blobs, blob);
  }
  return r;
}

/* Whether a small value can go where the old one is without leaving over half
 * of the block unused. */
static bool fits(const db_t *db, slot_t s, size_t n) {
  size_t room;

  if (s.entry == 0 || db_blob(db, s) != 0) {
    return false;
  }
  room = entry_room(&db->heap, s.entry);
  return n <= room && room - n <= n + 64;
}

int db_set(db_t *db, slot_t s, bytes_t key, bytes_t value, ref_t blob,
           uint64_t expires) {
  ref_t e;

  db->changes++;
  if (blob != 0) {
    return set_blob(db, s, key, blob, expires);
  }
  if (value.n >= BLOB_MIN) {
    return set_large(db, s, key, value, expires);
  }
  if (fits(db, s, value.n)) {
    entry_write(&db->heap, s.entry, value);
    db_set_expiry(db, s, expires);
    return 0;
  }
  e = entry_new(&db->heap, s.hash, key, value.n);
  if (e == 0) {
    return UV_ENOMEM;
  }
  entry_write(&db->heap, e, value);
  install(db, s, e, expires);
  return 0;
}

/* --- append --- */

/* Copying less than this takes about 100 us. */
enum { WIDEN_MIN = 512 * 1024 };

/* Into a new blob with room for as much again, so that appending bit by bit
 * copies each byte a bounded number of times. */
static int append_blob(db_t *db, slot_t s, bytes_t key, bytes_t more) {
  bytes_t old = db_value(db, s);
  ref_t blob = blob_new(&db->blobs, 0, 2 * (old.n + more.n));
  int r;

  if (blob == 0) {
    blob = blob_new(&db->blobs, 0, old.n + more.n);
  }
  if (blob == 0) {
    return UV_ENOMEM;
  }
  blob_append(&db->blobs, blob, db_value(db, s));
  blob_append(&db->blobs, blob, more);
  r = set_blob(db, s, key, blob, db_expiry(db, s));
  if (r != 0) {
    blob_drop(&db->blobs, blob);
  }
  return r;
}

static int append_small(db_t *db, slot_t s, bytes_t key, bytes_t more) {
  size_t n = db_value(db, s).n;
  ref_t e;

  if (n + more.n > entry_room(&db->heap, s.entry)) {
    e = entry_new(&db->heap, s.hash, key, 2 * (n + more.n));
    if (e == 0) {
      return UV_ENOMEM;
    }
    entry_write(&db->heap, e, db_value(db, s));
    install(db, s, e, db_expiry(db, s));
    s.entry = e;
  }
  entry_append(&db->heap, s.entry, more);
  return 0;
}

int db_append(db_t *db, slot_t s, bytes_t key, bytes_t more) {
  bytes_t none = {"", 0};
  size_t n;

  if (s.entry == 0) {
    return db_set(db, s, key, more.n == 0 ? none : more, 0, 0);
  }
  db->changes++;
  n = db_value(db, s).n + more.n;
  if (db_blob(db, s) != 0 && blob_has_room(&db->blobs, db_blob(db, s), n)) {
    blob_append(&db->blobs, db_blob(db, s), more);
    return 0;
  }
  if (n >= BLOB_MIN || db_blob(db, s) != 0) {
    return append_blob(db, s, key, more);
  }
  return append_small(db, s, key, more);
}

bool db_must_widen(db_t *db, slot_t s, size_t more) {
  size_t n = s.entry == 0 ? 0 : db_value(db, s).n;

  return n >= WIDEN_MIN && !blob_has_room(&db->blobs, db_blob(db, s), n + more);
}

void db_move_blob(db_t *db, slot_t s, ref_t blob) {
  ref_t old = db_blob(db, s);

  edit(db, s.entry)->blob = blob;
  blob_adopt(&db->blobs, blob);
  blob_drop(&db->blobs, old);
}
