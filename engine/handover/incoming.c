/* incoming.c - takes messages apart. See incoming.h.
 *
 * Descriptors come with the first byte of a message, so headers are read on
 * their own and with room for them; anywhere else they are an error. */
#include "handover/incoming.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

enum { CONTROL_BYTES = CMSG_SPACE(SLUICE__FRAME_FDS * sizeof(int)) };

void sluice__incoming_init(sluice__incoming_t *in, int fd, bool takes_stream,
                           const sluice__incoming_ops_t *ops, void *ctx) {
  memset(in, 0, sizeof(*in));
  in->fd = fd;
  in->takes_stream = takes_stream;
  in->ops = ops;
  in->ctx = ctx;
}

static void drop_fds(sluice__incoming_t *in) {
  for (uint32_t i = 0; i < in->fd_count; i++) {
    if (in->fds[i] >= 0) {
      (void)close(in->fds[i]);
    }
  }
  in->fd_count = 0;
}

int sluice__incoming_take_fd(sluice__incoming_t *in, uint32_t index) {
  int fd = index < in->fd_count ? in->fds[index] : -1;

  if (fd >= 0) {
    in->fds[index] = -1;
  }
  return fd;
}

static void keep_fd(sluice__incoming_t *in, int fd) {
  if (in->fd_count < SLUICE__FRAME_FDS) {
    in->fds[in->fd_count++] = fd;
  } else {
    (void)close(fd);
  }
}

static void keep_fds(sluice__incoming_t *in, struct msghdr *message) {
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
      keep_fd(in, fd);
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

static ptrdiff_t take(sluice__incoming_t *in, struct msghdr *message) {
  ptrdiff_t n = receive(in->fd, message, 0);

  if (n > 0) {
    keep_fds(in, message);
    in->is_short_of_fds =
        in->is_short_of_fds || (message->msg_flags & MSG_CTRUNC) != 0;
  }
  return n;
}

static ptrdiff_t take_header(sluice__incoming_t *in) {
  union {
    struct cmsghdr align;
    char bytes[CONTROL_BYTES];
  } control;
  struct iovec rest = {in->header + in->header_len,
                       SLUICE__FRAME_HEADER - in->header_len};

  return take(in, &(struct msghdr){.msg_iov = &rest,
                                   .msg_iovlen = 1,
                                   .msg_control = control.bytes,
                                   .msg_controllen = sizeof(control.bytes)});
}

static ptrdiff_t take_into(sluice__incoming_t *in, const struct iovec *places,
                           int count) {
  return take(in, &(struct msghdr){.msg_iov = (struct iovec *)(uintptr_t)places,
                                   .msg_iovlen = (size_t)count});
}

static void end(sluice__incoming_t *in, int code, const sluice_error_t *err) {
  if (!in->is_over) {
    in->is_over = true;
    drop_fds(in);
    if (in->ops != NULL) {
      in->ops->ended(in->ctx, code, err);
    }
  }
}

static int check_fds(const sluice__incoming_t *in, sluice_error_t *err) {
  struct rlimit limit = {0};

  if (in->is_short_of_fds && in->frame.fds > in->fd_count) {
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    return sluice_fail(err, UV_EMFILE,
                       "no room for %u descriptors: the limit of open files "
                       "is %" PRIu64,
                       (unsigned)in->frame.fds, (uint64_t)limit.rlim_cur);
  }
  if (in->is_short_of_fds || in->frame.fds != in->fd_count) {
    return sluice_fail(err, SLUICE_ECORRUPT,
                       "expected %u descriptors, found %u",
                       (unsigned)in->frame.fds, (unsigned)in->fd_count);
  }
  return 0;
}

static int begin_payload(sluice__incoming_t *in, sluice_error_t *err) {
  int r = sluice__frame_get(&in->frame, in->header, in->number, err);

  if (r == 0) {
    r = check_fds(in, err);
  }
  if (r < 0) {
    return r;
  }
  in->number++;
  in->payload_len = 0;
  if (in->frame.type == SLUICE__FRAME_STREAM) {
    if (!in->takes_stream) {
      return sluice_fail(err, SLUICE_ECORRUPT,
                         "bytes of a stream from who has none to send");
    }
    in->stream_left = in->frame.len;
    in->header_len = 0;
    return 0;
  }
  in->payload = in->frame.len <= sizeof(in->small)
                    ? in->small
                    : malloc(in->frame.len); /* bounded by its type */
  return in->payload != NULL
             ? 0
             : sluice_fail(err, UV_ENOMEM, "no memory for a message");
}

/* 1 the header is whole, or a code. */
static int read_header(sluice__incoming_t *in, sluice_error_t *err) {
  ptrdiff_t n;
  int r;

  while (in->header_len < SLUICE__FRAME_HEADER) {
    n = take_header(in);
    if (n < 0) {
      return (int)n;
    }
    in->header_len += (size_t)n;
  }
  r = begin_payload(in, err);
  return r < 0 ? r : 1;
}

static int read_payload(sluice__incoming_t *in) {
  while (in->payload_len < in->frame.len) {
    const struct iovec rest = {in->payload + in->payload_len,
                               in->frame.len - in->payload_len};
    ptrdiff_t n = take_into(in, &rest, 1);

    if (n < 0) {
      return (int)n;
    }
    in->payload_len += (size_t)n;
  }
  return 1;
}

/* The callee may look for more: small[] has to be free. */
static void report(sluice__incoming_t *in) {
  uint8_t small[sizeof(in->small)];
  uint8_t *payload = in->payload;

  if (payload == in->small) {
    memcpy(small, payload, in->frame.len);
    payload = small;
  }
  in->payload = NULL;
  in->header_len = 0;
  in->ops->message(in->ctx, &in->frame, payload);
  drop_fds(in);
  if (payload != small) {
    free(payload);
  }
}

bool sluice__incoming_is_read(const sluice__incoming_t *in) {
  return in->want == SLUICE__WANT_BYTES || in->want == SLUICE__WANT_WORD;
}

bool sluice__incoming_wants(const sluice__incoming_t *in) {
  bool is_full = in->stream_left > 0 && !sluice__incoming_is_read(in);

  return !in->is_over && !is_full;
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
static ptrdiff_t take_stream(sluice__incoming_t *in, const struct iovec *places,
                             int count) {
  const struct iovec part = {places[0].iov_base, in->stream_left};
  int filled = count_filled(places, count, in->stream_left);
  ptrdiff_t n =
      filled > 0 ? take_into(in, places, filled) : take_into(in, &part, 1);

  if (n > 0) {
    in->stream_left -= (uint32_t)n;
  }
  return n;
}

/* > 0 there are bytes, or a code as of receive(). What it says of descriptors
 * may be true of those of the next message only. */
static ptrdiff_t look_at_stream(const sluice__incoming_t *in) {
  uint8_t byte;
  struct iovec place = {&byte, sizeof(byte)};

  return receive(in->fd, &(struct msghdr){.msg_iov = &place, .msg_iovlen = 1},
                 MSG_PEEK);
}

/* Of the message at hand: 1 go on, or a code. Who fetches bytes itself is told
 * only when there are some: an end is for `ended` to tell. */
static int read_stream(sluice__incoming_t *in) {
  const struct iovec place = {in->want_buf, in->want_len};
  bool fetches = in->want == SLUICE__WANT_WORD;
  ptrdiff_t n;

  if (!sluice__incoming_is_read(in)) {
    return UV_EAGAIN;
  }
  n = fetches ? look_at_stream(in) : take_stream(in, &place, 1);
  if (n < 0) {
    return (int)n;
  }
  in->want = SLUICE__WANT_NOTHING;
  in->want_cb(in->want_ctx, fetches ? UV_EAGAIN : n); /* may read again */
  return 1;
}

static int read_some(sluice__incoming_t *in, sluice_error_t *err) {
  int r;

  if (in->stream_left > 0) {
    return read_stream(in);
  }
  r = in->payload != NULL ? 1 : read_header(in, err);
  if (r == 1 && in->payload != NULL) {
    r = read_payload(in);
    if (r == 1) {
      report(in);
    }
  }
  return r;
}

void sluice__incoming_drain(sluice__incoming_t *in) {
  while (in->ops != NULL && !in->is_over) {
    sluice_error_t err = {0};
    int r = read_some(in, &err);

    if (r == UV_EAGAIN) {
      break;
    }
    if (r < 0) {
      in->is_unsure = r != UV_EOF && err.code == 0;
      end(in, r, &err);
    }
  }
}

/* Bytes, UV_EOF, UV_EAGAIN or another error. */
static ptrdiff_t take_now(sluice__incoming_t *in, const struct iovec *places,
                          int count) {
  ptrdiff_t n = UV_EAGAIN;

  if (in->is_over) {
    return UV_EOF;
  }
  if (in->stream_left > 0) {
    n = take_stream(in, places, count);
  }
  return n;
}

static void wait_for(sluice__incoming_t *in, sluice__want_t what,
                     sluice_source_cb cb, void *ctx) {
  in->want = what;
  in->want_cb = cb;
  in->want_ctx = ctx;
}

ptrdiff_t sluice__incoming_read(sluice__incoming_t *in, void *buf, size_t len,
                                sluice_source_cb cb, void *ctx) {
  const struct iovec place = {buf, len};
  ptrdiff_t n = take_now(in, &place, 1);

  if (n != UV_EAGAIN) {
    return n;
  }
  in->want_buf = buf;
  in->want_len = len;
  wait_for(in, SLUICE__WANT_BYTES, cb, ctx);
  return 0;
}

ptrdiff_t sluice__incoming_read_into(sluice__incoming_t *in,
                                     const struct iovec *places, int count,
                                     sluice_source_cb cb, void *ctx) {
  ptrdiff_t n = take_now(in, places, count);

  if (n != UV_EAGAIN) {
    return n;
  }
  wait_for(in, SLUICE__WANT_WORD, cb, ctx);
  return 0;
}

bool sluice__incoming_unread(sluice__incoming_t *in) {
  bool was_read = sluice__incoming_is_read(in);

  if (was_read) {
    in->want = SLUICE__WANT_RELEASE;
  }
  return was_read;
}

void sluice__incoming_release(sluice__incoming_t *in) {
  if (in->want == SLUICE__WANT_RELEASE) {
    in->want = SLUICE__WANT_NOTHING;
    in->want_cb(in->want_ctx, UV_ECANCELED);
  }
}

bool sluice__incoming_is_between(const sluice__incoming_t *in) {
  return in->header_len == 0;
}

/* Where reading has failed for a moment there may be a word left. */
void sluice__incoming_shutdown(sluice__incoming_t *in) {
  (void)shutdown(in->fd, SHUT_RD);
  in->is_over = in->is_over && !in->is_unsure;
  sluice__incoming_drain(in);
}

void sluice__incoming_mute(sluice__incoming_t *in) {
  in->ops = NULL;
  in->is_over = true;
}

void sluice__incoming_close(sluice__incoming_t *in) {
  in->ops = NULL;
  drop_fds(in);
  if (in->payload != in->small) {
    free(in->payload);
  }
  in->payload = NULL;
}
