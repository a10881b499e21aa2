/* peer_process.c - see peer_process.h. Both are spoken to by their own
 * programs, as a user would; what is timed is long beside starting those. */
#include "peer_process.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <uv.h>

#include "memory.h"
#include "stats.h"

enum { VALUE = 1024, PEER_ROUNDS = 3 };

/* Runs a command of the shell: its first line in `line`, and whether it was
 * content. */
static bool ask(const char *command, char *line, size_t len) {
  FILE *from = popen(command, "r"); /* NOLINT(cert-env33-c): our own text */
  char rest[256];

  line[0] = '\0';
  if (from == NULL) {
    return false;
  }
  if (fgets(line, (int)len, from) != NULL) {
    line[strcspn(line, "\r\n")] = '\0';
    while (fgets(rest, sizeof(rest), from) != NULL) {
    }
  }
  return pclose(from) == 0;
}

/* CRIU cannot dump what has our terminal; Redis is to be quiet. */
static void hide_streams(void) {
  int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

  for (int i = STDIN_FILENO; i <= STDERR_FILENO; i++) {
    (void)dup2(fd, i);
  }
  (void)close(fd);
}

static pid_t start(const char *const argv[]) {
  pid_t pid = fork();

  if (pid == 0) {
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    hide_streams();
    (void)execvp(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
  }
  return pid;
}

static void stop(pid_t pid) {
  (void)kill(pid, SIGKILL);
  (void)waitpid(pid, NULL, 0);
}

static double median_of(double *values, unsigned count) {
  return stats_of(values, count).median;
}

/* ---- Redis ---- */

typedef struct redis_s {
  char folder[64];
  char socket[96];
} redis_t;

static bool redis_ask(const redis_t *r, const char *command, char *line,
                      size_t len) {
  char text[512];

  (void)snprintf(text, sizeof(text), "redis-cli -s %s %s 2>/dev/null",
                 r->socket, command);
  return ask(text, line, len);
}

static bool redis_await(const redis_t *r, const char *command,
                        const char *answer) {
  char line[256];

  for (int i = 0; i < 6000; i++) {
    if (redis_ask(r, command, line, sizeof(line)) &&
        strcmp(line, answer) == 0) {
      return true;
    }
    (void)usleep(5000);
  }
  return false;
}

static bool redis_save(const redis_t *r, double *rate, double *fork_ms) {
  char line[256];
  char path[96];
  struct stat st;
  uint64_t began = uv_hrtime();

  if (!redis_ask(r, "bgsave", line, sizeof(line)) ||
      !redis_await(r, "info persistence | grep -o bgsave_in_progress:.",
                   "bgsave_in_progress:0")) {
    return false;
  }
  began = uv_hrtime() - began;
  (void)redis_ask(r, "info stats | grep latest_fork_usec | cut -d: -f2", line,
                  sizeof(line));
  (void)snprintf(path, sizeof(path), "%s/dump.rdb", r->folder);
  *fork_ms = strtod(line, NULL) / 1000;
  if (stat(path, &st) != 0) {
    return false;
  }
  *rate = (double)st.st_size / (double)began;
  return true;
}

static void tell_redis(bench_t *b, const redis_t *r) {
  double rates[PEER_ROUNDS];
  double forks[PEER_ROUNDS];

  for (unsigned i = 0; i < PEER_ROUNDS; i++) {
    if (!redis_save(r, &rates[i], &forks[i])) {
      bench_remark(b, "left out: Redis, BGSAVE failed");
      return;
    }
  }
  bench_tell(b, "redis: BGSAVE to tmpfs", "rate", "GB/s",
             median_of(rates, PEER_ROUNDS));
  bench_tell(b, "redis: BGSAVE to tmpfs", "fork", "ms",
             median_of(forks, PEER_ROUNDS));
}

static void fill_and_save(bench_t *b, const redis_t *r) {
  char command[96];
  char line[256];

  (void)snprintf(command, sizeof(command), "debug populate %llu k %d",
                 (unsigned long long)(b->bytes / VALUE), VALUE);
  if (redis_await(r, "ping", "PONG") &&
      redis_ask(r, command, line, sizeof(line)) && strcmp(line, "OK") == 0) {
    tell_redis(b, r);
  } else {
    bench_remark(b, "left out: Redis, it does not answer");
  }
}

void peer_redis(bench_t *b) {
  redis_t r = {.folder = "/dev/shm/sluice-bench-redis-XXXXXX"};
  char line[256];
  pid_t pid;

  if (!bench_wants(b, "redis") ||
      !ask("command -v redis-server redis-cli", line, sizeof(line))) {
    bench_remark(b, "left out: Redis");
    return;
  }
  if (mkdtemp(r.folder) == NULL) {
    return;
  }
  (void)snprintf(r.socket, sizeof(r.socket), "%s/socket", r.folder);
  {
    const char *const argv[] = {"redis-server",
                                "--port",
                                "0",
                                "--unixsocket",
                                r.socket,
                                "--dir",
                                r.folder,
                                "--save",
                                "",
                                "--rdbcompression",
                                "no",
                                "--enable-debug-command",
                                "yes",
                                NULL};

    pid = start(argv);
  }
  fill_and_save(b, &r);
  stop(pid);
  (void)snprintf(line, sizeof(line), "rm -rf %s", r.folder);
  (void)ask(line, line, sizeof(line));
}

/* ---- CRIU ---- */

/* A process with memory and nothing else; in a session of its own, as CRIU
 * wants it. */
static pid_t start_dumpee(const bench_t *b) {
  int ready[2];
  char said;
  pid_t pid;

  if (pipe(ready) != 0) {
    return -1;
  }
  pid = fork();
  if (pid == 0) {
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)setsid();
    memory_fill(memory_new(b->bytes), b->bytes, 1);
    hide_streams();
    (void)close(ready[0]);
    (void)close(ready[1]); /* that is the sign */
    for (;;) {
      (void)pause();
    }
  }
  (void)close(ready[1]);
  while (read(ready[0], &said, 1) < 0) {
  }
  (void)close(ready[0]);
  return pid;
}

static bool dump(const bench_t *b, pid_t pid, double *rate, char *why,
                 size_t len) {
  static const char folder[] = "/dev/shm/sluice-bench-criu";
  char text[512];
  uint64_t began;
  bool is_done;

  (void)snprintf(text, sizeof(text),
                 "rm -rf %s; mkdir %s; criu dump -t %d -D %s --leave-running "
                 "-o log >/dev/null 2>&1",
                 folder, folder, (int)pid, folder);
  began = uv_hrtime();
  is_done = ask(text, why, len);
  *rate = (double)b->bytes / (double)(uv_hrtime() - began);
  if (!is_done) {
    (void)snprintf(text, sizeof(text), "grep -m1 Error %s/log", folder);
    (void)ask(text, why, len);
  }
  (void)snprintf(text, sizeof(text), "rm -rf %s", folder);
  (void)ask(text, text, sizeof(text));
  return is_done;
}

void peer_criu(bench_t *b) {
  double rates[PEER_ROUNDS];
  char why[200];
  char text[256];
  pid_t pid;

  if (!bench_wants(b, "criu") || !ask("command -v criu", why, sizeof(why))) {
    bench_remark(b, "left out: CRIU");
    return;
  }
  pid = start_dumpee(b);
  for (unsigned i = 0; i < PEER_ROUNDS; i++) {
    if (!dump(b, pid, &rates[i], why, sizeof(why))) {
      (void)snprintf(text, sizeof(text), "left out: CRIU, it fails here: %s",
                     why);
      bench_remark(b, text);
      stop(pid);
      return;
    }
  }
  bench_tell(b, "criu: dump to tmpfs", "rate", "GB/s",
             median_of(rates, PEER_ROUNDS));
  stop(pid);
}
