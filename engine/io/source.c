/* source.c - see the private source.h. */
#include "io/source.h"

#include <stdlib.h>

#include <uv.h>

/* Of the first version of the struct. */
#define OPS_BYTES offsetof(sluice_source_ops_t, read_into)

int sluice_source_custom(sluice_source_t **out, const sluice_source_ops_t *ops,
                         void *self) {
  sluice_source_t *source;

  if (out == NULL || ops == NULL || ops->size < OPS_BYTES ||
      ops->read == NULL) {
    return UV_EINVAL;
  }
  source = malloc(sizeof(*source));
  if (source == NULL) {
    return UV_ENOMEM;
  }
  source->ops = ops;
  source->self = self;
  *out = source;
  return 0;
}

int sluice__source_open(sluice_source_t *source, uv_loop_t *loop,
                        sluice_source_cb cb, void *ctx, sluice_error_t *err) {
  int r = 1;

  if (source->ops->open != NULL) {
    r = source->ops->open(source->self, loop, cb, ctx, err);
  }
  return r > 0 ? 1 : r;
}

ptrdiff_t sluice__source_read(sluice_source_t *source, void *buf, size_t len,
                              sluice_source_cb cb, void *ctx) {
  return source->ops->read(source->self, buf, len, cb, ctx);
}

bool sluice__source_reads_into(const sluice_source_t *source) {
  return source->ops->size >= OPS_BYTES + sizeof(source->ops->read_into) &&
         source->ops->read_into != NULL;
}

ptrdiff_t sluice__source_read_into(sluice_source_t *source,
                                   const struct iovec *places, int count,
                                   sluice_source_cb cb, void *ctx) {
  if (!sluice__source_reads_into(source)) {
    return UV_EAGAIN;
  }
  return source->ops->read_into(source->self, places, count, cb, ctx);
}

void sluice__source_cancel(sluice_source_t *source) {
  if (source->ops->cancel != NULL) {
    source->ops->cancel(source->self);
  }
}

uint64_t sluice__source_busy_ns(const sluice_source_t *source) {
  return source != NULL && source->ops->busy_ns != NULL
             ? source->ops->busy_ns(source->self)
             : 0;
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

void sluice_source_free(sluice_source_t *source) {
  sluice__source_close(source);
}

int sluice__source_file(const sluice_source_t *source) {
  return source->ops->file != NULL ? source->ops->file(source->self) : -1;
}

bool sluice__source_stays_open(const sluice_source_t *source) {
  return source->ops->stays_open != 0;
}
