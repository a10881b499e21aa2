/* server.c - what runs beside the clients: listening, the timer, signals.
 *
 * Invariant: every handle is closed by server_stop() and nothing else is
 * started after it, so the loop ends by itself. */
#include "server.h"

#include <signal.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "shutdown.h"

enum {
  CRON_MS = 100,
  CRON_BUSY_MS = 5, /* while there is something to free */
  CRON_STEPS = 16, /* between two looks whether a save has room: each may change
                      four pages */
  CRON_BUDGET_NS = 300000 /* how long one turn of it may hold the loop */
};

/* --- clients --- */

void server_add(server_t *s, conn_t *c) {
  c->prev = NULL;
  c->next = s->conns;
  if (c->next != NULL) {
    c->next->prev = c;
  }
  s->conns = c;
  s->conn_count++;
  s->conn_total++;
}

void server_remove(server_t *s, conn_t *c) {
  if (c->next != NULL) {
    c->next->prev = c->prev;
  }
  if (c->prev != NULL) {
    c->prev->next = c->next;
  } else {
    s->conns = c->next;
  }
  s->conn_count--;
}

void server_forget(server_t *s, conn_t *c) {
  persist_forget(&s->persist, c);
  if (s->shutdown_conn == c) {
    s->shutdown_conn = NULL;
  }
}

void server_freeze(server_t *s) {
  s->is_frozen = true;
  for (conn_t *c = s->conns; c != NULL; c = c->next) {
    conn_stop(c);
  }
}

void server_thaw(server_t *s) {
  s->is_frozen = false;
  for (conn_t *c = s->conns; c != NULL; c = c->next) {
    conn_yield(c);
  }
}

/* What commands have waited for has come: a save has room again, or a value
 * has.
 */
static void on_writable(void *data) {
  server_t *s = data;

  for (conn_t *c = s->conns; c != NULL; c = c->next) {
    if (c->is_gated) {
      c->is_gated = false;
      conn_yield(c);
    }
  }
}

static void on_idle(uv_idle_t *idle);

static void widen_more(server_t *s) {
  if (!widen_is_active(&s->widen)) {
    return;
  }
  if (persist_may_write(&s->persist)) {
    widen_step(&s->widen);
  }
  if (!widen_is_active(&s->widen)) {
    on_writable(s);
  }
  uv_idle_start(&s->idle, on_idle);
}

int server_widen(server_t *s, slot_t slot, bytes_t key, size_t more) {
  int r = 0;

  if (!widen_is_active(&s->widen)) {
    r = widen_begin(&s->widen, &s->db, slot, key, more);
    uv_idle_start(&s->idle, on_idle);
  }
  return r;
}

static void on_idle(uv_idle_t *idle) {
  server_t *s = idle->data;
  conn_t *list = s->yielded;

  turn_enter(&s->turn);
  server_tick(s);
  s->yielded = NULL;
  uv_idle_stop(idle);
  widen_more(s);
  while (list != NULL) {
    conn_t *c = list;

    list = c->next_yielded;
    conn_resume(c);
  }
}

void server_yield(server_t *s, conn_t *c) {
  c->next_yielded = s->yielded;
  s->yielded = c;
  uv_idle_start(&s->idle, on_idle);
}

void server_unyield(server_t *s, conn_t *c) {
  conn_t **p = &s->yielded;

  while (*p != c) {
    p = &(*p)->next_yielded;
  }
  *p = c->next_yielded;
}

static void on_tcp(void *ctx, int fd) {
  conn_accept(ctx, fd, true);
}

static void on_pipe(void *ctx, int fd) {
  conn_accept(ctx, fd, false);
}

static void start_listeners(server_t *s) {
  listener_start(&s->tcp);
  listener_start(&s->pipe);
}

/* --- the clock --- */

void server_tick(server_t *s) {
  struct timespec t;

  clock_gettime(CLOCK_REALTIME, &t);
  s->db.now_ms = (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Frees and expires in steps until there is nothing more to do or the time is
 * over; says which. A round over the buckets that finds little ends it. */
static bool housekeep(server_t *s) {
  uint64_t end = uv_hrtime() + CRON_BUDGET_NS;
  bool reaping = true;
  bool expiring = true;

  while ((reaping || expiring) && uv_hrtime() < end &&
         persist_may_write(&s->persist)) {
    reaping = db_reap(&s->db, CRON_STEPS);
    expiring = db_sweep(&s->db, CRON_STEPS) > 1;
  }
  return reaping || expiring;
}

static void on_cron(uv_timer_t *timer) {
  server_t *s = timer->data;
  bool more;

  turn_enter(&s->turn);
  server_tick(s);
  more = !s->is_frozen && housekeep(s);
  persist_tick(&s->persist);
  start_listeners(s); /* one may have stopped for want of descriptors */
  uv_timer_start(timer, on_cron, more ? CRON_BUSY_MS : CRON_MS, 0);
}

static void on_signal(uv_signal_t *signal, int number) {
  (void)number;
  shutdown_begin(signal->data, SHUTDOWN_AS_SET, NULL);
}

/* --- beginning --- */

/* None of these fails but for want of descriptors when the loop was made. */
static void init_handles(server_t *s) {
  listener_init(&s->tcp, on_tcp, s);
  listener_init(&s->pipe, on_pipe, s);
  handover_init(&s->handover, s);
  uv_timer_init(s->loop, &s->cron);
  uv_idle_init(s->loop, &s->idle);
  uv_signal_init(s->loop, &s->signals[0]);
  uv_signal_init(s->loop, &s->signals[1]);
  s->cron.data = s;
  s->idle.data = s;
  s->signals[0].data = s;
  s->signals[1].data = s;
}

static int start(server_t *s) {
  int r = uv_signal_start(&s->signals[0], on_signal, SIGINT);

  turn_reset(&s->turn, false); /* what restoring took does not count */
  s->port = listener_port(&s->tcp);
  if (r == 0) {
    r = uv_signal_start(&s->signals[1], on_signal, SIGTERM);
  }
  if (r == 0) {
    r = uv_timer_start(&s->cron, on_cron, CRON_MS, 0);
  }
  start_listeners(s);
  return r;
}

int server_listen(server_t *s) {
  int r = 0;

  if (s->options->port >= 0) {
    r = listener_open_tcp(&s->tcp, s->loop, s->options->bind, s->options->port);
  }
  if (r == 0 && s->options->unix_socket != NULL) {
    r = listener_open_unix(&s->pipe, s->loop, s->options->unix_socket, false);
  }
  if (r == 0) {
    r = handover_listen(&s->handover);
  }
  return r == 0 ? start(s) : r;
}

int server_go_on(server_t *s) {
  int r = start(s);

  server_thaw(s);
  return r;
}

/* --- a pause, and what follows it --- */

/* What is in motion beside the clients comes to a point from where it can go on
 * elsewhere: who adds to a value that is being moved begins with that anew. */
static void settle(server_t *s) {
  widen_drop(&s->widen);
  for (conn_t *c = s->conns; c != NULL; c = c->next) {
    c->is_gated = false;
  }
}

void server_pause(server_t *s) {
  s->is_frozen = true;
  listener_stop(&s->tcp);
  listener_stop(&s->pipe);
  uv_timer_stop(&s->cron);
  uv_idle_stop(&s->idle);
  for (conn_t *c = s->conns; c != NULL; c = c->next) {
    conn_pause(c);
  }
  settle(s);
}

void server_unpause(server_t *s) {
  start_listeners(s);
  uv_timer_start(&s->cron, on_cron, CRON_MS, 0);
  server_thaw(s);
  if (s->yielded != NULL) {
    uv_idle_start(&s->idle, on_idle);
  }
}

void server_leave(server_t *s) {
  s->is_left = true;
  s->db.blobs.is_given_up = true;
  server_stop(s);
}

static void on_save_over(void *data) {
  server_t *s = data;

  handover_go_on(&s->handover);
  shutdown_go_on(s);
}

static int init_persist(server_t *s) {
  const persist_hooks_t hooks = {
      .writable = on_writable, .over = on_save_over, .data = s};

  return persist_init(&s->persist, s->loop, &s->db, &s->turn, s->options,
                      &hooks);
}

int server_init(server_t *s, uv_loop_t *loop, const options_t *options) {
  uint64_t seed = 0;
  int r;

  memset(s, 0, sizeof(*s));
  s->loop = loop;
  s->options = options;
  s->start_ns = uv_hrtime();
  if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed)) {
    return UV_EIO;
  }
  r = options->memfd ? db_open_memfd(&s->db, options->reserve, seed)
                     : db_open(&s->db, options->reserve, seed);
  if (r != 0) {
    return r;
  }
  s->db.max_memory = options->max_memory;
  server_tick(s);
  init_handles(s);
  r = turn_init(&s->turn, loop);
  return r != 0 ? r : init_persist(s);
}

/* --- end --- */

void server_stop(server_t *s) {
  uv_handle_t *handles[] = {(uv_handle_t *)&s->cron, (uv_handle_t *)&s->idle,
                            (uv_handle_t *)&s->signals[0],
                            (uv_handle_t *)&s->signals[1]};
  conn_t *next;

  if (s->is_stopping) {
    return;
  }
  s->is_stopping = true;
  for (conn_t *c = s->conns; c != NULL; c = next) {
    next = c->next;
    conn_close(c);
  }
  handover_close(&s->handover, s->is_left);
  listener_close(&s->tcp, s->is_left);
  listener_close(&s->pipe, s->is_left);
  persist_close(&s->persist);
  turn_close(&s->turn);
  for (size_t i = 0; i < sizeof(handles) / sizeof(handles[0]); i++) {
    uv_close(handles[i], NULL);
  }
}

void server_done(server_t *s) {
  widen_drop(&s->widen);
  out_pool_done(&s->pool);
  db_close(&s->db);
}
