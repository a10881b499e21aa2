/* native_forge.c - see native_forge.h. */
#include "native_forge.h"

#include <stdlib.h>
#include <string.h>

#include <sluice/item.h>

#include "stream/bytes.h"
#include "stream/hash.h"

/* `len` more bytes, zero. */
static uint8_t *extend(native_forge_t *f, size_t len) {
  if (f->len + len > f->cap) {
    f->cap = (f->len + len) * 2;
    f->data = realloc(f->data, f->cap);
  }
  memset(f->data + f->len, 0, len);
  f->len += len;
  return f->data + f->len - len;
}

void forge_header(native_forge_t *f, uint64_t required, uint64_t optional) {
  uint8_t *h;

  memset(f, 0, sizeof(*f));
  h = extend(f, SLUICE__FILE_STRINGS + SLUICE__FILE_CHECKSUM_BYTES);
  memcpy(h, SLUICE__NATIVE_SIGNATURE, 8);
  sluice__put_le32(h + SLUICE__FILE_VERSION, SLUICE__NATIVE_VERSION);
  sluice__put_le32(h + SLUICE__FILE_LENGTH, (uint32_t)f->len);
  sluice__put_le64(h + SLUICE__FILE_REQUIRED, required);
  sluice__put_le64(h + SLUICE__FILE_OPTIONAL, optional);
  sluice__put_le32(h + SLUICE__FILE_ALIGN, SLUICE__NATIVE_ALIGN);
  f->chain = sluice__hash(h, SLUICE__FILE_STRINGS);
  sluice__put_le64(h + SLUICE__FILE_STRINGS, f->chain);
}

void forge_done(native_forge_t *f) {
  free(f->data);
}

static void seal(native_forge_t *f, size_t at, size_t covered) {
  f->chain = sluice__record_chain(f->chain,
                                  sluice__record_seal(f->data + at, covered));
  f->sequence++;
}

static uint8_t *begin(native_forge_t *f, uint16_t type, uint16_t flags,
                      uint32_t section, size_t len) {
  sluice__record_t record = {.type = type,
                             .flags = flags,
                             .section = section,
                             .sequence = f->sequence,
                             .length = len};
  uint8_t *at =
      extend(f, SLUICE__RECORD_BYTES + (size_t)sluice__native_padded(len));

  sluice__record_put(at, &record);
  return at;
}

void forge_record(native_forge_t *f, uint16_t type, uint16_t flags,
                  uint32_t section, const void *payload, size_t len) {
  size_t start = f->len;
  uint8_t *at = begin(f, type, flags, section, len);

  if (len > 0) {
    memcpy(at + SLUICE__RECORD_BYTES, payload, len);
  }
  seal(f, start, len);
}

void forge_section(native_forge_t *f, uint16_t type, uint32_t id,
                   const char *name, uint8_t payload) {
  uint8_t d[SLUICE__DECL_STRINGS + SLUICE_NAME_MAX] = {0};
  size_t len = strlen(name);

  d[SLUICE__DECL_PAYLOAD] = payload;
  sluice__put_le16(d + SLUICE__DECL_NAME_LENGTH, (uint16_t)len);
  memcpy(d + SLUICE__DECL_STRINGS, name, len);
  forge_record(f, type, 0, id, d, SLUICE__DECL_STRINGS + len);
}

void forge_region(native_forge_t *f, uint32_t section, uint32_t index,
                  uint64_t bytes, uint32_t page_size) {
  uint8_t d[SLUICE__REGION_NAME + 1];

  sluice__put_le32(d + SLUICE__REGION_INDEX, index);
  sluice__put_le32(d + SLUICE__REGION_PAGE_SIZE, page_size);
  sluice__put_le64(d + SLUICE__REGION_SIZE, bytes);
  d[SLUICE__REGION_NAME] = 'r';
  forge_record(f, SLUICE__NATIVE_REGION, 0, section, d, sizeof(d));
}

void forge_pages(native_forge_t *f, uint16_t flags, uint32_t section,
                 sluice__native_run_t run, uint32_t page_size, uint8_t fill) {
  size_t start = f->len;
  size_t table = SLUICE__PAGES_TABLE + SLUICE__PAGES_RUN_BYTES +
                 (size_t)run.count * SLUICE__PAGES_HASH_BYTES;
  size_t data = (start + table + SLUICE__NATIVE_ALIGN - 1) /
                    SLUICE__NATIVE_ALIGN * SLUICE__NATIVE_ALIGN -
                start;
  uint8_t *at =
      begin(f, SLUICE__NATIVE_PAGES, flags, section,
            data - SLUICE__RECORD_BYTES + (size_t)run.count * page_size);
  uint8_t *hashes = at + SLUICE__PAGES_TABLE + SLUICE__PAGES_RUN_BYTES;

  sluice__put_le32(at + SLUICE__PAGES_RUNS, 1);
  sluice__put_le32(at + SLUICE__PAGES_PAGES, run.count);
  sluice__put_le32(at + SLUICE__PAGES_DATA, (uint32_t)data);
  sluice__put_le32(at + SLUICE__PAGES_PAGE_SIZE, page_size);
  sluice__put_le32(at + SLUICE__PAGES_TABLE, run.region);
  sluice__put_le32(at + SLUICE__PAGES_TABLE + 4, run.count);
  sluice__put_le64(at + SLUICE__PAGES_TABLE + 8, run.offset);
  memset(at + data, fill, (size_t)run.count * page_size);
  for (uint32_t i = 0; i < run.count; i++) {
    sluice__put_le64(hashes + i * SLUICE__PAGES_HASH_BYTES,
                     sluice__page_hash(at + data, page_size, run.region,
                                       run.offset + i * page_size));
  }
  f->pages += run.count;
  seal(f, start, SLUICE__PAGES_FIXED_BYTES + SLUICE__PAGES_RUN_BYTES);
}

void forge_zeros(native_forge_t *f, uint32_t section, uint32_t region,
                 uint64_t offset, uint64_t count) {
  uint8_t d[SLUICE__ZEROS_RUN_BYTES] = {0};

  sluice__put_le32(d, region);
  sluice__put_le64(d + 8, offset);
  sluice__put_le64(d + 16, count);
  f->zeros += count;
  forge_record(f, SLUICE__NATIVE_ZEROS, 0, section, d, sizeof(d));
}

void forge_trailer(native_forge_t *f) {
  uint8_t d[SLUICE__TRAILER_BYTES];

  sluice__put_le64(d + SLUICE__TRAILER_TOTAL,
                   f->len + SLUICE__RECORD_BYTES + sizeof(d));
  sluice__put_le64(d + SLUICE__TRAILER_RECORDS, f->sequence + 1);
  sluice__put_le64(d + SLUICE__TRAILER_INDEX, f->index);
  sluice__put_le64(d + SLUICE__TRAILER_PAGES, f->pages);
  sluice__put_le64(d + SLUICE__TRAILER_ZEROS, f->zeros);
  sluice__put_le64(d + SLUICE__TRAILER_CHAIN, f->chain);
  memcpy(d + SLUICE__TRAILER_MARK, SLUICE__NATIVE_END_MARK, 8);
  forge_record(f, SLUICE__NATIVE_TRAILER, 0, SLUICE__NATIVE_NO_SECTION, d,
               sizeof(d));
}
