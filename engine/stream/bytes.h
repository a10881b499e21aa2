/* bytes.h - integers in a stated byte order, at any address.
 *
 * The only place where integers meet bytes. memcpy keeps it free of alignment
 * and aliasing traps; compilers turn each into one instruction. */
#ifndef SLUICE_STREAM_BYTES_H
#define SLUICE_STREAM_BYTES_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

#define SLUICE__BYTES_OF(bits, order)                                          \
  static inline uint##bits##_t sluice__get_##order##bits(const void *p) {      \
    uint##bits##_t v;                                                          \
                                                                               \
    memcpy(&v, p, sizeof(v));                                                  \
    return order##bits##toh(v);                                                \
  }                                                                            \
                                                                               \
  static inline void sluice__put_##order##bits(void *p, uint##bits##_t v) {    \
    v = hto##order##bits(v);                                                   \
    memcpy(p, &v, sizeof(v));                                                  \
  }

SLUICE__BYTES_OF(16, le)
SLUICE__BYTES_OF(32, le)
SLUICE__BYTES_OF(64, le)
SLUICE__BYTES_OF(16, be)
SLUICE__BYTES_OF(32, be)
SLUICE__BYTES_OF(64, be)

#undef SLUICE__BYTES_OF

#endif
