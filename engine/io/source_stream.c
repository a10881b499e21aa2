/* source_stream.c - a stream read from a libuv stream of the host's.
 *
 * Only the descriptor under it is used (poll_reader.h says why). libuv buffers
 * nothing it has not given to the host, so nothing is missed; the host must not
 * be reading meanwhile. */
#include "io/source.h"

#include <stdlib.h>

#include <uv.h>

#include "io/poll_reader.h"

struct stream_source {
  uv_stream_t *stream; /* borrowed */
  sluice__poll_reader_t *reader;
};

static int start_reader(struct stream_source *s, uv_loop_t *loop) {
  sluice__loan_t loan;
  uv_os_fd_t fd;
  int r = uv_fileno((const uv_handle_t *)s->stream, &fd);

  if (r == 0) {
    r = sluice__loan_take(&loan, fd);
  }
  if (r < 0) {
    return r;
  }
  r = sluice__poll_reader_new(&s->reader, loop, &loan);
  if (r == 0 && s->reader == NULL) {
    r = UV_ENOTSUP; /* a libuv stream that cannot be polled: none is known */
  }
  if (r < 0) {
    sluice__loan_return(&loan);
  }
  return r;
}

static int open_stream(void *self, uv_loop_t *loop, sluice_source_cb cb,
                       void *ctx, sluice_error_t *err) {
  int r = start_reader(self, loop);

  (void)cb;
  (void)ctx;
  if (r < 0) {
    return sluice_fail(err, r, "cannot read from the stream: %s",
                       sluice_strerror(r));
  }
  return 1;
}

static ptrdiff_t read_stream(void *self, void *buf, size_t len,
                             sluice_source_cb cb, void *ctx) {
  struct stream_source *s = self;

  return sluice__poll_reader_read(s->reader, buf, len, cb, ctx);
}

static ptrdiff_t read_stream_into(void *self, const struct iovec *places,
                                  int count, sluice_source_cb cb, void *ctx) {
  struct stream_source *s = self;

  return sluice__poll_reader_read_into(s->reader, places, count, cb, ctx);
}

static void cancel_stream(void *self) {
  struct stream_source *s = self;

  sluice__poll_reader_cancel(s->reader);
}

static void close_stream(void *self) {
  struct stream_source *s = self;

  sluice__poll_reader_close(s->reader);
  free(s);
}

static void abandon_stream(void *self) {
  struct stream_source *s = self;

  sluice__poll_reader_abandon(s->reader);
  free(s);
}

static uint64_t get_busy_ns(const void *self) {
  const struct stream_source *s = self;

  return sluice__poll_reader_busy_ns(s->reader);
}

static const sluice_source_ops_t stream_ops = {.size = sizeof(stream_ops),
                                               .stays_open = 1,
                                               .open = open_stream,
                                               .read = read_stream,
                                               .cancel = cancel_stream,
                                               .close = close_stream,
                                               .busy_ns = get_busy_ns,
                                               .read_into = read_stream_into};

int sluice_source_stream(sluice_source_t **out, uv_stream_t *stream) {
  struct stream_source *s;
  int r;

  if (stream == NULL) {
    return UV_EINVAL;
  }
  s = calloc(1, sizeof(*s));
  if (s == NULL) {
    return UV_ENOMEM;
  }
  s->stream = stream;
  r = sluice__source_new(out, &stream_ops, abandon_stream, s);
  if (r < 0) {
    free(s);
  }
  return r;
}
