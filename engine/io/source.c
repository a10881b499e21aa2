/* source.c - see the private source.h. */
#include "io/source.h"

#include <stdlib.h>

#include <uv.h>

#include "io/source_call.h"

/* Of the first version of the struct. */
#define OPS_BYTES offsetof(sluice_source_ops_t, read_into)

int sluice__source_new(sluice_source_t **out, const sluice_source_ops_t *ops,
                       void (*abandon)(void *self), void *self) {
  sluice_source_t *source;

  if (out == NULL || ops == NULL || ops->size < OPS_BYTES ||
      ops->read == NULL) {
    return UV_EINVAL;
  }
  source = calloc(1, sizeof(*source));
  if (source == NULL) {
    return UV_ENOMEM;
  }
  source->ops = ops;
  source->self = self;
  source->abandon = abandon;
  *out = source;
  return 0;
}

int sluice_source_custom(sluice_source_t **out, const sluice_source_ops_t *ops,
                         void *self) {
  return sluice__source_new(out, ops, NULL, self);
}

int sluice__source_take(sluice_source_t *source) {
  if (source->is_taken) {
    return UV_EBUSY;
  }
  source->is_taken = true;
  return 0;
}

void sluice__source_give_back(sluice_source_t *source) {
  source->is_taken = false;
}

int sluice__source_open(sluice_source_t *source, uv_loop_t *loop,
                        sluice_source_cb cb, void *ctx, sluice_error_t *err) {
  sluice__source_call_t *call;

  source->err = err;
  if (source->ops->open == NULL) {
    return 1;
  }
  call = sluice__source_call_begin(source, "open", 0, cb, ctx);
  return (int)sluice__source_call_end(
      call,
      source->ops->open(source->self, loop, sluice__source_call_told, call,
                        err),
      1);
}

ptrdiff_t sluice__source_read(sluice_source_t *source, void *buf, size_t len,
                              sluice_source_cb cb, void *ctx) {
  sluice__source_call_t *call;

  if (source->breach != 0) {
    return source->breach;
  }
  call = sluice__source_call_begin(source, "read", len, cb, ctx);
  return sluice__source_call_end(
      call,
      source->ops->read(source->self, buf, len, sluice__source_call_told, call),
      len);
}

bool sluice__source_reads_into(const sluice_source_t *source) {
  return source->ops->size >= OPS_BYTES + sizeof(source->ops->read_into) &&
         source->ops->read_into != NULL;
}

ptrdiff_t sluice__source_read_into(sluice_source_t *source,
                                   const struct iovec *places, int count,
                                   sluice_source_cb cb, void *ctx) {
  sluice__source_call_t *call;
  size_t len = 0;

  if (!sluice__source_reads_into(source)) {
    return UV_EAGAIN;
  }
  if (source->breach != 0) {
    return source->breach;
  }
  for (int i = 0; i < count; i++) {
    len += places[i].iov_len;
  }
  call = sluice__source_call_begin(source, "read_into", 0, cb, ctx);
  return sluice__source_call_end(
      call,
      source->ops->read_into(source->self, places, count,
                             sluice__source_call_told, call),
      len);
}

void sluice__source_cancel(sluice_source_t *source) {
  if (source->ops->cancel != NULL) {
    source->ops->cancel(source->self);
  }
}

/* Time does not run backwards, whatever a host's function says. */
uint64_t sluice__source_busy_ns(sluice_source_t *source) {
  uint64_t ns;

  if (source == NULL || source->ops->busy_ns == NULL) {
    return 0;
  }
  ns = source->ops->busy_ns(source->self);
  source->busy_ns = ns > source->busy_ns ? ns : source->busy_ns;
  return source->busy_ns;
}

void sluice__source_close(sluice_source_t *source) {
  if (source == NULL) {
    return;
  }
  if (source->ops->close != NULL) {
    source->ops->close(source->self);
  }
  free(source);
}

void sluice__source_abandon(sluice_source_t *source) {
  if (source == NULL) {
    return;
  }
  if (source->abandon != NULL) {
    source->abandon(source->self);
  }
  free(source);
}

int sluice_source_free(sluice_source_t *source) {
  if (source != NULL && source->is_taken) {
    return UV_EBUSY;
  }
  sluice__source_close(source);
  return 0;
}

int sluice__source_file(const sluice_source_t *source) {
  return source->ops->file != NULL ? source->ops->file(source->self) : -1;
}

bool sluice__source_stays_open(const sluice_source_t *source) {
  return source->ops->stays_open != 0;
}
