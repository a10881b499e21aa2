/* channel_in.c - takes messages apart.
 *
 * Descriptors come with the first byte of a message, so headers are read on
 * their own and with room for them; anywhere else they are an error. */
#include "handover/channel.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONTROL_BYTES = CMSG_SPACE(SLUICE__FRAME_FDS * sizeof(int)) };

void sluice__channel_drop_fds(sluice__channel_t *ch) {
  for (uint32_t i = 0; i < ch->fd_count; i++) {
    if (ch->fds[i] >= 0) {
      (void)close(ch->fds[i]);
    }
  }
  ch->fd_count = 0;
}

int sluice__channel_take_fd(sluice__channel_t *ch, uint32_t index) {
  int fd = index < ch->fd_count ? ch->fds[index] : -1;

  if (fd >= 0) {
    ch->fds[index] = -1;
  }
  return fd;
}

static void keep_fd(sluice__channel_t *ch, int fd) {
  if (ch->fd_count < SLUICE__FRAME_FDS) {
    ch->fds[ch->fd_count++] = fd;
  } else {
    (void)close(fd);
  }
}

static void keep_fds(sluice__channel_t *ch, struct msghdr *message) {
  for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL;
       c = CMSG_NXTHDR(message, c)) {
    const unsigned char *at = CMSG_DATA(c);

    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
      continue;
    }
    for (size_t left = c->cmsg_len - CMSG_LEN(0); left >= sizeof(int);
         left -= sizeof(int), at += sizeof(int)) {
      int fd;

      memcpy(&fd, at, sizeof(fd));
      keep_fd(ch, fd);
    }
  }
}

/* > 0 bytes, UV_EOF, UV_EAGAIN, or another error. */
static ptrdiff_t receive(int fd, struct msghdr *message, int flags) {
  ssize_t n;

  do {
    n = recvmsg(fd, message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC | flags);
  } while (n < 0 && errno == EINTR);
  if (n < 0) {
    return uv_translate_sys_error(errno);
  }
  return n == 0 ? UV_EOF : n;
}

static ptrdiff_t take(sluice__channel_t *ch, struct msghdr *message) {
  ptrdiff_t n = receive(ch->fd, message, 0);

  if (n > 0) {
    keep_fds(ch, message);
    ch->is_short_of_fds =
        ch->is_short_of_fds || (message->msg_flags & MSG_CTRUNC) != 0;
  }
  return n;
}

static ptrdiff_t take_header(sluice__channel_t *ch) {
  union {
    struct cmsghdr align;
    char bytes[CONTROL_BYTES];
  } control;
  struct iovec rest = {ch->header + ch->header_len,
                       SLUICE__FRAME_HEADER - ch->header_len};

  return take(ch, &(struct msghdr){.msg_iov = &rest,
                                   .msg_iovlen = 1,
                                   .msg_control = control.bytes,
                                   .msg_controllen = sizeof(control.bytes)});
}

static ptrdiff_t take_into(sluice__channel_t *ch, const struct iovec *places,
                           int count) {
  return take(ch, &(struct msghdr){.msg_iov = (struct iovec *)(uintptr_t)places,
                                   .msg_iovlen = (size_t)count});
}

static void end(sluice__channel_t *ch, int code, const sluice_error_t *err) {
  if (!ch->is_over) {
    ch->is_over = true;
    sluice__channel_drop_fds(ch);
    if (ch->ops != NULL) {
      ch->ops->ended(ch->ctx, code, err);
    }
  }
}

static int check_fds(const sluice__channel_t *ch, sluice_error_t *err) {
  struct rlimit limit = {0};

  if (ch->is_short_of_fds && ch->frame.fds > ch->fd_count) {
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    return sluice_fail(err, UV_EMFILE,
                       "no room for %u descriptors: the limit of open files "
                       "is %" PRIu64,
                       (unsigned)ch->frame.fds, (uint64_t)limit.rlim_cur);
  }
  if (ch->is_short_of_fds || ch->frame.fds != ch->fd_count) {
    return sluice_fail(err, SLUICE_ECORRUPT,
                       "expected %u descriptors, found %u",
                       (unsigned)ch->frame.fds, (unsigned)ch->fd_count);
  }
  return 0;
}

static int begin_payload(sluice__channel_t *ch, sluice_error_t *err) {
  int r = sluice__frame_get(&ch->frame, ch->header, ch->in_number, err);

  if (r == 0) {
    r = check_fds(ch, err);
  }
  if (r < 0) {
    return r;
  }
  ch->in_number++;
  ch->payload_len = 0;
  if (ch->frame.type == SLUICE__FRAME_STREAM) {
    if (!ch->takes_stream) {
      return sluice_fail(err, SLUICE_ECORRUPT,
                         "bytes of a stream from who has none to send");
    }
    ch->stream_left = ch->frame.len;
    ch->header_len = 0;
    return 0;
  }
  ch->payload = ch->frame.len <= sizeof(ch->small)
                    ? ch->small
                    : malloc(ch->frame.len); /* bounded by its type */
  return ch->payload != NULL
             ? 0
             : sluice_fail(err, UV_ENOMEM, "no memory for a message");
}

/* 1 the header is whole, or a code. */
static int read_header(sluice__channel_t *ch, sluice_error_t *err) {
  ptrdiff_t n;
  int r;

  while (ch->header_len < SLUICE__FRAME_HEADER) {
    n = take_header(ch);
    if (n < 0) {
      return (int)n;
    }
    ch->header_len += (size_t)n;
  }
  r = begin_payload(ch, err);
  return r < 0 ? r : 1;
}

static int read_payload(sluice__channel_t *ch) {
  while (ch->payload_len < ch->frame.len) {
    const struct iovec rest = {ch->payload + ch->payload_len,
                               ch->frame.len - ch->payload_len};
    ptrdiff_t n = take_into(ch, &rest, 1);

    if (n < 0) {
      return (int)n;
    }
    ch->payload_len += (size_t)n;
  }
  return 1;
}

void sluice__channel_free_payload(sluice__channel_t *ch, uint8_t *payload) {
  if (payload != ch->small) {
    free(payload);
  }
}

/* The callee may look for more: small[] has to be free. */
static void report(sluice__channel_t *ch) {
  uint8_t small[sizeof(ch->small)];
  uint8_t *payload = ch->payload;

  if (payload == ch->small) {
    memcpy(small, payload, ch->frame.len);
    payload = small;
  }
  ch->payload = NULL;
  ch->header_len = 0;
  ch->ops->message(ch->ctx, &ch->frame, payload);
  sluice__channel_drop_fds(ch);
  if (payload != small) {
    free(payload);
  }
}

/* How many of them the message at hand fills. */
static int count_filled(const struct iovec *places, int count, size_t left) {
  int n = 0;

  while (n < count && places[n].iov_len <= left) {
    left -= places[n++].iov_len;
  }
  return n;
}

/* Never beyond the message at hand. */
static ptrdiff_t take_stream(sluice__channel_t *ch, const struct iovec *places,
                             int count) {
  const struct iovec part = {places[0].iov_base, ch->stream_left};
  int filled = count_filled(places, count, ch->stream_left);
  ptrdiff_t n =
      filled > 0 ? take_into(ch, places, filled) : take_into(ch, &part, 1);

  if (n > 0) {
    ch->stream_left -= (uint32_t)n;
  }
  return n;
}

/* > 0 there are bytes, or a code as of receive(). What it says of descriptors
 * may be true of those of the next message only. */
static ptrdiff_t look_at_stream(const sluice__channel_t *ch) {
  uint8_t byte;
  struct iovec place = {&byte, sizeof(byte)};

  return receive(ch->fd, &(struct msghdr){.msg_iov = &place, .msg_iovlen = 1},
                 MSG_PEEK);
}

/* Of the message at hand: 1 go on, or a code. Who fetches bytes itself is told
 * only when there are some: an end is for `ended` to tell. */
static int read_stream(sluice__channel_t *ch) {
  const struct iovec place = {ch->want_buf, ch->want_len};
  bool fetches = ch->want == SLUICE__WANT_WORD;
  ptrdiff_t n;

  if (!sluice__channel_is_read(ch)) {
    return UV_EAGAIN;
  }
  n = fetches ? look_at_stream(ch) : take_stream(ch, &place, 1);
  if (n < 0) {
    return (int)n;
  }
  ch->want = SLUICE__WANT_NOTHING;
  ch->want_cb(ch->want_ctx, fetches ? UV_EAGAIN : n); /* may read again */
  return 1;
}

static int read_some(sluice__channel_t *ch, sluice_error_t *err) {
  int r;

  if (ch->stream_left > 0) {
    return read_stream(ch);
  }
  r = ch->payload != NULL ? 1 : read_header(ch, err);
  if (r == 1 && ch->payload != NULL) {
    r = read_payload(ch);
    if (r == 1) {
      report(ch);
    }
  }
  return r;
}

void sluice__channel_drain(sluice__channel_t *ch) {
  while (ch->ops != NULL && !ch->is_over) {
    sluice_error_t err = {0};
    int r = read_some(ch, &err);

    if (r == UV_EAGAIN) {
      break;
    }
    if (r < 0) {
      ch->is_unsure = r != UV_EOF && err.code == 0;
      end(ch, r, &err);
    }
  }
}

/* Bytes, UV_EOF, UV_EAGAIN or another error. */
static ptrdiff_t take_now(sluice__channel_t *ch, const struct iovec *places,
                          int count) {
  ptrdiff_t n = UV_EAGAIN;

  if (ch->is_over) {
    return UV_EOF;
  }
  if (ch->stream_left > 0) {
    n = take_stream(ch, places, count);
  }
  if (n != UV_EAGAIN) {
    sluice__channel_poll(ch); /* what follows is waited for again */
  }
  return n;
}

static void wait_for(sluice__channel_t *ch, sluice__want_t what,
                     sluice_source_cb cb, void *ctx) {
  ch->want = what;
  ch->want_cb = cb;
  ch->want_ctx = ctx;
  sluice__channel_poll(ch);
}

ptrdiff_t sluice__channel_read(sluice__channel_t *ch, void *buf, size_t len,
                               sluice_source_cb cb, void *ctx) {
  const struct iovec place = {buf, len};
  ptrdiff_t n = take_now(ch, &place, 1);

  if (n != UV_EAGAIN) {
    return n;
  }
  ch->want_buf = buf;
  ch->want_len = len;
  wait_for(ch, SLUICE__WANT_BYTES, cb, ctx);
  return 0;
}

ptrdiff_t sluice__channel_read_into(sluice__channel_t *ch,
                                    const struct iovec *places, int count,
                                    sluice_source_cb cb, void *ctx) {
  ptrdiff_t n = take_now(ch, places, count);

  if (n != UV_EAGAIN) {
    return n;
  }
  wait_for(ch, SLUICE__WANT_WORD, cb, ctx);
  return 0;
}

/* Where reading has failed for a moment there may be a word left. */
void sluice__channel_deafen(sluice__channel_t *ch) {
  if (ch->fd >= 0) {
    (void)shutdown(ch->fd, SHUT_RD);
    ch->is_over = ch->is_over && !ch->is_unsure;
    sluice__channel_drain(ch);
  }
}
