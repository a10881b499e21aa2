/* listener.c - see listener.h. */
#include "listener.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 511, ACCEPTS_A_TURN = 64 };

/* Room for the address of any socket here. */
typedef union address_u {
  struct sockaddr any;
  struct sockaddr_in in;
  struct sockaddr_in6 in6;
  struct sockaddr_un un;
} address_t;

void listener_init(listener_t *l, listener_cb accepted, void *ctx) {
  memset(l, 0, sizeof(*l));
  l->fd = -1;
  l->accepted = accepted;
  l->ctx = ctx;
}

static int last_error(void) {
  return uv_translate_sys_error(errno);
}

/* --- accepting --- */

static bool is_short_of_descriptors(void) {
  return errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
         errno == ENOMEM;
}

static void on_readable(uv_poll_t *poll, int status, int events) {
  listener_t *l = poll->data;
  int fd;

  (void)status;
  (void)events;
  for (int i = 0; i < ACCEPTS_A_TURN && l->fd >= 0; i++) {
    fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
      if (is_short_of_descriptors()) {
        listener_stop(l); /* until the timer starts it */
      }
      return;
    }
    l->accepted(l->ctx, fd);
    if (!uv_is_active((uv_handle_t *)poll)) {
      return; /* it was stopped in there */
    }
  }
}

void listener_start(listener_t *l) {
  if (l->fd >= 0 && !uv_is_active((uv_handle_t *)&l->poll)) {
    (void)uv_poll_start(&l->poll, UV_READABLE, on_readable);
  }
}

void listener_stop(listener_t *l) {
  if (l->fd >= 0) {
    (void)uv_poll_stop(&l->poll);
  }
}

void listener_close(listener_t *l, bool is_heard) {
  if (l->fd < 0) {
    return;
  }
  uv_close((uv_handle_t *)&l->poll, NULL);
  (void)close(l->fd);
  l->fd = -1;
  if (l->path != NULL && !is_heard) {
    (void)unlink(l->path);
  }
}

/* --- beginning --- */

int listener_adopt(listener_t *l, uv_loop_t *loop, int fd, const char *path) {
  address_t a = {.any.sa_family = AF_UNSPEC};
  socklen_t len = sizeof(a);
  int r = getsockname(fd, &a.any, &len) == 0 ? 0 : last_error();

  if (r == 0) {
    r = uv_poll_init(loop, &l->poll, fd);
  }
  if (r != 0) {
    (void)close(fd);
    return r;
  }
  l->poll.data = l;
  l->fd = fd;
  l->is_tcp = a.any.sa_family != AF_UNIX;
  l->path = path;
  return 0;
}

/* A code, or the socket, bound and listening. */
static int listen_at(const address_t *a, socklen_t len) {
  int fd =
      socket(a->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  int on = 1;
  int r;

  if (fd < 0) {
    return last_error();
  }
  if (a->any.sa_family != AF_UNIX) {
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  }
  if (bind(fd, &a->any, len) == 0 && listen(fd, BACKLOG) == 0) {
    return fd;
  }
  r = last_error();
  (void)close(fd);
  return r;
}

int listener_open_tcp(listener_t *l, uv_loop_t *loop, const char *address,
                      int port) {
  address_t a = {.any.sa_family = AF_UNSPEC};
  socklen_t len = sizeof(a.in);
  int fd = uv_ip4_addr(address, port, &a.in);

  if (fd != 0) {
    len = sizeof(a.in6);
    fd = uv_ip6_addr(address, port, &a.in6);
  }
  if (fd == 0) {
    fd = listen_at(&a, len);
  }
  return fd < 0 ? fd : listener_adopt(l, loop, fd, NULL);
}

static int put_path(address_t *a, const char *path) {
  size_t n = strlen(path);

  if (n >= sizeof(a->un.sun_path)) {
    return UV_ENAMETOOLONG;
  }
  memset(a, 0, sizeof(*a));
  a->un.sun_family = AF_UNIX;
  memcpy(a->un.sun_path, path, n);
  return 0;
}

int listener_open_unix(listener_t *l, uv_loop_t *loop, const char *path,
                       bool is_private) {
  address_t a;
  mode_t mask;
  int fd = put_path(&a, path);

  if (fd != 0) {
    return fd;
  }
  (void)unlink(path); /* of a server that was killed */
  mask = umask(077);
  if (!is_private) {
    (void)umask(mask);
  }
  fd = listen_at(&a, sizeof(a.un));
  (void)umask(mask);
  return fd < 0 ? fd : listener_adopt(l, loop, fd, path);
}

/* --- looking --- */

int listener_port(const listener_t *l) {
  address_t a = {.any.sa_family = AF_UNSPEC};
  socklen_t len = sizeof(a);

  if (l->fd < 0 || getsockname(l->fd, &a.any, &len) != 0) {
    return -1;
  }
  /* The port lies in the same place for both families. */
  return ntohs(a.in.sin_port);
}

bool listener_is_at(int fd, const char *path) {
  address_t a;
  address_t wanted;
  socklen_t len = sizeof(a);

  memset(&a, 0, sizeof(a));
  return put_path(&wanted, path) == 0 && getsockname(fd, &a.any, &len) == 0 &&
         a.any.sa_family == AF_UNIX &&
         strncmp(a.un.sun_path, path, sizeof(a.un.sun_path)) == 0;
}
