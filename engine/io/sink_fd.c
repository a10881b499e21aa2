/* sink_fd.c - a stream written to a descriptor of any kind.
 *
 * Pipes, sockets and terminals are polled; files and block devices are written
 * at their current position on the pool (so that `program > file` and
 * `program >> file` do what the shell says), and synced at the end: only then
 * is it known that the disk took it. A file that is not appended to is written
 * by offsets from that position, which moves on at the end: so bytes that it
 * has can be replaced. */
#include "io/sink.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <uv.h>

#include <sluice/encoder.h>

#include "io/patch_job.h"
#include "io/poll_writer.h"
#include "io/pool_writer.h"

struct fd_sink {
  int fd;
  bool is_owned;
  sluice__poll_writer_t *poll; /* NULL: `pool` is used, on `loan` */
  sluice__pool_writer_t pool;
  sluice__loan_t loan; /* with `pool` */
  bool is_random;      /* by offsets, from `base` on */
  bool is_in_memory;
  sluice__patch_job_t patch;
  uint64_t base;
  uint64_t end; /* of what was written so, less the base */
  uv_loop_t *loop;
  sluice_error_t *err; /* of open; valid as long as the sink */
  uv_work_t sync;
  int sync_status;
  sluice_sink_cb end_cb; /* of finish or abort */
  void *end_ctx;
};

/* Who appends does so whatever the offset says. */
static void find_base(struct fd_sink *s) {
  int flags = fcntl(s->loan.fd, F_GETFL);
  off_t at = lseek(s->loan.fd, 0, SEEK_CUR);

  s->is_random = flags >= 0 && (flags & O_APPEND) == 0 && at >= 0;
  s->base = s->is_random ? (uint64_t)at : 0;
}

static int start_pool(struct fd_sink *s, uv_loop_t *loop) {
  sluice__pool_target_t target = {
      .fd = s->loan.fd, .direct_fd = -1, .jobs_max = 1};

  s->is_in_memory = sluice__file_is_in_memory(s->loan.fd);
  target.is_in_memory = s->is_in_memory;
  if (s->loan.is_file) {
    find_base(s);
  }
  target.use_offset = s->is_random;
  return sluice__pool_writer_init(&s->pool, loop, &target);
}

static int start_writer(struct fd_sink *s, uv_loop_t *loop) {
  int r = sluice__loan_take(&s->loan, s->fd);

  if (r == 0 && s->loan.wait != SLUICE__WAIT_POOL) {
    r = sluice__poll_writer_new(&s->poll, loop, &s->loan, NULL);
  }
  if (r == 0 && s->poll == NULL) {
    r = start_pool(s, loop);
  }
  if (r < 0) {
    sluice__loan_return(&s->loan);
  } else if (s->poll != NULL) {
    s->loan.fd = -1; /* the writer's now */
  }
  return r;
}

static int open_fd(void *self, uv_loop_t *loop, sluice_sink_cb cb, void *ctx,
                   sluice_error_t *err) {
  struct fd_sink *s = self;
  int r;

  (void)cb;
  (void)ctx;
  s->loop = loop;
  s->err = err;
  r = start_writer(s, loop);
  if (r < 0) {
    return sluice_fail(err, r, "cannot write to descriptor %d: %s", s->fd,
                       sluice_strerror(r));
  }
  return 1;
}

static void note_end(struct fd_sink *s, uint64_t end) {
  s->end = end > s->end ? end : s->end;
}

static int write_fd(void *self, const void *data, size_t len, uint64_t offset,
                    sluice_sink_cb cb, void *ctx) {
  struct fd_sink *s = self;

  if (s->poll != NULL) {
    return sluice__poll_writer_write(s->poll, data, len, cb, ctx);
  }
  note_end(s, offset + len);
  return sluice__pool_writer_write(&s->pool, data, len, s->base + offset, cb,
                                   ctx);
}

static ptrdiff_t write_fd_now(void *self, const struct iovec *pieces, int count,
                              uint64_t offset) {
  struct fd_sink *s = self;
  ptrdiff_t n;

  if (s->poll != NULL) {
    return sluice__poll_writer_write_now(s->poll, pieces, count);
  }
  n = sluice__pool_writer_write_now(&s->pool, pieces, count, s->base + offset);
  if (n > 0) {
    note_end(s, offset + (uint64_t)n);
  }
  return n;
}

static int is_random_fd(const void *self) {
  const struct fd_sink *s = self;

  return s->poll == NULL && s->is_random && s->is_in_memory;
}

static int patch_fd(void *self, const sluice_patch_t *patches, size_t count,
                    sluice_sink_cb cb, void *ctx) {
  struct fd_sink *s = self;

  s->patch.fd = s->loan.fd;
  s->patch.base = s->base;
  return sluice__patch_job_start(&s->patch, s->loop, patches, count, cb, ctx);
}

static int can_patch_fd(const void *self) {
  const struct fd_sink *s = self;

  return s->poll == NULL && s->is_random;
}

/* Only a file can be mapped. */
static size_t get_chunk_bytes(const void *self) {
  const struct fd_sink *s = self;

  return s->poll == NULL && s->loan.is_file ? SLUICE_CHUNK_BYTES_MAX
                                            : SLUICE_CHUNK_BYTES;
}

static void work_sync(uv_work_t *work) {
  struct fd_sink *s = work->data;

  s->sync_status = fsync(s->loan.fd) == 0 ? 0 : uv_translate_sys_error(errno);
}

static void on_synced(uv_work_t *work, int status) {
  struct fd_sink *s = work->data;

  status = status < 0 ? status : s->sync_status;
  if (status < 0) {
    (void)sluice_fail(s->err, status, "cannot sync descriptor %d: %s", s->fd,
                      sluice_strerror(status));
  }
  s->end_cb(s->end_ctx, status);
}

static int finish_fd(void *self, sluice_sink_cb cb, void *ctx) {
  struct fd_sink *s = self;

  if (s->poll != NULL || !s->loan.is_file) {
    return 1;
  }
  if (s->is_random &&
      lseek(s->loan.fd, (off_t)(s->base + s->end), SEEK_SET) < 0) {
    return uv_translate_sys_error(errno);
  }
  s->end_cb = cb;
  s->end_ctx = ctx;
  s->sync.data = s;
  return uv_queue_work(s->loop, &s->sync, work_sync, on_synced);
}

static void tell_ended(void *owner) {
  struct fd_sink *s = owner;

  s->end_cb(s->end_ctx, 0);
}

static void on_writes_ended(void *ctx, int status) {
  struct fd_sink *s = ctx;

  (void)status;
  if (sluice__patch_job_when_over(&s->patch, tell_ended, s)) {
    tell_ended(s);
  }
}

static int abort_fd(void *self, sluice_sink_cb cb, void *ctx) {
  struct fd_sink *s = self;
  int r;

  if (s->poll != NULL) {
    return sluice__poll_writer_abort(s->poll, cb, ctx);
  }
  s->end_cb = cb;
  s->end_ctx = ctx;
  r = sluice__pool_writer_abort(&s->pool, on_writes_ended, s);
  return r > 0 && !sluice__patch_job_when_over(&s->patch, tell_ended, s) ? 0
                                                                         : r;
}

static void free_fd(struct fd_sink *s) {
  sluice__pool_writer_done(&s->pool);
  if (s->is_owned) {
    (void)close(s->fd);
  }
  free(s);
}

static void close_fd(void *self) {
  struct fd_sink *s = self;

  assert(s->pool.fifo.undelivered == 0);
  sluice__poll_writer_close(s->poll);
  sluice__loan_return(&s->loan);
  free_fd(s);
}

static void abandon_fd(void *self) {
  struct fd_sink *s = self;

  sluice__poll_writer_abandon(s->poll);
  sluice__loan_drop(&s->loan);
  free_fd(s);
}

static uint64_t get_busy_ns(const void *self) {
  const struct fd_sink *s = self;

  return sluice__poll_writer_busy_ns(s->poll);
}

static const sluice_sink_ops_t fd_ops = {.size = sizeof(fd_ops),
                                         .open = open_fd,
                                         .write = write_fd,
                                         .finish = finish_fd,
                                         .abort = abort_fd,
                                         .close = close_fd,
                                         .busy_ns = get_busy_ns,
                                         .write_now = write_fd_now,
                                         .is_random = is_random_fd,
                                         .chunk_bytes = get_chunk_bytes,
                                         .patch = patch_fd,
                                         .can_patch = can_patch_fd};

int sluice__sink_descriptor(sluice_sink_t **out, int fd, bool is_owned) {
  struct fd_sink *s;
  int r;

  if (fd < 0) {
    return UV_EBADF;
  }
  s = calloc(1, sizeof(*s));
  if (s == NULL) {
    return UV_ENOMEM;
  }
  s->fd = fd;
  s->is_owned = is_owned;
  s->loan.fd = -1;
  r = sluice__sink_new(out, &fd_ops, abandon_fd, s);
  if (r < 0) {
    free(s);
  }
  return r;
}

int sluice_sink_fd(sluice_sink_t **out, int fd) {
  return sluice__sink_descriptor(out, fd, false);
}
