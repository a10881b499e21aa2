/* decode2_record.c - bytes of the record at hand, and none behind its end. */
#include "stream/qemu/decode2.h"

const uint8_t *sluice__qemu2_peek(sluice_decoder_t *d, size_t len, int *r) {
  const qemu2_t *q = d->state;
  const uint8_t *p;

  if (len > sluice__qemu2_left(d)) {
    *r = sluice__decoder_fail(
        d, SLUICE_ECORRUPT, d->window.offset, q->name,
        "expected %zu more bytes, found the record's end after %llu", len,
        (unsigned long long)sluice__qemu2_left(d));
    return NULL;
  }
  p = sluice__window_peek(&d->window, len);
  if (p == NULL) {
    *r = sluice__decoder_starve(d, q->name, "the record");
  }
  return p;
}
