/* pool_reader.c - see pool_reader.h. */
#include "io/pool_reader.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "io/descriptor.h"

/* Of one read on the loop's thread: 25 us of copying, and it is all in the
 * processor's own cache when it is decoded. */
enum { AT_ONCE_BYTES = 256 * 1024 };

void sluice__pool_reader_init(sluice__pool_reader_t *r, uv_loop_t *loop,
                              int fd) {
  *r = (sluice__pool_reader_t){.loop = loop,
                               .fd = fd,
                               .at_once = sluice__file_is_in_memory(fd)
                                              ? SLUICE__AT_ONCE_ALWAYS
                                              : SLUICE__AT_ONCE_CACHED};
  /* Doubles the kernel's read-ahead; refused by what is not a file. */
  (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
}

static void work_read(uv_work_t *work) {
  sluice__pool_reader_t *r = work->data;
  ssize_t n;

  do {
    n = read(r->fd, r->buf, r->len);
  } while (n < 0 && errno == EINTR);
  r->got = n < 0 ? uv_translate_sys_error(errno) : n;
}

static void on_read(uv_work_t *work, int status) {
  sluice__pool_reader_t *r = work->data;
  sluice_source_cb cb = r->cb;

  r->cb = NULL;
  cb(r->ctx, status < 0 ? status : r->got); /* may read again, or close */
}

/* Bytes, UV_EOF, or 0: this has to wait, or to fail, on the pool. */
static ptrdiff_t read_at_once(sluice__pool_reader_t *r,
                              const struct iovec *places, int count) {
  ssize_t n;

  if (r->at_once == SLUICE__AT_ONCE_NEVER) {
    return 0;
  }
  n = preadv2(r->fd, places, count, -1,
              r->at_once == SLUICE__AT_ONCE_CACHED ? RWF_NOWAIT : 0);
  if (n < 0 && errno != EAGAIN && errno != EINTR) {
    r->at_once = SLUICE__AT_ONCE_NEVER; /* not with this kind of file */
  }
  if (n == 0) {
    return UV_EOF;
  }
  return n < 0 ? 0 : n;
}

ptrdiff_t sluice__pool_reader_read(sluice__pool_reader_t *r, void *buf,
                                   size_t len, sluice_source_cb cb, void *ctx) {
  struct iovec iov = {buf, len < AT_ONCE_BYTES ? len : AT_ONCE_BYTES};
  ptrdiff_t got = read_at_once(r, &iov, 1);

  assert(r->cb == NULL);
  if (got != 0) {
    return got;
  }
  r->buf = buf;
  r->len = len;
  r->cb = cb;
  r->ctx = ctx;
  r->work.data = r;
  return uv_queue_work(r->loop, &r->work, work_read, on_read);
}

ptrdiff_t sluice__pool_reader_read_into(sluice__pool_reader_t *r,
                                        const struct iovec *places, int count) {
  ptrdiff_t got = read_at_once(r, places, count);

  return got == 0 ? UV_EAGAIN : got;
}

void sluice__pool_reader_cancel(sluice__pool_reader_t *r) {
  if (r->cb != NULL) {
    (void)uv_cancel((uv_req_t *)&r->work); /* too late: it ends by itself */
  }
}
