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

/* `len` is a multiple of 64. */
static inline bool sluice__is_zero(const uint8_t *p, size_t len) {
  enum { STRIDE = 64, WORDS = STRIDE / 8 };

  for (size_t at = 0; at < len; at += STRIDE) {
    uint64_t w[WORDS];

    memcpy(w, p + at, sizeof(w));
    if ((w[0] | w[1] | w[2] | w[3] | w[4] | w[5] | w[6] | w[7]) != 0) {
      return false;
    }
  }
  return true;
}

#endif
