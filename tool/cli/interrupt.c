/* interrupt.c - see interrupt.h.
 *
 * Signals are process-wide, so this is: one at a time. */
#include "cli/interrupt.h"

#include <signal.h>
#include <stddef.h>
#include <sys/signalfd.h>
#include <unistd.h>

static const int deadly[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};

enum { DEADLY_COUNT = sizeof(deadly) / sizeof(deadly[0]) };

static int fd = -1;
static int number; /* of the first; 0: none */
static sigset_t former;

static bool is_ignored(int signal_number) {
  struct sigaction action;

  return sigaction(signal_number, NULL, &action) == 0 &&
         action.sa_handler == SIG_IGN;
}

void interrupt_begin(void) {
  sigset_t set;

  (void)sigemptyset(&set);
  for (int i = 0; i < DEADLY_COUNT; i++) {
    if (!is_ignored(deadly[i])) {
      (void)sigaddset(&set, deadly[i]);
    }
  }
  (void)pthread_sigmask(SIG_BLOCK, &set, &former);
  fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int interrupt_fd(void) {
  return number == 0 ? fd : -1;
}

bool interrupt_came(void) {
  struct signalfd_siginfo info;

  if (number == 0 && fd >= 0 && read(fd, &info, sizeof(info)) > 0) {
    number = (int)info.ssi_signo;
    (void)pthread_sigmask(SIG_SETMASK, &former, NULL);
  }
  return number != 0;
}

void interrupt_end(void) {
  if (fd < 0) {
    return;
  }
  (void)interrupt_came();
  (void)close(fd);
  fd = -1;
  (void)pthread_sigmask(SIG_SETMASK, &former, NULL);
  if (number != 0) {
    (void)raise(number);
  }
}
