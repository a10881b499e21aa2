/* guard.c - see guard.h.
 *
 * Its errors are negated errno numbers: on Unix that is what UV_E* codes are.
 *
 * Without UFFD_USER_MODE_ONLY on purpose: with it the kernel would answer a
 * read(2) into a protected page with EFAULT, and a host would lose data because
 * it is being saved. So where the kernel's settings forbid the full thing, it
 * is refused.
 *
 * The descriptors belong to the address space that opened them: a guard lives
 * for one save. */
#include "guard.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <uv.h>

#include "kernel_wp.h"

enum { NO_FD = -1, EVENTS = 16 };

struct sluice__guard_s {
  int uffd;
  int stop; /* eventfd */
  pid_t owner;
  pthread_t thread;
  int has_thread;
  sluice__guard_cb on_fault;
  void *ctx;
};

static int fail_open(sluice_error_t *err, const char *what, int error) {
  if (error == EPERM || error == EACCES) {
    return sluice_fail(err, UV_EPERM,
                       "no write-protect: %s: %s (needs CAP_SYS_PTRACE, "
                       "/dev/userfaultfd, or vm.unprivileged_userfaultfd=1)",
                       what, strerror(error));
  }
  /* A lack of descriptors or memory passes: that is not the kernel's word. */
  if (error == EMFILE || error == ENFILE || error == ENOMEM) {
    return sluice_fail(err, -error, "no write-protect: %s: %s", what,
                       strerror(error));
  }
  return sluice_fail(err, UV_ENOTSUP,
                     "no write-protect (needs Linux 6.4): %s: %s", what,
                     strerror(error));
}

/* The device (6.1) is for hosts that have no capability but this file. */
static int open_device(void) {
  int device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
  int fd;

  if (device < 0) {
    return NO_FD;
  }
  fd = ioctl(device, SLUICE__UFFD_IOC_NEW, O_CLOEXEC | O_NONBLOCK);
  (void)close(device);
  return fd;
}

static int open_uffd(sluice__guard_t *guard, sluice_error_t *err) {
  struct uffdio_api api = {.api = UFFD_API};
  int error;

  api.features = UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_THREAD_ID |
                 SLUICE__UFFD_WP_UNPOPULATED;
  guard->uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
  error = errno;
  if (guard->uffd < 0 && error == EPERM) {
    guard->uffd = open_device();
  }
  if (guard->uffd < 0) {
    return fail_open(err, "userfaultfd", error);
  }
  return ioctl(guard->uffd, UFFDIO_API, &api) == 0
             ? 0
             : fail_open(err, "UFFDIO_API", errno);
}

static void take_events(sluice__guard_t *guard) {
  struct uffd_msg events[EVENTS];
  ssize_t n = read(guard->uffd, events, sizeof(events));

  for (ssize_t i = 0; n > 0 && i < n / (ssize_t)sizeof(events[0]); i++) {
    const struct uffd_msg *e = &events[i];

    if (e->event == UFFD_EVENT_PAGEFAULT) {
      guard->on_fault(guard->ctx, guard,
                      (uint8_t *)(uintptr_t)e->arg.pagefault.address,
                      (pid_t)e->arg.pagefault.feat.ptid == guard->owner);
    }
  }
}

static void *run_guard(void *arg) {
  sluice__guard_t *guard = arg;
  struct pollfd fds[2] = {{.fd = guard->uffd, .events = POLLIN},
                          {.fd = guard->stop, .events = POLLIN}};

  while (fds[1].revents == 0) {
    if (poll(fds, 2, -1) > 0 && fds[0].revents != 0) {
      take_events(guard);
    }
  }
  return NULL;
}

/* Signals are for the host's threads. */
static int start_thread(sluice__guard_t *guard, sluice_error_t *err) {
  sigset_t all, before;
  int r;

  (void)sigfillset(&all);
  (void)pthread_sigmask(SIG_SETMASK, &all, &before);
  r = pthread_create(&guard->thread, NULL, run_guard, guard);
  (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
  guard->has_thread = r == 0;
  return r == 0 ? 0
                : sluice_fail(err, -r, "no thread to guard memory with: %s",
                              strerror(r));
}

static int open_parts(sluice__guard_t *guard, sluice_error_t *err) {
  int r = open_uffd(guard, err);

  if (r != 0) {
    return r;
  }
  guard->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (guard->stop < 0) {
    return sluice_fail(err, -errno, "eventfd: %s", strerror(errno));
  }
  return start_thread(guard, err);
}

int sluice__guard_open(sluice__guard_t **out, sluice__guard_cb on_fault,
                       void *ctx, sluice_error_t *err) {
  sluice__guard_t *guard = calloc(1, sizeof(*guard));
  int r;

  if (guard == NULL) {
    return sluice_fail(err, UV_ENOMEM, "no memory to guard memory with");
  }
  guard->uffd = NO_FD;
  guard->stop = NO_FD;
  guard->owner = (pid_t)syscall(SYS_gettid);
  guard->on_fault = on_fault;
  guard->ctx = ctx;
  r = open_parts(guard, err);
  if (r != 0) {
    sluice__guard_close(guard);
    return r;
  }
  *out = guard;
  return 0;
}

static void stop_thread(sluice__guard_t *guard) {
  const uint64_t one = 1;

  if (guard->has_thread) {
    /* A counter at 0 takes 1 without fail. */
    (void)!write(guard->stop, &one, sizeof(one));
    (void)pthread_join(guard->thread, NULL);
  }
}

void sluice__guard_close(sluice__guard_t *guard) {
  if (guard == NULL) {
    return;
  }
  stop_thread(guard);
  if (guard->uffd >= 0) {
    (void)close(guard->uffd); /* lets go whoever is held */
  }
  if (guard->stop >= 0) {
    (void)close(guard->stop);
  }
  free(guard);
}

static struct uffdio_range range_of(uint8_t *at, uint64_t bytes) {
  return (struct uffdio_range){.start = (uintptr_t)at, .len = bytes};
}

int sluice__guard_add(sluice__guard_t *guard, uint8_t *at, uint64_t bytes,
                      sluice_error_t *err) {
  struct uffdio_register reg = {.range = range_of(at, bytes),
                                .mode = UFFDIO_REGISTER_MODE_WP};

  if (ioctl(guard->uffd, UFFDIO_REGISTER, &reg) == 0) {
    return 0;
  }
  return sluice_fail(err, -errno,
                     "memory cannot be write-protected: UFFDIO_REGISTER: %s",
                     strerror(errno));
}

/* They fail where the host has unmapped the memory: nobody is held there. */
void sluice__guard_wake(sluice__guard_t *guard, uint8_t *at, uint64_t bytes) {
  struct uffdio_range range = range_of(at, bytes);

  (void)ioctl(guard->uffd, UFFDIO_WAKE, &range);
}

void sluice__guard_remove(sluice__guard_t *guard, uint8_t *at, uint64_t bytes) {
  struct uffdio_range range = range_of(at, bytes);

  (void)ioctl(guard->uffd, UFFDIO_UNREGISTER, &range);
  /* The kernel wakes before it lets go: who came in between would wait on. */
  sluice__guard_wake(guard, at, bytes);
}

/* EAGAIN: the address space is changing under it; it has to be asked again. */
static int set_protection(const sluice__guard_t *guard, uint8_t *at,
                          uint64_t bytes, uint64_t mode) {
  struct uffdio_writeprotect wp = {.range = range_of(at, bytes), .mode = mode};
  int r;

  do {
    r = ioctl(guard->uffd, UFFDIO_WRITEPROTECT, &wp);
  } while (r != 0 && (errno == EAGAIN || errno == EINTR));
  return r == 0 ? 0 : -errno;
}

int sluice__guard_protect(sluice__guard_t *guard, uint8_t *at, uint64_t bytes,
                          sluice_error_t *err) {
  int r = set_protection(guard, at, bytes, UFFDIO_WRITEPROTECT_MODE_WP);

  return r == 0 ? 0
                : sluice_fail(err, r,
                              "memory cannot be write-protected: "
                              "UFFDIO_WRITEPROTECT: %s",
                              strerror(-r));
}

void sluice__guard_release(sluice__guard_t *guard, uint8_t *at,
                           uint64_t bytes) {
  if (set_protection(guard, at, bytes, 0) != 0) {
    sluice__guard_wake(guard, at, bytes);
  }
}
