/* reseal.c - see reseal.h. */
#include "reseal.h"

#include <string.h>

#include "stream/bytes.h"
#include "stream/hash.h"
#include "stream/native/record.h"

typedef struct reseal_s {
  uint8_t *data;
  size_t len;
  size_t at;
  uint64_t sequence;
  uint64_t chain;
  bool renumber;
} reseal_t;

static bool seal_header(reseal_t *s) {
  uint32_t len;

  if (s->len < SLUICE__FILE_STRINGS ||
      memcmp(s->data, SLUICE__NATIVE_SIGNATURE, 8) != 0) {
    return false;
  }
  len = sluice__get_le32(s->data + SLUICE__FILE_LENGTH);
  if (len < SLUICE__FILE_STRINGS + SLUICE__FILE_CHECKSUM_BYTES ||
      len > s->len) {
    return false;
  }
  s->at = len;
  s->chain = sluice__hash(s->data, len - SLUICE__FILE_CHECKSUM_BYTES);
  sluice__put_le64(s->data + len - SLUICE__FILE_CHECKSUM_BYTES, s->chain);
  return true;
}

static void hash_run(uint8_t *record, size_t length, const uint8_t *run,
                     size_t *hash_at, size_t *page_at) {
  uint32_t page_size = sluice__get_le32(record + SLUICE__PAGES_PAGE_SIZE);
  uint32_t count = sluice__get_le32(run + 4);
  uint64_t offset = sluice__get_le64(run + 8);

  for (uint32_t i = 0; i < count && page_size > 0; i++) {
    if (*hash_at + SLUICE__PAGES_HASH_BYTES > length || *page_at > length ||
        page_size > length - *page_at) {
      return;
    }
    sluice__put_le64(record + *hash_at,
                     sluice__page_hash(record + *page_at, page_size,
                                       sluice__get_le32(run),
                                       offset + (uint64_t)i * page_size));
    *hash_at += SLUICE__PAGES_HASH_BYTES;
    *page_at += page_size;
  }
}

/* Returns how much of the payload the record's checksum covers. */
static size_t seal_pages(uint8_t *record, size_t length) {
  uint64_t runs;
  size_t hash_at, page_at;

  if (length < SLUICE__PAGES_TABLE) {
    return length - SLUICE__RECORD_BYTES;
  }
  runs = sluice__get_le32(record + SLUICE__PAGES_RUNS);
  page_at = sluice__get_le32(record + SLUICE__PAGES_DATA);
  if (runs > (length - SLUICE__PAGES_TABLE) / SLUICE__PAGES_RUN_BYTES) {
    return length - SLUICE__RECORD_BYTES;
  }
  hash_at = SLUICE__PAGES_TABLE + (size_t)runs * SLUICE__PAGES_RUN_BYTES;
  for (size_t i = 0; i < runs; i++) {
    hash_run(record, length,
             record + SLUICE__PAGES_TABLE + i * SLUICE__PAGES_RUN_BYTES,
             &hash_at, &page_at);
  }
  return SLUICE__PAGES_FIXED_BYTES + (size_t)runs * SLUICE__PAGES_RUN_BYTES;
}

static void count_up(reseal_t *s, uint8_t *record, size_t length) {
  uint8_t *totals = record + SLUICE__RECORD_BYTES;

  sluice__put_le64(record + SLUICE__RECORD_SEQUENCE, s->sequence);
  if (sluice__get_le16(record) == SLUICE__NATIVE_TRAILER &&
      length == SLUICE__RECORD_BYTES + SLUICE__TRAILER_BYTES) {
    sluice__put_le64(totals + SLUICE__TRAILER_TOTAL, s->at + length);
    sluice__put_le64(totals + SLUICE__TRAILER_RECORDS, s->sequence + 1);
    sluice__put_le64(totals + SLUICE__TRAILER_CHAIN, s->chain);
  }
}

/* False: there is no whole record any more. */
static bool seal_record(reseal_t *s) {
  uint8_t *record = s->data + s->at;
  size_t left = s->len - s->at;
  size_t covered;
  uint64_t payload;

  if (left < SLUICE__RECORD_BYTES) {
    return false;
  }
  payload = sluice__get_le64(record + SLUICE__RECORD_LENGTH);
  if (payload > left - SLUICE__RECORD_BYTES) {
    return false;
  }
  covered = (size_t)payload;
  if (s->renumber) {
    count_up(s, record, SLUICE__RECORD_BYTES + covered);
  }
  if (sluice__get_le16(record) == SLUICE__NATIVE_PAGES) {
    covered = seal_pages(record, SLUICE__RECORD_BYTES + covered);
  }
  s->chain =
      sluice__record_chain(s->chain, sluice__record_seal(record, covered));
  s->sequence++;
  s->at += SLUICE__RECORD_BYTES + (size_t)sluice__native_padded(payload);
  return s->at <= s->len;
}

void reseal(uint8_t *data, size_t len, bool renumber) {
  reseal_t s = {.data = data, .len = len, .renumber = renumber};

  if (seal_header(&s)) {
    while (seal_record(&s)) {
    }
  }
}
