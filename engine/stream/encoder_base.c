/* encoder_base.c - the encoder's latch. See encoder_base.h. */
#include "stream/encoder_base.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

int sluice__encoder_fail(sluice_encoder_t *e, int code, const char *format,
                         ...) {
  va_list ap;

  assert(code < 0);
  if (e->error.code != 0) {
    return e->error.code;
  }
  e->error.code = code;
  e->error.offset = sluice__stage_offset(&e->stage);
  va_start(ap, format);
  (void)vsnprintf(e->error.message, sizeof(e->error.message), format, ap);
  va_end(ap);
  return code;
}

int sluice__encoder_staged(sluice_encoder_t *e) {
  if (e->stage.code < 0) {
    return sluice__encoder_fail(e, e->stage.code, "cannot write the stream: %s",
                                sluice_strerror(e->stage.code));
  }
  return 0;
}
