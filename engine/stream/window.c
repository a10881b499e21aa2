/* window.c - see window.h. Pages are large and lent in place, so what is moved
 * to the front is at most one incomplete page or record. */
#include "stream/window.h"

#include <assert.h>
#include <string.h>
#include <uv.h>

#include <sluice/error.h>

enum { WINDOW_ALIGN = 4096 };

/* A small limit is to be shared with the tables of sections and pages. */
static size_t first_cap(size_t limit) {
  size_t most = limit / 4 > WINDOW_ALIGN ? limit / 4 : limit;

  return most < SLUICE__WINDOW_BYTES ? most : SLUICE__WINDOW_BYTES;
}

int sluice__window_init(sluice__window_t *w, const sluice_alloc_t *alloc,
                        size_t limit) {
  memset(w, 0, sizeof(*w));
  w->alloc = *alloc;
  w->limit = limit;
  w->both = limit;
  w->cap = first_cap(limit);
  w->want = 1;
  w->base = w->alloc.alloc(w->alloc.ctx, w->cap, WINDOW_ALIGN);
  return w->base == NULL ? UV_ENOMEM : 0;
}

void sluice__window_done(sluice__window_t *w) {
  if (w->base != NULL) {
    w->alloc.release(w->alloc.ctx, w->base, w->cap, WINDOW_ALIGN);
    w->base = NULL;
  }
}

/* Not even looked at if it is there already: who is given a byte at a time
 * comes here with every one of them. */
static void move_to_front(sluice__window_t *w) {
  if (w->head == 0) {
    return;
  }
  memmove(w->base, w->base + w->head, w->tail - w->head);
  w->tail -= w->head;
  w->head = 0;
}

size_t sluice__window_most(const sluice__window_t *w) {
  size_t most = w->both > w->cap ? w->both - w->cap : 0;

  most = most < w->limit ? most : w->limit;
  return most > w->cap ? most : w->cap;
}

static size_t grown_cap(const sluice__window_t *w, size_t len) {
  size_t most = sluice__window_most(w);
  size_t cap = w->cap;

  while (cap < len) {
    cap = cap > most / 2 ? most : cap * 2;
  }
  return cap;
}

static int grow(sluice__window_t *w, size_t len) {
  size_t have = w->tail - w->head;
  size_t cap;
  uint8_t *base;

  if (len > sluice__window_most(w)) {
    return SLUICE_ELIMIT;
  }
  cap = grown_cap(w, len);
  base = w->alloc.alloc(w->alloc.ctx, cap, WINDOW_ALIGN);
  if (base == NULL) {
    return UV_ENOMEM;
  }
  memcpy(base, w->base + w->head, have);
  w->alloc.release(w->alloc.ctx, w->base, w->cap, WINDOW_ALIGN);
  w->base = base;
  w->cap = cap;
  w->head = 0;
  w->tail = have;
  return 0;
}

const uint8_t *sluice__window_peek(sluice__window_t *w, size_t len) {
  if (w->tail - w->head >= len) {
    return w->base + w->head;
  }
  w->want = len;
  if (len > w->cap && w->code == 0 && !w->eof) {
    w->code = grow(w, len);
  }
  return NULL;
}

static void move_head(sluice__window_t *w, size_t len) {
  assert(len <= w->tail - w->head);
  w->head += len;
  if (w->head == w->tail) {
    w->head = 0;
    w->tail = 0;
  }
}

void sluice__window_take(sluice__window_t *w, size_t len) {
  if (w->placed > 0) {
    assert(len <= w->placed);
    w->placed -= len;
  } else {
    move_head(w, len);
  }
  w->offset += len;
  w->want = 1;
}

void sluice__window_place(sluice__window_t *w, uint8_t *to, size_t len) {
  memcpy(to, sluice__window_at(w), len);
  move_head(w, len);
  w->placed += len;
}

void sluice__window_skip(sluice__window_t *w, uint64_t len) {
  size_t have = w->tail - w->head;

  sluice__window_take(w, len < have ? (size_t)len : have);
  if (len > have) {
    w->offset += len - have;
    w->skipped += len - have;
  }
}

uint8_t *sluice__window_space(sluice__window_t *w, size_t *out_len) {
  size_t have = w->tail - w->head;
  size_t missing = w->want > have ? w->want - have : 1;

  /* Small reads cost a system call each: rather move a little than read a
   * little. */
  if (w->cap - w->tail < missing || w->cap - w->tail < w->cap / 4) {
    move_to_front(w);
  }
  *out_len = w->cap - w->tail;
  return w->base + w->tail;
}

void sluice__window_fill(sluice__window_t *w, size_t len) {
  assert(len <= w->cap - w->tail);
  w->tail += len;
}
