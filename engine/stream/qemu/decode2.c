/* decode2.c - QEMU's stream, version 2, of before October 2008: records.
 *
 * See decode2.h. Must know no device: each is bytes of a known length. */
#include "stream/qemu/decode2.h"

#include <string.h>
#include <uv.h>

#include "stream/bytes.h"
#include "stream/qemu/configuration.h"
#include "stream/qemu/format.h"

enum { HEADER_BYTES = 16, RECORD_TAIL = 12 };

static int open_decoder(sluice_decoder_t *d) {
  qemu2_t *q = d->alloc.alloc(d->alloc.ctx, sizeof(*q), _Alignof(max_align_t));

  if (q == NULL) {
    return UV_ENOMEM;
  }
  memset(q, 0, sizeof(*q));
  q->min = 1;
  d->state = q;
  return 0;
}

static void close_decoder(sluice_decoder_t *d) {
  qemu2_t *q = d->state;

  if (q != NULL) {
    sluice__qemu2_inflate_free(d);
    d->alloc.release(d->alloc.ctx, q, sizeof(*q), _Alignof(max_align_t));
    d->state = NULL;
  }
}

static int read_header(sluice_decoder_t *d, sluice_item_t *item) {
  qemu2_t *q = d->state;
  const uint8_t *p = sluice__window_peek(&d->window, HEADER_BYTES);
  uint64_t total;

  if (p == NULL) {
    return sluice__decoder_starve(d, "", "the header");
  }
  total = sluice__get_be64(p + 8);
  if (total > UINT64_MAX - HEADER_BYTES) {
    return sluice__decoder_fail(d, SLUICE_ECORRUPT, 8, "",
                                "the stream's length is impossible");
  }
  q->end = HEADER_BYTES + total;
  sluice__window_take(&d->window, HEADER_BYTES);
  item->kind = SLUICE_ITEM_HEADER;
  item->u.header.format = SLUICE_FORMAT_QEMU2;
  item->u.header.version = 2;
  item->u.header.host = "";
  item->u.header.host_version = "";
  q->phase = QEMU2_RECORD;
  return SLUICE__ITEM;
}

/* A record's header, as far as the stream's length lets it reach. */
static const uint8_t *peek_record(sluice_decoder_t *d, size_t len, int *r) {
  const qemu2_t *q = d->state;
  const uint8_t *p;

  if (len > q->end - d->window.offset) {
    *r = sluice__decoder_fail(d, SLUICE_ECORRUPT, d->window.offset, "",
                              "a record goes over the stream's length");
    return NULL;
  }
  p = sluice__window_peek(&d->window, len);
  if (p == NULL) {
    *r = sluice__decoder_starve(d, "", "a record's header");
  }
  return p;
}

static void make_section(sluice_decoder_t *d, sluice_item_t *item,
                         const uint8_t *p) {
  qemu2_t *q = d->state;

  item->kind = SLUICE_ITEM_SECTION;
  item->offset = d->window.offset;
  item->u.decl.id = (uint32_t)q->totals.records++;
  item->u.decl.instance = sluice__get_be32(p);
  item->u.decl.version = sluice__get_be32(p + 4);
  item->u.decl.name = q->name;
  item->u.decl.type = "";
  q->version = item->u.decl.version;
  q->length = sluice__get_be32(p + 8);
}

static int check_record(sluice_decoder_t *d) {
  qemu2_t *q = d->state;

  if (q->totals.records > d->options.max_sections) {
    return sluice__decoder_fail(d, SLUICE_ELIMIT, d->window.offset, q->name,
                                "more than %u sections",
                                d->options.max_sections);
  }
  if (q->length > q->end - d->window.offset) {
    return sluice__decoder_fail(
        d, SLUICE_ECORRUPT, d->window.offset, q->name,
        "record of %llu bytes goes over the stream's length",
        (unsigned long long)q->length);
  }
  return 0;
}

static int begin_payload(sluice_decoder_t *d, sluice_item_t *item) {
  qemu2_t *q = d->state;

  if (check_record(d) < 0) {
    return d->error.code;
  }
  q->record_end = d->window.offset + q->length;
  q->phase = QEMU2_BYTES;
  q->min = 1;
  if (strcmp(q->name, SLUICE__RAM_NAME) == 0) {
    item->u.decl.payload = SLUICE_PAYLOAD_PAGES;
    if (sluice__qemu2_ram_begin(d) < 0) {
      return d->error.code;
    }
  }
  return SLUICE__ITEM;
}

static int read_record(sluice_decoder_t *d, sluice_item_t *item) {
  qemu2_t *q = d->state;
  const uint8_t *p;
  size_t len;
  int r = 0;

  if (d->window.offset == q->end) {
    q->phase = QEMU2_TRAILER;
    return SLUICE__AGAIN;
  }
  p = peek_record(d, 1, &r);
  if (p == NULL) {
    return r;
  }
  len = *p;
  p = peek_record(d, 1 + len + RECORD_TAIL, &r);
  if (p == NULL) {
    return r;
  }
  if (!sluice__qemu_is_name(p + 1, len)) {
    return sluice__decoder_fail(d, SLUICE_ECORRUPT, d->window.offset, "",
                                "a record's name is malformed");
  }
  memcpy(q->name, p + 1, len);
  q->name[len] = '\0';
  make_section(d, item, p + 1 + len);
  sluice__window_take(&d->window, 1 + len + RECORD_TAIL);
  return begin_payload(d, item);
}

static int read_bytes(sluice_decoder_t *d, sluice_item_t *item) {
  qemu2_t *q = d->state;
  uint64_t left = sluice__qemu2_left(d);
  const uint8_t *p;
  int r = 0;

  if (left == 0 && q->min == 1) {
    q->phase = QEMU2_SKIP;
    return SLUICE__AGAIN;
  }
  p = sluice__qemu2_peek(d, q->min, &r);
  if (p == NULL) {
    return r;
  }
  item->kind = SLUICE_ITEM_BYTES;
  item->offset = d->window.offset;
  item->u.bytes.data = p;
  q->item_len = sluice__window_have(&d->window);
  q->item_len = q->item_len < left ? q->item_len : (size_t)left;
  item->u.bytes.len = q->item_len;
  q->lent = q->item_len;
  q->min = 1;
  return SLUICE__ITEM;
}

/* Over what the record has too much, then its end. */
static int close_record(sluice_decoder_t *d, sluice_item_t *item) {
  qemu2_t *q = d->state;
  uint64_t left = sluice__qemu2_left(d);
  size_t have = sluice__window_have(&d->window);

  have = have < left ? have : (size_t)left;
  sluice__window_take(&d->window, have);
  if (left > have) {
    (void)sluice__window_peek(&d->window, 1);
    return sluice__decoder_starve(d, q->name, "the record");
  }
  sluice__qemu2_inflate_free(d);
  item->kind = SLUICE_ITEM_CLOSE;
  item->offset = d->window.offset;
  item->u.payload_bytes = q->length;
  q->phase = QEMU2_RECORD;
  return SLUICE__ITEM;
}

static int deliver_trailer(sluice_decoder_t *d, sluice_item_t *item) {
  qemu2_t *q = d->state;

  item->kind = SLUICE_ITEM_TRAILER;
  item->offset = d->window.offset;
  q->totals.bytes = d->window.offset;
  item->u.totals = q->totals;
  q->phase = QEMU2_OVER;
  return SLUICE__ITEM;
}

static int step(sluice_decoder_t *d, sluice_item_t *item) {
  const qemu2_t *q = d->state;

  switch (q->phase) {
  case QEMU2_HEADER: return read_header(d, item);
  case QEMU2_RECORD: return read_record(d, item);
  case QEMU2_BYTES: return read_bytes(d, item);
  case QEMU2_RAM_SIZE:
  case QEMU2_RAM_PLAIN:
  case QEMU2_RAM_ITEMS: return sluice__qemu2_ram(d, item);
  case QEMU2_RAM_INFLATE: return sluice__qemu2_inflate(d, item);
  case QEMU2_SKIP: return close_record(d, item);
  case QEMU2_TRAILER: return deliver_trailer(d, item);
  case QEMU2_OVER: return SLUICE__WHOLE;
  }
  return SLUICE__WHOLE;
}

static int next_item(sluice_decoder_t *d, sluice_item_t *item) {
  qemu2_t *q = d->state;
  int r;

  if (q->lent > 0) {
    sluice__window_take(&d->window, q->lent);
    q->lent = 0;
  }
  q->item_len = 0;
  do {
    r = step(d, item);
  } while (r == SLUICE__AGAIN);
  return r;
}

static void consume(sluice_decoder_t *d, size_t len) {
  qemu2_t *q = d->state;

  if (q->item_len > 0) { /* else there was no BYTES item to use */
    q->lent = len < q->item_len ? len : q->item_len;
    q->min = len == 0 ? q->item_len + 1 : 1;
  }
}

/* Records say their length: nobody else ends them. */
static void end_payload(sluice_decoder_t *d) {
  (void)d;
}

const sluice__decode_ops_t sluice__decode_qemu2 = {
    .format = SLUICE_FORMAT_QEMU2,
    .open = open_decoder,
    .close = close_decoder,
    .next = next_item,
    .consume = consume,
    .end_payload = end_payload,
};
