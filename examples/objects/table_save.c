/* table_save.c - writes the table as it was at the instant.
 *
 * First copies, then objects that have left the table, then the walk over the
 * buckets. A step stops between two pieces. In a bucket the next object is the
 * first that is not saved: the walk keeps no pointer that a change could make
 * stale. Knows nothing of how an object changes (table_cut.c). */
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "parts.h"

uint64_t table_save_pending(void *self) {
  const table_t *table = self;

  return table->cut.left + table->cut.held;
}

int table_save_begin(void *self, sluice_section_t *section,
                     sluice_error_t *err) {
  table_t *table = self;

  (void)err;
  memset(&table->cut, 0, sizeof(table->cut));
  table->cut.section = section;
  table->cut.last_copy = &table->cut.copies;
  return 0;
}

/* The instant: whatever the table holds, this is all there is to do. */
int table_save_cut(void *self, sluice_error_t *err) {
  table_t *table = self;

  (void)err;
  table->epoch++;
  table->cut.epoch = table->epoch;
  table->cut.objects = table->objects.objects;
  table->cut.left = table->objects.bytes;
  return 0;
}

static int write_record(sluice_writer_t *w, int kind, uint64_t id, uint64_t a,
                        uint64_t b) {
  const uint64_t numbers[3] = {(uint64_t)kind << 56 | id, a, b};
  uint8_t bytes[RECORD_BYTES];

  for (size_t i = 0; i < RECORD_BYTES; i++) {
    bytes[i] = (uint8_t)(numbers[i / 8] >> (i % 8 * 8));
  }
  return sluice_writer_bytes(w, bytes, sizeof(bytes));
}

/* An object is announced before its first piece. */
static progress_t *announce(table_t *table, object_t *object,
                            sluice_writer_t *w) {
  progress_t *p = object->cut;

  if (p != NULL && p->id != UINT64_MAX) {
    return p;
  }
  if (p == NULL) {
    p = progress_open(table, object, object->len);
  }
  if (p != NULL) {
    p->id = table->cut.ids++;
    (void)write_record(w, RECORD_OBJECT, p->id, p->len, object->key_len);
    (void)sluice_writer_bytes(w, object->key, object->key_len);
  }
  return p;
}

static int write_piece(table_t *table, sluice_writer_t *w, const progress_t *p,
                       size_t offset, const uint8_t *bytes, size_t len) {
  uint64_t *left = &table->cut.left;

  *left -= len < *left ? len : *left;
  (void)write_record(w, RECORD_PIECE, p->id, offset, len);
  return sluice_writer_bytes(w, bytes, len);
}

static int write_copy(table_t *table, sluice_writer_t *w) {
  cut_t *cut = &table->cut;
  copy_t *copy = cut->copies;
  progress_t *p = announce(table, copy->object, w);
  int r = UV_ENOMEM;

  if (p != NULL) {
    r = write_piece(table, w, p, copy->offset, copy->bytes, copy->len);
  }
  cut->copies = copy->next;
  if (cut->copies == NULL) {
    cut->last_copy = &cut->copies;
  }
  cut->held -= copy->len;
  free(copy);
  return r;
}

/* One piece of `object`, or none if all are taken: SLUICE_DONE when that was
 * the last, SLUICE_MORE, or an error. */
static int write_object(table_t *table, object_t *object, sluice_writer_t *w) {
  progress_t *p = announce(table, object, w);

  if (p == NULL) {
    return UV_ENOMEM;
  }
  while (p->left > 0) {
    size_t piece = p->next_piece++;
    size_t offset = piece * PIECE_BYTES;

    if (piece_take(p, piece)) {
      int r = write_piece(table, w, p, offset, object->value + offset,
                          piece_len(p->len, piece));

      return r < 0 || p->left > 0 ? (r < 0 ? r : SLUICE_MORE) : SLUICE_DONE;
    }
  }
  return sluice_writer_status(w);
}

static int write_waiting(table_t *table, sluice_writer_t *w) {
  object_t *object = table->cut.waiting;
  int r = write_object(table, object, w);

  if (r == SLUICE_DONE) {
    table->cut.waiting = object->next;
    progress_close(table, object->cut);
    object_free(object);
  }
  return r;
}

/* The first in its bucket that is not saved; NULL: all are. */
static object_t *next_object(table_t *table) {
  cut_t *cut = &table->cut;

  for (; cut->bucket < table->objects.count; cut->bucket++) {
    object_t *at = table->objects.buckets[cut->bucket];

    while (at != NULL && object_is_saved(table, at)) {
      at = at->next;
    }
    if (at != NULL) {
      return at;
    }
  }
  return NULL;
}

static int write_next(table_t *table, object_t *object, sluice_writer_t *w) {
  int r = write_object(table, object, w);

  if (r == SLUICE_DONE) {
    object->epoch = table->cut.epoch;
    progress_close(table, object->cut);
  }
  return r;
}

/* SLUICE_MORE: something was written; SLUICE_DONE: there is nothing left. */
static int write_unit(table_t *table, sluice_writer_t *w) {
  object_t *object;
  int r;

  if (table->cut.copies != NULL) {
    r = write_copy(table, w);
  } else if (table->cut.waiting != NULL) {
    r = write_waiting(table, w);
  } else {
    object = next_object(table);
    if (object == NULL) {
      return SLUICE_DONE;
    }
    r = write_next(table, object, w);
  }
  return r < 0 ? r : SLUICE_MORE;
}

static int write_end(table_t *table, sluice_writer_t *w) {
  table->cut.epoch = 0; /* nothing is unsaved any more */
  return write_record(w, RECORD_END, table->cut.objects, 0, 0);
}

static int write_units(table_t *table, sluice_writer_t *w,
                       sluice_error_t *err) {
  if (table->cut.code != 0) {
    return sluice_fail(err, table->cut.code,
                       "objects change faster than they are saved: copies "
                       "would take more than max_preimage");
  }
  do {
    int r = write_unit(table, w);

    if (r != SLUICE_MORE) {
      return r < 0 ? r : write_end(table, w);
    }
  } while (!sluice_writer_should_yield(w));
  if (table->cut.copies != NULL || table->cut.waiting != NULL) {
    sluice_section_urgent(table->cut.section);
  }
  return SLUICE_MORE;
}

/* Without a cut there is nothing to be done before the host is paused. */
int table_save_step(void *self, sluice_writer_t *w, sluice_error_t *err) {
  table_t *table = self;

  return sluice_section_mode(table->cut.section) == SLUICE_CUT
             ? write_units(table, w, err)
             : SLUICE_WAIT;
}

/* The pause is an instant too, only longer. */
int table_save_finish(void *self, sluice_writer_t *w, sluice_error_t *err) {
  table_t *table = self;

  if (table->cut.epoch == 0) {
    (void)table_save_cut(table, err);
  }
  return write_units(table, w, err);
}

void table_save_end(void *self, int status) {
  (void)status;
  cut_done(self);
}
