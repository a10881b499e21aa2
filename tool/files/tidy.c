/* tidy.c - see tidy.h. Must know nothing of what is in the files. */
#include "files/tidy.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

static const int deadly[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

enum {
  DEADLY_COUNT = sizeof(deadly) / sizeof(deadly[0]),
  WATCHED_MAX = 4 /* an output, a socket */
};

/* Read by the signal handler: changed with these signals blocked only. */
static const char *volatile watched[WATCHED_MAX];

static void on_deadly(int number) {
  for (int i = 0; i < WATCHED_MAX; i++) {
    const char *path = watched[i];

    if (path != NULL) {
      (void)unlink(path);
    }
  }
  (void)raise(number); /* SA_RESETHAND: this time it kills */
}

static void block(sigset_t *former) {
  sigset_t set;

  (void)sigemptyset(&set);
  for (int i = 0; i < DEADLY_COUNT; i++) {
    (void)sigaddset(&set, deadly[i]);
  }
  (void)pthread_sigmask(SIG_BLOCK, &set, former);
}

static void unblock(const sigset_t *former) {
  (void)pthread_sigmask(SIG_SETMASK, former, NULL);
}

/* What the parent made us ignore (nohup) stays ignored. */
static void install(void) {
  for (int i = 0; i < DEADLY_COUNT; i++) {
    struct sigaction action = {.sa_flags = (int)SA_RESETHAND};
    struct sigaction former;

    action.sa_handler = on_deadly;
    if (sigaction(deadly[i], NULL, &former) == 0 &&
        former.sa_handler == SIG_DFL) {
      (void)sigaction(deadly[i], &action, NULL);
    }
  }
}

static void replace(const char *former, const char *path) {
  int i = 0;

  while (i < WATCHED_MAX && watched[i] != former) {
    i++;
  }
  assert(i < WATCHED_MAX || path == NULL); /* fine to forget twice */
  if (i < WATCHED_MAX) {
    watched[i] = path;
  }
}

int tidy_create(char *path) {
  sigset_t former;
  int number;
  int fd;

  install();
  block(&former);
  fd = mkostemp(path, O_CLOEXEC);
  number = errno;
  if (fd >= 0) {
    replace(NULL, path);
  }
  unblock(&former);
  errno = number;
  return fd;
}

void tidy_watch(const char *path) {
  sigset_t former;

  install();
  block(&former);
  replace(NULL, path);
  unblock(&former);
}

void tidy_forget(const char *path) {
  sigset_t former;

  block(&former);
  replace(path, NULL);
  unblock(&former);
}
