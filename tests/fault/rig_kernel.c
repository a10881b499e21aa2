/* rig_kernel.c - what the kernel refuses beside files: mappings, and the
 * tracking of writes. Behind --wrap, as rig_calls.c.
 *
 * Mappings of no file that are not put over others are counted, in bytes: what
 * is there after an operation that was not before is a leak. */
#include "rigs.h"

#include <errno.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "fault.h"

#define WRAP(result, name, arguments)                                          \
  result __real_##name arguments;                                              \
  result __wrap_##name arguments;                                              \
  result __wrap_##name arguments

/* ---- mappings ---- */

static atomic_long mapped;
static _Thread_local char *last_at; /* the mapping made last */
static _Thread_local size_t last_len;

long rig_mapped_bytes(void) {
  return atomic_load(&mapped);
}

WRAP(void *, mmap,
     (void *at, size_t len, int prot, int flags, int fd, off_t offset)) {
  void *p;

  if (fault_breaks(FAULT_MAP)) {
    return MAP_FAILED;
  }
  p = __real_mmap(at, len, prot, flags, fd, offset);
  if (p != MAP_FAILED && (flags & MAP_FIXED) == 0) {
    atomic_fetch_add(&mapped, (long)len);
    last_at = p;
    last_len = len;
  }
  return p;
}

/* An end of a mapping is never refused: it makes no mapping more. */
static int is_trimming(const char *at, size_t len) {
  return len < last_len && (at == last_at || at + len == last_at + last_len);
}

/* Over others, as the library moves memory: one of the two is gone then. */
WRAP(void *, mremap,
     (void *at, size_t old_len, size_t len, int flags, void *to)) {
  void *p;

  if (fault_breaks(FAULT_MAP)) {
    return MAP_FAILED;
  }
  p = __real_mremap(at, old_len, len, flags, to);
  if (p != MAP_FAILED) {
    atomic_fetch_sub(&mapped, (long)old_len);
  }
  return p;
}

WRAP(int, munmap, (void *p, size_t len)) {
  char *at = p;
  int is_end = is_trimming(at, len);
  int r;

  if (!is_end && fault_breaks(FAULT_UNMAP)) {
    return -1;
  }
  r = __real_munmap(at, len);
  if (r == 0) {
    atomic_fetch_sub(&mapped, (long)len);
  }
  if (is_end) {
    last_at += at == last_at ? len : 0;
    last_len -= len;
  }
  return r;
}

WRAP(int, mprotect, (void *at, size_t len, int prot)) {
  return fault_breaks(FAULT_MAP) ? -1 : __real_mprotect(at, len, prot);
}

WRAP(int, madvise, (void *at, size_t len, int advice)) {
  return fault_breaks(FAULT_MAP) ? -1 : __real_madvise(at, len, advice);
}

/* ---- tracking ---- */

long __real_syscall(long number, long a, long b, long c, long d, long e,
                    long f);
long __wrap_syscall(long number, long a, long b, long c, long d, long e,
                    long f);
long __wrap_syscall(long number, long a, long b, long c, long d, long e,
                    long f) {
  return number == SYS_userfaultfd && fault_breaks(FAULT_TRACK)
             ? -1
             : __real_syscall(number, a, b, c, d, e, f);
}

/* Nobody would come to a page whose protection cannot be taken away, so that
 * the kernel never refuses but for memory that is not there any more. */
static fault_kind_t kind_of(unsigned long request, const void *argument) {
  const struct uffdio_writeprotect *wp = argument;

  if (request == UFFDIO_WAKE) {
    return FAULT_NONE;
  }
  if (request == UFFDIO_UNREGISTER ||
      (request == UFFDIO_WRITEPROTECT && wp->mode == 0)) {
    return FAULT_LETGO;
  }
  return FAULT_TRACK;
}

WRAP(int, ioctl, (int fd, unsigned long request, void *argument)) {
  fault_kind_t kind = kind_of(request, argument);

  return kind != FAULT_NONE && fault_breaks(kind)
             ? -1
             : __real_ioctl(fd, request, argument);
}

WRAP(int, eventfd, (unsigned first, int flags)) {
  return fault_breaks(FAULT_TRACK) ? -1 : __real_eventfd(first, flags);
}

WRAP(int, pthread_create,
     (pthread_t * out, const pthread_attr_t *with, void *(*run)(void *),
      void *argument)) {
  return fault_breaks(FAULT_TRACK)
             ? errno
             : __real_pthread_create(out, with, run, argument);
}
