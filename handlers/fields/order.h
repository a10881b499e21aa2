/* order.h - integers of 1, 2, 4 or 8 bytes in either byte order.
 *
 * The only place of the fields handler where integers meet bytes. `is_big`:
 * QEMU's streams; native ones are little-endian. Knows nothing of fields. */
#ifndef SLUICE_FIELDS_ORDER_H
#define SLUICE_FIELDS_ORDER_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint16_t sluice__order16(uint16_t v, bool is_big) {
  return is_big ? htobe16(v) : htole16(v);
}

static inline uint32_t sluice__order32(uint32_t v, bool is_big) {
  return is_big ? htobe32(v) : htole32(v);
}

static inline uint64_t sluice__order64(uint64_t v, bool is_big) {
  return is_big ? htobe64(v) : htole64(v);
}

/* From memory of the host to bytes of the stream, or back: it is the same. */
static inline void sluice__order_copy(void *to, const void *from, size_t size,
                                      bool is_big) {
  uint16_t v16;
  uint32_t v32;
  uint64_t v64;

  if (size == 4) {
    memcpy(&v32, from, sizeof(v32));
    v32 = sluice__order32(v32, is_big);
    memcpy(to, &v32, sizeof(v32));
  } else if (size == 8) {
    memcpy(&v64, from, sizeof(v64));
    v64 = sluice__order64(v64, is_big);
    memcpy(to, &v64, sizeof(v64));
  } else if (size == 2) {
    memcpy(&v16, from, sizeof(v16));
    v16 = sluice__order16(v16, is_big);
    memcpy(to, &v16, sizeof(v16));
  } else {
    memcpy(to, from, 1);
  }
}

static inline uint64_t sluice__order_get(const void *from, size_t size,
                                         bool is_big) {
  uint16_t v16;
  uint32_t v32;
  uint64_t v64;

  switch (size) {
  case 2: memcpy(&v16, from, sizeof(v16)); return sluice__order16(v16, is_big);
  case 4: memcpy(&v32, from, sizeof(v32)); return sluice__order32(v32, is_big);
  case 8: memcpy(&v64, from, sizeof(v64)); return sluice__order64(v64, is_big);
  default: return *(const uint8_t *)from;
  }
}

/* In memory of the host. */
static inline uint64_t sluice__host_get(const void *from, size_t size) {
  uint16_t v16;
  uint32_t v32;
  uint64_t v64;

  switch (size) {
  case 2: memcpy(&v16, from, sizeof(v16)); return v16;
  case 4: memcpy(&v32, from, sizeof(v32)); return v32;
  case 8: memcpy(&v64, from, sizeof(v64)); return v64;
  default: return *(const uint8_t *)from;
  }
}

static inline void sluice__host_put(void *to, size_t size, uint64_t v) {
  uint8_t v8 = (uint8_t)v;
  uint16_t v16 = (uint16_t)v;
  uint32_t v32 = (uint32_t)v;

  switch (size) {
  case 2: memcpy(to, &v16, sizeof(v16)); break;
  case 4: memcpy(to, &v32, sizeof(v32)); break;
  case 8: memcpy(to, &v, sizeof(v)); break;
  default: memcpy(to, &v8, sizeof(v8)); break;
  }
}

#endif
