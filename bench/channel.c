/* channel.c - see channel.h. */
#include "channel.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LISTEN_MAX = 8 };

/* ends[0] is read, ends[1] is written. */
static int open_pipe(int ends[2]) {
  if (pipe2(ends, O_CLOEXEC) != 0) {
    return -1;
  }
  (void)fcntl(ends[1], F_SETPIPE_SZ, CHANNEL_UNIT);
  return 0;
}

static int listen_local(struct sockaddr_in *address) {
  socklen_t len = sizeof(*address);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  *address = (struct sockaddr_in){.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (fd >= 0 && (bind(fd, (struct sockaddr *)address, len) != 0 ||
                  listen(fd, LISTEN_MAX) != 0 ||
                  getsockname(fd, (struct sockaddr *)address, &len) != 0)) {
    (void)close(fd);
    return -1;
  }
  return fd;
}

static int open_tcp(int ends[2]) {
  struct sockaddr_in address;
  int listener = listen_local(&address);
  int one = 1;

  if (listener < 0) {
    return -1;
  }
  ends[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(ends[1], (struct sockaddr *)&address, sizeof(address)) != 0) {
    (void)close(ends[1]);
    (void)close(listener);
    return -1;
  }
  ends[0] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
  (void)close(listener);
  (void)setsockopt(ends[1], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
  return ends[0] < 0 ? -1 : 0;
}

static int open_ends(int ends[2], channel_kind_t kind) {
  switch (kind) {
  case CHANNEL_PIPE: return open_pipe(ends);
  case CHANNEL_UNIX:
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends);
  case CHANNEL_TCP: return open_tcp(ends);
  }
  return -1;
}

static void read_all(int fd) {
  static uint8_t buffer[CHANNEL_UNIT];
  ssize_t n;

  do {
    n = read(fd, buffer, sizeof(buffer));
  } while (n > 0 || (n < 0 && errno == EINTR));
  _exit(n == 0 ? 0 : 1);
}

int channel_write(int fd, const uint8_t *data, size_t len) {
  while (len > 0) {
    size_t unit = len < CHANNEL_UNIT ? len : CHANNEL_UNIT;
    ssize_t n = write(fd, data, unit);

    if (n < 0 && errno != EINTR) {
      return -1;
    }
    data += n > 0 ? n : 0;
    len -= n > 0 ? (size_t)n : 0;
  }
  return 0;
}

static void write_file(int fd, int file) {
  struct stat st;
  void *data;

  if (fstat(file, &st) != 0) {
    _exit(1);
  }
  data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED | MAP_POPULATE,
              file, 0);
  if (data == MAP_FAILED) {
    _exit(1);
  }
  _exit(channel_write(fd, data, (size_t)st.st_size) == 0 ? 0 : 1);
}

/* `file` -1: the child reads. */
static int start_child(channel_t *c, int ends[2], int file) {
  int ours = file < 0 ? 1 : 0;

  c->fd = ends[ours];
  c->child = fork();
  if (c->child == 0) {
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)close(ends[ours]);
    if (file < 0) {
      read_all(ends[0]);
    }
    write_file(ends[1], file);
  }
  (void)close(ends[1 - ours]);
  return c->child < 0 ? -1 : 0;
}

int channel_to_reader(channel_t *c, channel_kind_t kind) {
  int ends[2];

  return open_ends(ends, kind) != 0 ? -1 : start_child(c, ends, -1);
}

int channel_to_command(channel_t *c, const char *command) {
  int ends[2];

  if (pipe2(ends, O_CLOEXEC) != 0) {
    return -1;
  }
  c->fd = ends[1];
  c->child = fork();
  if (c->child == 0) {
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)dup2(ends[0], STDIN_FILENO);
    (void)execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
  }
  (void)close(ends[0]);
  return c->child < 0 ? -1 : 0;
}

/* The first one's failure is as good as any other's. */
static void read_connections(int listener, unsigned count) {
  int failures = 0;
  int status;

  for (unsigned i = 0; i < count; i++) {
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

    if (fd < 0) {
      _exit(1);
    }
    if (fork() == 0) {
      (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
      read_all(fd);
    }
    (void)close(fd);
  }
  while (wait(&status) > 0) {
    failures |= status;
  }
  _exit(failures == 0 ? 0 : 1);
}

int channel_to_readers(channel_t *c, unsigned count, unsigned *port) {
  struct sockaddr_in address;
  int listener = listen_local(&address);

  if (listener < 0) {
    return -1;
  }
  *port = ntohs(address.sin_port);
  c->fd = -1;
  c->child = fork();
  if (c->child == 0) {
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    read_connections(listener, count);
  }
  (void)close(listener);
  return c->child < 0 ? -1 : 0;
}

int channel_to_writer(channel_t *c, channel_kind_t kind, int file) {
  int ends[2];

  return open_ends(ends, kind) != 0 ? -1 : start_child(c, ends, file);
}

int channel_close(channel_t *c) {
  int status = 0;

  if (c->fd >= 0) {
    (void)close(c->fd);
  }
  while (waitpid(c->child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

void channel_kill(channel_t *c) {
  (void)kill(c->child, SIGTERM);
  (void)channel_close(c);
}
