/* relay.c - see relay.h. What is done here is nobody's fault. */
#include "relay.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fault.h"
#include "stream/bytes.h"

enum {
  ROOM = SLUICE__FRAME_HEADER + 1024 * 1024,
  BUFFER = 2 * 1024 * 1024,
  CONTROL = CMSG_SPACE((SLUICE__FRAME_FDS + 1) * sizeof(int))
};

static void shut(relay_t *r) {
  if (r->is_closed) {
    return;
  }
  r->is_closed = 1;
  for (int i = 0; i < 2; i++) {
    uv_close((uv_handle_t *)&r->ways[i].poll, NULL);
    (void)close(r->ways[i].fd);
  }
}

/* ---- passing on ---- */

static relay_way_t *other(relay_way_t *way) {
  return &way->relay->ways[1 - (int)way->from];
}

/* A peer that listens no more has not heard it. */
static void pass_on(relay_way_t *way, const uint8_t *bytes, size_t len,
                    const int *fds, unsigned fd_count) {
  union {
    struct cmsghdr align;
    char bytes[CONTROL];
  } control = {0};
  struct iovec iov = {(void *)(uintptr_t)bytes, len};
  struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

  if (fd_count > 0) {
    struct cmsghdr *c;

    message.msg_control = control.bytes;
    message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
    c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
    memcpy(CMSG_DATA(c), fds, fd_count * sizeof(int));
  }
  if (len > 0 && sendmsg(other(way)->fd, &message, MSG_NOSIGNAL) < 0 &&
      errno != EPIPE && errno != ECONNRESET) {
    fault_die("the relay cannot pass it on");
  }
}

static void pass_message(relay_way_t *way) {
  pass_on(way, way->bytes, way->len, way->fds, way->fd_count);
}

static void close_all(int *fds, unsigned *count) {
  while (*count > 0) {
    (void)close(fds[--*count]);
  }
}

/* ---- altering ---- */

static void insert(relay_way_t *way, unsigned type) {
  static const uint32_t lens[] = {0, 8, 8, 1, 10, 0, 0, 0, 4, 0};
  uint8_t message[SLUICE__FRAME_HEADER + 16] = {0};
  const sluice__frame_t frame = {.type = (sluice__frame_type_t)type,
                                 .len = lens[type],
                                 .fds = type == SLUICE__FRAME_PASS};
  int fd = dup(0);

  sluice__frame_put(message, &frame, way->log.count - 1 + way->inserted++);
  memset(message + SLUICE__FRAME_HEADER, 1, type == SLUICE__FRAME_PASS ? 3 : 1);
  if (type == SLUICE__FRAME_PASS) {
    memcpy(message + SLUICE__FRAME_HEADER, "\1\0\1\0\0\0\0\0ab", 10);
  }
  if (type == SLUICE__FRAME_FAIL) {
    sluice__put_le32(message + SLUICE__FRAME_HEADER, (uint32_t)UV_EIO);
  }
  pass_on(way, message, SLUICE__FRAME_HEADER + frame.len, &fd, frame.fds);
  (void)close(fd);
  sluice__put_le32(way->bytes + 12, way->log.count - 1 + way->inserted);
}

static void keep(relay_way_t *way) {
  way->kept = malloc(way->len);
  memcpy(way->kept, way->bytes, way->len);
  way->kept_len = way->len;
  memcpy(way->kept_fds, way->fds, sizeof(way->fds));
  way->kept_fd_count = way->fd_count;
  way->fd_count = 0;
}

static void turn_fds(relay_way_t *way) {
  for (unsigned i = 0; i < way->fd_count / 2; i++) {
    int fd = way->fds[i];

    way->fds[i] = way->fds[way->fd_count - 1 - i];
    way->fds[way->fd_count - 1 - i] = fd;
  }
}

static void pass_altered(relay_way_t *way, const alteration_t *a) {
  way->relay->was_altered = 1;
  switch (a->kind) {
  case ALTER_FLIP: way->bytes[a->at / 8] ^= (uint8_t)(1u << (a->at % 8)); break;
  case ALTER_DROP: return;
  case ALTER_REPEAT: pass_message(way); break;
  case ALTER_SWAP: keep(way); return;
  case ALTER_TRUNCATE:
    pass_on(way, way->bytes, a->at, way->fds, way->fd_count);
    shut(way->relay);
    return;
  case ALTER_INSERT: insert(way, (unsigned)a->at); break;
  case ALTER_RETYPE: sluice__put_le16(way->bytes + 4, (uint16_t)a->at); break;
  case ALTER_ADD_FD: way->fds[way->fd_count++] = dup(0); break;
  case ALTER_DROP_FD: (void)close(way->fds[--way->fd_count]); break;
  case ALTER_TURN_FDS: turn_fds(way); break;
  case ALTER_NOTHING: break;
  }
  pass_message(way);
}

static void note(relay_log_t *log, const relay_way_t *way) {
  if (log->count == RELAY_MESSAGES) {
    fault_die("too many messages");
  }
  log->types[log->count] = sluice__get_le16(way->bytes + 4);
  log->lens[log->count] = (uint32_t)(way->len - SLUICE__FRAME_HEADER);
  log->fds[log->count++] = way->fd_count;
}

static void take_message(relay_way_t *way) {
  const alteration_t *a = way->relay->alteration;
  unsigned number = way->log.count;

  note(&way->log, way);
  if (a->kind != ALTER_NOTHING && a->from == way->from &&
      a->message == number) {
    pass_altered(way, a);
  } else {
    if (way->inserted > 0) {
      sluice__put_le32(way->bytes + 12, number + way->inserted);
    }
    pass_message(way);
    if (way->kept != NULL) {
      pass_on(way, way->kept, way->kept_len, way->kept_fds, way->kept_fd_count);
      close_all(way->kept_fds, &way->kept_fd_count);
      free(way->kept);
      way->kept = NULL;
    }
  }
  close_all(way->fds, &way->fd_count);
  way->len = 0;
}

/* ---- taking ---- */

static void take_fds(relay_way_t *way, struct msghdr *message) {
  struct cmsghdr *c = CMSG_FIRSTHDR(message);
  unsigned n;

  if (c == NULL) {
    return;
  }
  n = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
  memcpy(way->fds + way->fd_count, CMSG_DATA(c), n * sizeof(int));
  way->fd_count += n;
}

static size_t wanted(const relay_way_t *way) {
  return way->len < SLUICE__FRAME_HEADER
             ? SLUICE__FRAME_HEADER
             : SLUICE__FRAME_HEADER + sluice__get_le32(way->bytes + 8);
}

/* An old host says more and more until its successor is prepared. */
static int is_full(const relay_way_t *way) {
  struct pollfd p = {.fd = way->relay->ways[1 - (int)way->from].fd,
                     .events = POLLOUT};

  return poll(&p, 1, 0) == 0;
}

/* 1 something came; 0 nothing yet; -1 nothing will. */
static int take_some(relay_way_t *way) {
  union {
    struct cmsghdr align;
    char bytes[CONTROL];
  } control;
  struct iovec iov = {way->bytes + way->len, wanted(way) - way->len};
  struct msghdr message = {.msg_iov = &iov,
                           .msg_iovlen = 1,
                           .msg_control = control.bytes,
                           .msg_controllen = sizeof(control.bytes)};
  ssize_t n;

  if (is_full(way)) {
    return 0;
  }
  n = recvmsg(way->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  if (n <= 0) {
    return n < 0 && errno == EAGAIN ? 0 : -1;
  }
  take_fds(way, &message);
  way->len += (size_t)n;
  if (way->len >= SLUICE__FRAME_HEADER && way->len == wanted(way)) {
    take_message(way);
  }
  return 1;
}

static int take_all(relay_way_t *way) {
  int r = 1;

  while (r > 0 && !way->relay->is_closed) {
    r = take_some(way);
  }
  return r;
}

static void on_poll(uv_poll_t *poll, int status, int events) {
  relay_way_t *way = poll->data;

  (void)status;
  (void)events;
  fault_hold();
  if (take_all(way) < 0 && !way->relay->is_closed) {
    (void)take_all(other(way));
    shut(way->relay);
  }
  fault_release();
}

/* ---- life ---- */

static void open_way(relay_t *r, handoff_side_t from, int fd, uv_loop_t *loop) {
  relay_way_t *way = &r->ways[from];
  int bytes = BUFFER;

  way->relay = r;
  way->from = from;
  way->fd = fd;
  way->bytes = malloc(ROOM);
  (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes));
  if (uv_poll_init(loop, &way->poll, fd) != 0) {
    fault_die("no relay");
  }
  way->poll.data = way;
  (void)uv_poll_start(&way->poll, UV_READABLE, on_poll);
  uv_unref((uv_handle_t *)&way->poll);
}

/* The far end of the pair that is there becomes ours. */
void relay_open(relay_t *relay, handoff_t *h, const alteration_t *alteration) {
  int fds[2];

  memset(relay, 0, sizeof(*relay));
  relay->alteration = alteration;
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) {
    fault_die("no sockets");
  }
  open_way(relay, OLD_SIDE, h->sockets[1], &h->world.loop);
  open_way(relay, NEW_SIDE, fds[0], &h->world.loop);
  h->sockets[1] = fds[1];
}

void relay_close(relay_t *relay, handoff_t *h) {
  shut(relay);
  (void)uv_run(&h->world.loop, UV_RUN_NOWAIT);
  for (int i = 0; i < 2; i++) {
    relay_way_t *way = &relay->ways[i];

    close_all(way->fds, &way->fd_count);
    close_all(way->kept_fds, &way->kept_fd_count);
    free(way->kept);
    free(way->bytes);
  }
}
