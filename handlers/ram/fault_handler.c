/* fault_handler.c - see fault_handler.h.
 *
 * Its errors are negated errno numbers: on Unix that is what UV_E* codes are.
 *
 * Without UFFD_USER_MODE_ONLY on purpose: with it the kernel would answer a
 * read(2) into a protected page with EFAULT, and a host would lose data because
 * it is being saved. So where the kernel's settings forbid the full thing, it
 * is refused.
 *
 * The descriptors belong to the address space that opened them: a fault handler
 * lives for one save. */
#include "fault_handler.h"

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

struct sluice__fault_handler_s {
  int uffd;
  int stop; /* eventfd */
  pid_t owner;
  pthread_t thread;
  int has_thread;
  sluice__fault_handler_cb on_fault;
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

static int open_uffd(sluice__fault_handler_t *faults, sluice_error_t *err) {
  struct uffdio_api api = {.api = UFFD_API};
  int error;

  api.features = UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_THREAD_ID |
                 SLUICE__UFFD_WP_UNPOPULATED;
  faults->uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
  error = errno;
  if (faults->uffd < 0 && error == EPERM) {
    faults->uffd = open_device();
  }
  if (faults->uffd < 0) {
    return fail_open(err, "userfaultfd", error);
  }
  return ioctl(faults->uffd, UFFDIO_API, &api) == 0
             ? 0
             : fail_open(err, "UFFDIO_API", errno);
}

static void take_events(sluice__fault_handler_t *faults) {
  struct uffd_msg events[EVENTS];
  ssize_t n = read(faults->uffd, events, sizeof(events));

  for (ssize_t i = 0; n > 0 && i < n / (ssize_t)sizeof(events[0]); i++) {
    const struct uffd_msg *e = &events[i];

    if (e->event == UFFD_EVENT_PAGEFAULT) {
      faults->on_fault(faults->ctx, faults,
                       (uint8_t *)(uintptr_t)e->arg.pagefault.address,
                       (pid_t)e->arg.pagefault.feat.ptid == faults->owner);
    }
  }
}

static void *run_faults(void *arg) {
  sluice__fault_handler_t *faults = arg;
  struct pollfd fds[2] = {{.fd = faults->uffd, .events = POLLIN},
                          {.fd = faults->stop, .events = POLLIN}};

  while (fds[1].revents == 0) {
    if (poll(fds, 2, -1) > 0 && fds[0].revents != 0) {
      take_events(faults);
    }
  }
  return NULL;
}

/* Signals are for the host's threads. */
static int start_thread(sluice__fault_handler_t *faults, sluice_error_t *err) {
  sigset_t all, before;
  int r;

  (void)sigfillset(&all);
  (void)pthread_sigmask(SIG_SETMASK, &all, &before);
  r = pthread_create(&faults->thread, NULL, run_faults, faults);
  (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
  faults->has_thread = r == 0;
  return r == 0 ? 0
                : sluice_fail(err, -r, "no thread to guard memory with: %s",
                              strerror(r));
}

static int open_parts(sluice__fault_handler_t *faults, sluice_error_t *err) {
  int r = open_uffd(faults, err);

  if (r != 0) {
    return r;
  }
  faults->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (faults->stop < 0) {
    return sluice_fail(err, -errno, "eventfd: %s", strerror(errno));
  }
  return start_thread(faults, err);
}

int sluice__fault_handler_open(sluice__fault_handler_t **out,
                               sluice__fault_handler_cb on_fault, void *ctx,
                               sluice_error_t *err) {
  sluice__fault_handler_t *faults = calloc(1, sizeof(*faults));
  int r;

  if (faults == NULL) {
    return sluice_fail(err, UV_ENOMEM, "no memory to guard memory with");
  }
  faults->uffd = NO_FD;
  faults->stop = NO_FD;
  faults->owner = (pid_t)syscall(SYS_gettid);
  faults->on_fault = on_fault;
  faults->ctx = ctx;
  r = open_parts(faults, err);
  if (r != 0) {
    sluice__fault_handler_close(faults);
    return r;
  }
  *out = faults;
  return 0;
}

static void stop_thread(sluice__fault_handler_t *faults) {
  const uint64_t one = 1;

  if (faults->has_thread) {
    /* A counter at 0 takes 1 without fail. */
    (void)!write(faults->stop, &one, sizeof(one));
    (void)pthread_join(faults->thread, NULL);
  }
}

void sluice__fault_handler_close(sluice__fault_handler_t *faults) {
  if (faults == NULL) {
    return;
  }
  stop_thread(faults);
  if (faults->uffd >= 0) {
    (void)close(faults->uffd); /* lets go whoever is held */
  }
  if (faults->stop >= 0) {
    (void)close(faults->stop);
  }
  free(faults);
}

static struct uffdio_range range_of(uint8_t *at, uint64_t bytes) {
  return (struct uffdio_range){.start = (uintptr_t)at, .len = bytes};
}

int sluice__fault_handler_add(sluice__fault_handler_t *faults, uint8_t *at,
                              uint64_t bytes, sluice_error_t *err) {
  struct uffdio_register reg = {.range = range_of(at, bytes),
                                .mode = UFFDIO_REGISTER_MODE_WP};

  if (ioctl(faults->uffd, UFFDIO_REGISTER, &reg) == 0) {
    return 0;
  }
  return sluice_fail(err, -errno,
                     "memory cannot be write-protected: UFFDIO_REGISTER: %s",
                     strerror(errno));
}

/* They fail where the host has unmapped the memory: nobody is held there. */
void sluice__fault_handler_wake(sluice__fault_handler_t *faults, uint8_t *at,
                                uint64_t bytes) {
  struct uffdio_range range = range_of(at, bytes);

  (void)ioctl(faults->uffd, UFFDIO_WAKE, &range);
}

void sluice__fault_handler_remove(sluice__fault_handler_t *faults, uint8_t *at,
                                  uint64_t bytes) {
  struct uffdio_range range = range_of(at, bytes);

  (void)ioctl(faults->uffd, UFFDIO_UNREGISTER, &range);
  /* The kernel wakes before it lets go: who came in between would wait on. */
  sluice__fault_handler_wake(faults, at, bytes);
}

/* EAGAIN: the address space is changing under it; it has to be asked again. */
static int set_protection(const sluice__fault_handler_t *faults, uint8_t *at,
                          uint64_t bytes, uint64_t mode) {
  struct uffdio_writeprotect wp = {.range = range_of(at, bytes), .mode = mode};
  int r;

  do {
    r = ioctl(faults->uffd, UFFDIO_WRITEPROTECT, &wp);
  } while (r != 0 && (errno == EAGAIN || errno == EINTR));
  return r == 0 ? 0 : -errno;
}

int sluice__fault_handler_protect(sluice__fault_handler_t *faults, uint8_t *at,
                                  uint64_t bytes, sluice_error_t *err) {
  int r = set_protection(faults, at, bytes, UFFDIO_WRITEPROTECT_MODE_WP);

  return r == 0 ? 0
                : sluice_fail(err, r,
                              "memory cannot be write-protected: "
                              "UFFDIO_WRITEPROTECT: %s",
                              strerror(-r));
}

void sluice__fault_handler_release(sluice__fault_handler_t *faults, uint8_t *at,
                                   uint64_t bytes) {
  if (set_protection(faults, at, bytes, 0) != 0) {
    sluice__fault_handler_wake(faults, at, bytes);
  }
}
