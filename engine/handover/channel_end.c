/* channel_end.c - the last word on a channel, and its end.
 *
 * A peer takes the end of the input for death unless it is told otherwise. So
 * the last word takes no memory, comes after whatever else could not be sent,
 * and is tried again when the kernel refuses it; meanwhile the socket stays
 * open. Where a message was torn there is nothing left to say, nor need there
 * be: only the stream is long, and without its end nobody takes over. */
#include "handover/channel.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

enum { AGAIN_MS = 50 };

static bool is_peer_gone(const sluice__channel_t *ch) {
  struct pollfd p = {.fd = ch->fd};

  return poll(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLNVAL)) != 0;
}

static ssize_t put(const sluice__channel_t *ch) {
  struct iovec iov = {(void *)(uintptr_t)(ch->words + ch->words_sent),
                      ch->words_len - ch->words_sent};
  const struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

  return sendmsg(ch->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* 1 all is said, UV_EAGAIN, or another error. */
static int say(sluice__channel_t *ch) {
  const sluice__frame_t frame = {
      .type = SLUICE__FRAME_FAIL,
      .len = (uint32_t)(ch->words_len - SLUICE__FRAME_HEADER)};

  while (ch->words_sent < ch->words_len) {
    ssize_t n;

    if (ch->words_sent == 0) {
      sluice__frame_put(ch->words, &frame, ch->out_number);
    }
    n = put(ch);
    if (n < 0 && errno != EINTR) {
      return uv_translate_sys_error(errno);
    }
    ch->words_sent += n > 0 ? (size_t)n : 0;
  }
  return 1;
}

static void on_again(uv_timer_t *timer) {
  sluice__channel_speak(timer->data);
}

/* True: what can be said was. */
static bool try_to_speak(sluice__channel_t *ch) {
  int r;

  sluice__channel_flush(ch);
  if (ch->first != NULL) {
    sluice__channel_poll(ch);
    return false;
  }
  r = ch->is_torn ? 1 : say(ch);
  if (r == UV_EAGAIN && ch->out_code == 0) {
    sluice__channel_poll(ch);
    return false;
  }
  return r == 1 || !ch->insists || is_peer_gone(ch);
}

void sluice__channel_speak(sluice__channel_t *ch) {
  if (try_to_speak(ch) || ch->engine->is_closing) {
    sluice__channel_close(ch);
  }
}

void sluice__channel_farewell(sluice__channel_t *ch, const void *words,
                              size_t len, bool insists) {
  ch->ops = NULL;
  ch->is_over = true;
  ch->insists = insists;
  (void)uv_timer_stop(&ch->timer);
  if (words != NULL) {
    memcpy(ch->words + SLUICE__FRAME_HEADER, words, len);
    ch->words_len = SLUICE__FRAME_HEADER + len;
  }
  /* It must not keep the host alive. */
  uv_unref((uv_handle_t *)&ch->poll);
  uv_unref((uv_handle_t *)&ch->timer);
  (void)uv_timer_start(&ch->timer, on_again, AGAIN_MS, AGAIN_MS);
  sluice__channel_speak(ch);
}

/* First in the struct. */
void sluice__channel_leave(sluice__guest_t *guest) {
  sluice__channel_t *ch = (sluice__channel_t *)(void *)guest;

  if (ch->ops == NULL) {
    sluice__channel_speak(ch);
  } else if (ch->ops->leave != NULL) {
    ch->ops->leave(ch->ctx);
  }
}
