/* qmp.c - see qmp.h.
 *
 * QEMU writes one JSON object a line:
 *
 *   {"QMP": ...}                             the greeting
 *   {"return": ..., "id": 1}                 an answer
 *   {"error": {"desc": ...}, "id": 1}        another
 *   {"event": ..., "data": ...}              at any time */
#include "qemu/qmp.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "cli/interrupt.h"

enum {
  /* The longest known, query-qmp-schema's, has 200 KB. */
  LINE_BYTES = 4 * 1024 * 1024,
  /* QEMU talks to one client at a time: the others wait for the greeting. */
  GREETING_MS = 10 * 1000,
  /* A guest with much memory can keep QEMU's main loop for seconds. */
  ANSWER_MS = 60 * 1000
};

static uint64_t now_ms(void) {
  struct timespec t;

  (void)clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static int fail_gone(qmp_t *q, failure_t *f) {
  q->is_gone = true;
  return fail_with(f, q->name, UV_ECONNRESET, "QEMU has gone away");
}

/* Messages. */

static void note_event(qmp_t *q, const json_t *message) {
  const char *event = json_string_value(json_object_get(message, "event"));
  const char *status = json_string_value(
      json_object_get(json_object_get(message, "data"), "status"));

  if (event != NULL && status != NULL && strcmp(event, "MIGRATION") == 0) {
    (void)snprintf(q->migration, sizeof(q->migration), "%s", status);
  }
}

static uint64_t id_of(const json_t *message) {
  const json_t *id = json_object_get(message, "id");

  return json_is_integer(id) ? (uint64_t)json_integer_value(id) : 0;
}

/* Keeps what was asked for on the side. */
static void note(qmp_t *q, const json_t *message) {
  note_event(q, message);
  if (q->asked_id != 0 && id_of(message) == q->asked_id) {
    json_decref(q->answer);
    q->answer = json_incref(json_object_get(message, "return"));
    q->asked_id = 0;
  }
}

/* The next message at hand. 1: there is one in `out`; 0: not yet. */
static int take_line(qmp_t *q, json_t **out, failure_t *f) {
  char *end = memchr(q->line, '\n', q->len);
  size_t used;

  if (end == NULL) {
    return q->len < LINE_BYTES
               ? 0
               : fail_with(f, q->name, SLUICE_ELIMIT,
                           "expected a line of at most %d bytes of QEMU",
                           LINE_BYTES);
  }
  used = (size_t)(end - q->line) + 1;
  *out = json_loadb(q->line, used, 0, NULL);
  q->len -= used;
  memmove(q->line, q->line + used, q->len);
  if (!json_is_object(*out)) {
    json_decref(*out);
    return fail_with(f, q->name, UV_EPROTO,
                     "expected a message of QEMU's machine protocol");
  }
  return 1;
}

/* Reads what is there. */
static int fill(qmp_t *q, failure_t *f) {
  ssize_t n = recv(q->fd, q->line + q->len, LINE_BYTES - q->len, MSG_DONTWAIT);

  if (n == 0 || (n < 0 && errno == ECONNRESET)) {
    return fail_gone(q, f);
  }
  if (n < 0) {
    return errno == EAGAIN || errno == EINTR
               ? 0
               : fail_system(f, q->name, errno, "hear from QEMU");
  }
  q->len += (size_t)n;
  return 0;
}

static int fail_interrupted(const qmp_t *q, failure_t *f) {
  return fail_with(f, q->name, UV_ECANCELED, "interrupted");
}

/* Waits for something to read, here or at `fd`. */
static int poll_both(qmp_t *q, int fd, int timeout_ms, bool *out_news,
                     failure_t *f) {
  struct pollfd p[] = {
      {.fd = q->is_gone ? -1 : q->fd, .events = POLLIN},
      {.fd = fd, .events = POLLIN},
      {.fd = q->is_deaf ? -1 : interrupt_fd(), .events = POLLIN}};
  int r = poll(p, 3, timeout_ms);

  *out_news = r > 0 && p[0].revents != 0;
  if (r < 0 && errno != EINTR) {
    return fail_system(f, q->name, errno, "wait for QEMU");
  }
  if (r > 0 && p[2].revents != 0 && interrupt_came()) {
    return fail_interrupted(q, f);
  }
  return r > 0 && p[1].revents != 0;
}

/* The next message, in at most `until_ms`. */
static int read_message(qmp_t *q, uint64_t until_ms, json_t **out,
                        failure_t *f) {
  for (;;) {
    uint64_t now = now_ms();
    bool has_news = false;
    int r = take_line(q, out, f);

    if (r != 0) {
      return r;
    }
    if (q->is_gone) {
      return fail_gone(q, f);
    }
    if (now >= until_ms) {
      return fail_with(f, q->name, UV_ETIMEDOUT, "QEMU does not answer");
    }
    r = poll_both(q, -1, (int)(until_ms - now), &has_news, f);
    if (r == 0 && has_news) {
      r = fill(q, f);
    }
    if (r < 0) {
      return r;
    }
  }
}

/* Commands. */

static int send_text(qmp_t *q, const char *text, int fd, failure_t *f) {
  union {
    char bytes[CMSG_SPACE(sizeof(int))];
    struct cmsghdr align;
  } control = {.bytes = {0}};
  size_t len = strlen(text);

  while (len > 0) {
    struct iovec iov = {.iov_len = len};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
    ssize_t n;

    iov.iov_base = (void *)(uintptr_t)text; /* only read */
    if (fd >= 0) {
      m.msg_control = control.bytes;
      m.msg_controllen = sizeof(control.bytes);
      control.align.cmsg_level = SOL_SOCKET;
      control.align.cmsg_type = SCM_RIGHTS;
      control.align.cmsg_len = CMSG_LEN(sizeof(int));
      memcpy(CMSG_DATA(&control.align), &fd, sizeof(fd));
    }
    n = sendmsg(q->fd, &m, MSG_NOSIGNAL);
    if (n < 0 && (errno == EPIPE || errno == ECONNRESET)) {
      return fail_gone(q, f);
    }
    if (n < 0 && errno != EINTR) {
      return fail_system(f, q->name, errno, "talk to QEMU");
    }
    text += n > 0 ? n : 0;
    len -= n > 0 ? (size_t)n : 0;
    fd = n > 0 ? -1 : fd; /* goes along with the first byte */
  }
  return 0;
}

/* Takes `arguments`. */
static int send_command(qmp_t *q, const char *command, json_t *arguments,
                        int fd, failure_t *f) {
  json_t *request = json_pack("{s:s, s:I}", "execute", command, "id",
                              (json_int_t)++q->last_id);
  char *text;
  int r;

  if (arguments != NULL) {
    (void)json_object_set_new(request, "arguments", arguments);
  }
  text = json_dumps(request, JSON_COMPACT);
  json_decref(request);
  if (text == NULL) {
    return fail_with(f, q->name, UV_ENOMEM, "no memory to talk to QEMU");
  }
  r = q->is_gone ? fail_gone(q, f) : send_text(q, text, fd, f);
  r = r < 0 ? r : send_text(q, "\n", -1, f);
  free(text);
  return r;
}

static int judge(qmp_t *q, const char *command, const json_t *message,
                 json_t **out, failure_t *f) {
  json_t *value = json_object_get(message, "return");
  const char *text = json_string_value(
      json_object_get(json_object_get(message, "error"), "desc"));

  if (value == NULL) {
    return fail_with(f, q->name, UV_EREMOTEIO, "QEMU refuses '%s': %s", command,
                     text != NULL ? text : "it does not say why");
  }
  if (out != NULL) {
    *out = json_incref(value);
  }
  return 0;
}

static int await_answer(qmp_t *q, const char *command, json_t **out,
                        failure_t *f) {
  uint64_t until = now_ms() + ANSWER_MS;
  uint64_t id = q->last_id;

  for (;;) {
    json_t *message = NULL;
    int r = read_message(q, until, &message, f);

    if (r < 0) {
      return r;
    }
    if (json_object_get(message, "event") == NULL && id_of(message) == id) {
      r = judge(q, command, message, out, f);
      json_decref(message);
      return r;
    }
    note(q, message);
    json_decref(message);
  }
}

int qmp_run(qmp_t *q, const char *command, json_t *arguments, json_t **out,
            failure_t *f) {
  int r = send_command(q, command, arguments, -1, f);

  return r < 0 ? r : await_answer(q, command, out, f);
}

int qmp_give_fd(qmp_t *q, int fd, const char *name, failure_t *f) {
  int r = send_command(q, "getfd", json_pack("{s:s}", "fdname", name), fd, f);

  return r < 0 ? r : await_answer(q, "getfd", NULL, f);
}

void qmp_ask(qmp_t *q, const char *command) {
  failure_t ignored = {0};

  if (q->asked_id == 0 && !q->is_gone &&
      send_command(q, command, NULL, -1, &ignored) == 0) {
    q->asked_id = q->last_id;
  }
}

json_t *qmp_take_answer(qmp_t *q) {
  json_t *answer = q->answer;

  q->answer = NULL;
  return answer;
}

int qmp_wait(qmp_t *q, int fd, int timeout_ms, failure_t *f) {
  failure_t ignored = {0}; /* that QEMU has gone is for others to tell */
  json_t *message = NULL;
  bool has_news = false;
  int r = poll_both(q, fd, timeout_ms, &has_news, f);

  if (has_news && fill(q, &ignored) < 0) {
    q->is_gone = true;
  }
  while (!q->is_gone && take_line(q, &message, &ignored) > 0) {
    note(q, message);
    json_decref(message);
  }
  return r;
}

/* Life. */

static int fail_greeting(qmp_t *q, failure_t *f, failure_t *why) {
  if (why->error.code == UV_ETIMEDOUT) {
    return fail_with(f, q->name, UV_ETIMEDOUT,
                     "QEMU does not greet us: is another client connected?");
  }
  return fail_stream(f, q->name, &why->error);
}

static int greet(qmp_t *q, failure_t *f) {
  failure_t why = {0};
  json_t *message = NULL;
  int r = read_message(q, now_ms() + GREETING_MS, &message, &why);
  bool is_qmp = json_object_get(message, "QMP") != NULL;

  json_decref(message);
  if (r < 0) {
    return fail_greeting(q, f, &why);
  }
  return is_qmp ? qmp_run(q, "qmp_capabilities", NULL, NULL, f)
                : fail_with(f, q->name, UV_EPROTO,
                            "expected the greeting of QEMU's machine protocol");
}

static int connect_to(qmp_t *q, const char *path, failure_t *f) {
  /* Connecting waits, too, where others have connected already. */
  const struct timeval patience = {.tv_sec = GREETING_MS / 1000};
  struct sockaddr_un to = {.sun_family = AF_UNIX};
  union {
    struct sockaddr_un *own;
    struct sockaddr *any;
  } address = {&to};

  if (strlen(path) >= sizeof(to.sun_path)) {
    return fail_with(f, path, UV_ENAMETOOLONG, "the path is too long");
  }
  (void)snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
  q->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (q->fd < 0 ||
      setsockopt(q->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) <
          0 ||
      connect(q->fd, address.any, sizeof(to)) < 0) {
    return fail_system(f, path, errno, "connect to QEMU");
  }
  return 0;
}

int qmp_open(qmp_t *q, const char *path, failure_t *f) {
  int r;

  *q = (qmp_t){.name = path, .fd = -1, .line = malloc(LINE_BYTES)};
  if (q->line == NULL) {
    return fail_with(f, path, UV_ENOMEM, "no memory to talk to QEMU");
  }
  r = connect_to(q, path, f);
  return r < 0 ? r : greet(q, f);
}

void qmp_close(qmp_t *q) {
  json_decref(q->answer);
  q->answer = NULL;
  free(q->line);
  q->line = NULL;
  if (q->fd >= 0) {
    (void)close(q->fd);
    q->fd = -1;
  }
}
