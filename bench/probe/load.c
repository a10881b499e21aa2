/* load.c - the clients: when a request is due, what it is, whether its answer
 * is there.
 *
 * Invariant: a client's `due` holds a time for each request without an answer,
 * oldest first; answers come in order. */
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "probe.h"

enum {
  DUE_MAX = 1 << 16, /* requests of one client under way */
  READ_BYTES = 256 * 1024,
  POOL_BYTES = 1 << 20 /* random bytes that values are cut from */
};

typedef struct client_s {
  uv_tcp_t tcp;
  uv_connect_t connect;
  load_t *load;
  uint64_t *due; /* a ring */
  unsigned due_first;
  unsigned due_count;
  uint64_t skip; /* bytes of the answer still to come */
  char line[32]; /* its first line, as far as it has come */
  unsigned line_len;
} client_t;

struct load_s {
  uv_loop_t *loop;
  const settings_t *settings;
  recorder_t *recorder;
  phase_t *phase;
  void (*filled)(void);
  client_t *clients;
  unsigned connected;
  unsigned next; /* client */
  uint64_t rng;
  uint64_t sent;
  uint64_t answered;
  uint64_t begun_ns;
  int timer_fd;
  uv_poll_t timer;
  char *pool;
  char *read_buffer;
};

static uint64_t draw(load_t *l) {
  uint64_t z = l->rng += 0x9e3779b97f4a7c15u;

  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

/* --- requests --- */

typedef struct sending_s {
  uv_write_t write;
  size_t len;
  char bytes[];
} sending_t;

static void on_sent(uv_write_t *write, int status) {
  if (status != 0 && status != UV_ECANCELED) {
    probe_fail("cannot send", status);
  }
  free(write);
}

/* What the kernel does not take at once is sent when it does. */
static void send_pieces(client_t *c, uv_buf_t *bufs, unsigned count) {
  int sent = uv_try_write((uv_stream_t *)&c->tcp, bufs, count);
  size_t skip = sent < 0 ? 0 : (size_t)sent;
  size_t total = 0;
  sending_t *rest;
  uv_buf_t buf;

  for (unsigned i = 0; i < count; i++) {
    total += bufs[i].len;
  }
  if (skip == total) {
    return;
  }
  rest = malloc(sizeof(*rest) + total);
  if (rest == NULL) {
    probe_fail("cannot send", UV_ENOMEM);
  }
  rest->len = 0;
  for (unsigned i = 0; i < count; i++) {
    memcpy(rest->bytes + rest->len, bufs[i].base, bufs[i].len);
    rest->len += bufs[i].len;
  }
  buf = uv_buf_init(rest->bytes + skip, (unsigned)(total - skip));
  if (uv_write(&rest->write, (uv_stream_t *)&c->tcp, &buf, 1, on_sent) != 0) {
    probe_fail("cannot send", UV_EIO);
  }
}

/* A value's bytes: from anywhere in the pool, again and again. */
static unsigned value_pieces(load_t *l, uv_buf_t *bufs, unsigned max) {
  uint64_t left = l->settings->bytes;
  uint64_t at = draw(l) % (POOL_BYTES / 2);
  unsigned n = 0;

  while (left > 0 && n < max) {
    uint64_t part = left < POOL_BYTES - at ? left : POOL_BYTES - at;

    bufs[n++] = uv_buf_init(l->pool + at, (unsigned)part);
    left -= part;
    at = 0;
  }
  return n;
}

static void send_set(client_t *c, const char *key, int key_len) {
  enum { PIECES = 600 };
  static uv_buf_t bufs[PIECES];
  char head[256];
  unsigned n;
  int len =
      snprintf(head, sizeof(head), "*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%llu\r\n",
               key_len, key, (unsigned long long)c->load->settings->bytes);

  bufs[0] = uv_buf_init(head, (unsigned)len);
  n = 1 + value_pieces(c->load, bufs + 1, PIECES - 2);
  bufs[n++] = uv_buf_init((char *)(uintptr_t) "\r\n", 2);
  send_pieces(c, bufs, n);
}

static void send_get(client_t *c, const char *key, int key_len) {
  char head[256];
  uv_buf_t buf;

  buf = uv_buf_init(head, (unsigned)snprintf(head, sizeof(head),
                                             "*2\r\n$3\r\nGET\r\n$%d\r\n%s\r\n",
                                             key_len, key));
  send_pieces(c, &buf, 1);
}

static void send_request(client_t *c, uint64_t due_ns) {
  load_t *l = c->load;
  const settings_t *s = l->settings;
  uint64_t n = s->is_fill ? l->sent : draw(l) % s->keys;
  char key[128];
  int len = snprintf(key, sizeof(key), "%s:%012llu", s->prefix,
                     (unsigned long long)n);

  if (c->due_count == DUE_MAX) {
    probe_fail("the server is further behind than can be counted", UV_ENOBUFS);
  }
  c->due[(c->due_first + c->due_count++) % DUE_MAX] = due_ns;
  l->sent++;
  if (s->is_fill || draw(l) % 100 < s->sets) {
    send_set(c, key, len);
  } else {
    send_get(c, key, len);
  }
}

/* --- answers --- */

static bool has_more_to_send(const load_t *l) {
  const settings_t *s = l->settings;

  return s->rate == 0 && (!s->is_fill || l->sent < s->keys);
}

static void on_answer(client_t *c, uint64_t now) {
  load_t *l = c->load;
  uint64_t due = c->due[c->due_first];

  if (c->due_count == 0) {
    probe_fail("an answer to nothing", UV_EPROTO);
  }
  c->due_first = (c->due_first + 1) % DUE_MAX;
  c->due_count--;
  l->answered++;
  recorder_add(l->recorder, *l->phase, due, now);
  if (has_more_to_send(l)) {
    send_request(c, now);
  } else if (l->settings->is_fill && l->answered == l->settings->keys) {
    l->filled();
  }
}

/* The first line is complete: is there a value behind it? */
static void take_line(client_t *c, uint64_t now) {
  long long len = 0;

  c->line[c->line_len] = '\0';
  c->line_len = 0;
  if (c->line[0] == '-') {
    c->load->recorder->errors++;
  } else if (c->line[0] == '$') {
    len = atoll(c->line + 1);
    c->skip = len < 0 ? 0 : (uint64_t)len + 2;
  }
  if (c->skip == 0) {
    on_answer(c, now);
  }
}

static void take_bytes(client_t *c, const char *p, size_t n, uint64_t now) {
  while (n > 0) {
    if (c->skip > 0) {
      size_t part = n < c->skip ? n : (size_t)c->skip;

      c->skip -= part;
      p += part;
      n -= part;
      if (c->skip == 0) {
        on_answer(c, now);
      }
      continue;
    }
    if (*p == '\n') {
      take_line(c, now);
    } else if (c->line_len < sizeof(c->line) - 1) {
      c->line[c->line_len++] = *p;
    }
    p++;
    n--;
  }
}

static void on_alloc(uv_handle_t *handle, size_t hint, uv_buf_t *buf) {
  client_t *c = handle->data;

  (void)hint;
  *buf = uv_buf_init(c->load->read_buffer, READ_BYTES);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf) {
  client_t *c = stream->data;

  if (n < 0) {
    probe_fail("the server is gone", (int)n);
  }
  take_bytes(c, buf->base, (size_t)n, uv_hrtime());
}

/* --- the schedule --- */

/* Sends what is due; libuv's own timers are too coarse. */
static void on_timer(uv_poll_t *poll, int status, int events) {
  load_t *l = poll->data;
  uint64_t rate = l->settings->rate;
  uint64_t ticks;
  uint64_t due;

  (void)status;
  (void)events;
  (void)!read(l->timer_fd, &ticks, sizeof(ticks));
  while ((due = l->begun_ns + l->sent * UINT64_C(1000000000) / rate) <=
         uv_hrtime()) {
    send_request(&l->clients[l->next], due);
    l->next = (l->next + 1) % l->settings->clients;
  }
}

static void start_timer(load_t *l) {
  uint64_t ns = UINT64_C(1000000000) / l->settings->rate;
  struct itimerspec every = {0};

  ns = ns < 20000 ? 20000 : ns; /* several at once are sent at once */
  every.it_interval.tv_nsec = (long)(ns % 1000000000);
  every.it_interval.tv_sec = (time_t)(ns / 1000000000);
  every.it_value = every.it_interval;
  l->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  if (l->timer_fd < 0 || timerfd_settime(l->timer_fd, 0, &every, NULL) != 0) {
    probe_fail("no timer", UV_EIO);
  }
  uv_poll_init(l->loop, &l->timer, l->timer_fd);
  l->timer.data = l;
  uv_poll_start(&l->timer, UV_READABLE, on_timer);
}

static void go(load_t *l) {
  l->begun_ns = uv_hrtime();
  if (l->settings->rate > 0) {
    start_timer(l);
    return;
  }
  for (unsigned i = 0; i < l->settings->clients * l->settings->depth; i++) {
    if (has_more_to_send(l)) {
      send_request(&l->clients[i % l->settings->clients], uv_hrtime());
    }
  }
}

static void on_connect(uv_connect_t *connect, int status) {
  client_t *c = connect->data;

  if (status != 0) {
    probe_fail("cannot connect", status);
  }
  uv_tcp_nodelay(&c->tcp, 1);
  uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
  if (++c->load->connected == c->load->settings->clients) {
    go(c->load);
  }
}

static void connect_client(load_t *l, client_t *c) {
  struct sockaddr_in to;

  uv_ip4_addr("127.0.0.1", l->settings->port, &to);
  c->load = l;
  c->due = calloc(DUE_MAX, sizeof(*c->due));
  c->tcp.data = c;
  c->connect.data = c;
  uv_tcp_init(l->loop, &c->tcp);
  if (c->due == NULL ||
      uv_tcp_connect(&c->connect, &c->tcp, (struct sockaddr *)&to,
                     on_connect) != 0) {
    probe_fail("cannot connect", UV_EIO);
  }
}

load_t *load_start(uv_loop_t *loop, const settings_t *settings,
                   recorder_t *recorder, phase_t *phase, void (*filled)(void)) {
  load_t *l = calloc(1, sizeof(*l));

  if (l == NULL || (l->pool = malloc(POOL_BYTES)) == NULL ||
      (l->read_buffer = malloc(READ_BYTES)) == NULL ||
      (l->clients = calloc(settings->clients, sizeof(*l->clients))) == NULL) {
    probe_fail("no memory", UV_ENOMEM);
  }
  l->loop = loop;
  l->settings = settings;
  l->recorder = recorder;
  l->phase = phase;
  l->filled = filled;
  l->rng = 1;
  l->timer_fd = -1;
  for (size_t i = 0; i < POOL_BYTES; i++) {
    l->pool[i] = (char)draw(l); /* no compression finds anything in it */
  }
  for (unsigned i = 0; i < settings->clients; i++) {
    connect_client(l, &l->clients[i]);
  }
  return l;
}

/* The process ends: what is under way is no matter. */
void load_stop(load_t *l) {
  if (l->timer_fd >= 0) {
    uv_poll_stop(&l->timer);
    (void)close(l->timer_fd);
  }
  uv_stop(l->loop);
}
