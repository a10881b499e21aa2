/* server.h - the listeners, the clients, the database and the clock. */
#ifndef KVD_SERVER_H
#define KVD_SERVER_H

#include <uv.h>

#include "conn.h"
#include "db.h"
#include "handover.h"
#include "listener.h"
#include "options.h"
#include "out.h"
#include "persist.h"
#include "turn.h"
#include "widen.h"

/* One read of a client that has nothing unfinished; shared by all clients, so
 * that it stays in the cache. */
enum { SERVER_READ = 64 * 1024, SERVER_CLIENTS_MAX = 10000 };

typedef struct server_s {
  uv_loop_t *loop;
  const options_t *options;
  db_t db;
  persist_t persist;
  turn_t turn;
  out_pool_t pool;
  listener_t tcp;
  listener_t pipe;
  handover_t handover;
  uv_timer_t cron;
  uv_idle_t idle; /* active while a client has yielded */
  uv_signal_t signals[2];
  widen_t widen;  /* a value that is being moved, in idle's turns */
  bool is_frozen; /* no request runs: it is saving before it ends, or paused */
  bool is_ending; /* after a last image, if it can */
  bool is_stopping;
  bool is_left; /* a successor has it all: nothing is touched any more */
  conn_t *shutdown_conn; /* whose command that was; or NULL */
  int port;
  conn_t *conns;
  conn_t *yielded;
  unsigned conn_count;
  uint64_t conn_total;
  uint64_t command_total;
  uint64_t start_ns;
  char read_buffer[SERVER_READ];
} server_t;

/* Opens an empty database. UV codes; after success: server_stop(), running the
 * loop to its end, server_done(). */
int server_init(server_t *s, uv_loop_t *loop, const options_t *options);
/* From here on there are clients. */
int server_listen(server_t *s);
/* As server_listen(), of one that was paused from the beginning and has got its
 * listeners and clients otherwise. */
int server_go_on(server_t *s);
void server_stop(server_t *s);
/* A successor serves from now on. */
void server_leave(server_t *s);
void server_done(server_t *s);

/* Clients come and go. */
void server_add(server_t *s, conn_t *c);
void server_remove(server_t *s, conn_t *c);
/* One that was held is gone: whoever would have replied forgets it. */
void server_forget(server_t *s, conn_t *c);
/* conn_resume() it in the next turn. */
void server_yield(server_t *s, conn_t *c);
void server_unyield(server_t *s, conn_t *c);

/* From now on no request runs; or they do again. */
void server_freeze(server_t *s);
void server_thaw(server_t *s);
/* Frozen, and nothing is accepted, read, sent or changed either: all that there
 * is can be looked at. */
void server_pause(server_t *s);
void server_unpause(server_t *s);

/* Begins to give the slot's value more room, unless another one is being moved;
 * who is gated goes on when that is done. UV_ENOMEM. */
int server_widen(server_t *s, slot_t slot, bytes_t key, size_t more);

/* Sets the database's clock. */
void server_tick(server_t *s);

#endif
