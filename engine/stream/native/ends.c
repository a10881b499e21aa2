/* ends.c - see ends.h. */
#include "stream/native/ends.h"

#include <string.h>

#include "stream/bytes.h"

uint32_t sluice__file_head_length(const uint8_t *p) {
  return sluice__get_le32(p + SLUICE__FILE_LENGTH);
}

bool sluice__file_head_get(sluice__file_head_t *out, const uint8_t *p) {
  out->version = sluice__get_le32(p + SLUICE__FILE_VERSION);
  out->length = sluice__file_head_length(p);
  out->required = sluice__get_le64(p + SLUICE__FILE_REQUIRED);
  out->optional = sluice__get_le64(p + SLUICE__FILE_OPTIONAL);
  memcpy(out->image_id, p + SLUICE__FILE_IMAGE, sizeof(out->image_id));
  memcpy(out->parent_id, p + SLUICE__FILE_PARENT, sizeof(out->parent_id));
  out->align = sluice__get_le32(p + SLUICE__FILE_ALIGN);
  out->host_length = sluice__get_le16(p + SLUICE__FILE_HOST_LENGTH);
  out->host_version_length =
      sluice__get_le16(p + SLUICE__FILE_HOST_VERSION_LENGTH);
  return memcmp(p, SLUICE__NATIVE_SIGNATURE, 8) == 0;
}

void sluice__file_head_put(uint8_t *p, const sluice__file_head_t *head) {
  memcpy(p, SLUICE__NATIVE_SIGNATURE, 8);
  sluice__put_le32(p + SLUICE__FILE_VERSION, head->version);
  sluice__put_le32(p + SLUICE__FILE_LENGTH, head->length);
  sluice__put_le64(p + SLUICE__FILE_REQUIRED, head->required);
  sluice__put_le64(p + SLUICE__FILE_OPTIONAL, head->optional);
  memcpy(p + SLUICE__FILE_IMAGE, head->image_id, sizeof(head->image_id));
  memcpy(p + SLUICE__FILE_PARENT, head->parent_id, sizeof(head->parent_id));
  sluice__put_le32(p + SLUICE__FILE_ALIGN, head->align);
  sluice__put_le16(p + SLUICE__FILE_HOST_LENGTH, head->host_length);
  sluice__put_le16(p + SLUICE__FILE_HOST_VERSION_LENGTH,
                   head->host_version_length);
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

void sluice__trailer_put(uint8_t *p, const sluice__trailer_t *trailer) {
  sluice__put_le64(p + SLUICE__TRAILER_TOTAL, trailer->total);
  sluice__put_le64(p + SLUICE__TRAILER_RECORDS, trailer->records);
  sluice__put_le64(p + SLUICE__TRAILER_INDEX, trailer->index);
  sluice__put_le64(p + SLUICE__TRAILER_PAGES, trailer->pages);
  sluice__put_le64(p + SLUICE__TRAILER_ZEROS, trailer->zeros);
  sluice__put_le64(p + SLUICE__TRAILER_CHAIN, trailer->chain);
  memcpy(p + SLUICE__TRAILER_MARK, SLUICE__NATIVE_END_MARK, 8);
}
