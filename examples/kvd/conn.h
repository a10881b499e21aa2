/* conn.h - one client: its bytes in, its bytes out.
 *
 *            +---------- too much output: paused -----------+
 *            v                                              |
 *   read --> parse --> run a command --> out --> one write for all replies
 *            |
 *            +--> a large argument: read into its place in the heap
 *
 * Reading stops while a client does not take its replies, and for one turn of
 * the loop whenever it has sent a full buffer or all clients together have used
 * up what is theirs of a turn, so that none holds the loop. Knows the parser
 * and the commands, not what they do. */
#ifndef KVD_CONN_H
#define KVD_CONN_H

#include <uv.h>

#include "out.h"
#include "resp.h"

enum {
  CONN_OUT_HIGH = 1024 * 1024, /* unsent bytes from where it pauses ... */
  CONN_OUT_LOW = 256 * 1024    /* ... to where it goes on */
};

struct server_s;

typedef struct conn_s conn_t;

struct conn_s {
  union {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
  } h;
  struct server_s *server;
  conn_t *next; /* of all clients */
  conn_t *prev;
  conn_t *next_yielded;
  resp_t resp;
  out_t out;
  struct waiter_s *waiter; /* for room to send; NULL: there was always some */
  char *own; /* the beginning of a request whose end has not arrived */
  size_t own_len;
  size_t own_cap;
  unsigned round;  /* in which it was read from last */
  bool in_big;     /* a large argument is arriving */
  bool is_refused; /* there was no room for it: its bytes are dropped */
  bool is_reading;
  bool has_more;   /* `own` may hold whole requests: it stopped before one */
  bool is_parsed;  /* the first of them is taken apart already */
  bool is_held;    /* the reply to the last request is still to come */
  bool is_gated;   /* a change has to wait: a save has no room for it */
  bool is_put_off; /* it was not read from, though there is something */
  bool is_yielded;
  bool is_ending; /* close when the replies are out */
  bool is_closing;
};

/* A client that has connected; takes `fd`. The server owns it until it closes
 * itself. */
void conn_accept(struct server_s *server, int fd, bool is_tcp);
/* The same, but nothing happens before it is resumed. NULL: no memory. */
conn_t *conn_open(struct server_s *server, int fd, bool is_tcp);

/* Goes on in the turn after the one in which it yielded. */
void conn_resume(conn_t *c);

/* Reads no more until conn_go_on(). */
void conn_stop(conn_t *c);
/* Neither reads nor sends until it is resumed. */
void conn_pause(conn_t *c);

/* Leaves the rest to the next turn: the others come first. */
void conn_yield(conn_t *c);

/* What a command may ask for: to reply later, and nothing else runs for this
 * client before; then conn_release(). server_forget() is called if the client
 * is gone before that. */
void conn_hold(conn_t *c);
void conn_release(conn_t *c);

/* Or: close when all replies are out. */
void conn_end(conn_t *c);
void conn_close(conn_t *c);

#endif
