/* window.h - the stretch of input that a decoder looks at.
 *
 * A growing buffer: input is put behind `tail`, parsed from `head`. Parsers ask
 * for a contiguous stretch; what is missing makes them wait. Grows only when
 * one item is larger than the buffer, and never over its limits.
 *
 * Bytes may also be put elsewhere, where they belong in the end: they stand
 * before the head and are taken like any others, but only counted here.
 *
 * Invariant: head <= tail <= cap; `offset` is the stream offset of what was put
 * elsewhere, or else of `head`. */
#ifndef SLUICE_STREAM_WINDOW_H
#define SLUICE_STREAM_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sluice/alloc.h>

typedef struct sluice__window_s {
  sluice_alloc_t alloc;
  uint8_t *base;
  size_t cap;
  size_t head;
  size_t tail;
  size_t want;  /* bytes from head that the parser waits for */
  size_t limit; /* cap may not grow over this */
  size_t both;  /* nor the old buffer and the new one, while it grows */
  uint64_t offset;
  uint64_t skipped; /* bytes of `offset` that never were at hand */
  uint64_t placed;  /* bytes before the head that were put elsewhere */
  int code;         /* UV_ENOMEM or SLUICE_ELIMIT once growing has failed */
  bool eof;
} sluice__window_t;

/* Large reads, and no growing for a record of 1 MiB. */
enum { SLUICE__WINDOW_BYTES = (1024 + 64) * 1024 };

int sluice__window_init(sluice__window_t *w, const sluice_alloc_t *alloc,
                        size_t limit);
void sluice__window_done(sluice__window_t *w);

/* `len` contiguous bytes at the head, or NULL: then they have not come yet, or
 * `code` says why they never will. */
const uint8_t *sluice__window_peek(sluice__window_t *w, size_t len);

/* Bytes at hand. */
static inline size_t sluice__window_have(const sluice__window_t *w) {
  return w->tail - w->head;
}

static inline const uint8_t *sluice__window_at(const sluice__window_t *w) {
  return w->base + w->head;
}

/* The longest stretch that there can be from now on. */
size_t sluice__window_most(const sluice__window_t *w);

/* Moves the head over `len` bytes that are at hand, or those elsewhere. */
void sluice__window_take(sluice__window_t *w, size_t len);

/* The same over bytes that need not be at hand: input goes on behind them. */
void sluice__window_skip(sluice__window_t *w, uint64_t len);

/* Puts `len` bytes from the head elsewhere. */
void sluice__window_place(sluice__window_t *w, uint8_t *to, size_t len);

/* Where input goes; makes room by moving what is left to the front. */
uint8_t *sluice__window_space(sluice__window_t *w, size_t *out_len);
void sluice__window_fill(sluice__window_t *w, size_t len);

#endif
