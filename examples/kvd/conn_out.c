/* conn_out.c - sends what a client's commands have replied.
 *
 * Invariant: after conn_flush() either nothing is unsent, or a write is under
 * way whose end goes on with everything that waits, or the next turn does. */
#include "conn_private.h"
#include "server.h"

enum {
  WRITE_PIECES = 4,        /* more would make uv_write() allocate */
  WRITE_SLICE = 256 * 1024 /* bytes sent in one turn */
};

static void on_write(uv_write_t *req, int status) {
  conn_t *c = req->data;

  turn_enter(&c->server->turn);
  c->is_writing = false;
  if (c->is_closing) {
    return;
  }
  if (status != 0) {
    conn_close(c);
    return;
  }
  out_sent(&c->out, c->write_bytes);
  conn_go_on(c);
}

static size_t count_bytes(const uv_buf_t *bufs, unsigned n) {
  size_t bytes = 0;

  for (unsigned i = 0; i < n; i++) {
    bytes += bufs[i].len;
  }
  return bytes;
}

/* Waits until the kernel takes more. */
static void write_later(conn_t *c) {
  uv_buf_t bufs[WRITE_PIECES];
  unsigned n = out_gather(&c->out, bufs, WRITE_PIECES, WRITE_SLICE);

  c->write_bytes = count_bytes(bufs, n);
  c->write.data = c;
  c->is_writing = true;
  if (uv_write(&c->write, &c->h.stream, bufs, n, on_write) != 0) {
    c->is_writing = false;
    conn_close(c);
  }
}

/* Sends at once what the kernel takes: one system call for all replies of a
 * pipeline. Of much it sends a slice a turn; libuv alone would go on with the
 * next slice up to eight times in one turn. */
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
  if (c->is_closing || c->is_writing) {
    return;
  }
  if (c->out.bytes > 0) {
    send_slice(c);
  }
  if (c->out.bytes == 0 && c->is_ending) {
    conn_close(c);
  }
}
