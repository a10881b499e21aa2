/* decode2.h - what the parts of the qemu2 decoder share.
 *
 *   be32 "QEVM", be32 2, be64 total, then until `total` bytes after it:
 *   str8 name, be32 instance, be32 version, be32 length, `length` bytes
 *
 * Every record is a section sent in full; nothing is live. decode2.c has the
 * stream and its records, and calls all others; _inflate.c compressed memory,
 * _ram.c the other ways in which memory was written, _record.c the record at
 * hand. Invariant: nothing is read beyond a record's length, and what a record
 * has too much is skipped, as QEMU did. */
#ifndef SLUICE_STREAM_QEMU_DECODE2_H
#define SLUICE_STREAM_QEMU_DECODE2_H

#include "stream/decode_base.h"

typedef enum qemu2_phase_e {
  QEMU2_HEADER,
  QEMU2_RECORD,
  QEMU2_BYTES,
  QEMU2_RAM_SIZE, /* versions 1 and 2: be32 */
  QEMU2_RAM_PLAIN,
  QEMU2_RAM_INFLATE,
  QEMU2_RAM_ITEMS, /* version 3 */
  QEMU2_SKIP,      /* what is left of the record */
  QEMU2_TRAILER,
  QEMU2_OVER
} qemu2_phase_t;

typedef struct qemu2_inflate_s qemu2_inflate_t;

typedef struct qemu2_s {
  qemu2_phase_t phase;
  char name[SLUICE_NAME_MAX + 1]; /* of the record */
  uint32_t version;
  bool has_ram;
  uint64_t end;        /* stream offset of the stream's end */
  uint64_t record_end; /* stream offset */
  uint64_t length;     /* of the record's payload */
  uint32_t page_size;
  uint64_t ram_bytes;
  uint64_t ram_at;
  qemu2_inflate_t *inflate;
  size_t lent;
  size_t item_len;
  size_t min;
  sluice_totals_t totals;
} qemu2_t;

/* Bytes of the record from the head on. */
static inline uint64_t sluice__qemu2_left(const sluice_decoder_t *d) {
  const qemu2_t *q = d->state;

  return q->record_end - d->window.offset;
}

/* decode2_record.c: `len` bytes of the record, or NULL and in `*r` why they are
 * not there. */
const uint8_t *sluice__qemu2_peek(sluice_decoder_t *d, size_t len, int *r);

/* decode2_ram.c */
int sluice__qemu2_ram_begin(sluice_decoder_t *d);
int sluice__qemu2_ram(sluice_decoder_t *d, sluice_item_t *item);
void sluice__qemu2_ram_run(sluice_decoder_t *d, sluice_item_t *item,
                           sluice_item_kind_t kind, uint64_t offset);

/* decode2_inflate.c: the next block of compressed memory as an item. */
int sluice__qemu2_inflate(sluice_decoder_t *d, sluice_item_t *item);
void sluice__qemu2_inflate_free(sluice_decoder_t *d);

#endif
