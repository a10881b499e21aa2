/* source_call.c - see source_call.h. */
#include "io/source_call.h"

#include <stdarg.h>
#include <stdio.h>

#include <uv.h>

#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
static int
breach(sluice_source_t *source, const char *format, ...) {
  char text[sizeof(source->err->message)];
  va_list args;

  va_start(args, format);
  (void)vsnprintf(text, sizeof(text), format, args);
  va_end(args);
  source->breach = SLUICE_EHANDLER;
  return sluice_fail(source->err, SLUICE_EHANDLER, "the source's %s", text);
}

sluice__source_call_t *sluice__source_call_begin(sluice_source_t *source,
                                                 const char *name, size_t told,
                                                 sluice_source_cb cb,
                                                 void *ctx) {
  sluice__source_call_t *call =
      &source->calls[source->turn++ % SLUICE__SOURCE_CALLS];

  *call = (sluice__source_call_t){.source = source,
                                  .state = SLUICE__READ_CALLING,
                                  .name = name,
                                  .most = told,
                                  .cb = cb,
                                  .ctx = ctx};
  return call;
}

ptrdiff_t sluice__source_call_end(sluice__source_call_t *call, ptrdiff_t r,
                                  size_t most) {
  sluice_source_t *source = call->source;

  if (call->state == SLUICE__READ_EARLY) {
    r = breach(source, "%s() called back inside the call", call->name);
  } else if (r > 0 && (size_t)r > most) {
    r = breach(source, "%s() returned %td, at most %zu", call->name, r, most);
  }
  call->answer = r;
  call->state = r == 0 ? SLUICE__READ_UNDER_WAY : SLUICE__READ_IDLE;
  return r;
}

static void tell_too_much(const sluice__source_call_t *call) {
  (void)breach(call->source, "%s() called back %s", call->name,
               call->answer == 0  ? "twice"
               : call->answer > 0 ? "after it was done at once"
                                  : "after it had failed");
}

void sluice__source_call_told(void *ctx, ptrdiff_t got) {
  sluice__source_call_t *call = ctx;
  sluice_source_t *source = call->source;

  if (call->state == SLUICE__READ_CALLING) {
    call->state = SLUICE__READ_EARLY;
  } else if (call->state == SLUICE__READ_IDLE) {
    tell_too_much(call);
  }
  if (call->state != SLUICE__READ_UNDER_WAY) {
    return;
  }
  if (got > 0 && (size_t)got > call->most) {
    got = breach(source, "%s() called back with %td, at most %zu", call->name,
                 got, call->most);
  } else if (got >= 0 && source->breach != 0) {
    got = source->breach;
  }
  call->state = SLUICE__READ_IDLE;
  call->cb(call->ctx, got); /* may close the source */
}
