/* channel.c - life: polling, the deadline, the last word and closing. See
 * channel.h. */
#include "handover/channel.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "handover/incoming.h"
#include "handover/outgoing.h"

/* Of a unix socket: one chunk of the stream. poll_writer.c says why. */
enum { SOCKET_BYTES = 1024 * 1024 };

enum { AGAIN_MS = 50 }; /* between two tries of the last word */

struct sluice__channel_s {
  sluice__guest_t guest; /* first: on_leave() gets this */
  sluice_engine_t *engine;
  uv_poll_t poll;
  uv_timer_t timer;
  uv_idle_t later;
  int handles_open;
  int fd;                           /* -1: closed */
  const sluice__channel_ops_t *ops; /* NULL: nobody is called any more */
  void *ctx;
  uint64_t timeout_ms;
  bool is_expecting; /* an answer: the deadline does not move */
  bool insists;      /* on its last word */
  uint64_t busy_ns;  /* spent in callbacks on the loop */
  sluice__incoming_t in;
  sluice__outgoing_t out;
  sluice_sink_cb abort_cb; /* of the stream, while it is owed */
  void *abort_ctx;
};

static void on_poll(uv_poll_t *poll, int status, int events);

static void on_handle_closed(uv_handle_t *handle) {
  sluice__channel_t *ch = handle->data;

  if (--ch->handles_open == 0) {
    free(ch);
  }
}

/* Of the socket nothing is left here; the peer is not told. */
static void part(sluice__channel_t *ch) {
  ch->ops = NULL;
  sluice__incoming_close(&ch->in);
  sluice__outgoing_drop(&ch->out);
  (void)close(ch->fd);
  ch->fd = -1;
  sluice__engine_part(ch->engine, &ch->guest);
}

void sluice__channel_close(sluice__channel_t *ch) {
  assert(ch->fd >= 0); /* each owner closes its own, once */
  uv_close((uv_handle_t *)&ch->poll, on_handle_closed);
  uv_close((uv_handle_t *)&ch->timer, on_handle_closed);
  uv_close((uv_handle_t *)&ch->later, on_handle_closed);
  part(ch);
  sluice__engine_left(ch->engine);
}

/* What is polled for is what the two halves want. */
static void poll_again(sluice__channel_t *ch) {
  int events;

  if (ch->fd < 0) {
    return;
  }
  events = (sluice__incoming_wants(&ch->in) ? UV_READABLE : 0) |
           (sluice__outgoing_wants(&ch->out) ? UV_WRITABLE : 0);
  if (events == 0) {
    (void)uv_poll_stop(&ch->poll);
  } else {
    (void)uv_poll_start(&ch->poll, events, on_poll);
  }
}

/* ---- the deadline ---- */

static void on_late(uv_timer_t *timer) {
  sluice__channel_t *ch = timer->data;

  if (ch->ops != NULL) {
    ch->ops->late(ch->ctx);
  }
}

static void set_deadline(sluice__channel_t *ch, bool on) {
  if (on) {
    (void)uv_timer_start(&ch->timer, on_late, ch->timeout_ms, 0);
  } else {
    (void)uv_timer_stop(&ch->timer);
  }
}

void sluice__channel_expect(sluice__channel_t *ch, bool on) {
  ch->is_expecting = on;
  set_deadline(ch, on);
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

/* The deadline for what is on its way moves with every byte that goes. */
void sluice__channel_watch(sluice__channel_t *ch) {
  bool is_waiting = sluice__outgoing_wants(&ch->out);

  if (ch->is_expecting || ch->ops == NULL) {
    return;
  }
  if (sluice__outgoing_has_moved(&ch->out) || !is_waiting ||
      !uv_is_active((uv_handle_t *)&ch->timer)) {
    set_deadline(ch, is_waiting);
  }
}

/* ---- the last word ---- */

static bool is_peer_gone(const sluice__channel_t *ch) {
  struct pollfd p = {.fd = ch->fd};

  return poll(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLNVAL)) != 0;
}

/* True: what can be said was. */
static bool try_to_speak(sluice__channel_t *ch) {
  int r = UV_EAGAIN;

  sluice__outgoing_flush(&ch->out);
  if (!sluice__outgoing_has_messages(&ch->out)) {
    r = sluice__outgoing_say(&ch->out);
  }
  if (r == UV_EAGAIN && (sluice__outgoing_has_messages(&ch->out) ||
                         sluice__outgoing_wants(&ch->out))) {
    poll_again(ch);
    return false;
  }
  return r == 1 || !ch->insists || is_peer_gone(ch);
}

static void speak(sluice__channel_t *ch) {
  if (try_to_speak(ch) || ch->engine->is_closing) {
    sluice__channel_close(ch);
  }
}

static void on_again(uv_timer_t *timer) {
  speak(timer->data);
}

void sluice__channel_shutdown(sluice__channel_t *ch, const void *words,
                              size_t len, bool insists) {
  ch->ops = NULL;
  sluice__incoming_mute(&ch->in);
  ch->insists = insists;
  (void)uv_timer_stop(&ch->timer);
  if (words != NULL) {
    sluice__outgoing_set_words(&ch->out, words, len);
  }
  /* It must not keep the host alive. */
  uv_unref((uv_handle_t *)&ch->poll);
  uv_unref((uv_handle_t *)&ch->timer);
  (void)uv_timer_start(&ch->timer, on_again, AGAIN_MS, AGAIN_MS);
  speak(ch);
}

/* The engine closes: no patience. First in the struct. */
static void on_leave(sluice__guest_t *guest) {
  sluice__channel_t *ch = (sluice__channel_t *)(void *)guest;

  if (ch->ops == NULL) {
    speak(ch);
  } else if (ch->ops->leave != NULL) {
    ch->ops->leave(ch->ctx);
  }
}

/* First in the struct. One that is shut down has no owner any more. */
static void on_abandon(sluice__guest_t *guest) {
  sluice__channel_t *ch = (sluice__channel_t *)(void *)guest;
  const sluice__channel_ops_t *ops = ch->ops;
  void *ctx = ch->ctx;

  part(ch);
  free(ch);
  if (ops != NULL) {
    ops->abandon(ctx);
  }
}

/* ---- the loop ---- */

static void flush(sluice__channel_t *ch) {
  bool had = sluice__outgoing_has_messages(&ch->out);

  sluice__outgoing_flush(&ch->out);
  sluice__channel_watch(ch);
  if (had && sluice__outgoing_is_sent(&ch->out) && ch->ops != NULL &&
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
    speak(ch);
    return;
  }
  if (status < 0 || (events & UV_WRITABLE) != 0) {
    flush(ch);
  }
  if (ch->ops != NULL && (status < 0 || (events & UV_READABLE) != 0)) {
    sluice__incoming_drain(&ch->in);
  }
  poll_again(ch);
  ch->busy_ns += uv_hrtime() - began;
}

/* Nobody is called from inside a call: what was given up is told here. */
static void on_later(uv_idle_t *later) {
  sluice__channel_t *ch = later->data;
  sluice_sink_cb abort_cb;

  (void)uv_idle_stop(later);
  sluice__incoming_release(&ch->in);
  abort_cb = ch->abort_cb;
  if (abort_cb != NULL) {
    ch->abort_cb = NULL;
    sluice__outgoing_abort_stream(&ch->out);
    sluice__channel_watch(ch);
    abort_cb(ch->abort_ctx, 0);
  }
}

/* ---- in ---- */

static void on_message(void *ctx, const sluice__frame_t *frame,
                       const uint8_t *payload) {
  const sluice__channel_t *ch = ctx;

  ch->ops->message(ch->ctx, frame, payload);
}

static void on_ended(void *ctx, int code, const sluice_error_t *err) {
  const sluice__channel_t *ch = ctx;

  ch->ops->ended(ch->ctx, code, err);
}

static const sluice__incoming_ops_t incoming_ops = {.message = on_message,
                                                    .ended = on_ended};

ptrdiff_t sluice__channel_read(sluice__channel_t *ch, void *buf, size_t len,
                               sluice_source_cb cb, void *ctx) {
  ptrdiff_t n = sluice__incoming_read(&ch->in, buf, len, cb, ctx);

  poll_again(ch); /* for this, or what follows it */
  return n;
}

ptrdiff_t sluice__channel_read_into(sluice__channel_t *ch,
                                    const struct iovec *places, int count,
                                    sluice_source_cb cb, void *ctx) {
  ptrdiff_t n = sluice__incoming_read_into(&ch->in, places, count, cb, ctx);

  poll_again(ch);
  return n;
}

bool sluice__channel_is_read(const sluice__channel_t *ch) {
  return sluice__incoming_is_read(&ch->in);
}

void sluice__channel_unread(sluice__channel_t *ch) {
  if (sluice__incoming_unread(&ch->in)) {
    (void)uv_idle_start(&ch->later, on_later);
  }
}

int sluice__channel_take_fd(sluice__channel_t *ch, uint32_t index) {
  return sluice__incoming_take_fd(&ch->in, index);
}

bool sluice__channel_is_between(const sluice__channel_t *ch) {
  return sluice__incoming_is_between(&ch->in);
}

void sluice__channel_shutdown_read(sluice__channel_t *ch) {
  if (ch->fd >= 0) {
    sluice__incoming_shutdown(&ch->in);
  }
}

/* ---- out ---- */

/* `r`: 0 is on its way. */
static int posted(sluice__channel_t *ch, int r) {
  if (r == 0) {
    sluice__channel_watch(ch);
    poll_again(ch);
  }
  return r;
}

int sluice__channel_send(sluice__channel_t *ch, sluice__frame_type_t type,
                         const void *payload, size_t len) {
  int r =
      posted(ch, sluice__outgoing_send(&ch->out, type, payload, len, NULL, 0));

  return r < 0 ? r : 0;
}

int sluice__channel_send_fds(sluice__channel_t *ch, const void *payload,
                             size_t len, const int *fds, uint32_t count) {
  int r = posted(ch, sluice__outgoing_send(&ch->out, SLUICE__FRAME_PASS,
                                           payload, len, fds, count));

  return r < 0 ? r : 0;
}

int sluice__channel_write(sluice__channel_t *ch, const void *data, size_t len,
                          sluice_sink_cb cb, void *ctx) {
  return posted(ch, sluice__outgoing_write(&ch->out, data, len, cb, ctx));
}

int sluice__channel_abort_stream(sluice__channel_t *ch, sluice_sink_cb cb,
                                 void *ctx) {
  ch->abort_cb = cb;
  ch->abort_ctx = ctx;
  return uv_idle_start(&ch->later, on_later);
}

void sluice__channel_tear(sluice__channel_t *ch) {
  sluice__outgoing_tear(&ch->out);
}

bool sluice__channel_is_sent(const sluice__channel_t *ch) {
  return sluice__outgoing_is_sent(&ch->out);
}

uint64_t sluice__channel_busy_ns(const sluice__channel_t *ch) {
  return ch == NULL ? 0 : ch->busy_ns;
}

/* ---- life ---- */

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

const char *sluice__channel_why(int code) {
  return code == UV_EINVAL ? "the socket is not a unix stream socket"
                           : sluice_strerror(code);
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
  sluice__incoming_init(&ch->in, ch->fd, ops->takes_stream, &incoming_ops, ch);
  sluice__outgoing_init(&ch->out, ch->fd);
  ch->timeout_ms = timeout_ms;
  ch->ops = ops;
  ch->ctx = ctx;
  ch->engine = engine;
  ch->guest.leave = on_leave;
  ch->guest.abandon = on_abandon;
  sluice__engine_join(engine, &ch->guest);
  poll_again(ch);
  *out = ch;
  return 0;
}
