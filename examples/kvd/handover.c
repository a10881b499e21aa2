/* handover.c - see handover.h.
 *
 * Invariant: saves are put off, and nobody else is listened to, from when a
 * successor has connected until that is over. */
#include "handover.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "server.h"
#include "shutdown.h"

typedef unsigned long long ull;

static void on_successor(void *ctx, int fd);

void handover_init(handover_t *h, server_t *s) {
  memset(h, 0, sizeof(*h));
  h->server = s;
  h->socket = -1;
  listener_init(&h->listener, on_successor, h);
}

int handover_listen(handover_t *h) {
  const char *path = h->server->options->handover;
  int r = 0;

  if (path != NULL && h->listener.fd < 0) {
    r = listener_open_unix(&h->listener, h->server->loop, path, true);
  }
  listener_start(&h->listener);
  return r;
}

/* --- the end of one --- */

static void close_parts(handover_t *h) {
  h->server->db.heap.before_write = NULL;
  (void)sluice_handover_free(h->running);
  h->running = NULL;
  estate_close(&h->estate);
}

static void note_failure(handover_t *h, int code, const char *message) {
  h->failures++;
  snprintf(h->error, sizeof(h->error), "%s: %s", sluice_err_name(code),
           message[0] != '\0' ? message : sluice_strerror(code));
  printf("kvd: not handed over: %s\n", h->error);
  fflush(stdout);
}

/* As if nothing had happened. */
static void go_back(handover_t *h) {
  if (!h->server->is_stopping) {
    listener_start(&h->listener);
    persist_go_on(&h->server->persist);
    shutdown_go_on(h->server);
  }
}

static void say_left(const handover_t *h) {
  sluice_handover_stats_t stats;

  sluice_handover_stats(h->running, &stats, sizeof(stats));
  printf("kvd: handed over: %s, %llu bytes, %llu descriptors, rest %llu us, "
         "ready %llu us, running %llu us\n",
         h->estate.offer.is_memfd ? "memfd" : "copied", (ull)stats.bytes,
         (ull)stats.descriptors, (ull)stats.rest_us, (ull)stats.ready_us,
         (ull)stats.running_us);
  fflush(stdout);
}

/* That the successor runs has woken this process, on its processor as likely as
 * not. It would wait there for the end of this one: giving memory back takes
 * milliseconds for every 64 MiB, in one go. So it gets the processor back at
 * once, and later this process takes none that is wanted. */
static void step_aside(void) {
  static const struct timespec short_while = {.tv_nsec = 10L * 1000 * 1000};
  static const struct sched_param none = {0};

  (void)setpriority(PRIO_PROCESS, 0, 19);
  (void)sched_setscheduler(0, SCHED_BATCH, &none); /* preempts nobody */
  (void)nanosleep(&short_while, NULL);
}

static void on_over(sluice_handover_t *handover, int status) {
  handover_t *h = sluice_handover_data(handover);

  if (status == 0) {
    step_aside();
    say_left(h);
  } else {
    note_failure(h, status, sluice_handover_error(handover)->message);
  }
  close_parts(h);
  if (status == 0) {
    server_leave(h->server);
  } else {
    go_back(h);
  }
}

/* --- one --- */

static void on_pause(sluice_handover_t *handover) {
  handover_t *h = sluice_handover_data(handover);

  server_pause(h->server);
  estate_note_numbers(&h->estate);
  sluice_handover_paused(handover);
}

static void on_resume(sluice_handover_t *handover) {
  const handover_t *h = sluice_handover_data(handover);

  if (!h->server->is_stopping) {
    server_unpause(h->server);
  }
}

/* Over the end of the region is too much, and that is said in time. */
static void on_write(void *ctx, uint64_t at, uint64_t len) {
  handover_t *h = ctx;

  sluice_ram_mark(&h->estate.marks, at, len);
  if (at + len > h->estate.offer.bytes) {
    sluice_handover_cancel(h->running);
  }
}

static int begin_parts(handover_t *h, int socket, sluice_error_t *err) {
  server_t *s = h->server;
  const estate_offer_t offer = estate_make_offer(s);
  const sluice_save_options_t save = {
      .size = sizeof(save), .host = "kvd", .host_version = "1"};
  sluice_handover_options_t options = {.size = sizeof(options),
                                       .save = &save,
                                       .data = h,
                                       .pause = on_pause,
                                       .resume = on_resume};
  pack_t p = {0};
  int r = estate_open(&h->estate, s);

  if (r == 0) {
    r = estate_fill(&h->estate, &offer, false, err);
  }
  estate_pack_offer(&offer, &p);
  options.offer = p.at;
  options.offer_len = p.len;
  if (r == 0) {
    r = p.failed ? UV_ENOMEM
                 : sluice_handover_begin(&h->running, s->persist.engine,
                                         h->estate.registry, socket, &options,
                                         on_over, err);
  }
  pack_done(&p);
  return r;
}

static void begin(handover_t *h, int socket) {
  sluice_error_t err = {0};
  int r = begin_parts(h, socket, &err);

  if (r != 0) {
    (void)close(socket);
    note_failure(h, r, err.message);
    close_parts(h);
    go_back(h);
    return;
  }
  h->server->db.heap.before_write = on_write;
  h->server->db.heap.before_write_ctx = h;
}

static void on_successor(void *ctx, int fd) {
  handover_t *h = ctx;

  if (h->server->is_ending || h->server->is_stopping) {
    (void)close(fd);
    return;
  }
  listener_stop(&h->listener);
  h->socket = fd;
  persist_put_off(&h->server->persist);
  handover_go_on(h);
}

void handover_go_on(handover_t *h) {
  int socket = h->socket;

  if (socket >= 0 && h->server->persist.save == NULL) {
    h->socket = -1;
    begin(h, socket);
  }
}

bool handover_cancel(handover_t *h) {
  if (h->socket >= 0) {
    (void)close(h->socket);
    h->socket = -1;
    listener_start(&h->listener);
    persist_go_on(&h->server->persist);
  }
  if (h->running != NULL) {
    sluice_handover_cancel(h->running);
  }
  return h->running != NULL;
}

void handover_close(handover_t *h, bool is_left) {
  if (h->socket >= 0) {
    (void)close(h->socket);
    h->socket = -1;
  }
  listener_close(&h->listener, is_left);
}

/* --- INFO --- */

void handover_info(const handover_t *h, char *out, size_t size) {
  const taken_t *t = &h->taken;
  const char *way = t->is_memfd ? "memfd" : "copied";

  snprintf(out, size,
           "handover_socket:%s\r\n"
           "handover_memory:%s\r\n"
           "handover_in_progress:%d\r\n"
           "handover_failures:%llu\r\n"
           "handover_last_error:%s\r\n"
           "takeovers:%llu\r\n"
           "takeover_way:%s\r\n"
           "takeover_state_bytes:%llu\r\n"
           "takeover_clients:%llu\r\n"
           "takeover_pause_us:%llu\r\n",
           h->listener.fd >= 0 ? h->server->options->handover : "",
           h->server->db.heap.memfd >= 0 ? "memfd" : "private",
           h->running != NULL ? 1 : 0, (ull)h->failures, h->error,
           (ull)t->takeovers, t->takeovers > 0 ? way : "none", (ull)t->bytes,
           (ull)t->clients, (ull)t->pause_us);
}
