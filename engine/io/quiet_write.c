/* quiet_write.c - see quiet_write.h. */
#include "io/quiet_write.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <time.h>

#include <uv.h>

/* What the thread's signals were before they were muted. */
struct mute {
  sigset_t ours; /* what writing can raise and was not pending before */
  sigset_t old_mask;
};

static void mute_signals(struct mute *m) {
  static const int raised_by_writing[] = {SIGPIPE, SIGXFSZ};
  sigset_t muted;
  sigset_t pending;
  size_t i;

  (void)sigpending(&pending);
  (void)sigemptyset(&muted);
  (void)sigemptyset(&m->ours);
  for (i = 0; i < sizeof(raised_by_writing) / sizeof(int); i++) {
    (void)sigaddset(&muted, raised_by_writing[i]);
    if (sigismember(&pending, raised_by_writing[i]) == 0) {
      (void)sigaddset(&m->ours, raised_by_writing[i]);
    }
  }
  (void)pthread_sigmask(SIG_BLOCK, &muted, &m->old_mask);
}

/* Both signals are raised at the writing thread, so waiting for no time at all
 * in it finds them. `raised`: the call may have raised one. */
static void unmute_signals(const struct mute *m, bool raised) {
  const struct timespec now = {0, 0};

  if (raised) {
    while (sigtimedwait(&m->ours, NULL, &now) < 0 && errno == EINTR) {
    }
  }
  (void)pthread_sigmask(SIG_SETMASK, &m->old_mask, NULL);
}

static size_t iov_bytes(const struct iovec *iov, int count) {
  size_t bytes = 0;
  int i;

  for (i = 0; i < count; i++) {
    bytes += iov[i].iov_len;
  }
  return bytes;
}

/* A write that takes nothing of something and names no error would be retried
 * for ever; some drivers do that at their end. */
static ssize_t result_of(ssize_t n, int error, size_t asked) {
  if (n < 0) {
    return uv_translate_sys_error(error);
  }
  return n == 0 && asked > 0 ? UV_EIO : n;
}

ssize_t sluice__quiet_write(int fd, const struct iovec *iov, int count) {
  size_t asked = iov_bytes(iov, count);
  struct mute m;
  ssize_t n;
  int error;

  mute_signals(&m);
  do {
    n = writev(fd, iov, count);
  } while (n < 0 && errno == EINTR);
  error = errno;
  /* A pipe whose reader leaves half-way gives a short count *and* a signal. */
  unmute_signals(&m, n < 0 || (size_t)n < asked);
  return result_of(n, error, asked);
}

ssize_t sluice__quiet_pwrite(int fd, const struct iovec *iov, int count,
                             uint64_t offset) {
  size_t asked = iov_bytes(iov, count);
  struct mute m;
  ssize_t n;
  int error;

  if (offset > (uint64_t)INT64_MAX - asked) {
    return UV_EFBIG;
  }
  mute_signals(&m);
  do {
    n = pwritev(fd, iov, count, (off_t)offset);
  } while (n < 0 && errno == EINTR);
  error = errno;
  unmute_signals(&m, n < 0 || (size_t)n < asked);
  return result_of(n, error, asked);
}

/* The rest of `patch`. 0 or a negative code. */
static int put_whole(int fd, const sluice_patch_t *patch, uint64_t base) {
  struct iovec piece = {(void *)(uintptr_t)patch->data, patch->len};
  struct iovec *at = &piece;
  uint64_t offset = base + patch->offset;
  int count = 1;

  while (count > 0) {
    ssize_t n = pwritev(fd, at, 1, (off_t)offset);

    if (n < 0 && errno == EINTR) {
      continue;
    }
    n = result_of(n, errno, at->iov_len);
    if (n < 0) {
      return (int)n;
    }
    offset += (uint64_t)n;
    sluice__iov_advance(&at, &count, (size_t)n);
  }
  return 0;
}

/* Pages one by one: four more system calls for each would cost more than the
 * writes. */
int sluice__quiet_patch(int fd, const sluice_patch_t *patches, size_t count,
                        uint64_t base) {
  struct mute m;
  int r = 0;

  mute_signals(&m);
  for (size_t i = 0; i < count && r == 0; i++) {
    r = put_whole(fd, &patches[i], base);
  }
  unmute_signals(&m, r < 0);
  return r;
}

static struct iovec *without_const(const struct iovec *iov) {
  union {
    const struct iovec *in;
    struct iovec *out;
  } u = {iov}; /* sendmsg() does not write to it, but its type says it may */

  return u.out;
}

ssize_t sluice__quiet_send(int fd, const struct iovec *iov, int count) {
  struct msghdr message = {0};
  ssize_t n;

  message.msg_iov = without_const(iov);
  message.msg_iovlen = (size_t)count;
  do {
    n = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (n < 0 && errno == EINTR);
  return result_of(n, errno, iov_bytes(iov, count));
}

void sluice__iov_advance(struct iovec **iov, int *count, size_t n) {
  while (*count > 0 && n >= (*iov)->iov_len) {
    n -= (*iov)->iov_len;
    (*iov)++;
    (*count)--;
  }
  assert(n == 0 || *count > 0);
  if (n > 0) {
    (*iov)->iov_base = (char *)(*iov)->iov_base + n;
    (*iov)->iov_len -= n;
  }
}
