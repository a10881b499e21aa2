/* bench_transfer.c - a paused QEMU's memory into an image and back, turn about
 * with what QEMU and the shell have for it.
 *
 *   out:  sluice receive | QEMU's exec:cat > file | cat reading the same socket
 *   in:   sluice send    | QEMU's exec:cat file
 *   file: sluice convert | cp
 *
 * One run of each a round; what is told are medians, and the median of the
 * rounds' ratios. QEMU has its memory from the start (-mem-prealloc): what a
 * hypervisor takes to hand out fresh pages varies tenfold and would be all that
 * is seen. Processor time is QEMU's own and that of the other end. Files are in
 * FOLDER, /dev/shm if not given. Usage: bench_transfer [ROUNDS [MIB [FOLDER]]].
 * SLUICE_TOOL is the tool's path, from the build. */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS_MAX = 99, VARIANTS = 7 };

typedef struct sample_s {
  double wall;  /* seconds */
  double qemu;  /* processor seconds of QEMU */
  double other; /* and of the other end */
} sample_t;

typedef struct vm_s {
  pid_t pid;
  FILE *in;
  int out;
} vm_t;

static char folder[256];
static const char sluice[] = SLUICE_TOOL;
static long mib = 1024;

static void must(int is_so, const char *what) {
  if (!is_so) {
    perror(what);
    exit(1);
  }
}

static double seconds(const struct timespec *t) {
  return (double)t->tv_sec + (double)t->tv_nsec / 1e9;
}

static double now(void) {
  struct timespec t;

  must(clock_gettime(CLOCK_MONOTONIC, &t) == 0, "clock");
  return seconds(&t);
}

static double processor_time(pid_t pid) {
  struct timespec t;
  clockid_t id;

  must(clock_getcpuclockid(pid, &id) == 0, "processor clock");
  must(clock_gettime(id, &t) == 0, "processor clock");
  return seconds(&t);
}

/* Children that were waited for, ours and theirs. */
static double children_time(void) {
  struct rusage u;

  must(getrusage(RUSAGE_CHILDREN, &u) == 0, "rusage");
  return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
         (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* utime and stime of a process's own children that it has waited for. */
static double grandchildren_time(pid_t pid) {
  unsigned long user = 0;
  unsigned long system = 0;
  char path[64];
  char text[1024];
  size_t n;
  FILE *f;

  (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
  f = fopen(path, "r");
  must(f != NULL, path);
  n = fread(text, 1, sizeof(text) - 1, f);
  text[n] = '\0';
  (void)fclose(f);
  (void)sscanf(strrchr(text, ')') + 2,
               "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %lu %lu",
               &user, &system);
  return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

/* QEMU. */

static void await_word(vm_t *vm, const char *word) {
  static char line[65536];

  while (fgets(line, sizeof(line), vm->in) != NULL) {
    must(strstr(line, "\"error\"") == NULL && strstr(line, "failed") == NULL,
         line);
    if (strstr(line, word) != NULL) {
      return;
    }
  }
  must(0, "QEMU has gone");
}

static void tell(const vm_t *vm, const char *command) {
  must(write(vm->out, command, strlen(command)) == (ssize_t)strlen(command),
       "write to QEMU");
}

static void run(vm_t *vm, const char *command) {
  tell(vm, command);
  await_word(vm, "\"return\"");
}

static void start(vm_t *vm, const char *more, const char *value) {
  char memory[32];
  char monitor[64];
  int ends[2];

  must(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "socketpair");
  (void)snprintf(memory, sizeof(memory), "%ldM", mib);
  (void)snprintf(monitor, sizeof(monitor), "socket,id=m,fd=%d", ends[1]);
  vm->pid = fork();
  if (vm->pid == 0) {
    (void)close(ends[0]);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)execlp("qemu-system-x86_64", "qemu-system-x86_64", "-M", "none", "-m",
                 memory, "-display", "none", "-nodefaults", "-S",
                 "-mem-prealloc", "-chardev", monitor, "-mon",
                 "chardev=m,mode=control", more, value, NULL);
    _exit(127);
  }
  (void)close(ends[1]);
  vm->out = ends[0];
  vm->in = fdopen(ends[0], "r");
  await_word(vm, "\"QMP\"");
  run(vm, "{\"execute\":\"qmp_capabilities\"}");
  run(vm, "{\"execute\":\"migrate-set-capabilities\",\"arguments\":{"
          "\"capabilities\":[{\"capability\":\"events\",\"state\":true}]}}");
  run(vm, "{\"execute\":\"migrate-set-parameters\",\"arguments\":{"
          "\"max-bandwidth\":1099511627776,\"downtime-limit\":1}}");
}

static void quit(vm_t *vm) {
  (void)kill(vm->pid, SIGKILL);
  (void)waitpid(vm->pid, NULL, 0);
  (void)fclose(vm->in);
}

/* So that it can be sent once more. QEMU tells of the end before it is done. */
static void rewind_machine(vm_t *vm) {
  static char line[4096];

  do {
    tell(vm, "{\"execute\":\"query-status\"}");
    do {
      must(fgets(line, sizeof(line), vm->in) != NULL, "QEMU");
    } while (strstr(line, "\"return\"") == NULL);
  } while (strstr(line, "finish-migrate") != NULL);
  run(vm, "{\"execute\":\"cont\"}");
  run(vm, "{\"execute\":\"stop\"}");
}

static void migrate(vm_t *vm, const char *command, const char *uri) {
  char text[512];

  (void)snprintf(text, sizeof(text),
                 "{\"execute\":\"%s\",\"arguments\":{\"uri\":\"%s\"}}", command,
                 uri);
  tell(vm, text);
}

/* Other ends. */

static int listen_at(const char *path) {
  struct sockaddr_un at = {.sun_family = AF_UNIX};
  union {
    struct sockaddr_un *own;
    struct sockaddr *any;
  } address = {&at};
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  (void)snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
  must(bind(fd, address.any, sizeof(at)) == 0 && listen(fd, 1) == 0, path);
  return fd;
}

static pid_t start_cat(const char *path) {
  int fd = listen_at(path);
  pid_t pid = fork();

  if (pid == 0) {
    int from = accept(fd, NULL, NULL);
    int to = open("image", O_WRONLY | O_CREAT | O_TRUNC, 0600);

    (void)dup2(from, STDIN_FILENO);
    (void)dup2(to, STDOUT_FILENO);
    (void)execlp("cat", "cat", NULL);
    _exit(127);
  }
  (void)close(fd);
  return pid;
}

static pid_t start_receive(const char *path) {
  char uri[64];
  char said;
  int ends[2];
  pid_t pid;

  (void)snprintf(uri, sizeof(uri), "unix:%s", path);
  must(pipe(ends) == 0, "pipe");
  pid = fork();
  if (pid == 0) {
    (void)dup2(ends[1], STDERR_FILENO);
    (void)execl(sluice, "sluice", "receive", uri, "-o", "image", NULL);
    _exit(127);
  }
  (void)close(ends[1]);
  must(read(ends[0], &said, 1) == 1, "sluice"); /* it listens */
  return pid; /* the pipe stays: it may have more to say */
}

static pid_t spawn(const char *const argv[]) {
  pid_t pid = fork();

  if (pid == 0) {
    (void)execvp(argv[0], (char *const *)(uintptr_t)argv);
    _exit(127);
  }
  return pid;
}

static void await(pid_t pid) {
  int status;

  must(waitpid(pid, &status, 0) == pid && status == 0, "the other end");
}

static void begin(sample_t *s, const vm_t *vm) {
  s->qemu = vm == NULL ? 0 : processor_time(vm->pid);
  s->other = children_time();
  s->wall = now();
}

static void end(sample_t *s, const vm_t *vm) {
  s->wall = now() - s->wall;
  s->other = children_time() - s->other;
  s->qemu = vm == NULL ? 0 : processor_time(vm->pid) - s->qemu;
}

static void send_out(vm_t *vm, pid_t (*listener)(const char *), sample_t *s) {
  pid_t pid;

  (void)unlink("image");
  (void)unlink("out");
  rewind_machine(vm);
  pid = listener("out");
  begin(s, vm);
  migrate(vm, "migrate", "unix:out");
  await_word(vm, "\"completed\"");
  await(pid);
  end(s, vm);
}

static void send_exec(vm_t *vm, sample_t *s) {
  double before = grandchildren_time(vm->pid);

  (void)unlink("image");
  rewind_machine(vm);
  begin(s, vm);
  migrate(vm, "migrate", "exec:cat > image");
  await_word(vm, "\"completed\"");
  end(s, vm);
  s->other = grandchildren_time(vm->pid) - before;
}

static void take_in(const char *const argv[], const char *uri, sample_t *s) {
  vm_t vm;

  (void)unlink("in");
  start(&vm, "-incoming", "defer");
  begin(s, &vm);
  migrate(&vm, "migrate-incoming", uri);
  if (argv == NULL) {
    await_word(&vm, "\"completed\"");
    end(s, &vm);
    s->other = grandchildren_time(vm.pid);
  } else {
    pid_t pid;

    await_word(&vm, "\"return\"");
    pid = spawn(argv);
    await_word(&vm, "\"completed\"");
    await(pid);
    end(s, &vm);
  }
  quit(&vm);
}

static void run_alone(const char *const argv[], sample_t *s) {
  (void)unlink("copy");
  begin(s, NULL);
  await(spawn(argv));
  end(s, NULL);
}

/* Figures. */

static sample_t samples[VARIANTS][ROUNDS_MAX];

static const struct {
  const char *name;
  int base; /* what it is compared with */
} variants[VARIANTS] = {
    {"out: sluice receive", 0},
    {"out: exec:cat > file", 0},
    {"out: cat on the socket", 0},
    {"in: sluice send", 3},
    {"in: exec:cat file", 3},
    {"file: sluice convert", 5},
    {"file: cp", 5},
};

static int compare(const void *a, const void *b) {
  double x = *(const double *)a;
  double y = *(const double *)b;

  return (x > y) - (x < y);
}

static double median(double *values, int count) {
  qsort(values, (size_t)count, sizeof(*values), compare);
  return values[count / 2];
}

static void print_variant(int v, int rounds) {
  double columns[4][ROUNDS_MAX];

  for (int i = 0; i < rounds; i++) {
    columns[0][i] = samples[v][i].wall;
    columns[1][i] = samples[v][i].qemu;
    columns[2][i] = samples[v][i].other;
    columns[3][i] = samples[v][i].wall / samples[variants[v].base][i].wall;
  }
  (void)printf("%-24s %6.2f GB/s  %6.3f s  qemu %5.3f s  other %5.3f s  "
               "time x %4.2f\n",
               variants[v].name,
               (double)mib * 1048576 / 1e9 / median(columns[0], rounds),
               median(columns[0], rounds), median(columns[1], rounds),
               median(columns[2], rounds), median(columns[3], rounds));
}

static void run_round(vm_t *vm, int i) {
  const char *const sending[] = {sluice, "send", "kept", "unix:in", NULL};
  const char *const converting[] = {sluice,   "convert", "--to", "native",
                                    "stream", "copy",    NULL};
  const char *const copying[] = {"cp", "stream", "copy", NULL};

  send_out(vm, start_receive, &samples[0][i]);
  must(rename("image", "kept") == 0, "image");
  send_exec(vm, &samples[1][i]);
  must(rename("image", "stream") == 0, "stream");
  send_out(vm, start_cat, &samples[2][i]);
  for (int j = 0; j < 2; j++) { /* neither always comes first */
    if ((i + j) % 2 == 0) {
      take_in(sending, "unix:in", &samples[3][i]);
    } else {
      take_in(NULL, "exec:cat stream", &samples[4][i]);
    }
  }
  run_alone(converting, &samples[5][i]);
  run_alone(copying, &samples[6][i]);
}

static void make_load(void) {
  static uint64_t block[1024 * 1024 / 8];
  uint64_t x = 88172645463325252u;
  FILE *f = fopen("load", "w");

  must(f != NULL, "load");
  for (long i = 0; i < mib; i++) {
    for (size_t j = 0; j < sizeof(block) / sizeof(*block); j++) {
      x ^= x << 13;
      x ^= x >> 7;
      x ^= x << 17;
      block[j] = x;
    }
    must(fwrite(block, sizeof(block), 1, f) == 1, "load");
  }
  must(fclose(f) == 0, "load");
}

static void clean(void) {
  static const char *const names[] = {"load",   "image", "kept", "out",
                                      "stream", "copy",  "in"};

  for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
    (void)unlink(names[i]);
  }
  (void)rmdir(folder);
}

int main(int argc, char **argv) {
  int rounds = argc > 1 ? atoi(argv[1]) : 5;
  vm_t vm;

  mib = argc > 2 ? atol(argv[2]) : mib;
  if (rounds < 1 || rounds > ROUNDS_MAX || mib < 1) {
    (void)fputs("usage: bench_transfer [ROUNDS [MIB [FOLDER]]]\n", stderr);
    return 2;
  }
  (void)snprintf(folder, sizeof(folder), "%s/sluice-bench-XXXXXX",
                 argc > 3 ? argv[3] : "/dev/shm");
  must(mkdtemp(folder) != NULL && chdir(folder) == 0, folder);
  (void)atexit(clean);
  make_load();
  start(&vm, "-device", "loader,addr=0,force-raw=on,file=load");
  for (int i = 0; i < rounds; i++) {
    run_round(&vm, i);
  }
  quit(&vm);
  (void)printf("%ld MiB, %d rounds, %s\n", mib, rounds,
               argc > 3 ? argv[3] : "/dev/shm");
  for (int v = 0; v < VARIANTS; v++) {
    print_variant(v, rounds);
  }
  return 0;
}
