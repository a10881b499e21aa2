/* decode_base.c - the latch. See decode_base.h. */
#include "stream/decode_base.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

int sluice__decoder_fail(sluice_decoder_t *d, int code, uint64_t offset,
                         const char *section, const char *format, ...) {
  sluice_error_t *e = &d->error;
  va_list ap;

  assert(code < 0 && e->code == 0);
  e->code = code;
  e->offset = offset;
  (void)snprintf(e->section, sizeof(e->section), "%s", section);
  va_start(ap, format);
  (void)vsnprintf(e->message, sizeof(e->message), format, ap);
  va_end(ap);
  return code;
}

int sluice__decoder_starve(sluice_decoder_t *d, const char *section,
                           const char *what) {
  const sluice__window_t *w = &d->window;

  if (w->code == SLUICE_ELIMIT) {
    return sluice__decoder_fail(d, w->code, w->offset, section,
                                "%s needs %zu bytes, over the limit of %zu",
                                what, w->want, sluice__window_most(w));
  }
  if (w->code < 0) {
    return sluice__decoder_fail(d, w->code, w->offset, section,
                                "no memory for %s of %zu bytes", what, w->want);
  }
  if (w->eof) {
    size_t have = sluice__window_have(w) + (size_t)w->placed;

    return sluice__decoder_fail(
        d, SLUICE_ETRUNCATED, w->offset + have, section,
        "expected %zu bytes of %s, found the end after %zu", w->want, what,
        have);
  }
  return SLUICE__STARVED;
}
