/* encode_record.c - builds records in place in the stage's chunk.
 *
 * Must not know what records mean, but that PAGES has a table of its own.
 * Invariant: records begin at multiples of 8 and a chunk ends at one, so a
 * record's padding always fits behind it. */
#include "stream/native/encode.h"

#include <assert.h>
#include <string.h>

static int count_record(sluice_encoder_t *e, uint64_t checksum) {
  sluice__encode_native_t *n = sluice__encode_native_of(e);

  n->chain = sluice__record_chain(n->chain, checksum);
  n->sequence++;
  e->totals.records = n->sequence;
  return sluice__encoder_staged(e);
}

/* The room may be too small for a header: then the record goes over the end of
 * the chunk, and is nothing but header. */
int sluice__native_pad(sluice_encoder_t *e) {
  sluice__encode_native_t *n = sluice__encode_native_of(e);
  size_t room = sluice__stage_room(&e->stage);
  sluice__record_t record = {.type = SLUICE__NATIVE_PAD,
                             .section = SLUICE__NATIVE_NO_SECTION,
                             .sequence = n->sequence};
  uint8_t header[SLUICE__RECORD_BYTES];
  uint64_t checksum;

  assert(room <= SLUICE__NATIVE_PAYLOAD_MAX);
  if (room > SLUICE__RECORD_BYTES) {
    uint8_t *at = sluice__stage_at(&e->stage);

    record.length = room - SLUICE__RECORD_BYTES;
    sluice__record_put(at, &record);
    memset(at + SLUICE__RECORD_BYTES, 0, room - SLUICE__RECORD_BYTES);
    checksum = sluice__record_seal(at, room - SLUICE__RECORD_BYTES);
    (void)sluice__stage_advance(&e->stage, room);
    return count_record(e, checksum);
  }
  sluice__record_put(header, &record);
  checksum = sluice__record_seal(header, 0);
  (void)sluice__stage_put(&e->stage, header, sizeof(header));
  return count_record(e, checksum);
}

/* `need` is below what an empty chunk has room for, so one or two PADs do. */
static int make_room(sluice_encoder_t *e, size_t need) {
  assert(need <= SLUICE_CHUNK_BYTES - 2 * SLUICE__RECORD_BYTES);
  while (sluice__stage_room(&e->stage) < need + SLUICE__RECORD_BYTES) {
    int r = sluice__encoder_staged(e);

    if (r == 0) {
      r = sluice__native_pad(e);
    }
    if (r < 0) {
      return r;
    }
  }
  return 0;
}

int sluice__native_begin(sluice_encoder_t *e, uint16_t type, uint16_t flags,
                         uint32_t section, size_t need) {
  sluice__encode_native_t *n = sluice__encode_native_of(e);
  int r = sluice__native_end(e);

  if (r == 0) {
    r = make_room(e, need);
  }
  if (r < 0) {
    return r;
  }
  n->type = type;
  n->flags = flags;
  n->section = section;
  n->start = sluice__stage_offset(&e->stage);
  n->at = sluice__stage_at(&e->stage);
  if (n->opens) {
    n->flags |= SLUICE__NATIVE_OPENS;
    n->opens = false;
  }
  sluice__stage_hold(&e->stage, SLUICE__RECORD_BYTES);
  return 0;
}

uint8_t *sluice__native_extend(sluice_encoder_t *e, size_t len) {
  uint8_t *at = sluice__stage_at(&e->stage);

  sluice__stage_hold(&e->stage, len);
  return at;
}

void sluice__native_append(sluice_encoder_t *e, const void *data, size_t len) {
  if (len > 0) {
    memcpy(sluice__native_extend(e, len), data, len);
  }
}

/* A chunk may be larger than any record but PAGES. */
size_t sluice__native_left(sluice_encoder_t *e) {
  const sluice__encode_native_t *n = sluice__encode_native_of(e);
  size_t room = e->stage.cap - e->stage.fill;
  uint64_t used =
      sluice__stage_offset(&e->stage) - n->start - SLUICE__RECORD_BYTES;

  if (used >= SLUICE__NATIVE_PAYLOAD_MAX) {
    return 0;
  }
  return room < SLUICE__NATIVE_PAYLOAD_MAX - used
             ? room
             : (size_t)(SLUICE__NATIVE_PAYLOAD_MAX - used);
}

static void pad_payload(sluice_encoder_t *e, uint64_t length) {
  size_t gap = (size_t)(sluice__native_padded(length) - length);

  memset(sluice__native_extend(e, gap), 0, gap);
}

int sluice__native_end(sluice_encoder_t *e) {
  sluice__encode_native_t *n = sluice__encode_native_of(e);
  sluice__record_t record = {.type = n->type,
                             .flags = n->flags,
                             .section = n->section,
                             .sequence = n->sequence};
  uint64_t checksum;
  size_t covered;
  int is_stable = 0;

  if (n->type == 0) {
    return 0;
  }
  record.length =
      sluice__stage_offset(&e->stage) - n->start - SLUICE__RECORD_BYTES;
  covered = (size_t)record.length;
  if (n->type == SLUICE__NATIVE_PAGES) {
    is_stable = sluice__native_seal_pages(e, &covered);
  }
  if (is_stable < 0) {
    return e->error.code;
  }
  pad_payload(e, record.length);
  sluice__record_put(n->at, &record);
  n->type = 0;
  checksum = sluice__record_seal(n->at, covered);
  (void)(is_stable != 0 ? sluice__native_write_stable(e)
                        : sluice__stage_advance(&e->stage, 0));
  return count_record(e, checksum);
}

void sluice__native_drop(sluice_encoder_t *e) {
  sluice__encode_native_t *n = sluice__encode_native_of(e);

  if (n->type != 0) {
    sluice__native_drop_pages(e);
    sluice__stage_rewind(&e->stage, n->start);
    n->type = 0;
  }
}

int sluice__native_raw(sluice_encoder_t *e, const void *data, size_t len) {
  (void)sluice__stage_put(&e->stage, data, len);
  return sluice__encoder_staged(e);
}

uint8_t *sluice__native_unit(sluice_encoder_t *e, uint16_t type,
                             uint32_t section, size_t unit) {
  sluice__encode_native_t *n = sluice__encode_native_of(e);

  if ((n->type != type || sluice__native_left(e) < unit) &&
      sluice__native_begin(e, type, 0, section, unit) < 0) {
    return NULL;
  }
  return sluice__native_extend(e, unit);
}
