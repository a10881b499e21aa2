/* table_cut.c - an object that is not saved yet is about to change.
 *
 * Replaced and deleted ones wait outside of the table: nothing is copied. Of
 * one that changes in place, the pieces that change are copied. Memory for
 * copies is bounded; over it the image is lost, and the host goes on.
 *
 * Invariant: a piece is taken once, by a copy or by the writer; an object is
 * freed or marked saved when none is left and all its copies are written. */
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "parts.h"

enum { WORD_BITS = 64 };

static void lose_image(table_t *table, int code) {
  cut_done(table);
  table->cut.code = code;
}

progress_t *progress_open(table_t *table, object_t *object, size_t len) {
  size_t pieces = pieces_of(len);
  size_t words = pieces / WORD_BITS + 1;
  progress_t *p = calloc(1, sizeof(*p) + words * sizeof(uint64_t));

  if (p == NULL) {
    return NULL;
  }
  p->object = object;
  p->len = len;
  p->left = pieces;
  p->next = table->cut.open;
  if (p->next != NULL) {
    p->next->prev = p;
  }
  table->cut.open = p;
  object->cut = p;
  return p;
}

void progress_close(table_t *table, progress_t *p) {
  if (p->prev != NULL) {
    p->prev->next = p->next;
  } else {
    table->cut.open = p->next;
  }
  if (p->next != NULL) {
    p->next->prev = p->prev;
  }
  p->object->cut = NULL;
  free(p);
}

int piece_take(progress_t *p, size_t piece) {
  uint64_t bit = UINT64_C(1) << (piece % WORD_BITS);
  uint64_t *word = &p->taken[piece / WORD_BITS];

  if ((*word & bit) != 0) {
    return 0;
  }
  *word |= bit;
  p->left--;
  return 1;
}

static int copy_piece(table_t *table, const progress_t *p, size_t piece) {
  cut_t *cut = &table->cut;
  size_t len = piece_len(p->len, piece);
  copy_t *copy;

  if (len > table->options.max_preimage - cut->held) {
    return SLUICE_ELIMIT;
  }
  copy = malloc(sizeof(*copy) + len);
  if (copy == NULL) {
    return UV_ENOMEM;
  }
  copy->next = NULL;
  copy->object = p->object;
  copy->offset = piece * PIECE_BYTES;
  copy->len = len;
  memcpy(copy->bytes, p->object->value + copy->offset, len);
  *cut->last_copy = copy;
  cut->last_copy = &copy->next;
  cut->held += len;
  return 0;
}

/* Of 'pieces from..to' those that are not taken. */
static int copy_pieces(table_t *table, progress_t *p, size_t from, size_t to) {
  size_t end = pieces_of(p->len);

  for (size_t i = from; i <= to && i < end; i++) {
    int r = piece_take(p, i) ? copy_piece(table, p, i) : 0;

    if (r < 0) {
      return r;
    }
  }
  return 0;
}

void cut_before_write(table_t *table, object_t *object, size_t offset,
                      size_t len) {
  progress_t *p = object->cut;
  int r = UV_ENOMEM;

  if (object_is_saved(table, object)) {
    return; /* all there is to do when no save runs */
  }
  if (p == NULL) {
    p = progress_open(table, object, object->len);
    if (p != NULL) {
      p->id = UINT64_MAX; /* not announced */
    }
  }
  if (p != NULL) {
    r = copy_pieces(table, p, offset / PIECE_BYTES,
                    (offset + len - 1) / PIECE_BYTES);
  }
  if (r < 0) {
    lose_image(table, r);
  }
  sluice_section_urgent(table->cut.section);
}

void cut_retire(table_t *table, object_t *object) {
  if (object_is_saved(table, object)) {
    object_free(object);
    return;
  }
  object->next = table->cut.waiting;
  table->cut.waiting = object;
  sluice_section_urgent(table->cut.section);
}

void cut_done(table_t *table) {
  cut_t *cut = &table->cut;

  while (cut->copies != NULL) {
    copy_t *copy = cut->copies;

    cut->copies = copy->next;
    free(copy);
  }
  cut->last_copy = &cut->copies;
  while (cut->open != NULL) {
    progress_t *p = cut->open;

    cut->open = p->next;
    p->object->cut = NULL;
    free(p);
  }
  while (cut->waiting != NULL) {
    object_t *object = cut->waiting;

    cut->waiting = object->next;
    object_free(object);
  }
  cut->held = 0;
  cut->left = 0;
  cut->epoch = 0;
}
