/* ends.h - the two ends of a stream and their bytes: the file header's fields
 * of fixed place and the TRAILER's payload. All who read or write them do so
 * here. Pure; checks nothing but their marks. */
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
  uint8_t image_id[16];
  uint8_t parent_id[16];
  uint32_t align;
  uint16_t host_length; /* of the strings that follow */
  uint16_t host_version_length;
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
void sluice__file_head_put(uint8_t *p, const sluice__file_head_t *head);

/* What tells the header's length, the same in every version: needs no more than
 * SLUICE__FILE_REQUIRED bytes at `p`. */
uint32_t sluice__file_head_length(const uint8_t *p);

/* SLUICE__TRAILER_BYTES bytes at `p`. False: not the end mark. */
bool sluice__trailer_get(sluice__trailer_t *out, const uint8_t *p);
void sluice__trailer_put(uint8_t *p, const sluice__trailer_t *trailer);

#endif
