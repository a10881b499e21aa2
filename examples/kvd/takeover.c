/* takeover.c - see takeover.h.
 *
 *   offered   room for the heap, the sections
 *   check     is it a database, with all of it inside the region?
 *   over      listeners, clients, counters: serves
 *
 * Invariant: until it is over nothing is written to the heap, which may be the
 * old server's very memory. */
#include "takeover.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "conn_state.h"
#include "server.h"

typedef struct attempt_s {
  server_t *server;
  estate_t estate;
  bool is_over;
  int status;
} attempt_t;

/* --- what is offered --- */

/* As large as the old server's, or larger. What was there was never used. */
static int make_heap(server_t *s, const estate_offer_t *offer) {
  heap_t *h = &s->db.heap;
  uint64_t reserve =
      h->reserved > offer->reserved ? h->reserved : offer->reserved;
  int r;

  heap_release(h);
  r = s->options->memfd && !offer->is_memfd ? heap_reserve_memfd(h, reserve)
                                            : heap_reserve(h, reserve);
  return r == 0 ? heap_commit(h, offer->bytes) : r;
}

static int on_offered(sluice_takeover_t *t, const void *bytes, size_t len,
                      sluice_error_t *err) {
  attempt_t *a = sluice_takeover_data(t);
  estate_offer_t offer;
  int r;

  if (!estate_unpack_offer(&offer, (bytes_t){bytes, len})) {
    return sluice_fail(err, SLUICE_EKIND, "the offer is not one of kvd's");
  }
  r = make_heap(a->server, &offer);
  if (r != 0) {
    return sluice_fail(err, r, "no room for %llu bytes of data",
                       (unsigned long long)offer.bytes);
  }
  r = persist_find_images(&a->server->persist);
  return r == 0 ? estate_fill(&a->estate, &offer, true, err) : r;
}

/* --- all is there --- */

static int on_check(sluice_takeover_t *t, sluice_error_t *err) {
  attempt_t *a = sluice_takeover_data(t);
  db_t *db = &a->server->db;

  if (heap_header(&db->heap)->top > a->estate.offer.bytes ||
      db_take_over(db) != 0) {
    return sluice_fail(err, SLUICE_EKIND, "it is not a database of kvd's");
  }
  return 0;
}

/* --- serving --- */

static void take_heap(attempt_t *a) {
  heap_t *h = &a->server->db.heap;
  int fd = sluice_ram_take_memfd(a->estate.ram, 0);

  h->committed = a->estate.offer.bytes;
  if (fd >= 0) {
    a->server->handover.taken.is_memfd = true;
    heap_take_memfd(h, fd, a->estate.offer.bytes);
  }
}

static int adopt(attempt_t *a, listener_t *l, int fd, const char *path) {
  return listener_adopt(l, a->server->loop, fd, path);
}

/* Whoever connects to it next waits there already, if the name is ours, too. */
static int adopt_handover(attempt_t *a, int fd) {
  const char *path = a->server->options->handover;

  if (path != NULL && listener_is_at(fd, path)) {
    return adopt(a, &a->server->handover.listener, fd, path);
  }
  (void)close(fd);
  return 0;
}

static void open_conn(attempt_t *a, const estate_item_t *item) {
  conn_t *c = conn_state_open(a->server, item->fd, item->tag == ESTATE_TCP_CONN,
                              item->state);

  a->server->handover.taken.clients += c != NULL;
}

static int use(attempt_t *a, estate_item_t *item) {
  server_t *s = a->server;
  int r = 0;

  switch (item->tag) {
  case ESTATE_TCP: r = adopt(a, &s->tcp, item->fd, NULL); break;
  case ESTATE_PIPE:
    r = adopt(a, &s->pipe, item->fd, s->options->unix_socket);
    break;
  case ESTATE_HANDOVER: r = adopt_handover(a, item->fd); break;
  default: open_conn(a, item); break;
  }
  item->fd = -1;
  return r;
}

static int use_all(attempt_t *a) {
  estate_t *e = &a->estate;
  int r = 0;

  for (size_t i = 0; i < e->count; i++) {
    int one = use(a, &e->items[i]);

    r = r == 0 ? one : r;
  }
  return r;
}

/* It is too late to go back: what fails now is said, and done without. */
static void serve(attempt_t *a) {
  server_t *s = a->server;
  int r;

  take_heap(a);
  s->handover.taken.takeovers = a->estate.numbers.takeovers + 1;
  persist_put_off(&s->persist);
  r = use_all(a);
  estate_apply_numbers(&a->estate);
  r = server_go_on(s) != 0 ? UV_ENOMEM : r;
  s->handover.taken.pause_us =
      (uv_hrtime() - a->estate.numbers.paused_ns) / 1000;
  persist_go_on(&s->persist);
  r = handover_listen(&s->handover) != 0 ? UV_EADDRINUSE : r;
  if (r != 0) {
    fprintf(stderr, "kvd: taken over, but not all of it: %s\n", uv_strerror(r));
  }
}

static void on_over(sluice_takeover_t *t, int status) {
  attempt_t *a = sluice_takeover_data(t);
  sluice_takeover_stats_t stats;

  a->is_over = true;
  a->status = status;
  if (status == 0) {
    sluice_takeover_stats(t, &stats, sizeof(stats));
    a->server->handover.taken.bytes = stats.bytes;
    serve(a);
  } else {
    fprintf(stderr, "kvd: not taken over: %s: %s\n", sluice_err_name(status),
            sluice_takeover_error(t)->message);
  }
  (void)sluice_takeover_free(t);
}

/* --- beginning --- */

/* A code, or a socket. */
static int dial(const char *path) {
  struct sockaddr_un a = {.sun_family = AF_UNIX};
  size_t n = strlen(path);
  int fd;
  int r;

  if (n >= sizeof(a.sun_path)) {
    return UV_ENAMETOOLONG;
  }
  memcpy(a.sun_path, path, n);
  fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd >= 0 && connect(fd, (struct sockaddr *)(void *)&a, sizeof(a)) == 0) {
    return fd;
  }
  r = uv_translate_sys_error(errno);
  if (fd >= 0) {
    (void)close(fd);
  }
  return r;
}

static int begin(attempt_t *a, const char *path, sluice_error_t *err) {
  const sluice_takeover_options_t options = {.size = sizeof(options),
                                             .host = "kvd",
                                             .data = a,
                                             .offered = on_offered,
                                             .check = on_check};
  sluice_takeover_t *t;
  int fd = dial(path);
  int r;

  if (fd < 0) {
    return fd;
  }
  r = estate_open(&a->estate, a->server); /* filled when it is offered */
  if (r == 0) {
    r = sluice_takeover_begin(&t, a->server->persist.engine, a->estate.registry,
                              fd, &options, on_over, err);
  }
  if (r != 0) {
    (void)close(fd);
  }
  return r;
}

int takeover_run(server_t *s, const char *path) {
  attempt_t a = {.server = s};
  sluice_error_t err = {0};
  int r;

  s->is_frozen = true;
  r = begin(&a, path, &err);
  if (r != 0) {
    fprintf(stderr, "kvd: cannot take over from %s: %s\n", path,
            err.code != 0 ? err.message : sluice_strerror(r));
    return r;
  }
  while (!a.is_over) {
    (void)uv_run(s->loop, UV_RUN_ONCE);
  }
  estate_close(&a.estate);
  return a.status;
}
