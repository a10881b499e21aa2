/* qemu.c - see qemu.h. What QEMU says is looked through for words: events and
 * answers to what is asked here cannot be taken for each other. */
#include "qemu.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ARGS_MAX = 2 * QEMU_PIECES_MAX + 32, LOADER_MAX = 512 };

unsigned qemu_piece(unsigned mib) {
  unsigned even = mib & -mib; /* the largest power of two that divides it */

  return mib <= QEMU_PIECE_MIB   ? mib
         : even < QEMU_PIECE_MIB ? even
                                 : QEMU_PIECE_MIB;
}

/* The same piece again and again: QEMU does not look for pages that are alike.
 */
static void add_loaders(const char **argv, size_t argc, unsigned mib,
                        const char *file) {
  static char loaders[QEMU_PIECES_MAX][LOADER_MAX];
  unsigned piece = qemu_piece(mib);

  for (unsigned i = 0; i < mib / piece && i < QEMU_PIECES_MAX; i++) {
    (void)snprintf(loaders[i], LOADER_MAX,
                   "loader,addr=%llu,force-raw=on,file=%.400s",
                   (unsigned long long)i * piece << 20, file);
    argv[argc++] = "-device";
    argv[argc++] = loaders[i];
  }
}

static void exec_qemu(int fd, unsigned mib, const char *file,
                      bool is_incoming) {
  char memory[32];
  char monitor[64];
  const char *argv[ARGS_MAX] = {"qemu-system-x86_64",
                                "-M",
                                "none",
                                "-m",
                                memory,
                                "-display",
                                "none",
                                "-nodefaults",
                                "-S",
                                "-mem-prealloc",
                                "-chardev",
                                monitor,
                                "-mon",
                                "chardev=m,mode=control"};
  size_t argc = 14;

  (void)snprintf(memory, sizeof(memory), "%uM", mib);
  (void)snprintf(monitor, sizeof(monitor), "socket,id=m,fd=%d", fd);
  if (is_incoming) {
    argv[argc++] = "-incoming";
    argv[argc++] = "defer";
  } else if (file != NULL) {
    add_loaders(argv, argc, mib, file);
  }
  (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
  (void)execvp(argv[0], (char *const *)(uintptr_t)argv);
  _exit(127);
}

/* The next line, without its end; NULL: QEMU has gone. Valid until the next. */
static const char *read_line(qemu_t *q) {
  static char line[sizeof(q->line)];
  char *end;
  size_t used;

  while ((end = memchr(q->line, '\n', q->len)) == NULL) {
    ssize_t n = read(q->fd, q->line + q->len, sizeof(q->line) - q->len);

    if (n <= 0) {
      return NULL;
    }
    q->len += (size_t)n;
  }
  used = (size_t)(end - q->line);
  memcpy(line, q->line, used);
  line[used] = '\0';
  q->len -= used + 1;
  memmove(q->line, end + 1, q->len);
  return line;
}

/* The line with one of two words; true: the first. */
static bool await_word(qemu_t *q, const char *good, const char *bad) {
  const char *line;

  while ((line = read_line(q)) != NULL) {
    if (strstr(line, bad) != NULL) {
      (void)fprintf(stderr, "qemu: %s\n", line);
      return false;
    }
    if (strstr(line, good) != NULL) {
      return true;
    }
  }
  return false;
}

bool qemu_run(qemu_t *q, const char *command) {
  return write(q->fd, command, strlen(command)) == (ssize_t)strlen(command) &&
         await_word(q, "\"return\"", "\"error\"");
}

static bool greet(qemu_t *q) {
  return await_word(q, "\"QMP\"", "\"error\"") &&
         qemu_run(q, "{\"execute\":\"qmp_capabilities\"}") &&
         qemu_run(q, "{\"execute\":\"migrate-set-capabilities\",\"arguments\":"
                     "{\"capabilities\":[{\"capability\":\"events\","
                     "\"state\":true}]}}") &&
         qemu_run(q, "{\"execute\":\"migrate-set-parameters\",\"arguments\":"
                     "{\"max-bandwidth\":1099511627776,"
                     "\"downtime-limit\":1}}");
}

bool qemu_open(qemu_t *q, unsigned mib, const char *file, bool is_incoming) {
  int ends[2];

  memset(q, 0, sizeof(*q));
  if (mib / qemu_piece(mib) > QEMU_PIECES_MAX) {
    return false;
  }
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) {
    return false;
  }
  q->pid = fork();
  if (q->pid == 0) {
    (void)close(ends[0]);
    exec_qemu(ends[1], mib, file, is_incoming);
  }
  (void)close(ends[1]);
  q->fd = ends[0];
  if (q->pid > 0 && greet(q)) {
    return true;
  }
  qemu_close(q);
  return false;
}

void qemu_close(qemu_t *q) {
  if (q->pid > 0) {
    (void)kill(q->pid, SIGKILL);
    (void)waitpid(q->pid, NULL, 0);
  }
  (void)close(q->fd);
}

bool qemu_give(qemu_t *q, int fd) {
  static char text[] =
      "{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"bench\"}}";
  union {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(int))];
  } control = {0};
  struct iovec iov = {text, sizeof(text) - 1};
  struct msghdr message = {.msg_iov = &iov,
                           .msg_iovlen = 1,
                           .msg_control = control.bytes,
                           .msg_controllen = sizeof(control.bytes)};

  control.header.cmsg_level = SOL_SOCKET;
  control.header.cmsg_type = SCM_RIGHTS;
  control.header.cmsg_len = CMSG_LEN(sizeof(fd));
  memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
  return sendmsg(q->fd, &message, 0) > 0 &&
         await_word(q, "\"return\"", "\"error\"");
}

bool qemu_migrate(qemu_t *q, const char *uri) {
  char text[1024];

  (void)snprintf(text, sizeof(text),
                 "{\"execute\":\"migrate\",\"arguments\":{\"uri\":"
                 "\"%.800s\"}}",
                 uri);
  return qemu_run(q, text);
}

bool qemu_set_channels(qemu_t *q, unsigned count) {
  char text[256];

  (void)snprintf(text, sizeof(text),
                 "{\"execute\":\"migrate-set-parameters\",\"arguments\":{"
                 "\"multifd-channels\":%u}}",
                 count > 0 ? count : 1);
  if (!qemu_run(q, text)) {
    return false;
  }
  (void)snprintf(text, sizeof(text),
                 "{\"execute\":\"migrate-set-capabilities\",\"arguments\":{"
                 "\"capabilities\":[{\"capability\":\"multifd\","
                 "\"state\":%s}]}}",
                 count > 0 ? "true" : "false");
  return qemu_run(q, text);
}

bool qemu_await(qemu_t *q) {
  return await_word(q, "\"completed\"", "\"failed\"");
}

/* QEMU tells of the end before it is done. */
bool qemu_settle(qemu_t *q) {
  static const char ask[] = "{\"execute\":\"query-status\"}";
  const char *line;

  do {
    if (write(q->fd, ask, sizeof(ask) - 1) < 0) {
      return false;
    }
    do {
      line = read_line(q);
    } while (line != NULL && strstr(line, "\"return\"") == NULL);
  } while (line != NULL && strstr(line, "finish-migrate") != NULL);
  return line != NULL;
}

bool qemu_rewind(qemu_t *q) {
  return qemu_settle(q) && qemu_run(q, "{\"execute\":\"cont\"}") &&
         qemu_run(q, "{\"execute\":\"stop\"}");
}

/* Of the children that it has waited for: fields 16 and 17 of its line. */
static uint64_t children_ns(const qemu_t *q) {
  unsigned long long user = 0;
  unsigned long long system = 0;
  char text[1024] = "";
  const char *rest;
  FILE *stat;

  (void)snprintf(text, sizeof(text), "/proc/%d/stat", (int)q->pid);
  stat = fopen(text, "re");
  if (stat == NULL) {
    return 0;
  }
  rest = fgets(text, sizeof(text), stat) == NULL ? NULL : strrchr(text, ')');
  (void)fclose(stat);
  if (rest == NULL ||
      sscanf(rest, /* NOLINT(cert-err34-c): the kernel's own text */
             ") %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu %llu",
             &user, &system) != 2) {
    return 0;
  }
  return (user + system) *
         (1000000000u / (unsigned long long)sysconf(_SC_CLK_TCK));
}

uint64_t qemu_cpu_ns(const qemu_t *q) {
  struct timespec t = {0};
  clockid_t id;

  if (clock_getcpuclockid(q->pid, &id) == 0) {
    (void)clock_gettime(id, &t);
  }
  return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec + children_ns(q);
}
