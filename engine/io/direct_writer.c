/* direct_writer.c - see direct_writer.h. */
#include "io/direct_writer.h"

#include <assert.h>
#include <string.h>
#include <sys/uio.h>
#include <uv.h>

#include "io/sink.h"

void sluice__direct_writer_init(sluice__direct_writer_t *w,
                                sluice_sink_t *sink) {
  memset(w, 0, sizeof(*w));
  w->sink = sink;
}

void sluice__direct_writer_open(sluice__direct_writer_t *w) {
  assert(w->mode == SLUICE__DIRECT_BUFFERED && w->offset == 0);
  w->mode = sluice__sink_is_random(w->sink) ? SLUICE__DIRECT_ANYWHERE
                                            : SLUICE__DIRECT_IN_ORDER;
}

void sluice__direct_writer_shut(sluice__direct_writer_t *w) {
  w->mode = SLUICE__DIRECT_SHUT;
}

void sluice__direct_writer_hurry(sluice__direct_writer_t *w) {
  if (w->mode == SLUICE__DIRECT_DRAINING) {
    w->mode = SLUICE__DIRECT_IN_ORDER;
  }
}

static int latch(sluice__direct_writer_t *w, int code) {
  if (code < 0 && w->code == 0) {
    w->code = code;
  }
  return w->code;
}

int sluice__direct_writer_write(sluice__direct_writer_t *w, const void *data,
                                size_t len, sluice_sink_cb cb, void *ctx) {
  int r;

  if (len == 0 || w->code < 0 || w->mode == SLUICE__DIRECT_SHUT) {
    return 1;
  }
  r = sluice__sink_write(w->sink, data, len, w->offset, cb, ctx);
  w->offset += len;
  w->writes += r == 0;
  return r < 0 ? latch(w, r) : r;
}

void sluice__direct_writer_answered(sluice__direct_writer_t *w, int status) {
  w->writes--;
  (void)latch(w, status);
}

int sluice__direct_writer_patch(sluice__direct_writer_t *w,
                                const sluice_patch_t *patches, size_t count,
                                sluice_sink_cb cb, void *ctx) {
  int r;

  if (w->code < 0 || w->mode == SLUICE__DIRECT_SHUT) {
    return 1;
  }
  r = sluice__sink_patch(w->sink, patches, count, cb, ctx);
  return r < 0 ? latch(w, r) : r;
}

void sluice__direct_writer_patched(sluice__direct_writer_t *w, int status) {
  (void)latch(w, status);
}

bool sluice__direct_writer_can_take(const sluice__direct_writer_t *w) {
  return w->mode != SLUICE__DIRECT_BUFFERED && w->mode != SLUICE__DIRECT_SHUT &&
         w->writes == 0 && w->code == 0;
}

static size_t bytes_of(const struct iovec *pieces, int count) {
  size_t len = 0;

  for (int i = 0; i < count; i++) {
    len += pieces[i].iov_len;
  }
  return len;
}

ptrdiff_t sluice__direct_writer_offer(sluice__direct_writer_t *w,
                                      const struct iovec *pieces, int count) {
  ptrdiff_t n;

  if (!sluice__direct_writer_can_take(w)) {
    return w->code;
  }
  n = sluice__sink_write_now(w->sink, pieces, count, w->offset);
  if (n == UV_ENOTSUP) {
    w->mode = SLUICE__DIRECT_BUFFERED;
    return 0;
  }
  if (n < 0) {
    return latch(w, (int)n);
  }
  w->offset += (uint64_t)n;
  if (w->mode != SLUICE__DIRECT_ANYWHERE) {
    w->mode = (size_t)n < bytes_of(pieces, count) ? SLUICE__DIRECT_DRAINING
                                                  : SLUICE__DIRECT_IN_ORDER;
  }
  return n;
}

int sluice__direct_writer_put(sluice__direct_writer_t *w,
                              const struct iovec *pieces, int count,
                              uint64_t offset) {
  size_t len = bytes_of(pieces, count);
  ptrdiff_t n;

  if (len == 0 || w->code < 0) {
    return w->code;
  }
  assert(w->mode == SLUICE__DIRECT_ANYWHERE && offset >= w->offset);
  n = sluice__sink_write_now(w->sink, pieces, count, offset);
  if (n < 0 || (size_t)n != len) {
    return latch(w, n < 0 ? (int)n : UV_EIO);
  }
  return 0;
}

void sluice__direct_writer_pass(sluice__direct_writer_t *w, uint64_t end) {
  assert(end >= w->offset);
  w->offset = end;
}
