/* channel_out.c - sends messages in order.
 *
 * What the socket does not take at once waits its turn. Descriptors go with the
 * first byte of their message and are borrowed until then. After an error no
 * message is sent any more, but for the last word (channel_end.c), unless one
 * was begun. */
#include "handover/channel.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

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

static ssize_t put(const sluice__channel_t *ch, const sluice__parcel_t *p) {
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
    n = sendmsg(ch->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (n < 0 && errno == EINTR);
  return n < 0 ? uv_translate_sys_error(errno) : n;
}

/* 1 all of it went, UV_EAGAIN, or another error. What is begun has a number:
 * what is given up before leaves no gap. */
static int put_parcel(sluice__channel_t *ch, sluice__parcel_t *p) {
  while (p->sent < SLUICE__FRAME_HEADER + p->len) {
    ssize_t n;

    if (p->sent == 0) {
      sluice__frame_put(p->header, &p->frame, ch->out_number);
    }
    n = put(ch, p);
    if (n < 0) {
      return (int)n;
    }
    ch->out_number += p->sent == 0;
    ch->has_moved = true;
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

/* The deadline for what is on its way moves with every byte that goes. */
void sluice__channel_watch(sluice__channel_t *ch) {
  bool is_waiting = ch->first != NULL && ch->out_code == 0;

  if (ch->is_expecting || ch->ops == NULL) {
    return;
  }
  if (!is_waiting || ch->has_moved ||
      !uv_is_active((uv_handle_t *)&ch->timer)) {
    sluice__channel_expect(ch, is_waiting);
    ch->is_expecting = false;
    ch->has_moved = false;
  }
}

static void append(sluice__channel_t *ch, sluice__parcel_t *p) {
  if (ch->first == NULL) {
    ch->first = p;
  } else {
    ch->last->next = p;
  }
  ch->last = p;
  sluice__channel_watch(ch);
  sluice__channel_poll(ch);
}

/* It is not sent, nor what comes after it. */
static void lose(sluice__channel_t *ch, const sluice__parcel_t *p, int code) {
  if (ch->out_code == 0) {
    ch->out_code = code;
  }
  ch->is_torn = ch->is_torn || p->sent > 0;
}

/* 1 sent, 0 on its way, or an error; `p` is gone but for 0. */
static int post(sluice__channel_t *ch, sluice__parcel_t *p) {
  int r = ch->out_code;

  if (r == 0) {
    r = ch->first == NULL ? put_parcel(ch, p) : UV_EAGAIN;
  }
  if (r == UV_EAGAIN) {
    append(ch, p);
    return 0;
  }
  if (r < 0) {
    lose(ch, p, r);
  }
  free(p);
  return r;
}

/* One that is left out would be missed. */
static int fail_out(sluice__channel_t *ch) {
  if (ch->out_code == 0) {
    ch->out_code = UV_ENOMEM;
  }
  return ch->out_code;
}

int sluice__channel_send(sluice__channel_t *ch, sluice__frame_type_t type,
                         const void *payload, size_t len) {
  const sluice__frame_t frame = {.type = type, .len = (uint32_t)len};
  sluice__parcel_t *p = new_parcel(&frame, payload, false);
  int r = p == NULL ? fail_out(ch) : post(ch, p);

  return r < 0 ? r : 0;
}

int sluice__channel_send_fds(sluice__channel_t *ch, const void *payload,
                             size_t len, const int *fds, uint32_t count) {
  const sluice__frame_t frame = {
      .type = SLUICE__FRAME_PASS, .len = (uint32_t)len, .fds = count};
  sluice__parcel_t *p = new_parcel(&frame, payload, false);
  int r;

  if (p == NULL) {
    return fail_out(ch);
  }
  memcpy(p->fds, fds, count * sizeof(int));
  r = post(ch, p);
  return r < 0 ? r : 0;
}

int sluice__channel_write(sluice__channel_t *ch, const void *data, size_t len,
                          sluice_sink_cb cb, void *ctx) {
  const sluice__frame_t frame = {.type = SLUICE__FRAME_STREAM,
                                 .len = (uint32_t)len};
  sluice__parcel_t *p = new_parcel(&frame, data, true);

  if (p == NULL) {
    return fail_out(ch);
  }
  p->cb = cb;
  p->ctx = ctx;
  return post(ch, p);
}

static sluice__parcel_t *pop(sluice__channel_t *ch) {
  sluice__parcel_t *p = ch->first;

  ch->first = p->next;
  if (ch->first == NULL) {
    ch->last = NULL;
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

void sluice__channel_flush(sluice__channel_t *ch) {
  while (ch->first != NULL) {
    int r = ch->out_code < 0 ? ch->out_code : put_parcel(ch, ch->first);

    if (r == UV_EAGAIN) {
      break;
    }
    if (r < 0) {
      lose(ch, ch->first, r);
    }
    retire(pop(ch), r < 0 ? r : 0);
  }
  sluice__channel_watch(ch);
}

/* A message that has begun cannot be taken back: with it the channel is torn.
 */
void sluice__channel_finish_cut(sluice__channel_t *ch) {
  sluice__parcel_t **at = &ch->first;
  sluice_sink_cb cb = ch->cut_cb;

  ch->cut_cb = NULL;
  ch->last = NULL;
  while (*at != NULL) {
    sluice__parcel_t *p = *at;

    if (p->frame.type != SLUICE__FRAME_STREAM) {
      ch->last = p;
      at = &p->next;
      continue;
    }
    if (p->sent > 0) {
      lose(ch, p, UV_ECANCELED);
    }
    *at = p->next;
    retire(p, UV_ECANCELED);
  }
  sluice__channel_watch(ch);
  cb(ch->cut_ctx, 0);
}

void sluice__channel_tear(sluice__channel_t *ch) {
  sluice__channel_drop_out(ch);
  ch->is_torn = true;
  if (ch->out_code == 0) {
    ch->out_code = UV_ECANCELED;
  }
}

void sluice__channel_drop_out(sluice__channel_t *ch) {
  while (ch->first != NULL) {
    sluice__parcel_t *p = pop(ch);

    free(p);
  }
}
