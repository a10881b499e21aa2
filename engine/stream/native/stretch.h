/* stretch.h - which bytes does a reader need that wants no pages?
 *
 * A guess ahead, made of bytes that nobody has verified: the decoder looks at
 * all of it anew, and asks for what the guess left out. Pure. */
#ifndef SLUICE_STREAM_NATIVE_STRETCH_H
#define SLUICE_STREAM_NATIVE_STRETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct sluice__stretch_s {
  size_t used; /* in: bytes of whole records found so far; out: more */
  size_t need; /* out: bytes that must be at hand to go on; > len: read them */
  uint64_t skip; /* out: bytes behind `used` that are pages; 0: not known yet */
} sluice__stretch_t;

/* Looks at `len` bytes that begin with a record. True: `used` bytes, and the
 * next record begins `skip` bytes behind them. False: there must be `need`
 * bytes. */
bool sluice__native_stretch(const uint8_t *p, size_t len,
                            sluice__stretch_t *out);

#endif
