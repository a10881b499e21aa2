/* channel.c - see channel.h. */
#include "handover/channel.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* Of a unix socket: one chunk of the stream. poll_writer.c says why. */
enum { SOCKET_BYTES = 1024 * 1024 };

static void on_poll(uv_poll_t *poll, int status, int events);

static void on_handle_closed(uv_handle_t *handle) {
  sluice__channel_t *ch = handle->data;

  if (--ch->handles_open == 0) {
    sluice__channel_free_payload(ch, ch->payload);
    free(ch);
  }
}

void sluice__channel_close(sluice__channel_t *ch) {
  assert(ch->fd >= 0); /* each owner closes its own, once */
  ch->ops = NULL;
  sluice__channel_drop_fds(ch);
  sluice__channel_drop_out(ch);
  uv_close((uv_handle_t *)&ch->poll, on_handle_closed);
  uv_close((uv_handle_t *)&ch->timer, on_handle_closed);
  uv_close((uv_handle_t *)&ch->later, on_handle_closed);
  (void)close(ch->fd);
  ch->fd = -1;
  sluice__engine_part(ch->engine, &ch->guest);
}

/* A stream that nobody asks for is not polled for, nor is what follows it. */
static int events_of(const sluice__channel_t *ch) {
  bool is_full = ch->stream_left > 0 && !sluice__channel_is_read(ch);
  bool has_words = ch->first != NULL || ch->words_sent < ch->words_len;

  return (ch->is_over || is_full ? 0 : UV_READABLE) |
         (has_words && ch->out_code == 0 ? UV_WRITABLE : 0);
}

void sluice__channel_poll(sluice__channel_t *ch) {
  int events;

  if (ch->fd < 0) {
    return;
  }
  events = events_of(ch);
  if (events == 0) {
    (void)uv_poll_stop(&ch->poll);
  } else {
    (void)uv_poll_start(&ch->poll, events, on_poll);
  }
}

static void flush(sluice__channel_t *ch) {
  bool had = ch->first != NULL;

  sluice__channel_flush(ch);
  if (had && ch->first == NULL && ch->out_code == 0 && ch->ops != NULL &&
      ch->ops->sent != NULL) {
    ch->ops->sent(ch->ctx);
  }
}

/* libuv turns any POLLERR into a failed status; reading and writing tell what
 * it was. */
static void on_poll(uv_poll_t *poll, int status, int events) {
  sluice__channel_t *ch = poll->data;
  uint64_t began = uv_hrtime();

  if (ch->ops == NULL) {
    sluice__channel_speak(ch);
    return;
  }
  if (status < 0 || (events & UV_WRITABLE) != 0) {
    flush(ch);
  }
  if (ch->ops != NULL && (status < 0 || (events & UV_READABLE) != 0)) {
    sluice__channel_drain(ch);
  }
  sluice__channel_poll(ch);
  ch->busy_ns += uv_hrtime() - began;
}

static void on_late(uv_timer_t *timer) {
  sluice__channel_t *ch = timer->data;

  if (ch->ops != NULL) {
    ch->ops->late(ch->ctx);
  }
}

void sluice__channel_expect(sluice__channel_t *ch, bool on) {
  ch->is_expecting = on;
  if (on) {
    (void)uv_timer_start(&ch->timer, on_late, ch->timeout_ms, 0);
  } else {
    (void)uv_timer_stop(&ch->timer);
  }
}

void sluice__channel_expect_within(sluice__channel_t *ch, uint64_t ms) {
  ch->is_expecting = true;
  if (ms > 0) {
    (void)uv_timer_start(&ch->timer, on_late, ms, 0);
  } else {
    (void)uv_timer_stop(&ch->timer);
  }
}

void sluice__channel_hurry(sluice__channel_t *ch) {
  ch->is_expecting = true;
  (void)uv_timer_start(&ch->timer, on_late, 0, 0);
}

/* Nobody is called from inside a call: what was given up is told here. */
static void on_later(uv_idle_t *later) {
  sluice__channel_t *ch = later->data;

  (void)uv_idle_stop(later);
  if (ch->want == SLUICE__WANT_RELEASE) {
    ch->want = SLUICE__WANT_NOTHING;
    ch->want_cb(ch->want_ctx, UV_ECANCELED);
  }
  if (ch->cut_cb != NULL) {
    sluice__channel_finish_cut(ch);
  }
}

bool sluice__channel_is_read(const sluice__channel_t *ch) {
  return ch->want == SLUICE__WANT_BYTES || ch->want == SLUICE__WANT_WORD;
}

void sluice__channel_unread(sluice__channel_t *ch) {
  if (sluice__channel_is_read(ch)) {
    ch->want = SLUICE__WANT_RELEASE;
    (void)uv_idle_start(&ch->later, on_later);
  }
}

int sluice__channel_cut(sluice__channel_t *ch, sluice_sink_cb cb, void *ctx) {
  ch->cut_cb = cb;
  ch->cut_ctx = ctx;
  return uv_idle_start(&ch->later, on_later);
}

static int get_option(int fd, int name) {
  int value = 0;
  socklen_t len = sizeof(value);

  return getsockopt(fd, SOL_SOCKET, name, &value, &len) == 0 ? value : -1;
}

/* A duplicate that only we know. */
static int take_socket(int fd) {
  int bytes = SOCKET_BYTES;
  int copy;

  if (get_option(fd, SO_DOMAIN) != AF_UNIX ||
      get_option(fd, SO_TYPE) != SOCK_STREAM) {
    return UV_EINVAL;
  }
  copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (copy >= 0 && get_option(copy, SO_SNDBUF) < SOCKET_BYTES) {
    (void)setsockopt(copy, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
  }
  return copy >= 0 ? copy : uv_translate_sys_error(errno);
}

static int init_handles(sluice__channel_t *ch, uv_loop_t *loop) {
  int r = uv_poll_init(loop, &ch->poll, ch->fd);

  if (r < 0) {
    return r;
  }
  (void)uv_timer_init(loop, &ch->timer);
  (void)uv_idle_init(loop, &ch->later);
  ch->poll.data = ch;
  ch->timer.data = ch;
  ch->later.data = ch;
  ch->handles_open = 3;
  return 0;
}

int sluice__channel_open(sluice__channel_t **out, sluice_engine_t *engine,
                         int fd, uint32_t timeout_ms,
                         const sluice__channel_ops_t *ops, void *ctx) {
  sluice__channel_t *ch = engine->is_closing ? NULL : calloc(1, sizeof(*ch));
  int r;

  if (engine->is_closing) {
    return SLUICE_ESTATE;
  }
  if (ch == NULL) {
    return UV_ENOMEM;
  }
  r = take_socket(fd);
  if (r < 0) {
    free(ch);
    return r;
  }
  ch->fd = r;
  r = init_handles(ch, sluice_engine_loop(engine));
  if (r < 0) {
    (void)close(ch->fd);
    free(ch);
    return r;
  }
  ch->timeout_ms = timeout_ms;
  ch->ops = ops;
  ch->ctx = ctx;
  ch->engine = engine;
  ch->guest.leave = sluice__channel_leave;
  sluice__engine_join(engine, &ch->guest);
  sluice__channel_poll(ch);
  *out = ch;
  return 0;
}
