/* sink.c - see the private sink.h. */
#include "io/sink.h"

#include <stddef.h>
#include <stdlib.h>

#include <sys/uio.h>
#include <uv.h>

#include <sluice/encoder.h>

int sluice_sink_custom(sluice_sink_t **out, const sluice_sink_ops_t *ops,
                       void *self) {
  sluice_sink_t *sink;

  /* `write_now` came later: a host may have been compiled before it did. */
  if (out == NULL || ops == NULL ||
      ops->size < offsetof(sluice_sink_ops_t, write_now) ||
      ops->write == NULL) {
    return UV_EINVAL;
  }
  sink = malloc(sizeof(*sink));
  if (sink == NULL) {
    return UV_ENOMEM;
  }
  sink->ops = ops;
  sink->self = self;
  *out = sink;
  return 0;
}

/* A host's function may answer with any positive number. */
static int answer_of(int r) {
  return r > 0 ? 1 : r;
}

int sluice__sink_open(sluice_sink_t *sink, uv_loop_t *loop, sluice_sink_cb cb,
                      void *ctx, sluice_error_t *err) {
  if (sink->ops->open == NULL) {
    return 1;
  }
  return answer_of(sink->ops->open(sink->self, loop, cb, ctx, err));
}

int sluice__sink_write(sluice_sink_t *sink, const void *data, size_t len,
                       uint64_t offset, sluice_sink_cb cb, void *ctx) {
  return answer_of(sink->ops->write(sink->self, data, len, offset, cb, ctx));
}

static bool can_write_now(const sluice_sink_ops_t *ops) {
  return ops->size >=
             offsetof(sluice_sink_ops_t, write_now) + sizeof(ops->write_now) &&
         ops->write_now != NULL;
}

/* More than it was given is what only a host's function can answer; bytes of
 * the stream are not to be lost by it. */
ptrdiff_t sluice__sink_write_now(sluice_sink_t *sink,
                                 const struct iovec *pieces, int count,
                                 uint64_t offset) {
  size_t len = 0;
  ptrdiff_t n;

  if (!can_write_now(sink->ops)) {
    return UV_ENOTSUP;
  }
  for (int i = 0; i < count; i++) {
    len += pieces[i].iov_len;
  }
  n = sink->ops->write_now(sink->self, pieces, count, offset);
  return n > 0 && (size_t)n > len ? UV_EINVAL : n;
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

int sluice__sink_finish(sluice_sink_t *sink, sluice_sink_cb cb, void *ctx) {
  if (sink->ops->finish == NULL) {
    return 1;
  }
  return answer_of(sink->ops->finish(sink->self, cb, ctx));
}

int sluice__sink_abort(sluice_sink_t *sink, sluice_sink_cb cb, void *ctx) {
  if (sink->ops->abort == NULL) {
    return 1;
  }
  return answer_of(sink->ops->abort(sink->self, cb, ctx));
}

uint64_t sluice__sink_busy_ns(const sluice_sink_t *sink) {
  return sink != NULL && sink->ops->busy_ns != NULL
             ? sink->ops->busy_ns(sink->self)
             : 0;
}

void sluice__sink_close(sluice_sink_t *sink) {
  if (sink == NULL) {
    return;
  }
  if (sink->ops->close != NULL) {
    sink->ops->close(sink->self);
  }
  free(sink);
}

void sluice_sink_free(sluice_sink_t *sink) {
  sluice__sink_close(sink);
}
