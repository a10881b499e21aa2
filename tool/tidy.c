/* tidy.c - see tidy.h. Must know nothing of what is in the file. */
#include "tidy.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

static const int deadly[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

enum { DEADLY_COUNT = sizeof(deadly) / sizeof(deadly[0]) };

/* Read by the signal handler: changed with these signals blocked only. */
static const char *volatile watched;

static void on_deadly(int number) {
  const char *path = watched;

  if (path != NULL) {
    (void)unlink(path);
  }
  (void)raise(number); /* SA_RESETHAND: this time it kills */
}

static void block(bool is_blocked) {
  sigset_t set;

  (void)sigemptyset(&set);
  for (int i = 0; i < DEADLY_COUNT; i++) {
    (void)sigaddset(&set, deadly[i]);
  }
  (void)pthread_sigmask(is_blocked ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
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

int tidy_create(char *path) {
  int number;
  int fd;

  install();
  block(true);
  fd = mkostemp(path, O_CLOEXEC);
  number = errno;
  watched = fd < 0 ? NULL : path;
  block(false);
  errno = number;
  return fd;
}

void tidy_forget(void) {
  block(true);
  watched = NULL;
  block(false);
}
