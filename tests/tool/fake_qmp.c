/* fake_qmp.c - see fake_qmp.h. The child never returns; what it knows in the
 * end goes to a file. */
#include "tool/fake_qmp.h"

#include <check.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tool/rig.h"

#define END_FILE "fake.end"

enum { LINE_MAX_BYTES = 65536, BANDWIDTH = 1000, DOWNTIME = 300 };

struct machine {
  const fake_qmp_t *plan;
  int client;
  int passed; /* a descriptor that came; -1: none */
  fake_end_t now;
  bool has_events;
  bool has_multifd;
  json_int_t bandwidth;
  json_int_t downtime;
  const char *status;    /* of the machine */
  const char *migration; /* NULL: none */
};

/* Both ends run it: a failed check in the child would go unnoticed. */
static void must(bool is_so) {
  if (!is_so) {
    perror("fake QEMU");
    abort();
  }
}

static void end(struct machine *m) {
  FILE *f = fopen(END_FILE, "w");

  m->now.is_as_it_was = !m->has_events && m->has_multifd &&
                        m->bandwidth == BANDWIDTH && m->downtime == DOWNTIME;
  must(f != NULL && fwrite(&m->now, sizeof(m->now), 1, f) == 1 &&
       fclose(f) == 0);
  _exit(0);
}

static void say(const struct machine *m, const char *text) {
  (void)send(m->client, text, strlen(text), MSG_NOSIGNAL);
  (void)send(m->client, "\r\n", 2, MSG_NOSIGNAL);
}

static void answer(const struct machine *m, const json_t *request,
                   json_t *value) {
  json_t *reply = json_pack("{s:o}", "return", value);
  char *text;

  (void)json_object_set(reply, "id", json_object_get(request, "id"));
  text = json_dumps(reply, 0);
  say(m, text);
  free(text);
  json_decref(reply);
}

static void refuse(const struct machine *m, const json_t *request) {
  json_t *reply =
      json_pack("{s:{s:s, s:s}, s:O}", "error", "class", "GenericError", "desc",
                "not today", "id", json_object_get(request, "id"));
  char *text = json_dumps(reply, 0);

  say(m, text);
  free(text);
  json_decref(reply);
}

/* The line, and the descriptor that came with it. False: the client has gone.
 */
static bool hear(struct machine *m, char *line) {
  size_t len = 0;

  do {
    char control[CMSG_SPACE(sizeof(int))];
    struct iovec iov = {.iov_base = line + len, .iov_len = 1};
    struct msghdr h = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control,
                       .msg_controllen = sizeof(control)};
    const struct cmsghdr *c;

    if (recvmsg(m->client, &h, 0) != 1) {
      return false;
    }
    c = CMSG_FIRSTHDR(&h);
    if (c != NULL && c->cmsg_type == SCM_RIGHTS) {
      memcpy(&m->passed, CMSG_DATA(c), sizeof(int));
    }
    must(len + 1 < LINE_MAX_BYTES);
  } while (line[len++] != '\n');
  line[len] = '\0';
  return true;
}

static void set_capabilities(struct machine *m, const json_t *list) {
  const json_t *entry;
  size_t i;

  json_array_foreach(list, i, entry) {
    const char *name = json_string_value(json_object_get(entry, "capability"));
    bool is_on = json_is_true(json_object_get(entry, "state"));

    must(strcmp(name, "events") == 0 || strcmp(name, "multifd") == 0);
    *(strcmp(name, "events") == 0 ? &m->has_events : &m->has_multifd) = is_on;
  }
}

static void set_parameters(struct machine *m, json_t *p) {
  (void)json_unpack(p, "{s?I, s?I}", "max-bandwidth", &m->bandwidth,
                    "downtime-limit", &m->downtime);
}

/* The stream fits into a connection: nobody waits for anybody. */
static void migrate(struct machine *m) {
  size_t len;
  char *data = rig_read(m->plan->stream, &len);
  bool is_cut = m->plan->fault == FAULT_CUT && m->now.commands == m->plan->at;

  must(m->passed >= 0 && !m->has_multifd);
  (void)send(m->passed, data, is_cut ? len / 2 : len, MSG_NOSIGNAL);
  (void)close(m->passed);
  m->passed = -1;
  free(data);
  m->migration = is_cut ? "failed" : "completed";
  if (m->plan->fault == FAULT_INTERRUPT && m->now.commands == m->plan->at) {
    m->migration = "active"; /* until it is cancelled */
    return;
  }
  m->status = is_cut ? m->status : "postmigrate";
  m->now.is_running = is_cut && m->now.is_running;
  say(m, "{\"event\": \"MIGRATION\", \"data\": {\"status\": \"active\"}}");
}

static void run_machine(struct machine *m, bool is_running) {
  m->now.is_running = is_running;
  m->status = is_running ? "running" : "paused";
}

static json_t *query(const struct machine *m, const char *command) {
  if (strcmp(command, "query-status") == 0) {
    return json_pack("{s:s, s:b}", "status", m->status, "running",
                     (int)m->now.is_running);
  }
  if (strcmp(command, "query-kvm") == 0) {
    return json_pack("{s:b, s:b}", "enabled", 0, "present", 1);
  }
  if (strcmp(command, "query-migrate") == 0) {
    return m->migration == NULL ? json_object()
                                : json_pack("{s:s}", "status", m->migration);
  }
  if (strcmp(command, "query-migrate-parameters") == 0) {
    return json_pack("{s:I, s:I, s:s}", "max-bandwidth", m->bandwidth,
                     "downtime-limit", m->downtime, "tls-creds", "");
  }
  if (strcmp(command, "query-migrate-capabilities") == 0) {
    return json_pack("[{s:s, s:b}, {s:s, s:b}]", "capability", "events",
                     "state", (int)m->has_events, "capability", "multifd",
                     "state", (int)m->has_multifd);
  }
  return json_object();
}

static void act(struct machine *m, const char *command, json_t *arguments) {
  if (strcmp(command, "migrate-set-capabilities") == 0) {
    set_capabilities(m, json_object_get(arguments, "capabilities"));
  } else if (strcmp(command, "migrate-set-parameters") == 0) {
    set_parameters(m, arguments);
  } else if (strcmp(command, "migrate") == 0) {
    migrate(m);
  } else if (strcmp(command, "stop") == 0 || strcmp(command, "cont") == 0) {
    run_machine(m, command[0] == 'c');
  } else if (strcmp(command, "closefd") == 0) {
    (void)close(m->passed);
    m->passed = -1;
  } else if (strcmp(command, "migrate_cancel") == 0 && m->migration != NULL &&
             strcmp(m->migration, "active") == 0) {
    m->migration = "cancelled";
  } else if (strcmp(command, "quit") == 0) {
    m->now.has_quit = true;
  }
}

static void interrupt_client(const struct machine *m) {
  struct ucred peer;
  socklen_t len = sizeof(peer);

  must(getsockopt(m->client, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
       kill(peer.pid, SIGINT) == 0);
}

/* As QEMU does: not while a migration is under way. */
static bool is_allowed(const struct machine *m, const char *command) {
  return m->migration == NULL || strcmp(m->migration, "active") != 0 ||
         strcmp(command, "migrate-set-capabilities") != 0;
}

/* False: this was the fault, and the command has had no effect. */
static bool is_spared(struct machine *m, const json_t *request) {
  if (m->now.commands != m->plan->at) {
    return true;
  }
  switch (m->plan->fault) {
  case FAULT_REFUSE: refuse(m, request); return false;
  case FAULT_GONE: end(m); return false;
  case FAULT_GARBAGE: say(m, "no JSON"); return false;
  case FAULT_INTERRUPT: interrupt_client(m); break;
  case FAULT_CUT: break;
  }
  return true;
}

static void serve(struct machine *m) {
  static char line[LINE_MAX_BYTES];

  say(m, "{\"QMP\": {\"version\": {}, \"capabilities\": []}}");
  while (!m->now.has_quit && hear(m, line)) {
    json_t *request = json_loads(line, 0, NULL);
    const char *command =
        json_string_value(json_object_get(request, "execute"));

    must(command != NULL);
    m->now.commands++;
    if (!is_allowed(m, command)) {
      refuse(m, request);
    } else if (is_spared(m, request)) {
      act(m, command, json_object_get(request, "arguments"));
      answer(m, request, query(m, command));
    }
    json_decref(request);
  }
  end(m);
}

static int listen_here(void) {
  struct sockaddr_un at = {.sun_family = AF_UNIX, .sun_path = "qmp"};
  union {
    struct sockaddr_un *own;
    struct sockaddr *any;
  } address = {&at};
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  (void)unlink("qmp");
  ck_assert_int_eq(bind(fd, address.any, sizeof(at)), 0);
  ck_assert_int_eq(listen(fd, 1), 0);
  return fd;
}

void fake_qmp_start(fake_qmp_t *q) {
  struct machine m = {.plan = q,
                      .passed = -1,
                      .now = {.is_running = true},
                      .has_multifd = true,
                      .bandwidth = BANDWIDTH,
                      .downtime = DOWNTIME,
                      .status = "running"};
  int fd = listen_here();

  q->pid = fork();
  ck_assert_int_ge(q->pid, 0);
  if (q->pid == 0) {
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    m.client = accept(fd, NULL, NULL);
    must(m.client >= 0);
    serve(&m);
  }
  (void)close(fd);
}

fake_end_t fake_qmp_end(fake_qmp_t *q) {
  fake_end_t result;
  size_t len;
  char *data;
  int status;

  ck_assert_int_eq(waitpid(q->pid, &status, 0), q->pid);
  ck_assert_int_eq(status, 0);
  data = rig_read(END_FILE, &len);
  ck_assert_uint_eq(len, sizeof(result));
  memcpy(&result, data, len);
  free(data);
  (void)unlink(END_FILE);
  return result;
}
