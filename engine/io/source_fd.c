/* source_fd.c - a stream read from a descriptor of any kind.
 *
 * Pipes, sockets and terminals are polled; files and block devices are read on
 * the pool, from their current position. */
#include "io/source.h"

#include <stdlib.h>
#include <unistd.h>

#include <uv.h>

#include "io/poll_reader.h"
#include "io/pool_reader.h"

struct fd_source {
  int fd;
  bool is_owned;
  sluice__poll_reader_t *poll; /* NULL: `pool` is used, on `loan` */
  sluice__pool_reader_t pool;
  sluice__loan_t loan; /* with `pool` */
};

static int start_reader(struct fd_source *s, uv_loop_t *loop) {
  int r = sluice__loan_take(&s->loan, s->fd);

  if (r == 0 && s->loan.wait != SLUICE__WAIT_POOL) {
    r = sluice__poll_reader_new(&s->poll, loop, &s->loan);
  }
  if (r < 0) {
    sluice__loan_return(&s->loan);
  } else if (s->poll != NULL) {
    s->loan.fd = -1; /* the reader's now */
  } else {
    sluice__pool_reader_init(&s->pool, loop, s->loan.fd);
  }
  return r;
}

static int open_fd(void *self, uv_loop_t *loop, sluice_source_cb cb, void *ctx,
                   sluice_error_t *err) {
  struct fd_source *s = self;
  int r = start_reader(s, loop);

  (void)cb;
  (void)ctx;
  if (r < 0) {
    return sluice_fail(err, r, "cannot read from descriptor %d: %s", s->fd,
                       sluice_strerror(r));
  }
  return 1;
}

static ptrdiff_t read_fd(void *self, void *buf, size_t len, sluice_source_cb cb,
                         void *ctx) {
  struct fd_source *s = self;

  if (s->poll != NULL) {
    return sluice__poll_reader_read(s->poll, buf, len, cb, ctx);
  }
  return sluice__pool_reader_read(&s->pool, buf, len, cb, ctx);
}

static ptrdiff_t read_fd_into(void *self, const struct iovec *places, int count,
                              sluice_source_cb cb, void *ctx) {
  struct fd_source *s = self;

  if (s->poll != NULL) {
    return sluice__poll_reader_read_into(s->poll, places, count, cb, ctx);
  }
  return sluice__pool_reader_read_into(&s->pool, places, count);
}

static void cancel_fd(void *self) {
  struct fd_source *s = self;

  if (s->poll != NULL) {
    sluice__poll_reader_cancel(s->poll);
  } else {
    sluice__pool_reader_cancel(&s->pool);
  }
}

static void free_fd(struct fd_source *s) {
  if (s->is_owned) {
    (void)close(s->fd);
  }
  free(s);
}

static void close_fd(void *self) {
  struct fd_source *s = self;

  sluice__poll_reader_close(s->poll);
  sluice__loan_return(&s->loan);
  free_fd(s);
}

static void abandon_fd(void *self) {
  struct fd_source *s = self;

  sluice__poll_reader_abandon(s->poll);
  sluice__loan_drop(&s->loan);
  free_fd(s);
}

/* What stands before the position is not the stream's. */
static int file_of(void *self) {
  const struct fd_source *s = self;

  return s->poll == NULL && s->loan.is_file &&
                 lseek(s->loan.fd, 0, SEEK_CUR) == 0
             ? s->loan.fd
             : -1;
}

static uint64_t get_busy_ns(const void *self) {
  const struct fd_source *s = self;

  return sluice__poll_reader_busy_ns(s->poll);
}

static const sluice_source_ops_t fd_ops = {.size = sizeof(fd_ops),
                                           .open = open_fd,
                                           .read = read_fd,
                                           .cancel = cancel_fd,
                                           .close = close_fd,
                                           .file = file_of,
                                           .busy_ns = get_busy_ns,
                                           .read_into = read_fd_into};

int sluice__source_descriptor(sluice_source_t **out, int fd, bool is_owned) {
  struct fd_source *s;
  int r;

  if (fd < 0) {
    return UV_EBADF;
  }
  s = calloc(1, sizeof(*s));
  if (s == NULL) {
    return UV_ENOMEM;
  }
  s->fd = fd;
  s->is_owned = is_owned;
  s->loan.fd = -1;
  r = sluice__source_new(out, &fd_ops, abandon_fd, s);
  if (r < 0) {
    free(s);
  }
  return r;
}

int sluice_source_fd(sluice_source_t **out, int fd) {
  return sluice__source_descriptor(out, fd, false);
}
