/* poll_reader.c - see poll_reader.h. */
#include "io/poll_reader.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

struct sluice__poll_reader_s {
  uv_poll_t poll; /* not initialised for SLUICE__WAIT_INSTANT */
  uv_idle_t later;
  int handles_open;
  sluice__loan_t loan;
  bool has_writer;  /* of a FIFO: one has been there */
  uint64_t busy_ns; /* spent in on_readable() */
  void *buf;        /* NULL: only told when there is something to read */
  size_t len;
  sluice_source_cb cb; /* NULL: no read is under way */
  void *ctx;
  int status; /* of the poll, < 0: not to be waited on again */
};

static int init_poll(sluice__poll_reader_t *r, uv_loop_t *loop) {
  int status;

  if (r->loan.wait == SLUICE__WAIT_INSTANT) {
    return 0;
  }
  status = sluice__loan_poll(&r->loan, loop, &r->poll);
  if (status == 0 && r->loan.wait == SLUICE__WAIT_POLL) {
    r->poll.data = r;
    r->handles_open = 1;
  }
  return status;
}

int sluice__poll_reader_new(sluice__poll_reader_t **out, uv_loop_t *loop,
                            sluice__loan_t *loan) {
  sluice__poll_reader_t *r = calloc(1, sizeof(*r));
  int status;

  *out = NULL;
  if (r == NULL) {
    return UV_ENOMEM;
  }
  r->loan = *loan;
  status = init_poll(r, loop);
  *loan = r->loan;
  if (status < 0 || loan->wait == SLUICE__WAIT_POOL) {
    free(r);
    return status;
  }
  (void)uv_idle_init(loop, &r->later);
  r->later.data = r;
  r->handles_open++;
  *out = r;
  return 0;
}

/* > 0 bytes, 0 the end, UV_EAGAIN nothing yet, or another error. */
static ptrdiff_t take(const sluice__poll_reader_t *r,
                      const struct iovec *places, int count) {
  struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)places,
                           .msg_iovlen = (size_t)count};
  ssize_t n;

  do {
    n = r->loan.is_socket ? recvmsg(r->loan.fd, &message, MSG_DONTWAIT)
                          : readv(r->loan.fd, places, count);
  } while (n < 0 && errno == EINTR);
  return n < 0 ? uv_translate_sys_error(errno) : n;
}

static ptrdiff_t take_one(const sluice__poll_reader_t *r, void *buf,
                          size_t len) {
  const struct iovec place = {buf, len};

  return take(r, &place, 1);
}

static void deliver(sluice__poll_reader_t *r, ptrdiff_t got) {
  sluice_source_cb cb = r->cb;

  assert(cb != NULL);
  r->cb = NULL;
  cb(r->ctx, got); /* may read again, or close `r` */
}

/* `status` says little (libuv turns any POLLERR into UV_EBADF): the read itself
 * tells the true error. If it does not, polling on would spin. */
static void on_readable(uv_poll_t *poll, int status, int events) {
  sluice__poll_reader_t *r = poll->data;
  uint64_t began = uv_hrtime();
  ptrdiff_t got;

  (void)events;
  r->has_writer = true;
  if (r->buf == NULL) {
    r->status = status;
    (void)uv_poll_stop(poll);
    deliver(r, UV_EAGAIN);
    return;
  }
  got = take_one(r, r->buf, r->len);
  r->busy_ns += uv_hrtime() - began;
  if (got == UV_EAGAIN && status == 0) {
    return;
  }
  (void)uv_poll_stop(poll);
  deliver(r, got == UV_EAGAIN ? status : got);
}

static int wait_readable(sluice__poll_reader_t *r, void *buf, size_t len,
                         sluice_source_cb cb, void *ctx) {
  r->buf = buf;
  r->len = len;
  r->cb = cb;
  r->ctx = ctx;
  return uv_poll_start(&r->poll, UV_READABLE, on_readable);
}

/* A FIFO that no writer has opened yet reads as if it were at its end; polling
 * tells the two apart. So it is polled before the first read. */
static bool is_to_be_polled(const sluice__poll_reader_t *r) {
  return r->loan.is_fifo && !r->has_writer;
}

ptrdiff_t sluice__poll_reader_read(sluice__poll_reader_t *r, void *buf,
                                   size_t len, sluice_source_cb cb, void *ctx) {
  ptrdiff_t got;

  assert(r->cb == NULL);
  got = is_to_be_polled(r) ? UV_EAGAIN : take_one(r, buf, len);
  if (got == UV_EAGAIN && r->loan.wait == SLUICE__WAIT_POLL) {
    return wait_readable(r, buf, len, cb, ctx);
  }
  return got == 0 ? UV_EOF : got;
}

/* Once polling has failed reading tells why; if it does not, polling again
 * would spin. */
ptrdiff_t sluice__poll_reader_read_into(sluice__poll_reader_t *r,
                                        const struct iovec *places, int count,
                                        sluice_source_cb cb, void *ctx) {
  ptrdiff_t got;

  assert(r->cb == NULL);
  got = is_to_be_polled(r) ? UV_EAGAIN : take(r, places, count);
  if (got == UV_EAGAIN && r->status < 0) {
    return r->status;
  }
  r->status = 0;
  if (got == UV_EAGAIN && r->loan.wait == SLUICE__WAIT_POLL) {
    return wait_readable(r, NULL, 0, cb, ctx);
  }
  return got == 0 ? UV_EOF : got;
}

static void on_cancel_turn(uv_idle_t *idle) {
  sluice__poll_reader_t *r = idle->data;

  (void)uv_idle_stop(idle);
  deliver(r, UV_ECANCELED);
}

void sluice__poll_reader_cancel(sluice__poll_reader_t *r) {
  if (r->cb != NULL) {
    (void)uv_poll_stop(&r->poll);
    (void)uv_idle_start(&r->later, on_cancel_turn);
  }
}

uint64_t sluice__poll_reader_busy_ns(const sluice__poll_reader_t *r) {
  return r != NULL ? r->busy_ns : 0;
}

static void on_handle_closed(uv_handle_t *handle) {
  sluice__poll_reader_t *r = handle->data;

  if (--r->handles_open == 0) {
    free(r);
  }
}

void sluice__poll_reader_close(sluice__poll_reader_t *r) {
  if (r == NULL) {
    return;
  }
  assert(r->cb == NULL);
  if (r->loan.wait == SLUICE__WAIT_POLL) {
    uv_close((uv_handle_t *)&r->poll, on_handle_closed);
  }
  uv_close((uv_handle_t *)&r->later, on_handle_closed);
  sluice__loan_return(&r->loan);
}

void sluice__poll_reader_abandon(sluice__poll_reader_t *r) {
  if (r != NULL) {
    sluice__loan_drop(&r->loan);
    free(r);
  }
}
