/* zero.h - is a page all zeros?
 *
 * A page that is not is nearly always told by its first words, so the test
 * begins there; a page that is costs one read sweep. */
#ifndef SLUICE_STREAM_ZERO_H
#define SLUICE_STREAM_ZERO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* `len` is a multiple of 64. If the first 64 bytes are zeros, and each byte is
 * the one 64 before it, all are; comparing is what C libraries do best. */
static inline bool sluice__is_zero(const uint8_t *p, size_t len) {
  enum { STRIDE = 64, WORDS = STRIDE / 8 };
  uint64_t w[WORDS];

  if (len == 0) {
    return true;
  }
  memcpy(w, p, sizeof(w));
  return (w[0] | w[1] | w[2] | w[3] | w[4] | w[5] | w[6] | w[7]) == 0 &&
         memcmp(p, p + STRIDE, len - STRIDE) == 0;
}

#endif
