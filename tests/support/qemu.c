/* qemu.c - see qemu.h. */
#include "qemu.h"

#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ARGS_MAX = 64, LINE_MAX_BYTES = 1024 * 1024 };

static const char program[] = "qemu-system-x86_64";

static void add(const char **argv, size_t *n, const char *const *more) {
  for (; more != NULL && *more != NULL; more++) {
    ck_assert_uint_lt(*n, ARGS_MAX - 1);
    argv[(*n)++] = *more;
  }
  argv[*n] = NULL;
}

/* In the child. execvp promises not to write to the strings. */
static void exec_qemu(const char **argv) {
  union {
    const char **in;
    char **out;
  } cast = {argv};

  (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
  (void)execvp(program, cast.out);
  perror(program);
  _exit(127);
}

/* The next line that QEMU says. */
static json_t *read_line(qemu_t *q) {
  json_t *reply;
  char *end;

  while ((end = memchr(q->line, '\n', q->len)) == NULL) {
    ssize_t n = read(q->fd, q->line + q->len, LINE_MAX_BYTES - q->len);

    ck_assert_msg(n > 0, "%s has gone, or is not installed", program);
    q->len += (size_t)n;
  }
  reply = json_loadb(q->line, (size_t)(end - q->line), 0, NULL);
  ck_assert_msg(reply != NULL, "%s speaks no JSON", program);
  end++;
  q->len -= (size_t)(end - q->line);
  memmove(q->line, end, q->len);
  return reply;
}

static void send_json(qemu_t *q, json_t *request) {
  char *text = json_dumps(request, JSON_COMPACT);
  size_t len = strlen(text);

  ck_assert_int_eq(write(q->fd, text, len), (ssize_t)len);
  free(text);
  json_decref(request);
}

static json_t *run(qemu_t *q, const char *name, json_t *arguments) {
  json_t *request = json_pack("{s:s}", "execute", name);

  if (arguments != NULL) {
    json_object_set_new(request, "arguments", arguments);
  }
  send_json(q, request);
  for (;;) { /* events come in between */
    json_t *reply = read_line(q);
    json_t *value = json_object_get(reply, "return");

    ck_assert_msg(json_object_get(reply, "error") == NULL, "%s: %s", name,
                  json_string_value(json_object_get(
                      json_object_get(reply, "error"), "desc")));
    if (value != NULL) {
      json_incref(value);
      json_decref(reply);
      return value;
    }
    json_decref(reply);
  }
}

static json_t *pack(const char *format, va_list ap) {
  json_t *arguments;

  if (format == NULL) {
    return NULL;
  }
  arguments = json_vpack_ex(NULL, 0, format, ap);
  ck_assert_ptr_nonnull(arguments);
  return arguments;
}

json_t *qemu_command(qemu_t *q, const char *name, const char *format, ...) {
  json_t *arguments;
  va_list ap;

  va_start(ap, format);
  arguments = pack(format, ap);
  va_end(ap);
  return run(q, name, arguments);
}

void qemu_do(qemu_t *q, const char *name, const char *format, ...) {
  json_t *arguments;
  va_list ap;

  va_start(ap, format);
  arguments = pack(format, ap);
  va_end(ap);
  json_decref(run(q, name, arguments));
}

static void greet(qemu_t *q) {
  json_decref(read_line(q));
  qemu_do(q, "qmp_capabilities", NULL);
  qemu_do(q, "migrate-set-capabilities", "{s:[{s:s,s:b}]}", "capabilities",
          "capability", "events", "state", 1);
}

void qemu_start(qemu_t *q, const char *const *args, const char *const *extra) {
  const char *argv[ARGS_MAX] = {program};
  char chardev[64];
  const char *own[] = {"-accel",
                       "tcg",
                       "-display",
                       "none",
                       "-chardev",
                       chardev,
                       "-mon",
                       "chardev=monitor,mode=control",
                       "-monitor",
                       "none",
                       "-no-user-config",
                       NULL};
  int ends[2];
  size_t n = 1;

  ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
  (void)snprintf(chardev, sizeof(chardev), "socket,id=monitor,fd=%d", ends[1]);
  add(argv, &n, own);
  add(argv, &n, args);
  add(argv, &n, extra);
  q->pid = fork();
  ck_assert_int_ge(q->pid, 0);
  if (q->pid == 0) {
    (void)close(ends[0]);
    exec_qemu(argv);
  }
  (void)close(ends[1]);
  q->fd = ends[0];
  q->len = 0;
  q->line = malloc(LINE_MAX_BYTES);
  ck_assert_ptr_nonnull(q->line);
  greet(q);
}

void qemu_quit(qemu_t *q) {
  (void)kill(q->pid, SIGKILL);
  (void)waitpid(q->pid, NULL, 0);
  (void)close(q->fd);
  free(q->line);
}

char *qemu_info(qemu_t *q, const char *line) {
  json_t *said =
      qemu_command(q, "human-monitor-command", "{s:s}", "command-line", line);
  char *text = strdup(json_string_value(said));

  json_decref(said);
  return text;
}

/* Events end with one of these. */
const char *qemu_await(qemu_t *q) {
  static const char *const ends[] = {"completed", "failed", "cancelled"};

  for (;;) {
    json_t *event = read_line(q);
    const char *name = json_string_value(json_object_get(event, "event"));
    const char *status = json_string_value(
        json_object_get(json_object_get(event, "data"), "status"));

    for (size_t i = 0; i < 3 && name != NULL && status != NULL; i++) {
      if (strcmp(name, "MIGRATION") == 0 && strcmp(status, ends[i]) == 0) {
        json_decref(event);
        return ends[i];
      }
    }
    json_decref(event);
  }
}

static void read_fifo(const char *path, build_t *out) {
  static uint8_t block[65536];
  int fd = open(path, O_RDONLY | O_CLOEXEC); /* waits for the writer */
  ssize_t n;

  ck_assert_int_ge(fd, 0);
  while ((n = read(fd, block, sizeof(block))) > 0) {
    build_raw(out, block, (size_t)n);
  }
  ck_assert_int_eq(n, 0);
  (void)close(fd);
}

const char *qemu_save(qemu_t *q, const char *dir, build_t *out) {
  char path[128];
  char uri[256];

  (void)snprintf(path, sizeof(path), "%s/fifo", dir);
  (void)snprintf(uri, sizeof(uri), "exec:cat > %s", path);
  ck_assert_int_eq(mkfifo(path, 0600), 0);
  send_json(q, json_pack("{s:s, s:{s:s}}", "execute", "migrate", "arguments",
                         "uri", uri));
  read_fifo(path, out);
  (void)unlink(path);
  return qemu_await(q);
}

void qemu_migrate(qemu_t *q, const char *uri) {
  send_json(q, json_pack("{s:s, s:{s:s}}", "execute", "migrate", "arguments",
                         "uri", uri));
}

const char *qemu_load_from(qemu_t *q, const char *uri) {
  send_json(q, json_pack("{s:s, s:{s:s}}", "execute", "migrate-incoming",
                         "arguments", "uri", uri));
  return qemu_await(q);
}

const char *qemu_load(qemu_t *q, const char *path) {
  char uri[256];

  (void)snprintf(uri, sizeof(uri), "exec:cat %s", path);
  return qemu_load_from(q, uri);
}

uint8_t *qemu_memory(qemu_t *q, const char *dir, size_t size) {
  uint8_t *memory = malloc(size);
  char path[256];
  FILE *f;

  ck_assert_ptr_nonnull(memory);
  (void)snprintf(path, sizeof(path), "%s/memory", dir);
  qemu_do(q, "pmemsave", "{s:i, s:I, s:s}", "val", 0, "size", (json_int_t)size,
          "filename", path);
  f = fopen(path, "rb");
  ck_assert_ptr_nonnull(f);
  ck_assert_uint_eq(fread(memory, 1, size, f), size);
  (void)fclose(f);
  (void)unlink(path);
  return memory;
}
