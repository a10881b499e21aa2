/* ends.h - the two ends of a stream, as their bytes say: the file header's
 * fields of fixed place and the TRAILER's payload. Pure; checks nothing but
 * their marks. */
#ifndef SLUICE_STREAM_NATIVE_ENDS_H
#define SLUICE_STREAM_NATIVE_ENDS_H

#include <stdbool.h>
#include <stdint.h>

#include "stream/native/format.h"

typedef struct sluice__file_head_s {
  uint32_t version;
  uint32_t length;
  uint64_t required;
  uint64_t optional;
} sluice__file_head_t;

typedef struct sluice__trailer_s {
  uint64_t total; /* bytes of the stream */
  uint64_t records;
  uint64_t index; /* where it begins; 0: there is none */
  uint64_t pages;
  uint64_t zeros;
  uint64_t chain;
} sluice__trailer_t;

/* SLUICE__FILE_STRINGS bytes at `p`. False: not the signature. */
bool sluice__file_head_get(sluice__file_head_t *out, const uint8_t *p);

/* SLUICE__TRAILER_BYTES bytes at `p`. False: not the end mark. */
bool sluice__trailer_get(sluice__trailer_t *out, const uint8_t *p);

#endif
