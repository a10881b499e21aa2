/* source_file.c - a stream read from a file, by name.
 *
 * Opens the file on the pool; what stands there, a file, a pipe or a device, is
 * then read by source_fd.c. */
#include "io/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <uv.h>

#include "io/target.h"

struct file_source {
  char *path;        /* absolute: the host may chdir() before it is opened */
  const char *given; /* the end of it, as the host gave it */
  uv_loop_t *loop;
  sluice_source_t *opened; /* NULL until open has succeeded */
  uv_work_t work;
  int fd; /* result of the work, while nobody has it; or a UV_E* code */
  sluice_source_cb cb;
  void *ctx;
  sluice_error_t *err; /* of open; valid until its answer */
};

/* O_NONBLOCK: a FIFO without a writer must not hold a thread of the pool. */
static int open_path(const char *path) {
  struct stat st;
  int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);

  if (fd < 0) {
    return uv_translate_sys_error(errno);
  }
  if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
    (void)close(fd);
    return UV_EISDIR;
  }
  return fd;
}

static void work_open(uv_work_t *work) {
  struct file_source *f = work->data;

  f->fd = open_path(f->path);
}

static int start_reading(struct file_source *f) {
  int fd = f->fd;
  int r = sluice__source_descriptor(&f->opened, fd, true);

  f->fd = -1;
  if (r < 0) {
    (void)close(fd);
    return r;
  }
  r = sluice__source_open(f->opened, f->loop, NULL, NULL, f->err);
  return r < 0 ? r : 0;
}

static void on_opened(uv_work_t *work, int status) {
  struct file_source *f = work->data;

  if (status == 0) {
    status = f->fd < 0 ? f->fd : start_reading(f);
  }
  if (status < 0) {
    (void)sluice_fail(f->err, status, "cannot open '%s': %s", f->given,
                      sluice_strerror(status));
  }
  f->cb(f->ctx, status);
}

static int open_file(void *self, uv_loop_t *loop, sluice_source_cb cb,
                     void *ctx, sluice_error_t *err) {
  struct file_source *f = self;

  f->loop = loop;
  f->cb = cb;
  f->ctx = ctx;
  f->err = err;
  f->work.data = f;
  return uv_queue_work(loop, &f->work, work_open, on_opened);
}

static ptrdiff_t read_file(void *self, void *buf, size_t len,
                           sluice_source_cb cb, void *ctx) {
  struct file_source *f = self;

  return sluice__source_read(f->opened, buf, len, cb, ctx);
}

static ptrdiff_t read_file_into(void *self, const struct iovec *places,
                                int count, sluice_source_cb cb, void *ctx) {
  struct file_source *f = self;

  return sluice__source_read_into(f->opened, places, count, cb, ctx);
}

static void cancel_file(void *self) {
  struct file_source *f = self;

  if (f->opened != NULL) {
    sluice__source_cancel(f->opened);
  } else {
    (void)uv_cancel((uv_req_t *)&f->work); /* too late: it ends soon */
  }
}

static void free_file(struct file_source *f) {
  free(f->path);
  free(f);
}

static void close_file(void *self) {
  struct file_source *f = self;

  sluice__source_close(f->opened);
  free_file(f);
}

static void abandon_file(void *self) {
  struct file_source *f = self;

  sluice__source_abandon(f->opened);
  if (f->fd >= 0) {
    (void)close(f->fd);
  }
  free_file(f);
}

static int file_of(void *self) {
  const struct file_source *f = self;

  return f->opened != NULL ? sluice__source_file(f->opened) : -1;
}

static const sluice_source_ops_t file_ops = {.size = sizeof(file_ops),
                                             .open = open_file,
                                             .read = read_file,
                                             .cancel = cancel_file,
                                             .close = close_file,
                                             .file = file_of,
                                             .read_into = read_file_into};

int sluice_source_file(sluice_source_t **out, const char *path) {
  struct file_source *f;
  int r;

  if (path == NULL) {
    return UV_EINVAL;
  }
  f = calloc(1, sizeof(*f));
  if (f == NULL) {
    return UV_ENOMEM;
  }
  f->fd = -1;
  r = sluice__path_absolute(&f->path, &f->given, path);
  if (r == 0) {
    r = sluice__source_new(out, &file_ops, abandon_file, f);
  }
  if (r < 0) {
    close_file(f);
  }
  return r;
}
