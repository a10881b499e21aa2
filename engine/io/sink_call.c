/* sink_call.c - see sink_call.h. */
#include "io/sink_call.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <uv.h>

/* So many others are used before a call is used again: a sink that calls back
 * twice has that long to be found out. */
enum { REST = 8 };

int sluice__sink_breach(sluice_sink_t *sink, const char *format, ...) {
  char text[sizeof(sink->err->message)];
  va_list args;

  va_start(args, format);
  (void)vsnprintf(text, sizeof(text), format, args);
  va_end(args);
  sink->breach = SLUICE_EHANDLER;
  return sluice_fail(sink->err, SLUICE_EHANDLER, "the sink's %s", text);
}

static sluice__sink_call_t *new_call(sluice_sink_t *sink) {
  sluice__sink_call_t *call = malloc(sizeof(*call));

  if (call != NULL) {
    call->older = sink->all;
    sink->all = call;
  }
  return call;
}

sluice__sink_call_t *sluice__sink_call_of_write(sluice_sink_t *sink) {
  sluice__sink_call_t *call = sink->first_idle;

  if (sink->idle_count <= REST) {
    return new_call(sink);
  }
  sink->first_idle = call->next;
  sink->idle_count--;
  return call;
}

static void retire(sluice__sink_call_t *call) {
  sluice_sink_t *sink = call->sink;

  call->state = SLUICE__CALL_IDLE;
  if (call == &sink->life) {
    return;
  }
  call->next = NULL;
  if (sink->idle_count++ == 0) {
    sink->first_idle = call;
  } else {
    sink->last_idle->next = call;
  }
  sink->last_idle = call;
}

void sluice__sink_call_begin(sluice__sink_call_t *call, sluice_sink_t *sink,
                             const char *name, sluice_sink_cb cb, void *ctx) {
  *call = (sluice__sink_call_t){.sink = sink,
                                .state = SLUICE__CALL_CALLING,
                                .name = name,
                                .cb = cb,
                                .ctx = ctx,
                                .older = call->older};
}

int sluice__sink_call_end(sluice__sink_call_t *call, int r) {
  sluice_sink_t *sink = call->sink;

  if (call->state == SLUICE__CALL_EARLY) {
    r = sluice__sink_breach(sink, "%s() called back inside the call",
                            call->name);
  } else if (r > 1) {
    r = sluice__sink_breach(sink, "%s() returned %d", call->name, r);
  }
  call->answer = r;
  if (r == 0) {
    call->state = SLUICE__CALL_UNDER_WAY;
    return 0;
  }
  retire(call);
  return r > 0 && sink->breach != 0 ? sink->breach : r;
}

static void tell_too_much(const sluice__sink_call_t *call) {
  (void)sluice__sink_breach(call->sink, "%s() called back %s", call->name,
                            call->answer == 0  ? "twice"
                            : call->answer > 0 ? "after it was done at once"
                                               : "after it had failed");
}

void sluice__sink_call_told(void *ctx, int status) {
  sluice__sink_call_t *call = ctx;
  sluice_sink_t *sink = call->sink;

  if (call->state == SLUICE__CALL_CALLING) {
    call->state = SLUICE__CALL_EARLY;
  } else if (call->state == SLUICE__CALL_IDLE) {
    tell_too_much(call);
  }
  if (call->state != SLUICE__CALL_UNDER_WAY) {
    return;
  }
  if (status > 0) {
    status = sluice__sink_breach(sink, "%s() called back with %d", call->name,
                                 status);
  } else if (status == 0) {
    status = sink->breach;
  }
  retire(call);
  call->cb(call->ctx, status); /* may close the sink */
}

void sluice__sink_calls_free(sluice_sink_t *sink) {
  sluice__sink_call_t *call;

  while ((call = sink->all) != NULL) {
    sink->all = call->older;
    free(call);
  }
}
