/* pool_reader.c - see pool_reader.h. */
#include "io/pool_reader.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

void sluice__pool_reader_init(sluice__pool_reader_t *r, uv_loop_t *loop,
                              int fd) {
  *r = (sluice__pool_reader_t){.loop = loop, .fd = fd};
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

ptrdiff_t sluice__pool_reader_read(sluice__pool_reader_t *r, void *buf,
                                   size_t len, sluice_source_cb cb, void *ctx) {
  assert(r->cb == NULL);
  r->buf = buf;
  r->len = len;
  r->cb = cb;
  r->ctx = ctx;
  r->work.data = r;
  return uv_queue_work(r->loop, &r->work, work_read, on_read);
}

void sluice__pool_reader_cancel(sluice__pool_reader_t *r) {
  if (r->cb != NULL) {
    (void)uv_cancel((uv_req_t *)&r->work); /* too late: it ends by itself */
  }
}
