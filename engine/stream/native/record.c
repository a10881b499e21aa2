/* record.c - see record.h. */
#include "stream/native/record.h"

#include "stream/bytes.h"
#include "stream/hash.h"

void sluice__record_put(uint8_t *at, const sluice__record_t *record) {
  sluice__put_le16(at + SLUICE__RECORD_TYPE, record->type);
  sluice__put_le16(at + SLUICE__RECORD_FLAGS, record->flags);
  sluice__put_le32(at + SLUICE__RECORD_SECTION, record->section);
  sluice__put_le64(at + SLUICE__RECORD_SEQUENCE, record->sequence);
  sluice__put_le64(at + SLUICE__RECORD_LENGTH, record->length);
}

void sluice__record_get(sluice__record_t *record, const uint8_t *at) {
  record->type = sluice__get_le16(at + SLUICE__RECORD_TYPE);
  record->flags = sluice__get_le16(at + SLUICE__RECORD_FLAGS);
  record->section = sluice__get_le32(at + SLUICE__RECORD_SECTION);
  record->sequence = sluice__get_le64(at + SLUICE__RECORD_SEQUENCE);
  record->length = sluice__get_le64(at + SLUICE__RECORD_LENGTH);
  record->checksum = sluice__get_le64(at + SLUICE__RECORD_CHECKSUM);
}

/* The payload's hash is seeded with the header's: neither is copied, and a
 * change of either changes the result. */
uint64_t sluice__record_checksum(const uint8_t *at, size_t covered) {
  uint64_t seed = sluice__hash(at, SLUICE__RECORD_CHECKSUM);

  return sluice__hash_seeded(at + SLUICE__RECORD_BYTES, covered, seed);
}

uint64_t sluice__record_seal(uint8_t *at, size_t covered) {
  uint64_t checksum = sluice__record_checksum(at, covered);

  sluice__put_le64(at + SLUICE__RECORD_CHECKSUM, checksum);
  return checksum;
}

uint64_t sluice__record_chain(uint64_t chain, uint64_t checksum) {
  uint8_t link[16];

  sluice__put_le64(link, chain);
  sluice__put_le64(link + 8, checksum);
  return sluice__hash(link, sizeof(link));
}

/* The finalizer of splitmix64: a bijection that spreads every bit. */
static uint64_t mix(uint64_t x) {
  x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
  return x ^ (x >> 31);
}

/* A seed would do as well, but costs a key schedule a page in XXH3. */
uint64_t sluice__page_place(uint32_t region, uint64_t offset) {
  return mix(mix((uint64_t)region + 1) ^ offset);
}

uint64_t sluice__page_hash(const uint8_t *page, size_t size, uint32_t region,
                           uint64_t offset) {
  return sluice__hash(page, size) ^ sluice__page_place(region, offset);
}

bool sluice__native_is_blank(const uint8_t *p, size_t len) {
  uint8_t any = 0;

  for (size_t i = 0; i < len; i++) {
    any |= p[i];
  }
  return any == 0;
}
