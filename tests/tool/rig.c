/* rig.c - see rig.h. SLUICE_TOOL is the tool's path, from the build. */
#include "tool/rig.h"

#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "folder.h"

enum { ARGUMENTS_MAX = 16 };

#define OUT_FILE "rig.out"
#define ERR_FILE "rig.err"

static char folder[256];

void rig_setup(void) {
  test_template(folder, sizeof(folder), "tool");
  ck_assert_ptr_nonnull(mkdtemp(folder));
  ck_assert_int_eq(chdir(folder), 0);
  ck_assert_int_eq(setenv("TMPDIR", folder, 1), 0);
}

static void remove_all(void) {
  DIR *d = opendir(folder);
  const struct dirent *e;

  while ((e = readdir(d)) != NULL) {
    if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
      (void)unlink(e->d_name);
    }
  }
  (void)closedir(d);
  (void)rmdir(folder);
}

int rig_leftovers(void) {
  DIR *d = opendir(".");
  const struct dirent *e;
  int n = 0;

  while ((e = readdir(d)) != NULL) {
    n += strncmp(e->d_name, ".sluice-", 8) == 0;
  }
  (void)closedir(d);
  return n;
}

void rig_teardown(void) {
  int left = rig_leftovers();

  remove_all();
  ck_assert_msg(left == 0, "%d temporary files were left behind", left);
}

char *rig_read(const char *path, size_t *out_len) {
  FILE *f = fopen(path, "rb");
  struct stat st;
  char *data;

  ck_assert_msg(f != NULL, "there is no file %s", path);
  ck_assert_int_eq(fstat(fileno(f), &st), 0);
  data = malloc((size_t)st.st_size + 1);
  ck_assert_ptr_nonnull(data);
  ck_assert_uint_eq(fread(data, 1, (size_t)st.st_size, f), (size_t)st.st_size);
  data[st.st_size] = '\0';
  (void)fclose(f);
  if (out_len != NULL) {
    *out_len = (size_t)st.st_size;
  }
  return data;
}

void rig_write(const char *path, const void *data, size_t len) {
  FILE *f = fopen(path, "wb");

  ck_assert_ptr_nonnull(f);
  ck_assert_uint_eq(fwrite(data, 1, len, f), len);
  ck_assert_int_eq(fclose(f), 0);
}

static void collect(const char *argv[], const char *first, va_list ap) {
  int n = 0;

  argv[n++] = "sluice";
  for (const char *a = first; a != NULL; a = va_arg(ap, const char *)) {
    ck_assert_int_lt(n, ARGUMENTS_MAX);
    argv[n++] = a;
  }
  argv[n] = NULL;
}

static int must_open(const char *path, int flags) {
  int fd = open(path, flags | O_CLOEXEC, 0600);

  ck_assert_msg(fd >= 0, "cannot open %s", path);
  return fd;
}

/* Check's own handlers, which a child has until it is another program, would
 * end the whole test. */
static void drop_handlers(const sigset_t *former) {
  (void)signal(SIGINT, SIG_DFL);
  (void)signal(SIGTERM, SIG_DFL);
  (void)sigprocmask(SIG_SETMASK, former, NULL);
}

/* exec() takes arguments that it could write to, and does not. */
static pid_t start(int in, int out, int err, const char *program,
                   const char *const argv[]) {
  sigset_t all;
  sigset_t former;
  pid_t pid;

  (void)sigfillset(&all);
  (void)sigprocmask(SIG_BLOCK, &all, &former);
  pid = fork();
  if (pid != 0) {
    (void)sigprocmask(SIG_SETMASK, &former, NULL);
  }
  ck_assert_int_ge(pid, 0);
  if (pid == 0) {
    drop_handlers(&former);
    (void)dup2(in, STDIN_FILENO);
    (void)dup2(out, STDOUT_FILENO);
    (void)dup2(err, STDERR_FILENO);
    (void)execvp(program, (char *const *)(uintptr_t)argv);
    _exit(127);
  }
  return pid;
}

static int feed(const rig_io_t *io, int err, pid_t *out_cat) {
  const char *const cat[] = {"cat", io->in, NULL};
  int ends[2];

  *out_cat = -1;
  if (!io->is_piped) {
    return must_open(io->in != NULL ? io->in : "/dev/null", O_RDONLY);
  }
  ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
  *out_cat = start(STDIN_FILENO, ends[1], err, "cat", cat);
  (void)close(ends[1]);
  return ends[0];
}

static void await(pid_t pid, ran_t *r) {
  struct rusage usage;
  int status;

  ck_assert_int_eq(wait4(pid, &status, 0, &usage), pid);
  r->exit_code =
      WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  r->peak_kib = usage.ru_maxrss;
}

static ran_t run(const rig_io_t *io, const char *const argv[]) {
  int err = must_open(ERR_FILE, O_WRONLY | O_CREAT | O_TRUNC);
  int out = must_open(io->out != NULL ? io->out : OUT_FILE,
                      O_WRONLY | O_CREAT | O_TRUNC);
  ran_t r = {0};
  pid_t cat;
  int in = feed(io, err, &cat);
  pid_t pid = start(in, out, err, SLUICE_TOOL, argv);

  (void)close(in);
  (void)close(out);
  (void)close(err);
  await(pid, &r);
  if (cat > 0) {
    (void)waitpid(cat, NULL, 0);
  }
  r.out = io->out != NULL ? strdup("") : rig_read(OUT_FILE, &r.out_len);
  r.err = rig_read(ERR_FILE, NULL);
  return r;
}

ran_t rig_run(const char *argument, ...) {
  const char *argv[ARGUMENTS_MAX + 1];
  const rig_io_t io = {.in = NULL};
  va_list ap;

  va_start(ap, argument);
  collect(argv, argument, ap);
  va_end(ap);
  return run(&io, argv);
}

ran_t rig_run_io(const rig_io_t *io, const char *argument, ...) {
  const char *argv[ARGUMENTS_MAX + 1];
  va_list ap;

  va_start(ap, argument);
  collect(argv, argument, ap);
  va_end(ap);
  return run(io, argv);
}

pid_t rig_start(int in, const char *argument, ...) {
  const char *argv[ARGUMENTS_MAX + 1];
  int null = must_open("/dev/null", O_WRONLY);
  va_list ap;
  pid_t pid;

  va_start(ap, argument);
  collect(argv, argument, ap);
  va_end(ap);
  pid = start(in, null, null, SLUICE_TOOL, argv);
  (void)close(null);
  return pid;
}

job_t rig_begin(const char *argument, ...) {
  const char *argv[ARGUMENTS_MAX + 1];
  int null = must_open("/dev/null", O_RDWR);
  job_t job;
  int ends[2];
  va_list ap;

  va_start(ap, argument);
  collect(argv, argument, ap);
  va_end(ap);
  ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
  job.pid = start(null, null, ends[1], SLUICE_TOOL, argv);
  job.err = ends[0];
  (void)close(ends[1]);
  (void)close(null);
  return job;
}

void rig_line(job_t *job, char *out, size_t size) {
  size_t len = 0;

  while (len + 1 < size && read(job->err, out + len, 1) == 1 &&
         out[len] != '\n') {
    len++;
  }
  out[len] = '\0';
}

ran_t rig_await(job_t *job) {
  enum { SAID_MAX = 65536 };
  ran_t r = {.out = strdup(""), .err = calloc(1, SAID_MAX + 1)};
  size_t len = 0;
  ssize_t n;

  while (len < SAID_MAX &&
         (n = read(job->err, r.err + len, SAID_MAX - len)) > 0) {
    len += (size_t)n;
  }
  (void)close(job->err);
  await(job->pid, &r);
  return r;
}

void ran_done(ran_t *r) {
  free(r->out);
  free(r->err);
}

void rig_expect(ran_t *r, int exit_code, const char *said) {
  ck_assert_msg(r->exit_code == exit_code, "exit %d, said: %s", r->exit_code,
                r->err);
  ck_assert_msg(strstr(r->err, said) != NULL, "expected '%s', said: %s", said,
                r->err);
  ran_done(r);
}
