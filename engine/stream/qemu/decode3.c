/* decode3.c - QEMU's stream, version 3: the frame and both ends.
 *
 * Must know no device. Invariant: every phase has one function, which delivers
 * at most one item and sets the phase that follows. */
#include "stream/qemu/decode3.h"

#include <assert.h>
#include <string.h>
#include <uv.h>

#include "stream/bytes.h"

enum { MAGIC_BYTES = 8 };

static int open_decoder(sluice_decoder_t *d) {
  qemu3_t *q = d->alloc.alloc(d->alloc.ctx, sizeof(*q), _Alignof(max_align_t));

  if (q == NULL) {
    return UV_ENOMEM;
  }
  memset(q, 0, sizeof(*q));
  d->state = q;
  q->min = 1;
  q->page_size = d->options.page_size;
  sluice__arena_init(&q->arena, &d->alloc, 0);
  sluice__qemu_sections_init(&q->sections, &q->arena);
  sluice__qemu_sections_init(&q->description, &q->arena);
  return 0;
}

static void close_decoder(sluice_decoder_t *d) {
  qemu3_t *q = d->state;

  if (q != NULL) {
    sluice__arena_done(&q->arena);
    d->alloc.release(d->alloc.ctx, q, sizeof(*q), _Alignof(max_align_t));
    d->state = NULL;
  }
}

/* The configuration has no length of its own: it is read twice, here to know
 * that it is sound, then lent. Nothing is taken yet. */
static int peek_configuration(sluice_decoder_t *d) {
  sluice__window_t *w = &d->window;
  qemu3_t *q = d->state;
  const size_t at = MAGIC_BYTES + 1;
  sluice_error_t err = {0};
  size_t want = at + 4;

  for (;;) {
    const uint8_t *p = sluice__window_peek(w, want);
    int r;

    if (p == NULL) {
      return sluice__decoder_starve(d, "", "the configuration");
    }
    r = sluice__qemu_configuration_read(p + at, sluice__window_have(w) - at,
                                        false, &q->configuration, &err);
    if (r < 0) {
      return sluice__decoder_fail(d, r, w->offset + at + err.offset, "", "%s",
                                  err.message);
    }
    if (r == 0) {
      return SLUICE__AGAIN;
    }
    want = at + (size_t)r;
  }
}

static int check_page_size(sluice_decoder_t *d) {
  qemu3_t *q = d->state;

  if (q->configuration.page_size != 0) {
    q->page_size = q->configuration.page_size;
  }
  if (q->page_size < SLUICE__RAM_PAGE_MIN) {
    return sluice__decoder_fail(d, UV_EINVAL, 0, "",
                                "expected pages of at least %d bytes, the "
                                "options say %u",
                                SLUICE__RAM_PAGE_MIN, q->page_size);
  }
  return SLUICE__AGAIN;
}

static void make_header(sluice_decoder_t *d, sluice_item_t *item) {
  qemu3_t *q = d->state;

  item->kind = SLUICE_ITEM_HEADER;
  item->offset = 0;
  item->u.header.format = SLUICE_FORMAT_QEMU3;
  item->u.header.version = 3;
  item->u.header.host = q->configuration.machine;
  item->u.header.host_version = "";
}

static int read_magic(sluice_decoder_t *d, sluice_item_t *item) {
  qemu3_t *q = d->state;
  const uint8_t *p = sluice__window_peek(&d->window, MAGIC_BYTES + 1);
  int r = SLUICE__AGAIN;

  if (p == NULL) {
    return sluice__decoder_starve(d, "", "the first record");
  }
  q->has_configuration = p[MAGIC_BYTES] == SLUICE__QEMU_CONFIGURATION;
  if (q->has_configuration) {
    r = peek_configuration(d);
  }
  r = r == SLUICE__AGAIN ? check_page_size(d) : r;
  if (r != SLUICE__AGAIN) {
    return r;
  }
  sluice__window_take(&d->window, MAGIC_BYTES);
  make_header(d, item);
  q->phase = q->has_configuration ? QEMU3_CONFIGURATION : QEMU3_RECORD;
  return SLUICE__ITEM;
}

static void make_note(sluice_item_t *item, uint64_t offset, const char *name,
                      const uint8_t *data, size_t len) {
  item->kind = SLUICE_ITEM_NOTE;
  item->offset = offset;
  item->u.note.name = name;
  item->u.note.data = data;
  item->u.note.len = len;
}

static int deliver_configuration(sluice_decoder_t *d, sluice_item_t *item) {
  qemu3_t *q = d->state;

  assert(sluice__window_have(&d->window) > q->configuration.len);
  make_note(item, d->window.offset, SLUICE_NOTE_QEMU_CONFIGURATION,
            sluice__window_at(&d->window) + 1, q->configuration.len);
  q->lent = 1 + q->configuration.len;
  q->phase = QEMU3_RECORD;
  return SLUICE__ITEM;
}

/* After the mark of the end QEMU appends a description, or nothing. Input that
 * stays open does not tell which, so there this waits, as QEMU itself does. */
static int read_description(sluice_decoder_t *d, sluice_item_t *item) {
  sluice__window_t *w = &d->window;
  qemu3_t *q = d->state;
  const uint8_t *p = sluice__window_peek(w, 1);
  uint32_t len;

  q->phase = QEMU3_FOOTERS_NOTE;
  if ((p == NULL && w->eof) || (p != NULL && *p != SLUICE__QEMU_DESCRIPTION)) {
    return SLUICE__AGAIN; /* what follows, if anything, is refused later */
  }
  q->phase = QEMU3_DESCRIPTION;
  p = sluice__window_peek(w, SLUICE__QEMU_DESCRIPTION_BYTES);
  if (p == NULL) {
    return sluice__decoder_starve(d, "", "the description");
  }
  len = sluice__get_be32(p + 1);
  if (len > SLUICE_NOTE_MAX) {
    return sluice__decoder_fail(d, SLUICE_ELIMIT, w->offset, "",
                                "description of %u bytes is over the limit",
                                len);
  }
  p = sluice__window_peek(w, SLUICE__QEMU_DESCRIPTION_BYTES + (size_t)len);
  if (p == NULL) {
    return sluice__decoder_starve(d, "", "the description");
  }
  make_note(item, w->offset, SLUICE_NOTE_QEMU_DESCRIPTION,
            p + SLUICE__QEMU_DESCRIPTION_BYTES, len);
  q->lent = SLUICE__QEMU_DESCRIPTION_BYTES + (size_t)len;
  q->phase = QEMU3_FOOTERS_NOTE;
  return SLUICE__ITEM;
}

/* Without any section nobody saw a footer: machine types that have none have no
 * configuration either. */
static int deliver_footers(sluice_decoder_t *d, sluice_item_t *item) {
  qemu3_t *q = d->state;

  q->footers_note =
      q->footers == QEMU3_FOOTERS_ON ||
      (q->footers == QEMU3_FOOTERS_UNKNOWN && q->has_configuration);
  make_note(item, d->window.offset, SLUICE_NOTE_QEMU_FOOTERS, &q->footers_note,
            1);
  q->phase = QEMU3_TRAILER;
  return SLUICE__ITEM;
}

static int deliver_trailer(sluice_decoder_t *d, sluice_item_t *item) {
  qemu3_t *q = d->state;

  item->kind = SLUICE_ITEM_TRAILER;
  item->offset = d->window.offset;
  q->totals.bytes = d->window.offset;
  item->u.totals = q->totals;
  q->phase = QEMU3_OVER;
  return SLUICE__ITEM;
}

static int step(sluice_decoder_t *d, sluice_item_t *item) {
  qemu3_t *q = d->state;

  switch (q->phase) {
  case QEMU3_RAM: return sluice__qemu3_ram(d, item);
  case QEMU3_REGIONS: return sluice__qemu3_region(d, item);
  case QEMU3_OPEN: return sluice__qemu3_open(d, item);
  case QEMU3_FRAMED: return sluice__qemu3_framed(d, item);
  case QEMU3_SIZED: return sluice__qemu3_sized(d, item);
  case QEMU3_SCAN: return sluice__qemu3_scan(d, item);
  case QEMU3_MAGIC: return read_magic(d, item);
  case QEMU3_CONFIGURATION: return deliver_configuration(d, item);
  case QEMU3_RECORD: return sluice__qemu3_record(d, item);
  case QEMU3_FOOTER: return sluice__qemu3_footer(d);
  case QEMU3_CLOSE: return sluice__qemu3_close(d, item);
  case QEMU3_DESCRIPTION: return read_description(d, item);
  case QEMU3_FOOTERS_NOTE: return deliver_footers(d, item);
  case QEMU3_TRAILER: return deliver_trailer(d, item);
  case QEMU3_OVER: return SLUICE__WHOLE;
  }
  return SLUICE__WHOLE;
}

static void give_back(sluice_decoder_t *d) {
  qemu3_t *q = d->state;

  if (q->lent > 0) {
    sluice__window_take(&d->window, q->lent);
    if (q->phase == QEMU3_SIZED || q->phase == QEMU3_FRAMED) {
      q->left -= q->lent;
    }
    q->lent = 0;
  }
}

static int next_item(sluice_decoder_t *d, sluice_item_t *item) {
  int r;

  give_back(d);
  sluice__qemu3(d)->item_len = 0;
  do {
    r = step(d, item);
  } while (r == SLUICE__AGAIN);
  return r;
}

static void consume(sluice_decoder_t *d, size_t len) {
  qemu3_t *q = d->state;

  if (q->item_len > 0) { /* else there was no BYTES item to use */
    q->lent = len < q->item_len ? len : q->item_len;
    q->min = len == 0 ? q->item_len + 1 : 1;
  }
}

static void end_payload(sluice_decoder_t *d) {
  qemu3_t *q = d->state;

  if (q->phase == QEMU3_OPEN) {
    q->phase = QEMU3_FOOTER;
  }
}

const sluice__decode_ops_t sluice__decode_qemu3 = {
    .format = SLUICE_FORMAT_QEMU3,
    .open = open_decoder,
    .close = close_decoder,
    .next = next_item,
    .consume = consume,
    .end_payload = end_payload,
};
