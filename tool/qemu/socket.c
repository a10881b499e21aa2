/* socket.c - see socket.h.
 *
 * Buffers are left as they are: between 208 KiB and 4 MiB makes no difference
 * to a QEMU on the same machine, and TCP finds its own. */
#include "qemu/socket.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include "files/tidy.h"

static int fill_unix(struct sockaddr_un *to, const address_t *a, failure_t *f) {
  *to = (struct sockaddr_un){.sun_family = AF_UNIX};
  if (strlen(a->path) >= sizeof(to->sun_path)) {
    return fail_with(f, a->text, UV_ENAMETOOLONG,
                     "expected a path of at most %zu bytes, found %zu",
                     sizeof(to->sun_path) - 1, strlen(a->path));
  }
  (void)snprintf(to->sun_path, sizeof(to->sun_path), "%s", a->path);
  return 0;
}

static int open_unix(const struct sockaddr_un *at,
                     int (*attach)(int, const struct sockaddr *, socklen_t)) {
  union {
    const struct sockaddr_un *own;
    const struct sockaddr *any;
  } address = {at};
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  if (fd >= 0 && attach(fd, address.any, sizeof(*at)) < 0) {
    int number = errno;

    (void)close(fd);
    errno = number;
    return -1;
  }
  return fd;
}

/* Nobody listens under the name any more. Asked with a socket of another type,
 * which one who does listen refuses without noticing. */
static bool is_stale(const struct sockaddr_un *at) {
  union {
    const struct sockaddr_un *own;
    const struct sockaddr *any;
  } address = {at};
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  bool is_refused =
      connect(fd, address.any, sizeof(*at)) < 0 && errno == ECONNREFUSED;

  (void)close(fd);
  return is_refused;
}

static int bind_unix(const struct sockaddr_un *at) {
  int fd = open_unix(at, bind);

  if (fd >= 0 || errno != EADDRINUSE) {
    return fd;
  }
  if (is_stale(at) && unlink(at->sun_path) == 0) {
    return open_unix(at, bind);
  }
  errno = EADDRINUSE;
  return -1;
}

static int listen_unix(listener_t *l, failure_t *f) {
  const address_t *a = l->address;
  struct sockaddr_un at;

  if (fill_unix(&at, a, f) < 0) {
    return f->error.code;
  }
  l->fd = bind_unix(&at);
  if (l->fd < 0) {
    return fail_system(f, a->text, errno, "listen");
  }
  l->path = a->path;
  tidy_watch(l->path);
  return listen(l->fd, 8) < 0 ? fail_system(f, a->text, errno, "listen") : 0;
}

static int resolve(const address_t *a, int flags, struct addrinfo **out,
                   failure_t *f) {
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = flags};
  int r =
      getaddrinfo(a->host[0] == '\0' ? NULL : a->host, a->port, &hints, out);

  return r == 0 ? 0
                : fail_with(f, a->text, UV_EINVAL, "cannot find it: %s",
                            gai_strerror(r));
}

static int bind_tcp(int fd, const struct addrinfo *at) {
  int on = 1;

  (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  return bind(fd, at->ai_addr, at->ai_addrlen) < 0 ? -1 : listen(fd, 8);
}

static int connect_tcp(int fd, const struct addrinfo *at) {
  return connect(fd, at->ai_addr, at->ai_addrlen);
}

/* The first address that works. -1 with errno. */
static int open_tcp(const struct addrinfo *list,
                    int (*attach)(int, const struct addrinfo *)) {
  int number = ENOENT;

  for (; list != NULL; list = list->ai_next) {
    int fd = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd >= 0 && attach(fd, list) == 0) {
      return fd;
    }
    number = errno;
    if (fd >= 0) {
      (void)close(fd);
    }
  }
  errno = number;
  return -1;
}

static int use_tcp(const address_t *a, int flags,
                   int (*attach)(int, const struct addrinfo *), int *out,
                   const char *doing, failure_t *f) {
  struct addrinfo *list;
  int number;

  if (resolve(a, flags, &list, f) < 0) {
    return f->error.code;
  }
  *out = open_tcp(list, attach);
  number = errno;
  freeaddrinfo(list);
  return *out < 0 ? fail_system(f, a->text, number, doing) : 0;
}

int listener_open(listener_t *l, const address_t *a, failure_t *f) {
  *l = (listener_t){.address = a, .fd = -1};
  switch (a->kind) {
  case ADDRESS_TCP:
    return use_tcp(a, AI_PASSIVE, bind_tcp, &l->fd, "listen", f);
  case ADDRESS_UNIX: return listen_unix(l, f);
  case ADDRESS_FD:
  case ADDRESS_STDIO: break;
  }
  return 0;
}

void listener_announce(const listener_t *l) {
  struct sockaddr_storage at;
  socklen_t len = sizeof(at);
  union {
    struct sockaddr_storage *own;
    struct sockaddr *any;
  } address = {&at};
  char host[NI_MAXHOST];
  char port[NI_MAXSERV];

  if (l->address->kind == ADDRESS_UNIX) {
    report_detail("waiting for a machine at %s", l->address->text);
  } else if (l->address->kind == ADDRESS_TCP &&
             getsockname(l->fd, address.any, &len) == 0 &&
             getnameinfo(address.any, len, host, sizeof(host), port,
                         sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) == 0) {
    report_detail(strchr(host, ':') == NULL
                      ? "waiting for a machine at tcp:%s:%s"
                      : "waiting for a machine at tcp:[%s]:%s",
                  host, port);
  }
}

int listener_accept(const listener_t *l, int *out, failure_t *f) {
  const address_t *a = l->address;

  if (l->fd < 0) {
    *out = a->kind == ADDRESS_FD ? a->fd : STDIN_FILENO;
    return 0;
  }
  do {
    *out = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC);
  } while (*out < 0 && (errno == EINTR || errno == ECONNABORTED));
  return *out < 0 ? fail_system(f, a->text, errno, "accept a connection") : 0;
}

bool listener_has_more(const listener_t *l) {
  struct pollfd p = {.fd = l->fd, .events = POLLIN};

  return l->fd >= 0 && poll(&p, 1, 0) > 0;
}

void listener_close(listener_t *l) {
  if (l->path != NULL) {
    (void)unlink(l->path);
    tidy_forget(l->path);
    l->path = NULL;
  }
  if (l->fd >= 0) {
    (void)close(l->fd);
    l->fd = -1;
  }
}

static int connect_unix(const address_t *a, int *out, failure_t *f) {
  struct sockaddr_un to;

  if (fill_unix(&to, a, f) < 0) {
    return f->error.code;
  }
  *out = open_unix(&to, connect);
  if (*out < 0) {
    return fail_system(f, a->text, errno, "connect");
  }
  return 0;
}

int socket_connect(const address_t *a, int *out, failure_t *f) {
  switch (a->kind) {
  case ADDRESS_TCP: return use_tcp(a, 0, connect_tcp, out, "connect", f);
  case ADDRESS_UNIX: return connect_unix(a, out, f);
  case ADDRESS_FD: *out = a->fd; return 0;
  case ADDRESS_STDIO: *out = STDOUT_FILENO; return 0;
  }
  return 0;
}

int socket_pair(int ends[2], const char *name, failure_t *f) {
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
    return fail_system(f, name, errno, "make a connection for it");
  }
  return 0;
}

void socket_close(const address_t *a, int fd) {
  if ((a->kind == ADDRESS_TCP || a->kind == ADDRESS_UNIX) && fd >= 0) {
    (void)close(fd);
  }
}
