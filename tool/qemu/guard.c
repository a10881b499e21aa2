/* guard.c - see guard.h. */
#include "qemu/guard.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "qemu/migration.h"

enum { QUIET_MS = 300 };

/* What QEMU has said to the one that died, half a line of it perhaps. */
static void skip_old_news(int fd) {
  static char scrap[65536];
  struct pollfd p = {.fd = fd, .events = POLLIN};

  while (poll(&p, 1, QUIET_MS) > 0 &&
         recv(fd, scrap, sizeof(scrap), MSG_DONTWAIT) > 0) {
  }
}

static void undo(const qmp_t *former, const settings_t *s, bool was_running) {
  failure_t ignored = {0};
  settings_t settings = *s;
  qmp_t q = *former;

  /* Its numbers went on after we were made. */
  q.last_id += UINT64_C(1) << 32;
  q.len = 0;
  q.asked_id = 0;
  q.is_deaf = true;
  skip_old_news(q.fd);
  (void)migration_cancel(&q, &ignored);
  if (was_running) {
    (void)machine_resume(&q, &ignored);
  }
  (void)settings_restore(&settings, &q, &ignored);
}

static void be_guard(int fd, const qmp_t *q, const settings_t *s,
                     bool was_running) {
  char all_is_well;
  ssize_t n;

  (void)prctl(PR_SET_NAME, "sluice-guard");
  do {
    n = read(fd, &all_is_well, 1);
  } while (n < 0 && errno == EINTR);
  if (n == 0) {
    undo(q, s, was_running);
  }
  _exit(0);
}

void guard_begin(guard_t *g, const qmp_t *q, const settings_t *s,
                 bool was_running) {
  int ends[2];

  if (pipe(ends) < 0) {
    return;
  }
  g->pid = fork();
  if (g->pid == 0) {
    (void)close(ends[1]);
    be_guard(ends[0], q, s, was_running);
  }
  (void)close(ends[0]);
  g->fd = ends[1];
  if (g->pid < 0) {
    (void)close(ends[1]);
    g->pid = 0;
  }
}

void guard_end(guard_t *g) {
  if (g->pid == 0) {
    return;
  }
  (void)!write(g->fd, "", 1);
  (void)close(g->fd);
  (void)waitpid(g->pid, NULL, 0);
  g->pid = 0;
}
