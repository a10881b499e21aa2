/* descriptor.c - see descriptor.h. */
#include "io/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

/* Of Documentation/admin-guide/devices.txt: null, zero, full. */
static bool is_instant_device(unsigned major_number, unsigned minor_number) {
  return major_number == 1 &&
         (minor_number == 3 || minor_number == 5 || minor_number == 7);
}

static sluice__wait_t wait_of(const struct statx *st) {
  if (S_ISREG(st->stx_mode) || S_ISBLK(st->stx_mode) || S_ISDIR(st->stx_mode)) {
    return SLUICE__WAIT_POOL;
  }
  if (S_ISCHR(st->stx_mode) &&
      is_instant_device(st->stx_rdev_major, st->stx_rdev_minor)) {
    return SLUICE__WAIT_INSTANT;
  }
  return SLUICE__WAIT_POLL;
}

/* DONT_SYNC: a network file system answers from what it knows, at once. */
static int classify(sluice__loan_t *loan) {
  struct statx st;

  if (statx(loan->fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE,
            &st) != 0) {
    return uv_translate_sys_error(errno);
  }
  loan->wait = wait_of(&st);
  loan->is_socket = S_ISSOCK(st.stx_mode);
  loan->is_fifo = S_ISFIFO(st.stx_mode);
  loan->is_file = S_ISREG(st.stx_mode) || S_ISBLK(st.stx_mode);
  return 0;
}

int sluice__loan_take(sluice__loan_t *loan, int fd) {
  int r;

  *loan = (sluice__loan_t){.fd = fcntl(fd, F_DUPFD_CLOEXEC, 0)};
  if (loan->fd < 0) {
    return uv_translate_sys_error(errno);
  }
  r = classify(loan);
  if (r < 0) {
    sluice__loan_return(loan);
  }
  return r;
}

int sluice__loan_poll(sluice__loan_t *loan, uv_loop_t *loop, uv_poll_t *poll) {
  int flags = fcntl(loan->fd, F_GETFL);
  int r = uv_poll_init(loop, poll, loan->fd); /* sets O_NONBLOCK */

  if (r == UV_EPERM) { /* epoll does not take it: it may block, then */
    loan->wait = SLUICE__WAIT_POOL;
    return 0;
  }
  loan->was_blocking = r == 0 && flags >= 0 && (flags & O_NONBLOCK) == 0;
  return r;
}

void sluice__loan_return(sluice__loan_t *loan) {
  int flags;

  if (loan->fd < 0) {
    return;
  }
  if (loan->was_blocking) {
    flags = fcntl(loan->fd, F_GETFL); /* others may have changed other flags */
    (void)fcntl(loan->fd, F_SETFL, flags & ~O_NONBLOCK);
  }
  sluice__loan_drop(loan);
}

void sluice__loan_drop(sluice__loan_t *loan) {
  if (loan->fd >= 0) {
    (void)close(loan->fd);
  }
  loan->fd = -1;
}

/* The file system of a device is that of its name: tmpfs, often. */
bool sluice__file_is_in_memory(int fd) {
  struct stat file;
  struct statfs st;

  return fstat(fd, &file) == 0 && S_ISREG(file.st_mode) &&
         fstatfs(fd, &st) == 0 && st.f_type == TMPFS_MAGIC;
}
