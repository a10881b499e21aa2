/* sink_stream.c - a stream written to a libuv stream of the host's.
 *
 * Only the descriptor under it is used: see poll_writer.h for why no uv_write()
 * is. The host's handle is never changed, and stays open. */
#include "io/sink.h"

#include <stdlib.h>

#include <uv.h>

#include "io/poll_writer.h"

struct stream_sink {
  uv_stream_t *stream; /* borrowed */
  sluice__poll_writer_t *writer;
};

static int start_writer(struct stream_sink *s, uv_loop_t *loop) {
  sluice__loan_t loan;
  uv_os_fd_t fd;
  int r = uv_fileno((const uv_handle_t *)s->stream, &fd);

  if (r == 0) {
    r = sluice__loan_take(&loan, fd);
  }
  if (r < 0) {
    return r;
  }
  r = sluice__poll_writer_new(&s->writer, loop, &loan, s->stream);
  if (r == 0 && s->writer == NULL) {
    r = UV_ENOTSUP; /* a libuv stream that cannot be polled: none is known */
  }
  if (r < 0) {
    sluice__loan_return(&loan);
  }
  return r;
}

static int open_stream(void *self, uv_loop_t *loop, sluice_sink_cb cb,
                       void *ctx, sluice_error_t *err) {
  int r = start_writer(self, loop);

  (void)cb;
  (void)ctx;
  if (r < 0) {
    return sluice_fail(err, r, "cannot write to the stream: %s",
                       sluice_strerror(r));
  }
  return 1;
}

static int write_stream(void *self, const void *data, size_t len,
                        uint64_t offset, sluice_sink_cb cb, void *ctx) {
  struct stream_sink *s = self;

  (void)offset;
  return sluice__poll_writer_write(s->writer, data, len, cb, ctx);
}

static ptrdiff_t write_stream_now(void *self, const struct iovec *pieces,
                                  int count, uint64_t offset) {
  struct stream_sink *s = self;

  (void)offset;
  return sluice__poll_writer_write_now(s->writer, pieces, count);
}

static int abort_stream(void *self, sluice_sink_cb cb, void *ctx) {
  struct stream_sink *s = self;

  return sluice__poll_writer_abort(s->writer, cb, ctx);
}

static void close_stream(void *self) {
  struct stream_sink *s = self;

  sluice__poll_writer_close(s->writer);
  free(s);
}

static void abandon_stream(void *self) {
  struct stream_sink *s = self;

  sluice__poll_writer_abandon(s->writer);
  free(s);
}

static uint64_t get_busy_ns(const void *self) {
  const struct stream_sink *s = self;

  return sluice__poll_writer_busy_ns(s->writer);
}

static const sluice_sink_ops_t stream_ops = {.size = sizeof(stream_ops),
                                             .open = open_stream,
                                             .write = write_stream,
                                             .abort = abort_stream,
                                             .close = close_stream,
                                             .busy_ns = get_busy_ns,
                                             .write_now = write_stream_now};

int sluice_sink_stream(sluice_sink_t **out, uv_stream_t *stream) {
  struct stream_sink *s;
  int r;

  if (stream == NULL) {
    return UV_EINVAL;
  }
  s = calloc(1, sizeof(*s));
  if (s == NULL) {
    return UV_ENOMEM;
  }
  s->stream = stream;
  r = sluice__sink_new(out, &stream_ops, abandon_stream, s);
  if (r < 0) {
    free(s);
  }
  return r;
}
