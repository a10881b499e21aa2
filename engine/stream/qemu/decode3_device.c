/* decode3_device.c - payloads of bytes whose end somebody tells.
 *
 *   OPEN    a device, its reader ends it: whatever is in the window is lent
 *   FRAMED  a live section as our encoder writes it: {be32 n, n bytes}* be32 0
 *   SIZED   a device of which the description said how long it is
 *
 * Must know no device. Invariant: what was lent comes off the window with the
 * next step, as far as it was consumed. */
#include "stream/qemu/decode3.h"

#include <string.h>

#include "stream/bytes.h"

static int scan_or_fail(sluice_decoder_t *d) {
  qemu3_t *q = d->state;

  if (q->footers == QEMU3_FOOTERS_OFF) {
    return sluice__decoder_fail(d, SLUICE_EFEATURE, d->window.offset,
                                sluice__qemu3_name(q),
                                "'%s' cannot be delimited: nothing tells its "
                                "length, and the stream has no footers",
                                sluice__qemu3_name(q));
  }
  q->phase = QEMU3_SCAN;
  return SLUICE__AGAIN;
}

static int choose_for_device(sluice_decoder_t *d) {
  qemu3_t *q = d->state;
  const sluice_decl_t *decl = &q->section->decl;
  const sluice__qemu_section_t *described;

  if (!q->is_described) {
    return scan_or_fail(d);
  }
  described =
      sluice__qemu_sections_named(&q->description, decl->name, decl->instance);
  if (described == NULL) {
    return scan_or_fail(d);
  }
  q->left = described->bytes;
  q->phase = QEMU3_SIZED;
  return SLUICE__AGAIN;
}

int sluice__qemu3_choose(sluice_decoder_t *d) {
  qemu3_t *q = d->state;
  const sluice_decl_t *decl = &q->section->decl;
  bool is_live = (decl->flags & SLUICE_SECTION_LIVE) != 0;

  if (decl->payload == SLUICE_PAYLOAD_PAGES) {
    q->phase = QEMU3_RAM;
    return SLUICE__AGAIN;
  }
  if (d->options.payload_ends == SLUICE_ENDS_BY_READER) {
    q->phase = is_live ? QEMU3_FRAMED : QEMU3_OPEN;
    return SLUICE__AGAIN;
  }
  return is_live ? scan_or_fail(d) : choose_for_device(d);
}

int sluice__qemu3_lend(sluice_decoder_t *d, sluice_item_t *item, size_t len,
                       bool is_last) {
  qemu3_t *q = d->state;

  if (len < q->min) {
    return is_last ? sluice__decoder_fail(d, SLUICE_ECORRUPT, d->window.offset,
                                          sluice__qemu3_name(q),
                                          "expected at least %zu more bytes of "
                                          "payload, found its end after %zu",
                                          q->min, len)
                   : SLUICE__AGAIN;
  }
  item->kind = SLUICE_ITEM_BYTES;
  item->offset = d->window.offset;
  item->u.bytes.data = sluice__window_at(&d->window);
  item->u.bytes.len = len;
  q->lent = len;
  q->item_len = len;
  q->min = 1;
  return SLUICE__ITEM;
}

static int starve(sluice_decoder_t *d) {
  return sluice__decoder_starve(d, sluice__qemu3_name(d->state), "payload");
}

int sluice__qemu3_open(sluice_decoder_t *d, sluice_item_t *item) {
  qemu3_t *q = d->state;

  if (sluice__window_peek(&d->window, q->min) == NULL) {
    return starve(d);
  }
  item->u.bytes.is_open = 1;
  return sluice__qemu3_lend(d, item, sluice__window_have(&d->window), false);
}

static size_t at_hand(const sluice_decoder_t *d, uint64_t left) {
  size_t have = sluice__window_have(&d->window);

  return have < left ? have : (size_t)left;
}

int sluice__qemu3_sized(sluice_decoder_t *d, sluice_item_t *item) {
  qemu3_t *q = d->state;

  if (q->left == 0 && q->min == 1) {
    q->phase = QEMU3_FOOTER;
    return SLUICE__AGAIN;
  }
  if (q->left > SIZE_MAX) {
    return sluice__decoder_fail(
        d, SLUICE_ELIMIT, d->window.offset, sluice__qemu3_name(q),
        "device of %llu bytes is over the limit", (unsigned long long)q->left);
  }
  if (sluice__window_peek(&d->window, (size_t)q->left) == NULL) {
    return starve(d);
  }
  return sluice__qemu3_lend(d, item, (size_t)q->left, true);
}

/* Frames. */

/* At the end of a frame: the header of the next. */
static int begin_frame(sluice_decoder_t *d) {
  qemu3_t *q = d->state;
  const uint8_t *p = sluice__window_peek(&d->window, 4);

  if (p == NULL) {
    return starve(d);
  }
  q->left = sluice__get_be32(p);
  q->framing += 4;
  sluice__window_take(&d->window, 4);
  if (q->left == 0) {
    q->phase = QEMU3_FOOTER;
  }
  return SLUICE__AGAIN;
}

/* The reader wants more in one piece than this frame has: what is left of it
 * moves over the next frame's header. Readers ask for small pieces. */
static int join_frames(sluice_decoder_t *d) {
  sluice__window_t *w = &d->window;
  qemu3_t *q = d->state;
  size_t rest = (size_t)q->left;
  const uint8_t *p = sluice__window_peek(w, rest + 4);
  uint32_t more;

  if (p == NULL) {
    return starve(d);
  }
  more = sluice__get_be32(p + rest);
  if (more == 0) {
    return sluice__decoder_fail(d, SLUICE_ECORRUPT, w->offset,
                                sluice__qemu3_name(q),
                                "expected at least %zu more bytes of payload, "
                                "found its end after %zu",
                                q->min, rest);
  }
  memmove(w->base + w->head + 4, w->base + w->head, rest);
  sluice__window_take(w, 4);
  q->framing += 4;
  q->left += more;
  return SLUICE__AGAIN;
}

int sluice__qemu3_framed(sluice_decoder_t *d, sluice_item_t *item) {
  qemu3_t *q = d->state;
  size_t len;

  if (q->left == 0) {
    return begin_frame(d);
  }
  len = at_hand(d, q->left);
  if (len >= q->min) {
    return sluice__qemu3_lend(d, item, len, false);
  }
  if (len == q->left) {
    return join_frames(d);
  }
  (void)sluice__window_peek(&d->window, len + 1); /* all of it is at hand */
  return starve(d);
}
