/* out.h - bytes that are being put together: a payload, a schema, a text.
 *
 * Begins in memory that is lent to it, usually of the stack, and moves to
 * malloc() when that is full. Errors stick: after the first one nothing is
 * written, so one check at the end is enough. Knows nothing of fields. */
#ifndef SLUICE_FIELDS_OUT_H
#define SLUICE_FIELDS_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fields/order.h"

typedef struct sluice__out_s {
  uint8_t *base;
  size_t len;
  size_t cap;
  bool is_owned; /* `base` is of malloc() */
  bool is_big;   /* byte order of integers */
  int status;    /* 0 or the first error */
} sluice__out_t;

void sluice__out_open(sluice__out_t *out, void *lent, size_t cap, bool is_big);
void sluice__out_done(sluice__out_t *out);

/* Makes the bytes be of malloc(), at least one of them, and gives them away. */
int sluice__out_take(sluice__out_t *out, uint8_t **bytes, size_t *len);

bool sluice__out_grow(sluice__out_t *out, size_t more);
void sluice__out_bytes(sluice__out_t *out, const void *bytes, size_t len);
void sluice__out_zeros(sluice__out_t *out, size_t len);
/* Without its NUL. */
void sluice__out_text(sluice__out_t *out, const char *text);
/* In decimal. */
void sluice__out_number(sluice__out_t *out, uint64_t v);

/* Room for `len` bytes at base + len; false: none, and the error sticks. */
static inline bool sluice__out_room(sluice__out_t *out, size_t len) {
  return out->cap - out->len >= len || sluice__out_grow(out, len);
}

/* `size` (1, 2, 4, 8) bytes of host memory, in the order of the stream. */
static inline void sluice__out_scalar(sluice__out_t *out, const void *from,
                                      size_t size) {
  if (sluice__out_room(out, size)) {
    sluice__order_copy(out->base + out->len, from, size, out->is_big);
    out->len += size;
  }
}

static inline void sluice__out_u8(sluice__out_t *out, uint8_t v) {
  sluice__out_scalar(out, &v, sizeof(v));
}

static inline void sluice__out_u16(sluice__out_t *out, uint16_t v) {
  sluice__out_scalar(out, &v, sizeof(v));
}

static inline void sluice__out_u32(sluice__out_t *out, uint32_t v) {
  sluice__out_scalar(out, &v, sizeof(v));
}

static inline void sluice__out_u64(sluice__out_t *out, uint64_t v) {
  sluice__out_scalar(out, &v, sizeof(v));
}

#endif
