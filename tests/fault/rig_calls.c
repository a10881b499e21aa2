/* rig_calls.c - system calls that fail, behind the linker's --wrap.
 *
 * What the library and the tests call is seen, what libuv calls is not: that
 * one meets a real lack of descriptors instead (FAULT_DESCRIPTORS). Calls may
 * come from threads of the pool. */
#include "rigs.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fault.h"

size_t (*rig_on_file_call)(const rig_file_call_t *call);

#define WRAP(result, name, arguments)                                          \
  result __real_##name arguments;                                              \
  result __wrap_##name arguments;                                              \
  result __wrap_##name arguments

static size_t tell(rig_file_call_t call) {
  return rig_on_file_call != NULL ? rig_on_file_call(&call) : 0;
}

WRAP(int, open, (const char *path, int flags, mode_t mode)) {
  return fault_breaks(FAULT_OPEN) ? -1 : __real_open(path, flags, mode);
}

WRAP(int, openat, (int dir, const char *path, int flags, mode_t mode)) {
  if (fault_breaks(FAULT_OPEN)) {
    return -1;
  }
  if ((flags & O_CREAT) != 0) {
    (void)tell((rig_file_call_t){.call = RIG_CREATE, .fd = dir, .from = path});
  }
  return __real_openat(dir, path, flags, mode);
}

/* What a write or read is to do: 1 as asked, 0 a part, -1 fail. */
static int judge(fault_kind_t kind) {
  const fault_t *f = fault_hits(kind);

  if (f == NULL) {
    return 1;
  }
  errno = f->code;
  return f->style == STYLE_SHORT ? 0 : -1;
}

/* One byte of the first piece; a short write must make some headway. */
static struct iovec a_part(const struct iovec *iov) {
  struct iovec one = *iov;

  one.iov_len = one.iov_len > 1 ? one.iov_len / 2 : one.iov_len;
  return one;
}

ssize_t __real_pwritev(int fd, const struct iovec *iov, int count,
                       off_t offset);

/* `most` bytes of it: a part of the first piece, if need be. */
static ssize_t write_part(int fd, const struct iovec *iov, off_t offset,
                          size_t most) {
  struct iovec one = *iov;

  one.iov_len = one.iov_len < most ? one.iov_len : most;
  return __real_pwritev(fd, &one, 1, offset);
}

ssize_t __wrap_pwritev(int fd, const struct iovec *iov, int count,
                       off_t offset);
ssize_t __wrap_pwritev(int fd, const struct iovec *iov, int count,
                       off_t offset) {
  int as = judge(FAULT_WRITE);
  size_t most;

  if (as < 0) {
    return -1;
  }
  most = tell((rig_file_call_t){.call = RIG_WRITE,
                                .fd = fd,
                                .offset = offset,
                                .iov = iov,
                                .count = count});
  if (as == 0) {
    most = a_part(iov).iov_len;
  }
  return most > 0 ? write_part(fd, iov, offset, most)
                  : __real_pwritev(fd, iov, count, offset);
}

WRAP(ssize_t, writev, (int fd, const struct iovec *iov, int count)) {
  int as = judge(FAULT_WRITE);
  struct iovec one = a_part(iov);

  if (as < 0) {
    return -1;
  }
  return as == 0 ? __real_writev(fd, &one, 1) : __real_writev(fd, iov, count);
}

WRAP(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags)) {
  int as = judge(FAULT_WRITE);
  struct iovec one = a_part(message->msg_iov);
  struct msghdr some = *message;

  if (as < 0) {
    return -1;
  }
  some.msg_iov = &one;
  some.msg_iovlen = 1;
  return __real_sendmsg(fd, as == 0 ? &some : message, flags);
}

/* A part is a byte; the end is none. */
static int judge_read(size_t *len) {
  const fault_t *f = fault_hits(FAULT_READ);

  if (f == NULL) {
    return 1;
  }
  errno = f->code;
  *len = f->style == STYLE_SHORT && *len > 1 ? 1 : *len;
  return f->style == STYLE_SHORT ? 1 : f->style == STYLE_END ? 0 : -1;
}

WRAP(ssize_t, read, (int fd, void *buf, size_t len)) {
  int as = judge_read(&len);

  return as < 1 ? as : __real_read(fd, buf, len);
}

WRAP(ssize_t, pread, (int fd, void *buf, size_t len, off_t offset)) {
  int as = judge_read(&len);

  return as < 1 ? as : __real_pread(fd, buf, len, offset);
}

WRAP(ssize_t, recv, (int fd, void *buf, size_t len, int flags)) {
  int as = judge_read(&len);

  return as < 1 ? as : __real_recv(fd, buf, len, flags);
}

int __real_fcntl(int fd, int command, long argument);

/* The disk is not waited for: what a loss of power does is simulated. */
WRAP(int, fsync, (int fd)) {
  if (fault_breaks(FAULT_SYNC)) {
    return -1;
  }
  (void)tell((rig_file_call_t){.call = RIG_SYNC, .fd = fd});
  return __real_fcntl(fd, F_GETFD, 0) < 0 ? -1 : 0;
}

WRAP(int, renameat, (int from, const char *a, int to, const char *b)) {
  if (fault_breaks(FAULT_RENAME)) {
    return -1;
  }
  (void)tell(
      (rig_file_call_t){.call = RIG_RENAME, .fd = from, .from = a, .to = b});
  return __real_renameat(from, a, to, b);
}

WRAP(int, linkat, (int from, const char *a, int to, const char *b, int flags)) {
  if (fault_breaks(FAULT_RENAME)) {
    return -1;
  }
  (void)tell((rig_file_call_t){.call = RIG_LINK, .fd = to, .from = a, .to = b});
  return __real_linkat(from, a, to, b, flags);
}

WRAP(int, unlinkat, (int dir, const char *path, int flags)) {
  (void)tell((rig_file_call_t){.call = RIG_UNLINK, .fd = dir, .from = path});
  return __real_unlinkat(dir, path, flags);
}

/* As the kernel does: an error of close() comes with the descriptor closed. */
WRAP(int, close, (int fd)) {
  int r;

  (void)tell((rig_file_call_t){.call = RIG_CLOSE, .fd = fd});
  r = __real_close(fd);
  return fault_breaks(FAULT_CLOSE) ? -1 : r;
}

int __wrap_fcntl(int fd, int command, long argument);
int __wrap_fcntl(int fd, int command, long argument) {
  return fault_breaks(FAULT_CONTROL) ? -1 : __real_fcntl(fd, command, argument);
}

WRAP(int, statx,
     (int fd, const char *path, int flags, unsigned mask, struct statx *out)) {
  return fault_breaks(FAULT_CONTROL) ? -1
                                     : __real_statx(fd, path, flags, mask, out);
}
