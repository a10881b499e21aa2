/* ends.c - see ends.h. */
#include "stream/native/ends.h"

#include <string.h>

#include "stream/bytes.h"

bool sluice__file_head_get(sluice__file_head_t *out, const uint8_t *p) {
  out->version = sluice__get_le32(p + SLUICE__FILE_VERSION);
  out->length = sluice__get_le32(p + SLUICE__FILE_LENGTH);
  out->required = sluice__get_le64(p + SLUICE__FILE_REQUIRED);
  out->optional = sluice__get_le64(p + SLUICE__FILE_OPTIONAL);
  return memcmp(p, SLUICE__NATIVE_SIGNATURE, 8) == 0;
}

bool sluice__trailer_get(sluice__trailer_t *out, const uint8_t *p) {
  out->total = sluice__get_le64(p + SLUICE__TRAILER_TOTAL);
  out->records = sluice__get_le64(p + SLUICE__TRAILER_RECORDS);
  out->index = sluice__get_le64(p + SLUICE__TRAILER_INDEX);
  out->pages = sluice__get_le64(p + SLUICE__TRAILER_PAGES);
  out->zeros = sluice__get_le64(p + SLUICE__TRAILER_ZEROS);
  out->chain = sluice__get_le64(p + SLUICE__TRAILER_CHAIN);
  return memcmp(p + SLUICE__TRAILER_MARK, SLUICE__NATIVE_END_MARK, 8) == 0;
}
