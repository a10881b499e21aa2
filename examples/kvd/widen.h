/* widen.h - gives a large value more room, in small steps.
 *
 * A value that has to move to grow is copied a slice a turn, while everybody is
 * served: it may be read, replaced and deleted meanwhile. Whoever wanted to add
 * to it tries again afterwards. One at a time. */
#ifndef KVD_WIDEN_H
#define KVD_WIDEN_H

#include "db.h"

typedef struct widen_s {
  db_t *db;
  char *key;
  size_t key_len;
  ref_t from; /* pinned; 0: there is nothing to do */
  ref_t to;   /* in limbo, as far as it is copied */
} widen_t;

static inline bool widen_is_active(const widen_t *w) {
  return w->from != 0;
}

/* Begins with the slot's value, which is a blob; `more` bytes are to be added.
 * UV_ENOMEM. */
int widen_begin(widen_t *w, db_t *db, slot_t s, bytes_t key, size_t more);

/* One slice. When there is nothing more to do the value has its room, unless it
 * was replaced meanwhile. */
void widen_step(widen_t *w);

void widen_drop(widen_t *w);

#endif
