/* poll_writer.c - see poll_writer.h.
 *
 *   write_now() --what is taken at once, from wherever it is
 *   write() --all taken--> 1
 *      |
 *      +--> fifo --writable--> delivered
 *              \
 *               +--abort--> idle handle, next turn --> delivered, UV_ECANCELED
 *
 * The idle handle is there because an abort may not call back from inside. */
#include "io/poll_writer.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/fifo.h"
#include "io/quiet_write.h"

enum {
  /* Chunks in one system call; a kernel buffer holds fewer (guess). */
  BATCH_COUNT = 16,
  /* A 64 KiB pipe moves 1.1 GB/s, one of 1 MiB 3.2 (measured). 1 MiB is also
   * what an unprivileged process may ask for; of a socket less, as a rule. */
  PIPE_BYTES = 1024 * 1024,
  SOCKET_BYTES = 1024 * 1024
};

struct sluice__poll_writer_s {
  uv_poll_t poll; /* not initialised for SLUICE__WAIT_INSTANT */
  uv_idle_t later;
  int handles_open;
  sluice__loan_t loan;
  const uv_stream_t *stream; /* borrowed; NULL: a bare descriptor */
  sluice__fifo_t fifo;
  bool is_ahead;    /* better copied ahead than taken at once */
  int error;        /* latched */
  uint64_t busy_ns; /* spent in on_writable() */
  sluice_sink_cb abort_cb;
  void *abort_ctx;
};

static void enlarge_pipe(int fd) {
  int bytes = fcntl(fd, F_GETPIPE_SZ);

  if (bytes > 0 && bytes < PIPE_BYTES) {
    (void)fcntl(fd, F_SETPIPE_SZ, PIPE_BYTES); /* best effort: only speed */
  }
}

static bool is_local_socket(int fd) {
  int domain = 0;
  socklen_t len = sizeof(int);

  return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 &&
         domain == AF_UNIX;
}

/* The kernel wakes a sender when three quarters of what it sent are read: with
 * little of it the reader runs dry meanwhile. TCP sees to that by itself. */
static void enlarge_socket(int fd) {
  int bytes = 0;
  socklen_t len = sizeof(int);

  if (getsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, &len) != 0 ||
      bytes >= SOCKET_BYTES) {
    return;
  }
  bytes = SOCKET_BYTES;
  (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

static int init_poll(sluice__poll_writer_t *w, uv_loop_t *loop) {
  int r;

  if (w->loan.wait == SLUICE__WAIT_INSTANT) {
    return 0;
  }
  r = sluice__loan_poll(&w->loan, loop, &w->poll);
  if (r == 0 && w->loan.wait == SLUICE__WAIT_POLL) {
    w->poll.data = w;
    w->handles_open = 1;
  }
  return r;
}

int sluice__poll_writer_new(sluice__poll_writer_t **out, uv_loop_t *loop,
                            sluice__loan_t *loan, const uv_stream_t *stream) {
  sluice__poll_writer_t *w = calloc(1, sizeof(*w));
  int r;

  *out = NULL;
  if (w == NULL) {
    return UV_ENOMEM;
  }
  w->loan = *loan;
  w->stream = stream;
  r = init_poll(w, loop);
  *loan = w->loan;
  if (r < 0 || loan->wait == SLUICE__WAIT_POOL) {
    free(w);
    return r;
  }
  (void)uv_idle_init(loop, &w->later);
  w->later.data = w;
  w->handles_open++;
  if (loan->is_fifo) {
    enlarge_pipe(loan->fd);
  }
  w->is_ahead = loan->is_fifo || (loan->is_socket && is_local_socket(loan->fd));
  if (loan->is_socket && w->is_ahead) {
    enlarge_socket(loan->fd);
  }
  *out = w;
  return 0;
}

/* Ours would overtake what the host wrote before it lent us the stream. */
static bool host_goes_first(const sluice__poll_writer_t *w) {
  return w->stream != NULL && uv_stream_get_write_queue_size(w->stream) > 0;
}

static ssize_t put(const sluice__poll_writer_t *w, const struct iovec *iov,
                   int count) {
  return w->loan.is_socket ? sluice__quiet_send(w->loan.fd, iov, count)
                           : sluice__quiet_write(w->loan.fd, iov, count);
}

/* Advances `chunk` as far as the descriptor takes it. 0 when all of it went,
 * UV_EAGAIN when it is full, or another error. */
static int put_chunk(const sluice__poll_writer_t *w, sluice__chunk_t *chunk) {
  ssize_t n;

  while (chunk->len > 0) {
    struct iovec iov = {(void *)(uintptr_t)chunk->data, chunk->len};

    n = put(w, &iov, 1);
    if (n < 0) {
      return (int)n;
    }
    chunk->data += n;
    chunk->len -= (size_t)n;
  }
  return 0;
}

/* Moves what `n` written bytes cover from the fifo to `done`. */
static void account(sluice__poll_writer_t *w, size_t n,
                    sluice__chunk_list_t *done) {
  sluice__chunk_t *head = w->fifo.queued.first;

  while (head != NULL && n >= head->len) {
    n -= head->len;
    sluice__chunk_retire(done, sluice__fifo_pop(&w->fifo), 0);
    head = w->fifo.queued.first;
  }
  if (n > 0) {
    assert(head != NULL);
    head->data += n;
    head->len -= n;
  }
}

static int gather(const sluice__poll_writer_t *w, struct iovec *iov) {
  const sluice__chunk_t *chunk = w->fifo.queued.first;
  int count = 0;

  for (; chunk != NULL && count < BATCH_COUNT; chunk = chunk->next) {
    iov[count].iov_base = (void *)(uintptr_t)chunk->data;
    iov[count].iov_len = chunk->len;
    count++;
  }
  return count;
}

/* As put_chunk(), for all that is queued. */
static int put_queued(sluice__poll_writer_t *w, sluice__chunk_list_t *done) {
  struct iovec iov[BATCH_COUNT];
  ssize_t n;

  while (w->fifo.queued.first != NULL) {
    n = put(w, iov, gather(w, iov));
    if (n < 0) {
      return (int)n;
    }
    account(w, (size_t)n, done);
  }
  return 0;
}

/* `status` says little (libuv turns any POLLERR into UV_EBADF): the write
 * itself tells the true error. If it does not, polling on would spin. */
static void on_writable(uv_poll_t *poll, int status, int events) {
  sluice__poll_writer_t *w = poll->data;
  sluice__chunk_list_t done = {NULL, NULL};
  uint64_t began = uv_hrtime();
  int r;

  (void)events;
  if (status == 0 && host_goes_first(w)) {
    return; /* libuv writes in this very turn; poll again */
  }
  r = put_queued(w, &done);
  if (r == UV_EAGAIN && status < 0) {
    r = status;
  }
  if (r < 0 && r != UV_EAGAIN) {
    w->error = r;
    sluice__fifo_retire_all(&w->fifo, &done, r);
  }
  if (w->fifo.queued.first == NULL) {
    (void)uv_poll_stop(poll);
  }
  w->busy_ns += uv_hrtime() - began;
  sluice__fifo_deliver(&w->fifo, &done); /* may have closed `w` */
}

/* Queues what is left of `chunk` until the descriptor takes more. */
static int put_later(sluice__poll_writer_t *w, const sluice__chunk_t *chunk) {
  int r =
      UV_EAGAIN; /* of a device that cannot be polled: nothing to wait for */

  if (w->loan.wait == SLUICE__WAIT_POLL) {
    r = sluice__fifo_push(&w->fifo, chunk);
  }
  if (r == 0) {
    (void)uv_poll_start(&w->poll, UV_WRITABLE, on_writable);
  }
  return r;
}

int sluice__poll_writer_write(sluice__poll_writer_t *w, const void *data,
                              size_t len, sluice_sink_cb cb, void *ctx) {
  sluice__chunk_t chunk = {.data = data, .len = len, .cb = cb, .ctx = ctx};
  int r = UV_EAGAIN;

  if (w->error != 0) {
    return w->error;
  }
  if (w->fifo.queued.first == NULL && !host_goes_first(w)) {
    r = put_chunk(w, &chunk);
  }
  if (r == 0) {
    return 1;
  }
  if (r == UV_EAGAIN) {
    r = put_later(w, &chunk);
  }
  w->error = r; /* also when nothing was sent of it: the stream has a hole */
  return r;
}

ptrdiff_t sluice__poll_writer_write_now(sluice__poll_writer_t *w,
                                        const struct iovec *pieces, int count) {
  ssize_t n = UV_EAGAIN;

  if (w->error != 0 || w->is_ahead) {
    return w->error != 0 ? w->error : UV_ENOTSUP;
  }
  if (w->fifo.queued.first == NULL && !host_goes_first(w)) {
    n = put(w, pieces, count);
  }
  if (n == UV_EAGAIN) {
    return 0;
  }
  if (n < 0) {
    w->error = (int)n;
  }
  return n;
}

static void tell_aborted(void *owner) {
  sluice__poll_writer_t *w = owner;

  w->abort_cb(w->abort_ctx, 0);
}

static void on_abort_turn(uv_idle_t *idle) {
  sluice__poll_writer_t *w = idle->data;
  sluice__chunk_list_t done = {NULL, NULL};

  (void)uv_idle_stop(idle);
  sluice__fifo_retire_all(&w->fifo, &done, UV_ECANCELED);
  sluice__fifo_deliver(&w->fifo, &done);
}

int sluice__poll_writer_abort(sluice__poll_writer_t *w, sluice_sink_cb cb,
                              void *ctx) {
  w->error = UV_ECANCELED;
  w->abort_cb = cb;
  w->abort_ctx = ctx;
  if (sluice__fifo_when_quiet(&w->fifo, tell_aborted, w)) {
    return 1;
  }
  if (w->fifo.queued.first != NULL) {
    (void)uv_poll_stop(&w->poll);
    (void)uv_idle_start(&w->later, on_abort_turn);
  }
  return 0;
}

uint64_t sluice__poll_writer_busy_ns(const sluice__poll_writer_t *w) {
  return w != NULL ? w->busy_ns : 0;
}

static void free_writer(sluice__poll_writer_t *w) {
  sluice__fifo_done(&w->fifo);
  free(w);
}

static void on_handle_closed(uv_handle_t *handle) {
  sluice__poll_writer_t *w = handle->data;

  if (--w->handles_open == 0) {
    free_writer(w);
  }
}

void sluice__poll_writer_close(sluice__poll_writer_t *w) {
  if (w == NULL) {
    return;
  }
  assert(w->fifo.undelivered == 0);
  if (w->loan.wait == SLUICE__WAIT_POLL) {
    uv_close((uv_handle_t *)&w->poll, on_handle_closed);
  }
  uv_close((uv_handle_t *)&w->later, on_handle_closed);
  sluice__loan_return(&w->loan);
}

void sluice__poll_writer_abandon(sluice__poll_writer_t *w) {
  if (w != NULL) {
    sluice__loan_drop(&w->loan);
    free_writer(w);
  }
}
