/* conn.c - the life of one client.
 *
 * Invariants: while output is unsent its waiter waits or the next turn is asked
 * for, and that goes on with everything that waits for it; `own` holds
 * bytes exactly when a request has begun and not ended, or it stopped before
 * one. Nothing touches the client after conn_close() but libuv's own callbacks.
 */
#include "conn.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "conn_private.h"
#include "reply.h"
#include "server.h"

enum {
  /* A large argument is read in pieces of this: about 50 us of copying. */
  READ_BIG = 128 * 1024,
  OWN_MIN = 16 * 1024
};

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf);
static void on_alloc(uv_handle_t *handle, size_t hint, uv_buf_t *buf);

static db_t *db_of(conn_t *c) {
  return &c->server->db;
}

/* --- beginning and end --- */

static void free_conn(conn_t *c) {
  resp_done(&c->resp);
  out_done(&c->out);
  free(c->own);
  free(c);
}

static void on_closed(uv_handle_t *handle) {
  free_conn(handle->data);
}

/* What has arrived for arguments of a request that is over, or never will be
 * complete; a command that keeps one sets its place to 0. */
static void drop_places(conn_t *c) {
  for (size_t i = 0; c->resp.has_places && i < c->resp.argc; i++) {
    if (c->resp.args[i].place != 0) {
      blob_drop(&db_of(c)->blobs, c->resp.args[i].place);
      c->resp.args[i].place = 0;
    }
  }
}

/* Of a request that nobody will run. */
static void drop_request(conn_t *c) {
  drop_places(c);
  if (c->resp.state == RESP_AT_BIG && c->resp.big_place != 0) {
    blob_drop(&db_of(c)->blobs, c->resp.big_place);
  }
}

void conn_close(conn_t *c) {
  if (c->is_closing) {
    return;
  }
  c->is_closing = true;
  if (c->is_yielded) {
    server_unyield(c->server, c);
  }
  if (c->is_held) {
    server_forget(c->server, c);
  }
  drop_request(c);
  conn_close_waiter(c);
  server_remove(c->server, c);
  uv_close(&c->h.handle, on_closed);
}

void conn_end(conn_t *c) {
  c->is_ending = true;
}

void conn_hold(conn_t *c) {
  c->is_held = true;
}

void conn_release(conn_t *c) {
  c->is_held = false;
  conn_yield(c);
}

static void start_reading(conn_t *c) {
  if (c->is_reading) {
    return;
  }
  c->is_reading = true;
  if (uv_read_start(&c->h.stream, on_alloc, on_read) != 0) {
    conn_close(c);
  }
}

void conn_stop(conn_t *c) {
  if (c->is_reading) {
    c->is_reading = false;
    uv_read_stop(&c->h.stream);
  }
}

static int open_stream(conn_t *c, int fd, bool is_tcp) {
  int r;

  if (is_tcp) {
    uv_tcp_init(c->server->loop, &c->h.tcp);
    r = uv_tcp_open(&c->h.tcp, fd);
    (void)uv_tcp_nodelay(&c->h.tcp, 1);
  } else {
    uv_pipe_init(c->server->loop, &c->h.pipe, 0);
    r = uv_pipe_open(&c->h.pipe, fd);
  }
  c->h.handle.data = c;
  return r;
}

conn_t *conn_open(server_t *s, int fd, bool is_tcp) {
  conn_t *c = calloc(1, sizeof(*c));

  if (c == NULL) {
    (void)close(fd);
    return NULL;
  }
  c->server = s;
  resp_init(&c->resp);
  out_init(&c->out, &s->pool, &s->db.blobs);
  server_add(s, c);
  if (open_stream(c, fd, is_tcp) != 0) {
    (void)close(fd);
    conn_close(c);
    return NULL;
  }
  return c;
}

void conn_accept(server_t *s, int fd, bool is_tcp) {
  conn_t *c = conn_open(s, fd, is_tcp);

  if (c == NULL) {
    return; /* it is gone: no one to tell */
  }
  if (s->conn_count > SERVER_CLIENTS_MAX) {
    reply_error(&c->out, "ERR max number of clients reached");
    conn_end(c);
    conn_flush(c);
    return;
  }
  start_reading(c);
}

/* --- large arguments --- */

static void start_big(conn_t *c) {
  db_t *db = db_of(c);

  c->in_big = true;
  if (!db_is_full(db, c->resp.bulk_len)) {
    c->resp.big_place =
        blob_new(&db->blobs, c->resp.bulk_len, c->resp.bulk_len);
  }
  if (c->resp.big_place == 0) {
    c->is_refused = true;
  }
}

static void count_big(conn_t *c, size_t n) {
  c->resp.big_left -= n;
  c->in_big = c->resp.big_left > 0;
}

/* Where the next `n` bytes of the argument go. */
static char *big_room(conn_t *c, size_t n) {
  return blob_edit(&db_of(c)->heap, c->resp.big_place,
                   c->resp.bulk_len - c->resp.big_left, n);
}

/* Takes what has arrived of it out of the buffer; returns the buffer's new
 * length. */
static size_t take_big(conn_t *c, char *buf, size_t len) {
  char *from = buf + c->resp.pos;
  size_t n = len - c->resp.pos;

  if (!c->in_big) {
    start_big(c);
  }
  if (n > c->resp.big_left) {
    n = c->resp.big_left;
  }
  if (c->resp.big_place != 0 && n > 0) {
    memcpy(big_room(c, n), from, n);
  }
  memmove(from, from + n, len - c->resp.pos - n);
  count_big(c, n);
  return len - n;
}

/* --- bytes in --- */

static bool has_own_room(conn_t *c, size_t need) {
  size_t cap = c->own_cap;
  char *own;

  if (need <= cap) {
    return true;
  }
  cap = 2 * cap > OWN_MIN ? 2 * cap : OWN_MIN;
  cap = need > cap ? need : cap;
  own = realloc(c->own, cap);
  if (own == NULL) {
    return false;
  }
  c->own = own;
  c->own_cap = cap;
  return true;
}

/* Keeps the rest of a buffer, which may be `own`, for the next time. */
static void keep(conn_t *c, const char *buf, size_t len, bool is_own) {
  if (len == 0) {
    free(c->own);
    c->own = NULL;
    c->own_cap = 0;
  } else if (is_own) {
    memmove(c->own, buf, len);
  } else if (has_own_room(c, len)) {
    memcpy(c->own, buf, len);
  } else {
    conn_close(c);
  }
  c->own_len = len;
}

/* One that is only to get its replies has no request any more: what was wrong
 * with it need not be handed over. */
void conn_pause(conn_t *c) {
  conn_stop(c);
  conn_stop_waiter(c);
  if (c->is_ending) {
    drop_request(c);
    resp_next(&c->resp);
    keep(c, NULL, 0, false);
    c->in_big = false;
    c->has_more = false;
    c->is_parsed = false;
  }
}

/* Says whether it ran, or has to wait. */
static bool run_request(conn_t *c, const char *buf) {
  if (c->is_refused) {
    commands_refuse(&c->out);
  } else if (c->resp.argc > 0 && !commands_run(c, buf)) {
    c->is_gated = true;
    return false;
  }
  c->is_refused = false;
  drop_places(c);
  resp_next(&c->resp);
  return true;
}

static void say_bad(conn_t *c) {
  reply_error(&c->out, "ERR %s", c->resp.error);
  conn_end(c);
}

/* Whether the client may have another request run. If not, whoever changes that
 * sees to it that conn_go_on() is called. */
static bool may_run(const conn_t *c, size_t out_max) {
  return !c->is_held && !c->is_gated && !c->server->is_frozen &&
         c->out.bytes < out_max;
}

static bool must_stop(conn_t *c) {
  if (!may_run(c, CONN_OUT_HIGH)) {
    return true;
  }
  if (turn_is_over(&c->server->turn)) {
    conn_yield(c);
    return true;
  }
  return false;
}

static resp_result_t parse(conn_t *c, char *buf, size_t len) {
  return c->is_parsed ? RESP_COMMAND : resp_parse(&c->resp, buf, len);
}

/* Runs the requests in a buffer, as far as it may. */
static void process(conn_t *c, char *buf, size_t len) {
  bool is_own = buf == c->own;
  resp_result_t r = RESP_COMMAND;

  c->has_more = false;
  while (r == RESP_COMMAND && !c->is_ending && !c->is_closing) {
    size_t used;

    c->has_more = must_stop(c);
    if (c->has_more) {
      break;
    }
    r = parse(c, buf, len);
    used = c->resp.pos;
    switch (r) {
    case RESP_MORE: break;
    case RESP_COMMAND:
      c->is_parsed = !run_request(c, buf);
      if (!c->is_parsed) {
        buf += used;
        len -= used;
      }
      break;
    case RESP_BIG:
      len = take_big(c, buf, len);
      r = c->in_big ? RESP_MORE : RESP_COMMAND; /* all there: parse on */
      break;
    case RESP_BAD: say_bad(c); break;
    }
  }
  if (!c->is_closing) {
    keep(c, buf, len, is_own);
  }
}

/* Sends, and runs what waited for the output to become less. */
void conn_go_on(conn_t *c) {
  conn_flush(c);
  while (c->has_more && !c->is_closing && !c->is_yielded &&
         may_run(c, CONN_OUT_LOW)) {
    process(c, c->own, c->own_len);
    conn_flush(c);
  }
  if (c->is_closing || c->is_yielded) {
    return;
  }
  if (c->has_more || c->is_ending || !may_run(c, SIZE_MAX)) {
    conn_stop(c);
  } else {
    start_reading(c);
  }
}

void conn_resume(conn_t *c) {
  c->is_yielded = false;
  conn_go_on(c);
}

void conn_yield(conn_t *c) {
  if (!c->is_closing && !c->is_yielded) {
    conn_stop(c);
    c->is_yielded = true;
    server_yield(c->server, c);
  }
}

/* To its place; or, when there is none, to where it will be forgotten. */
static uv_buf_t big_buffer(conn_t *c) {
  size_t max = c->resp.big_place != 0 ? READ_BIG : SERVER_READ;
  size_t n = c->resp.big_left < max ? c->resp.big_left : max;

  return uv_buf_init(c->resp.big_place != 0 ? big_room(c, n)
                                            : c->server->read_buffer,
                     (unsigned)n);
}

/* Whether it is read from in this turn. */
static bool may_read(conn_t *c) {
  turn_enter(&c->server->turn);
  if (!turn_take(&c->server->turn, &c->round)) {
    return false;
  }
  c->is_gated = c->in_big && c->resp.big_place != 0 &&
                !persist_may_write(&c->server->persist);
  return !c->is_gated;
}

/* No room comes back to on_read() as UV_ENOBUFS, and nothing was read. */
static void on_alloc(uv_handle_t *handle, size_t hint, uv_buf_t *buf) {
  conn_t *c = handle->data;
  size_t room;

  (void)hint;
  *buf = uv_buf_init(NULL, 0);
  c->is_put_off = !may_read(c);
  if (c->is_put_off) {
    return;
  }
  if (c->in_big) {
    *buf = big_buffer(c);
  } else if (c->own_len == 0) {
    *buf = uv_buf_init(c->server->read_buffer, SERVER_READ);
  } else if (has_own_room(c, c->own_len + OWN_MIN / 2)) {
    room = c->own_cap - c->own_len;
    *buf = uv_buf_init(c->own + c->own_len,
                       (unsigned)(room < SERVER_READ ? room : SERVER_READ));
  }
}

/* Sorts what was read by where on_alloc() has let it go. */
static void take(conn_t *c, char *p, size_t n) {
  if (!c->in_big) {
    process(c, c->own_len > 0 ? c->own : p, c->own_len + n);
    return;
  }
  count_big(c, n);
  if (!c->in_big) {
    process(c, c->own, c->own_len);
  }
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf) {
  conn_t *c = stream->data;

  if (n == 0) {
    return;
  }
  if (n == UV_ENOBUFS && c->is_put_off) {
    if (c->is_gated) {
      conn_stop(c); /* until the gate opens; else until the next turn */
    }
    return;
  }
  if (n < 0) {
    conn_close(c);
    return;
  }
  server_tick(c->server);
  take(c, buf->base, (size_t)n);
  if ((size_t)n == buf->len) {
    conn_yield(c); /* there may be more at once */
  }
  if (!c->is_closing) {
    conn_go_on(c);
  }
}
