/* index_cursor.c - see index_cursor.h. */
#include "stream/native/index_cursor.h"

#include <string.h>

#include "stream/bytes.h"
#include "stream/native/record.h"

void sluice__index_cursor_open(sluice__index_cursor_t *cursor, uint64_t from,
                               uint64_t end, size_t most) {
  memset(cursor, 0, sizeof(*cursor));
  cursor->next = from;
  cursor->end = end;
  cursor->most = most - most % SLUICE__INDEX_RUN_BYTES;
}

void sluice__index_cursor_open_payload(sluice__index_cursor_t *cursor,
                                       const uint8_t *payload, size_t len) {
  memset(cursor, 0, sizeof(*cursor));
  cursor->p = payload;
  cursor->len = len;
}

static void get_entry(sluice__index_entry_t *out, const uint8_t *p) {
  out->region = sluice__get_le32(p + SLUICE__INDEX_REGION);
  out->count = sluice__get_le32(p + SLUICE__INDEX_COUNT);
  out->offset = sluice__get_le64(p + SLUICE__INDEX_OFFSET);
  out->data = sluice__get_le64(p + SLUICE__INDEX_DATA);
  out->hashes = sluice__get_le64(p + SLUICE__INDEX_HASHES);
}

void sluice__index_entry_put(uint8_t *p, const sluice__index_entry_t *entry) {
  sluice__put_le32(p + SLUICE__INDEX_REGION, entry->region);
  sluice__put_le32(p + SLUICE__INDEX_COUNT, (uint32_t)entry->count);
  sluice__put_le64(p + SLUICE__INDEX_OFFSET, entry->offset);
  sluice__put_le64(p + SLUICE__INDEX_DATA, entry->data);
  sluice__put_le64(p + SLUICE__INDEX_HASHES, entry->hashes);
}

/* A header was fed: is this record the index's? */
static void take_header(sluice__index_cursor_t *cursor, const uint8_t *p) {
  uint64_t payload = cursor->at + SLUICE__RECORD_BYTES;
  sluice__record_t record;

  sluice__record_get(&record, p);
  cursor->next = 0;
  if (record.length > cursor->end - payload ||
      (record.type != SLUICE__NATIVE_INDEX &&
       record.type != SLUICE__NATIVE_PAD)) {
    return;
  }
  cursor->next = payload + sluice__native_padded(record.length);
  cursor->left = record.type == SLUICE__NATIVE_INDEX ? record.length : 0;
  cursor->at = payload;
}

void sluice__index_cursor_feed(sluice__index_cursor_t *cursor,
                               const uint8_t *bytes, size_t len) {
  bool is_short = len < cursor->want;

  if (cursor->left == 0) {
    cursor->next = 0;
    if (!is_short) {
      take_header(cursor, bytes);
    }
    return;
  }
  cursor->p = bytes;
  cursor->len = len;
  cursor->at += len;
  cursor->left -= len;
  if (is_short) {
    cursor->left = 0;
    cursor->next = 0;
  }
}

/* More of this record, or the header of the next one. */
static int want_more(sluice__index_cursor_t *cursor) {
  if (cursor->left > 0) {
    cursor->want =
        cursor->left < cursor->most ? (size_t)cursor->left : cursor->most;
    return SLUICE__INDEX_WANTS;
  }
  if (cursor->next == 0 || cursor->next >= cursor->end ||
      cursor->end - cursor->next < SLUICE__RECORD_BYTES) {
    return SLUICE__INDEX_OVER;
  }
  cursor->at = cursor->next;
  cursor->want = SLUICE__RECORD_BYTES;
  return SLUICE__INDEX_WANTS;
}

int sluice__index_cursor_next(sluice__index_cursor_t *cursor,
                              sluice__index_entry_t *out) {
  if (cursor->len < SLUICE__INDEX_RUN_BYTES) {
    cursor->len = 0;
    return want_more(cursor);
  }
  get_entry(out, cursor->p);
  cursor->p += SLUICE__INDEX_RUN_BYTES;
  cursor->len -= SLUICE__INDEX_RUN_BYTES;
  return SLUICE__INDEX_ENTRY;
}
