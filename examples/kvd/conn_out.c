/* conn_out.c - sends what a client's commands have replied.
 *
 * Invariant: after conn_flush() either nothing is unsent, or the client's
 * waiter goes on with everything that waits, or the next turn does. */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "conn_private.h"
#include "server.h"

enum {
  WRITE_PIECES = 4,
  WRITE_SLICE = 256 * 1024 /* bytes sent in one turn */
};

/* Not uv_write(): what it has been given cannot be had back, and is sent even
 * while the client is being handed over. libuv watches a descriptor for one
 * handle only, so this one has a duplicate, for as long as there is something
 * unsent. */
typedef struct waiter_s {
  uv_poll_t poll;
  int fd;
} waiter_t;

static void on_waiter_closed(uv_handle_t *handle) {
  waiter_t *w = (waiter_t *)(void *)handle; /* its first member */

  (void)close(w->fd);
  free(w);
}

void conn_stop_waiter(conn_t *c) {
  if (c->waiter != NULL) {
    (void)uv_poll_stop(&c->waiter->poll);
  }
}

void conn_close_waiter(conn_t *c) {
  if (c->waiter != NULL) {
    uv_close((uv_handle_t *)&c->waiter->poll, on_waiter_closed);
    c->waiter = NULL;
  }
}

static void on_room(uv_poll_t *poll, int status, int events) {
  conn_t *c = poll->data;

  (void)events;
  turn_enter(&c->server->turn);
  (void)uv_poll_stop(poll);
  if (status != 0) {
    conn_close(c);
  } else {
    conn_go_on(c);
  }
}

static size_t count_bytes(const uv_buf_t *bufs, unsigned n) {
  size_t bytes = 0;

  for (unsigned i = 0; i < n; i++) {
    bytes += bufs[i].len;
  }
  return bytes;
}

static waiter_t *open_waiter(conn_t *c) {
  waiter_t *w = malloc(sizeof(*w));
  uv_os_fd_t fd;

  if (w == NULL || uv_fileno(&c->h.handle, &fd) != 0) {
    free(w);
    return NULL;
  }
  w->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (w->fd < 0 || uv_poll_init(c->server->loop, &w->poll, w->fd) != 0) {
    if (w->fd >= 0) {
      (void)close(w->fd);
    }
    free(w);
    return NULL;
  }
  w->poll.data = c;
  return w;
}

static bool is_waiting(const conn_t *c) {
  return c->waiter != NULL && uv_is_active((uv_handle_t *)&c->waiter->poll);
}

/* Until the kernel takes more. Without a descriptor for that each turn tries.
 */
static void write_later(conn_t *c) {
  if (c->waiter == NULL) {
    c->waiter = open_waiter(c);
  }
  if (c->waiter == NULL ||
      uv_poll_start(&c->waiter->poll, UV_WRITABLE, on_room) != 0) {
    conn_yield(c);
  }
}

/* Sends at once what the kernel takes: one system call for all replies of a
 * pipeline. Of much it sends a slice a turn. */
static void send_slice(conn_t *c) {
  uv_buf_t bufs[WRITE_PIECES];
  unsigned n = out_gather(&c->out, bufs, WRITE_PIECES, WRITE_SLICE);
  size_t bytes = count_bytes(bufs, n);
  int r = uv_try_write(&c->h.stream, bufs, n);

  if (r < 0 && r != UV_EAGAIN) {
    conn_close(c);
    return;
  }
  if (r > 0) {
    out_sent(&c->out, (size_t)r);
  }
  if (c->out.bytes == 0) {
    conn_close_waiter(c);
    return;
  }
  if (r > 0 && (size_t)r == bytes) {
    conn_yield(c);
  } else {
    write_later(c);
  }
}

void conn_flush(conn_t *c) {
  if (c->out.failed) {
    conn_close(c);
  }
  if (c->is_closing || is_waiting(c)) {
    return;
  }
  if (c->out.bytes > 0) {
    send_slice(c);
  }
  if (c->out.bytes == 0 && c->is_ending) {
    conn_close(c);
  }
}
