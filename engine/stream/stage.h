/* stage.h - the buffer that a stream is put together in.
 *
 * Lends one chunk at a time from the output, fills it, emits it. A chunk ends
 * where the stream crosses a multiple of `chunk_bytes`, and stream offset
 * and address of a byte agree modulo SLUICE_CHUNK_ALIGN: so pages that are
 * aligned in the stream are aligned in memory, as O_DIRECT wants it.
 *
 * Invariant: base == NULL (nothing lent) or skip <= fill <= cap. Errors of the
 * output are latched in `code`; later calls write nothing. */
#ifndef SLUICE_STREAM_STAGE_H
#define SLUICE_STREAM_STAGE_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include <sluice/encoder.h>

typedef struct sluice__stage_s {
  sluice_output_t output;
  size_t chunk_bytes;
  uint8_t *base;    /* the lent chunk */
  size_t skip;      /* its first byte of the stream */
  size_t fill;      /* behind its last */
  size_t cap;       /* where the stream crosses the chunk boundary */
  uint64_t emitted; /* stream offset of `base + skip` */
  int code;
} sluice__stage_t;

void sluice__stage_init(sluice__stage_t *s, const sluice_output_t *output);

/* Gives the lent chunk back; what is in it and was not emitted is dropped. */
void sluice__stage_done(sluice__stage_t *s);

/* Stream offset of the next byte. */
static inline uint64_t sluice__stage_offset(const sluice__stage_t *s) {
  return s->emitted + (s->fill - s->skip);
}

/* Bytes until the chunk is full; lends one if none is. 0 only after an error.
 */
size_t sluice__stage_room(sluice__stage_t *s);

/* The next `len` bytes in place, `len` at most the room; then advance. */
static inline uint8_t *sluice__stage_at(const sluice__stage_t *s) {
  return s->base + s->fill;
}

/* The bytes were filled in. A full chunk is emitted. */
int sluice__stage_advance(sluice__stage_t *s, size_t len);

/* As advance, but a full chunk stays until the next advance or flush: for
 * records that are completed in place. */
static inline void sluice__stage_hold(sluice__stage_t *s, size_t len) {
  assert(s->base != NULL && len <= s->cap - s->fill);
  s->fill += len;
}

/* Drops what was put since stream offset `offset`, all of it still in the lent
 * chunk. */
static inline void sluice__stage_rewind(sluice__stage_t *s, uint64_t offset) {
  assert(offset >= s->emitted && offset <= sluice__stage_offset(s));
  s->fill = s->skip + (size_t)(offset - s->emitted);
}

/* Appends a copy, across chunks. */
int sluice__stage_put(sluice__stage_t *s, const void *data, size_t len);

/* The first `len` bytes of the chunk are out already, by another way; emits the
 * rest. */
int sluice__stage_pass(sluice__stage_t *s, size_t len);

/* The other way has failed. */
static inline void sluice__stage_fail(sluice__stage_t *s, int code) {
  s->code = s->code < 0 ? s->code : code;
}

/* Emits what there is. */
int sluice__stage_flush(sluice__stage_t *s);

/* The bytes at stream offset `offset` while they are still in the lent chunk;
 * NULL when they are emitted. */
uint8_t *sluice__stage_find(sluice__stage_t *s, uint64_t offset);

#endif
