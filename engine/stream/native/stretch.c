/* stretch.c - see stretch.h. */
#include "stream/native/stretch.h"

#include "stream/bytes.h"
#include "stream/native/record.h"

/* Of a record that claims more than any has: one header's worth, so that the
 * decoder sees it and refuses it. */
static size_t whole_record(const sluice__record_t *record) {
  return record->length > SLUICE__NATIVE_PAYLOAD_MAX
             ? SLUICE__RECORD_BYTES
             : SLUICE__RECORD_BYTES +
                   (size_t)sluice__native_padded(record->length);
}

static bool is_pages(const sluice__record_t *record) {
  return record->type == SLUICE__NATIVE_PAGES &&
         record->length <= SLUICE__NATIVE_PAGES_MAX;
}

/* The bytes before the data, and how many of those there are. */
static size_t table_of(const uint8_t *p, const sluice__record_t *record,
                       uint64_t *out_data) {
  uint64_t all = SLUICE__RECORD_BYTES + sluice__native_padded(record->length);
  uint64_t table = sluice__get_le32(p + SLUICE__PAGES_DATA);

  if (table < SLUICE__PAGES_TABLE || table > SLUICE__NATIVE_TABLE_MAX ||
      table >= all) {
    table = SLUICE__PAGES_TABLE; /* the decoder will refuse it */
  }
  *out_data = all > table ? all - table : 0;
  return (size_t)table;
}

bool sluice__native_stretch(const uint8_t *p, size_t len,
                            sluice__stretch_t *out) {
  sluice__record_t record;
  uint64_t data = 0;
  size_t size;

  for (;;) {
    const uint8_t *at = p + out->used;
    size_t left = len - out->used;

    out->need = out->used + SLUICE__PAGES_TABLE;
    if (left < SLUICE__PAGES_TABLE) {
      return false;
    }
    sluice__record_get(&record, at);
    size = is_pages(&record) ? table_of(at, &record, &data)
                             : whole_record(&record);
    out->need = out->used + size;
    if (size > left) {
      return false;
    }
    out->used += size;
    if (is_pages(&record)) {
      out->skip = data;
      return true;
    }
  }
}
