/* widen.c - copies a value beside itself, then exchanges the two.
 *
 * Invariant: while active, `from` is pinned, so that its bytes stay and its
 * place is not used again; what of it has been copied cannot change, because
 * values only grow at their end. */
#include "widen.h"

#include <stdlib.h>
#include <string.h>

#include <uv.h>

/* About 50 us, with the faults of fresh memory. */
static const uint64_t slice_bytes = UINT64_C(128) * 1024;

static ref_t take_room(db_t *db, uint64_t len) {
  ref_t to = blob_new(&db->blobs, 0, 2 * len);

  return to != 0 ? to : blob_new(&db->blobs, 0, len);
}

static void clear(widen_t *w) {
  free(w->key);
  memset(w, 0, sizeof(*w));
}

int widen_begin(widen_t *w, db_t *db, slot_t s, bytes_t key, size_t more) {
  ref_t from = db_blob(db, s);
  char *copy = malloc(key.n + 1);

  if (copy == NULL) {
    return UV_ENOMEM;
  }
  memcpy(copy, key.p, key.n);
  *w = (widen_t){.db = db, .key = copy, .key_len = key.n};
  w->to = take_room(db, db_value(db, s).n + more);
  if (w->to == 0 || blob_pin(&db->blobs, from) != 0) {
    widen_drop(w);
    return UV_ENOMEM;
  }
  w->from = from;
  return 0;
}

void widen_drop(widen_t *w) {
  if (w->to != 0) {
    blob_drop(&w->db->blobs, w->to);
  }
  if (w->from != 0) {
    blob_unpin(&w->db->blobs, w->from);
  }
  clear(w);
}

/* All is copied: the key gets the new one, if it still has the old one. */
static void exchange(widen_t *w) {
  slot_t s = db_find(w->db, (bytes_t){w->key, w->key_len});

  if (s.entry != 0 && db_blob(w->db, s) == w->from) {
    db_move_blob(w->db, s, w->to);
    w->to = 0;
  }
  widen_drop(w);
}

void widen_step(widen_t *w) {
  bytes_t have = blob_bytes(&w->db->heap, w->from);
  size_t done = blob_bytes(&w->db->heap, w->to).n;
  size_t left = have.n - done;

  if (left == 0) {
    exchange(w);
    return;
  }
  left = left < slice_bytes ? left : slice_bytes;
  blob_append(&w->db->blobs, w->to, (bytes_t){have.p + done, left});
}
