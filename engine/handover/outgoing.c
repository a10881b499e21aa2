/* outgoing.c - sends messages in order. See outgoing.h.
 *
 * What the socket does not take at once waits its turn. Descriptors go with the
 * first byte of their message and are borrowed until then. After an error no
 * message is sent any more, but for the last word, unless one was begun. */
#include "handover/outgoing.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <uv.h>

struct sluice__parcel_s {
  sluice__parcel_t *next;
  sluice__frame_t frame;
  uint8_t header[SLUICE__FRAME_HEADER]; /* once it is begun */
  const uint8_t *data;                  /* own[], or the stream's */
  size_t len;
  size_t sent; /* of header and data */
  int fds[SLUICE__FRAME_FDS];
  sluice_sink_cb cb; /* of STREAM */
  void *ctx;
  uint8_t own[];
};

void sluice__outgoing_init(sluice__outgoing_t *out, int fd) {
  memset(out, 0, sizeof(*out));
  out->fd = fd;
}

static void add_fds(const sluice__parcel_t *p, struct msghdr *message,
                    void *control) {
  size_t bytes = p->frame.fds * sizeof(int);
  struct cmsghdr *c;

  message->msg_control = control;
  message->msg_controllen = CMSG_SPACE(bytes);
  c = CMSG_FIRSTHDR(message);
  assert(c != NULL); /* `control` has room for a header */
  c->cmsg_level = SOL_SOCKET;
  c->cmsg_type = SCM_RIGHTS;
  c->cmsg_len = CMSG_LEN(bytes);
  memcpy(CMSG_DATA(c), p->fds, bytes);
}

static struct iovec piece(const uint8_t *data, size_t len) {
  return (struct iovec){(void *)(uintptr_t)data, len};
}

static ssize_t put(const sluice__outgoing_t *out, const sluice__parcel_t *p) {
  union {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(SLUICE__FRAME_FDS * sizeof(int))];
  } control;
  size_t skip = p->sent < SLUICE__FRAME_HEADER
                    ? 0
                    : p->sent - (size_t)SLUICE__FRAME_HEADER;
  struct iovec iov[2] = {piece(p->data + skip, p->len - skip), {NULL, 0}};
  struct msghdr message = {.msg_iov = iov, .msg_iovlen = 1};
  ssize_t n;

  if (p->sent < SLUICE__FRAME_HEADER) {
    iov[1] = iov[0];
    iov[0] = piece(p->header + p->sent, SLUICE__FRAME_HEADER - p->sent);
    message.msg_iovlen = 2;
  }
  if (p->sent == 0 && p->frame.fds > 0) {
    memset(&control, 0, sizeof(control));
    add_fds(p, &message, control.bytes);
  }
  do {
    n = sendmsg(out->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (n < 0 && errno == EINTR);
  return n < 0 ? uv_translate_sys_error(errno) : n;
}

/* 1 all of it went, UV_EAGAIN, or another error. What is begun has a number:
 * what is given up before leaves no gap. */
static int put_parcel(sluice__outgoing_t *out, sluice__parcel_t *p) {
  while (p->sent < SLUICE__FRAME_HEADER + p->len) {
    ssize_t n;

    if (p->sent == 0) {
      sluice__frame_put(p->header, &p->frame, out->number);
    }
    n = put(out, p);
    if (n < 0) {
      return (int)n;
    }
    out->number += p->sent == 0;
    out->has_moved = true;
    p->sent += (size_t)n;
  }
  return 1;
}

static sluice__parcel_t *new_parcel(const sluice__frame_t *frame,
                                    const void *payload, bool is_lent) {
  sluice__parcel_t *p = malloc(sizeof(*p) + (is_lent ? 0 : frame->len));

  if (p == NULL) {
    return NULL;
  }
  memset(p, 0, offsetof(sluice__parcel_t, fds));
  p->cb = NULL;
  p->ctx = NULL;
  p->frame = *frame;
  p->len = frame->len;
  p->data = is_lent ? payload : p->own;
  if (!is_lent && frame->len > 0) {
    memcpy(p->own, payload, frame->len);
  }
  return p;
}

static void append(sluice__outgoing_t *out, sluice__parcel_t *p) {
  if (out->first == NULL) {
    out->first = p;
  } else {
    out->last->next = p;
  }
  out->last = p;
}

/* It is not sent, nor what comes after it. */
static void lose(sluice__outgoing_t *out, const sluice__parcel_t *p, int code) {
  if (out->code == 0) {
    out->code = code;
  }
  out->is_torn = out->is_torn || p->sent > 0;
}

/* 1 sent, 0 on its way, or an error; `p` is gone but for 0. */
static int post(sluice__outgoing_t *out, sluice__parcel_t *p) {
  int r = out->code;

  if (r == 0) {
    r = out->first == NULL ? put_parcel(out, p) : UV_EAGAIN;
  }
  if (r == UV_EAGAIN) {
    append(out, p);
    return 0;
  }
  if (r < 0) {
    lose(out, p, r);
  }
  free(p);
  return r;
}

/* One that is left out would be missed. */
static int fail_out(sluice__outgoing_t *out) {
  if (out->code == 0) {
    out->code = UV_ENOMEM;
  }
  return out->code;
}

int sluice__outgoing_send(sluice__outgoing_t *out, sluice__frame_type_t type,
                          const void *payload, size_t len, const int *fds,
                          uint32_t fd_count) {
  const sluice__frame_t frame = {
      .type = type, .len = (uint32_t)len, .fds = fd_count};
  sluice__parcel_t *p = new_parcel(&frame, payload, false);

  if (p == NULL) {
    return fail_out(out);
  }
  if (fd_count > 0) {
    memcpy(p->fds, fds, fd_count * sizeof(int));
  }
  return post(out, p);
}

int sluice__outgoing_write(sluice__outgoing_t *out, const void *data,
                           size_t len, sluice_sink_cb cb, void *ctx) {
  const sluice__frame_t frame = {.type = SLUICE__FRAME_STREAM,
                                 .len = (uint32_t)len};
  sluice__parcel_t *p = new_parcel(&frame, data, true);

  if (p == NULL) {
    return fail_out(out);
  }
  p->cb = cb;
  p->ctx = ctx;
  return post(out, p);
}

static sluice__parcel_t *pop(sluice__outgoing_t *out) {
  sluice__parcel_t *p = out->first;

  out->first = p->next;
  if (out->first == NULL) {
    out->last = NULL;
  }
  return p;
}

/* Tells whose bytes they are, if they are somebody's. */
static void retire(sluice__parcel_t *p, int status) {
  sluice_sink_cb cb = p->cb;
  void *ctx = p->ctx;

  free(p);
  if (cb != NULL) {
    cb(ctx, status);
  }
}

void sluice__outgoing_flush(sluice__outgoing_t *out) {
  while (out->first != NULL) {
    int r = out->code < 0 ? out->code : put_parcel(out, out->first);

    if (r == UV_EAGAIN) {
      break;
    }
    if (r < 0) {
      lose(out, out->first, r);
    }
    retire(pop(out), r < 0 ? r : 0);
  }
}

/* A message that has begun cannot be taken back: with it the channel is torn.
 */
void sluice__outgoing_abort_stream(sluice__outgoing_t *out) {
  sluice__parcel_t **at = &out->first;

  out->last = NULL;
  while (*at != NULL) {
    sluice__parcel_t *p = *at;

    if (p->frame.type != SLUICE__FRAME_STREAM) {
      out->last = p;
      at = &p->next;
      continue;
    }
    if (p->sent > 0) {
      lose(out, p, UV_ECANCELED);
    }
    *at = p->next;
    retire(p, UV_ECANCELED);
  }
}

void sluice__outgoing_tear(sluice__outgoing_t *out) {
  sluice__outgoing_drop(out);
  out->is_torn = true;
  if (out->code == 0) {
    out->code = UV_ECANCELED;
  }
}

void sluice__outgoing_drop(sluice__outgoing_t *out) {
  while (out->first != NULL) {
    free(pop(out));
  }
}

bool sluice__outgoing_has_messages(const sluice__outgoing_t *out) {
  return out->first != NULL;
}

bool sluice__outgoing_is_sent(const sluice__outgoing_t *out) {
  return out->first == NULL && out->code == 0;
}

bool sluice__outgoing_wants(const sluice__outgoing_t *out) {
  return out->code == 0 &&
         (out->first != NULL || out->words_sent < out->words_len);
}

bool sluice__outgoing_has_moved(sluice__outgoing_t *out) {
  bool has_moved = out->has_moved;

  out->has_moved = false;
  return has_moved;
}

/* ---- the last word ---- */

void sluice__outgoing_set_words(sluice__outgoing_t *out, const void *words,
                                size_t len) {
  memcpy(out->words + SLUICE__FRAME_HEADER, words, len);
  out->words_len = SLUICE__FRAME_HEADER + len;
}

static ssize_t put_words(const sluice__outgoing_t *out) {
  struct iovec rest =
      piece(out->words + out->words_sent, out->words_len - out->words_sent);
  const struct msghdr message = {.msg_iov = &rest, .msg_iovlen = 1};

  return sendmsg(out->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

int sluice__outgoing_say(sluice__outgoing_t *out) {
  const sluice__frame_t frame = {
      .type = SLUICE__FRAME_FAIL,
      .len = (uint32_t)(out->words_len - SLUICE__FRAME_HEADER)};

  while (!out->is_torn && out->words_sent < out->words_len) {
    ssize_t n;

    if (out->words_sent == 0) {
      sluice__frame_put(out->words, &frame, out->number);
    }
    n = put_words(out);
    if (n < 0 && errno != EINTR) {
      return uv_translate_sys_error(errno);
    }
    out->words_sent += n > 0 ? (size_t)n : 0;
  }
  return 1;
}
