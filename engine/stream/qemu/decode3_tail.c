/* decode3_tail.c - devices are described behind the end of the stream.
 *
 * So when the live sections are over, the rest of the input is gathered in the
 * window (it is small: devices only), the description is found from its end,
 * and its sizes delimit the devices. Without one the footers must do.
 * Invariant: nothing is taken off the window here. */
#include "stream/qemu/decode3.h"

#include <string.h>

#include "stream/bytes.h"
#include "stream/qemu/description.h"

enum { LOOKS_MAX = 64 };

/* QEMU sends some devices before the live sections begin. Those must not make
 * us gather all of the memory; machine types old enough to have no footers do
 * not do it. */
static bool is_tail(const qemu3_t *q) {
  return (q->sections.started > 0 && q->sections.live == 0) ||
         q->footers == QEMU3_FOOTERS_OFF ||
         (q->footers == QEMU3_FOOTERS_UNKNOWN && !q->has_configuration);
}

/* `p` at 0x06: do length and brace fit what follows, up to the very end? */
static bool is_description(const uint8_t *p, size_t have) {
  return have > SLUICE__QEMU_DESCRIPTION_BYTES && p[-1] == SLUICE__QEMU_EOF &&
         sluice__get_be32(p + 1) == have - SLUICE__QEMU_DESCRIPTION_BYTES &&
         p[SLUICE__QEMU_DESCRIPTION_BYTES] == '{';
}

/* NULL: there is none. */
static const uint8_t *find_description(const sluice__window_t *w,
                                       size_t *out_len) {
  const uint8_t *p = sluice__window_at(w);
  const uint8_t *end = p + sluice__window_have(w);

  while (end - p > 1) {
    p = memchr(p + 1, SLUICE__QEMU_DESCRIPTION, (size_t)(end - p - 1));
    if (p == NULL) {
      return NULL;
    }
    if (is_description(p, (size_t)(end - p))) {
      *out_len = (size_t)(end - p) - SLUICE__QEMU_DESCRIPTION_BYTES;
      return p + SLUICE__QEMU_DESCRIPTION_BYTES;
    }
  }
  return NULL;
}

/* A text that cannot be read is as good as none, unless it is too large to be
 * tried: then say so, rather than guess. */
static int load_description(sluice_decoder_t *d) {
  qemu3_t *q = d->state;
  sluice_error_t err = {0};
  size_t len = 0;
  const uint8_t *text = find_description(&d->window, &len);
  int r;

  if (text == NULL) {
    return SLUICE__AGAIN;
  }
  sluice__qemu3_charge(d);
  r = sluice__qemu_description_read(&q->description, (const char *)text, len,
                                    d->options.max_memory, &err);
  sluice__qemu3_charge(d);
  q->is_described = r == 0;
  if (r == 0 || r == SLUICE_ECORRUPT) {
    return SLUICE__AGAIN;
  }
  return sluice__decoder_fail(d, r, d->window.offset, "", "%s", err.message);
}

/* Notes the nearest end that is announced in what was not looked at yet. */
static void look_on(qemu3_t *q, const sluice__window_t *w) {
  const size_t head = SLUICE__QEMU_DESCRIPTION_BYTES;
  const uint8_t *base = sluice__window_at(w);
  size_t have = sluice__window_have(w);
  size_t at = q->looked > 0 ? q->looked : 1;

  for (; at + head < have; at++) {
    const uint8_t *p =
        memchr(base + at, SLUICE__QEMU_DESCRIPTION, have - head - at);
    uint64_t end;

    if (p == NULL) {
      break;
    }
    at = (size_t)(p - base);
    end = (uint64_t)at + head + sluice__get_be32(p + 1);
    if (p[-1] == SLUICE__QEMU_EOF && p[head] == '{' && end >= have &&
        (q->next_end == 0 || end < q->next_end)) {
      q->next_end = (size_t)end;
    }
  }
  q->looked = have > head ? have - head : 0;
}

/* An end that has gone by was none. All is looked at again for the next, which
 * only a stream that is made for it needs more than once or twice. */
static int find_end(sluice_decoder_t *d, bool *out_is_end) {
  const sluice__window_t *w = &d->window;
  qemu3_t *q = d->state;
  size_t have = sluice__window_have(w);

  if (q->next_end != 0 && q->next_end < have) {
    q->next_end = 0;
    q->looked = 0;
    if (++q->looks_again > LOOKS_MAX) {
      return sluice__decoder_fail(d, SLUICE_ELIMIT, w->offset, "",
                                  "more than %d descriptions that are none",
                                  LOOKS_MAX);
    }
  }
  look_on(q, w);
  *out_is_end = q->next_end == have && have > 0 && w->base[w->tail - 1] == '}';
  return 0;
}

/* Where the input stays open its end is the description's. */
static int wait_for_end(sluice_decoder_t *d) {
  sluice__window_t *w = &d->window;
  bool is_end = w->eof;

  if (!is_end && d->options.may_stay_open && find_end(d, &is_end) < 0) {
    return d->error.code;
  }
  if (is_end) {
    return SLUICE__AGAIN;
  }
  (void)sluice__window_peek(w, sluice__window_have(w) + 1);
  return sluice__decoder_starve(d, "", "devices and their description");
}

int sluice__qemu3_gather(sluice_decoder_t *d) {
  qemu3_t *q = d->state;
  int r;

  if (d->options.payload_ends != SLUICE_ENDS_BY_DESCRIPTION || q->is_gathered ||
      !is_tail(q)) {
    return SLUICE__AGAIN;
  }
  r = wait_for_end(d);
  if (r != SLUICE__AGAIN) {
    return r;
  }
  q->is_gathered = true;
  return load_description(d);
}
