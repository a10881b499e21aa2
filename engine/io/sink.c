/* sink.c - see the private sink.h. */
#include "io/sink.h"

#include <stddef.h>
#include <stdlib.h>

#include <sys/uio.h>
#include <uv.h>

#include <sluice/encoder.h>

#include "io/sink_call.h"

int sluice__sink_new(sluice_sink_t **out, const sluice_sink_ops_t *ops,
                     void (*abandon)(void *self), void *self) {
  sluice_sink_t *sink;

  /* `write_now` came later: a host may have been compiled before it did. */
  if (out == NULL || ops == NULL ||
      ops->size < offsetof(sluice_sink_ops_t, write_now) ||
      ops->write == NULL) {
    return UV_EINVAL;
  }
  sink = calloc(1, sizeof(*sink));
  if (sink == NULL) {
    return UV_ENOMEM;
  }
  sink->ops = ops;
  sink->self = self;
  sink->abandon = abandon;
  *out = sink;
  return 0;
}

int sluice_sink_custom(sluice_sink_t **out, const sluice_sink_ops_t *ops,
                       void *self) {
  return sluice__sink_new(out, ops, NULL, self);
}

int sluice__sink_take(sluice_sink_t *sink) {
  if (sink->is_taken) {
    return UV_EBUSY;
  }
  sink->is_taken = true;
  return 0;
}

void sluice__sink_give_back(sluice_sink_t *sink) {
  sink->is_taken = false;
}

int sluice__sink_open(sluice_sink_t *sink, uv_loop_t *loop, sluice_sink_cb cb,
                      void *ctx, sluice_error_t *err) {
  sluice__sink_call_t *call = &sink->life;

  sink->err = err;
  if (sink->ops->open == NULL) {
    return 1;
  }
  sluice__sink_call_begin(call, sink, "open", cb, ctx);
  return sluice__sink_call_end(
      call,
      sink->ops->open(sink->self, loop, sluice__sink_call_told, call, err));
}

/* Of a call of which several may be under way; NULL: *out_code says why not. */
static sluice__sink_call_t *begin_call(sluice_sink_t *sink, const char *name,
                                       sluice_sink_cb cb, void *ctx,
                                       int *out_code) {
  sluice__sink_call_t *call =
      sink->breach != 0 ? NULL : sluice__sink_call_of_write(sink);

  if (call == NULL) {
    *out_code = sink->breach != 0 ? sink->breach : UV_ENOMEM;
    return NULL;
  }
  sluice__sink_call_begin(call, sink, name, cb, ctx);
  return call;
}

int sluice__sink_write(sluice_sink_t *sink, const void *data, size_t len,
                       uint64_t offset, sluice_sink_cb cb, void *ctx) {
  int code;
  sluice__sink_call_t *call = begin_call(sink, "write", cb, ctx, &code);

  if (call == NULL) {
    return code;
  }
  return sluice__sink_call_end(call,
                               sink->ops->write(sink->self, data, len, offset,
                                                sluice__sink_call_told, call));
}

static bool can_write_now(const sluice_sink_ops_t *ops) {
  return ops->size >=
             offsetof(sluice_sink_ops_t, write_now) + sizeof(ops->write_now) &&
         ops->write_now != NULL;
}

ptrdiff_t sluice__sink_write_now(sluice_sink_t *sink,
                                 const struct iovec *pieces, int count,
                                 uint64_t offset) {
  size_t len = 0;
  ptrdiff_t n;

  if (!can_write_now(sink->ops)) {
    return UV_ENOTSUP;
  }
  if (sink->breach != 0) {
    return sink->breach;
  }
  for (int i = 0; i < count; i++) {
    len += pieces[i].iov_len;
  }
  n = sink->ops->write_now(sink->self, pieces, count, offset);
  return n > 0 && (size_t)n > len
             ? sluice__sink_breach(sink, "write_now() took %td bytes of %zu", n,
                                   len)
             : n;
}

bool sluice__sink_is_random(const sluice_sink_t *sink) {
  return sink->ops->size >= offsetof(sluice_sink_ops_t, is_random) +
                                sizeof(sink->ops->is_random) &&
         sink->ops->is_random != NULL && sink->ops->is_random(sink->self) != 0;
}

size_t sluice__sink_chunk_bytes(const sluice_sink_t *sink) {
  size_t wish = SLUICE_CHUNK_BYTES;
  size_t bytes = SLUICE_CHUNK_BYTES;

  if (sink->ops->size >= offsetof(sluice_sink_ops_t, chunk_bytes) +
                             sizeof(sink->ops->chunk_bytes) &&
      sink->ops->chunk_bytes != NULL) {
    wish = sink->ops->chunk_bytes(sink->self);
  }
  while (bytes < SLUICE_CHUNK_BYTES_MAX && bytes <= wish / 2) {
    bytes *= 2;
  }
  return bytes;
}

bool sluice__sink_can_patch(const sluice_sink_t *sink) {
  const sluice_sink_ops_t *ops = sink->ops;

  if (ops->size <
          offsetof(sluice_sink_ops_t, can_patch) + sizeof(ops->can_patch) ||
      ops->patch == NULL) {
    return false;
  }
  return ops->can_patch == NULL || ops->can_patch(sink->self) != 0;
}

int sluice__sink_patch(sluice_sink_t *sink, const sluice_patch_t *patches,
                       size_t count, sluice_sink_cb cb, void *ctx) {
  int code;
  sluice__sink_call_t *call = begin_call(sink, "patch", cb, ctx, &code);

  if (call == NULL) {
    return code;
  }
  return sluice__sink_call_end(call,
                               sink->ops->patch(sink->self, patches, count,
                                                sluice__sink_call_told, call));
}

/* What it was told of a breach the sink has not cleaned up for yet. */
int sluice__sink_finish(sluice_sink_t *sink, sluice_sink_cb cb, void *ctx) {
  sluice__sink_call_t *call = &sink->life;

  if (sink->breach != 0) {
    return sluice__sink_abort(sink, cb, ctx) == 0 ? 0 : sink->breach;
  }
  if (sink->ops->finish == NULL) {
    return 1;
  }
  sluice__sink_call_begin(call, sink, "finish", cb, ctx);
  return sluice__sink_call_end(
      call, sink->ops->finish(sink->self, sluice__sink_call_told, call));
}

int sluice__sink_abort(sluice_sink_t *sink, sluice_sink_cb cb, void *ctx) {
  sluice__sink_call_t *call = &sink->life;

  if (sink->ops->abort == NULL) {
    return 1;
  }
  sluice__sink_call_begin(call, sink, "abort", cb, ctx);
  return sluice__sink_call_end(
      call, sink->ops->abort(sink->self, sluice__sink_call_told, call));
}

/* Time does not run backwards, whatever a host's function says. */
uint64_t sluice__sink_busy_ns(sluice_sink_t *sink) {
  uint64_t ns;

  if (sink == NULL || sink->ops->busy_ns == NULL) {
    return 0;
  }
  ns = sink->ops->busy_ns(sink->self);
  sink->busy_ns = ns > sink->busy_ns ? ns : sink->busy_ns;
  return sink->busy_ns;
}

static void free_sink(sluice_sink_t *sink) {
  sluice__sink_calls_free(sink);
  free(sink);
}

void sluice__sink_close(sluice_sink_t *sink) {
  if (sink == NULL) {
    return;
  }
  if (sink->ops->close != NULL) {
    sink->ops->close(sink->self);
  }
  free_sink(sink);
}

void sluice__sink_abandon(sluice_sink_t *sink) {
  if (sink == NULL) {
    return;
  }
  if (sink->abandon != NULL) {
    sink->abandon(sink->self);
  }
  free_sink(sink);
}

int sluice_sink_free(sluice_sink_t *sink) {
  if (sink != NULL && sink->is_taken) {
    return UV_EBUSY;
  }
  sluice__sink_close(sink);
  return 0;
}
