/* record.h - what writer and reader of the native stream share: the
 * header of a record, and how its checksum, the chain of checksums and the hash
 * of a page are made.
 *
 * Pure functions over bytes. Must not know stages, windows or errors. */
#ifndef SLUICE_STREAM_NATIVE_RECORD_H
#define SLUICE_STREAM_NATIVE_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stream/bytes.h"
#include "stream/native/format.h"

typedef struct sluice__record_s {
  uint16_t type;
  uint16_t flags;
  uint32_t section;
  uint64_t sequence;
  uint64_t length; /* of the payload, in bytes, without the padding */
  uint64_t checksum;
} sluice__record_t;

/* `count` pages from byte `offset` of a region, as PAGES has them. */
typedef struct sluice__native_run_s {
  uint32_t region;
  uint32_t count;
  uint64_t offset;
} sluice__native_run_t;

static inline sluice__native_run_t sluice__native_run_get(const uint8_t *at) {
  return (sluice__native_run_t){.region = sluice__get_le32(at),
                                .count = sluice__get_le32(at + 4),
                                .offset = sluice__get_le64(at + 8)};
}

/* Writes the header; the checksum is left for sluice__record_seal(). */
void sluice__record_put(uint8_t *at, const sluice__record_t *record);
void sluice__record_get(sluice__record_t *record, const uint8_t *at);

/* Of a record in memory, `covered` bytes of its payload included. */
uint64_t sluice__record_checksum(const uint8_t *at, size_t covered);

/* Computes and stores the checksum; returns it. */
uint64_t sluice__record_seal(uint8_t *at, size_t covered);

/* The chain after one more record; it begins with the file header's checksum.
 */
uint64_t sluice__record_chain(uint64_t chain, uint64_t checksum);

/* Of a page, bound to its place, so that swapped pages show. */
uint64_t sluice__page_hash(const uint8_t *page, size_t size, uint32_t region,
                           uint64_t offset);

/* What a page's place is to that hash: xored with the page's XXH3. */
uint64_t sluice__page_place(uint32_t region, uint64_t offset);

static inline uint64_t sluice__native_padded(uint64_t len) {
  return (len + SLUICE__RECORD_PAD - 1) & ~(uint64_t)(SLUICE__RECORD_PAD - 1);
}

/* Any number of bytes, all zero? */
bool sluice__native_is_blank(const uint8_t *p, size_t len);

#endif
