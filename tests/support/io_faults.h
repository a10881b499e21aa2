/* io_faults.h - system calls and allocations that fail, below a sink: behind
 * the linker's --wrap, for one suite. `fault` says which one fails, and how. */
#ifndef SLUICE_TESTS_IO_FAULTS_H
#define SLUICE_TESTS_IO_FAULTS_H

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/uio.h>

enum call {
  CALL_NONE,
  CALL_OPENAT,
  CALL_PWRITEV,
  CALL_WRITEV,
  CALL_FSYNC,
  CALL_RENAMEAT,
  CALL_LINKAT,
  CALL_OPEN_LINK,
  CALL_CLOSE,
  CALL_STATX,
  CALL_MEMORY
};

/* Read by threads of the pool while a test runs; set between runs only. */
static struct {
  enum call call;
  int error;
  int nth;
  bool is_sticky;
  size_t short_bytes;   /* a write takes so much at most; 0: all */
  bool refuse_direct;   /* EINVAL for what is written O_DIRECT */
  bool refuse_nameless; /* a file system without O_TMPFILE */
  bool interrupt_often; /* every other write is EINTR first */
  atomic_int calls;
  atomic_int fired;
  atomic_int direct_calls;
  atomic_int direct_refusals;
} fault;

static bool is_failing(enum call call) {
  int n;

  if (fault.call != call) {
    return false;
  }
  n = atomic_fetch_add(&fault.calls, 1);
  if (n != fault.nth && !(fault.is_sticky && n > fault.nth)) {
    return false;
  }
  atomic_fetch_add(&fault.fired, 1);
  errno = fault.error;
  return true;
}

#define WRAP(result, name, arguments)                                          \
  result __real_##name arguments;                                              \
  result __wrap_##name arguments;                                              \
  result __wrap_##name arguments

WRAP(int, openat, (int dir, const char *path, int flags, mode_t mode)) {
  if (fault.refuse_nameless && (flags & O_TMPFILE) == O_TMPFILE) {
    errno = EOPNOTSUPP;
    return -1;
  }
  return is_failing(CALL_OPENAT) ? -1 : __real_openat(dir, path, flags, mode);
}

/* As fs.protected_symlinks refuses a stranger's link in a sticky folder. */
WRAP(int, open, (const char *path, int flags, mode_t mode)) {
  const int looks = O_PATH | O_DIRECTORY;

  return (flags & looks) == O_PATH && is_failing(CALL_OPEN_LINK)
             ? -1
             : __real_open(path, flags, mode);
}

WRAP(int, fsync, (int fd)) {
  return is_failing(CALL_FSYNC) ? -1 : __real_fsync(fd);
}

WRAP(int, renameat, (int from, const char *a, int to, const char *b)) {
  return is_failing(CALL_RENAMEAT) ? -1 : __real_renameat(from, a, to, b);
}

WRAP(int, linkat, (int from, const char *a, int to, const char *b, int flags)) {
  return is_failing(CALL_LINKAT) ? -1 : __real_linkat(from, a, to, b, flags);
}

/* As the kernel does: an error of close() comes with the descriptor closed. */
WRAP(int, close, (int fd)) {
  int r = __real_close(fd);

  return is_failing(CALL_CLOSE) ? -1 : r;
}

WRAP(int, statx,
     (int dir, const char *path, int flags, unsigned mask, struct statx *out)) {
  return is_failing(CALL_STATX) ? -1
                                : __real_statx(dir, path, flags, mask, out);
}

static bool is_interrupted(void) {
  errno = EINTR;
  return fault.interrupt_often && atomic_fetch_add(&fault.calls, 1) % 2 == 0;
}

/* One piece, as short as asked for. */
static int shorten(const struct iovec *iov, int count, struct iovec *one) {
  *one = iov[0];
  if (fault.short_bytes == 0) {
    return count;
  }
  if (one->iov_len > fault.short_bytes) {
    one->iov_len = fault.short_bytes;
  }
  return 1;
}

static ssize_t refuse_direct(void) {
  atomic_fetch_add(&fault.direct_refusals, 1);
  errno = EINVAL;
  return -1;
}

WRAP(ssize_t, pwritev,
     (int fd, const struct iovec *iov, int count, off_t offset)) {
  bool is_direct = (fcntl(fd, F_GETFL) & O_DIRECT) != 0;
  struct iovec one;
  ssize_t n;

  if (is_failing(CALL_PWRITEV) || is_interrupted()) {
    return -1;
  }
  if (is_direct && fault.refuse_direct) {
    return refuse_direct();
  }
  count = shorten(iov, count, &one);
  n = __real_pwritev(fd, count == 1 ? &one : iov, count, offset);
  if (is_direct && n < 0 && errno == EINVAL) {
    return refuse_direct();
  }
  atomic_fetch_add(&fault.direct_calls, is_direct ? 1 : 0);
  return n;
}

WRAP(ssize_t, writev, (int fd, const struct iovec *iov, int count)) {
  struct iovec one;

  if (is_failing(CALL_WRITEV) || is_interrupted()) {
    return -1;
  }
  count = shorten(iov, count, &one);
  return __real_writev(fd, count == 1 ? &one : iov, count);
}

WRAP(void *, malloc, (size_t size)) {
  return is_failing(CALL_MEMORY) ? NULL : __real_malloc(size);
}

WRAP(void *, calloc, (size_t count, size_t size)) {
  return is_failing(CALL_MEMORY) ? NULL : __real_calloc(count, size);
}

WRAP(void *, realloc, (void *p, size_t size)) {
  return is_failing(CALL_MEMORY) ? NULL : __real_realloc(p, size);
}

WRAP(char *, strdup, (const char *text)) {
  return is_failing(CALL_MEMORY) ? NULL : __real_strdup(text);
}

WRAP(char *, strndup, (const char *text, size_t len)) {
  return is_failing(CALL_MEMORY) ? NULL : __real_strndup(text, len);
}

static void arm(enum call call, int error, int nth, bool is_sticky) {
  fault.error = error;
  fault.nth = nth;
  fault.is_sticky = is_sticky;
  atomic_store(&fault.calls, 0);
  atomic_store(&fault.fired, 0);
  fault.call = call;
}

static int disarm(void) {
  fault.call = CALL_NONE;
  return atomic_load(&fault.fired);
}

#endif
