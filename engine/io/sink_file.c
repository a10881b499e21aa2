/* sink_file.c - a stream written to a file, under its name only when whole.
 *
 *   open: create ---> write...  +--> finish: commit
 *             \                 +--> abort: writes and patch end, then discard
 *              +--> a device or pipe stands there: sink_fd.c does the rest
 *
 * Every step that can block runs on the pool; one step at a time, writes being
 * the pool writer's business. Invariant: between open and finish or abort the
 * temporary file exists, afterwards it does not, whatever happened. */
#include "io/sink.h"

#include <assert.h>
#include <stdlib.h>

#include <uv.h>

#include <sluice/encoder.h>
#include <sluice/options.h>

#include "io/descriptor.h"
#include "io/patch_job.h"
#include "io/pool_writer.h"
#include "io/sink_call.h"
#include "io/temp_file.h"

enum {
  DEFAULT_MODE = 0600,
  DEFAULT_IN_FLIGHT = 2, /* of a pool of 4 that is the host's */
  IN_FLIGHT_MAX = 64     /* more than any pool has threads to spare */
};

struct file_sink {
  char *path;        /* absolute */
  const char *given; /* the end of it, as the host gave it */
  sluice__temp_options_t options;
  uint32_t in_flight;
  uv_loop_t *loop;
  sluice__temp_file_t temp;
  sluice__pool_writer_t writer;
  sluice__patch_job_t patch;
  sluice_sink_t *device; /* used instead of the two above; or NULL */
  uv_work_t step;        /* of open, finish or abort */
  int step_status;
  bool is_in_memory;
  sluice_sink_cb cb; /* whom the step answers */
  void *ctx;
  sluice_error_t *err; /* of open; valid as long as the sink */
};

static int start_step(struct file_sink *f, uv_work_cb work,
                      uv_after_work_cb after) {
  f->step.data = f;
  return uv_queue_work(f->loop, &f->step, work, after);
}

static void work_create(uv_work_t *work) {
  struct file_sink *f = work->data;

  f->step_status = sluice__temp_file_create(&f->temp, f->path, &f->options);
  f->is_in_memory =
      f->step_status == 0 && sluice__file_is_in_memory(f->temp.fd);
}

static int start_device(struct file_sink *f) {
  int r = sluice__sink_descriptor(&f->device, f->temp.fd, true);

  if (r == 0) {
    f->temp.fd = -1; /* the device sink's */
    r = sluice__sink_open(f->device, f->loop, NULL, NULL, f->err);
  }
  return r < 0 ? r : 0;
}

static int start_writing(struct file_sink *f) {
  const sluice__pool_target_t target = {.fd = f->temp.fd,
                                        .direct_fd = f->temp.direct_fd,
                                        .use_offset = true,
                                        .is_in_memory = f->is_in_memory,
                                        .jobs_max = f->in_flight,
                                        .name = f->given,
                                        .err = f->err};

  return f->temp.target.is_device
             ? start_device(f)
             : sluice__pool_writer_init(&f->writer, f->loop, &target);
}

static void answer(struct file_sink *f, int status) {
  const char *failed = f->temp.failed != NULL ? f->temp.failed : "cannot write";

  if (status < 0) {
    (void)sluice_fail(f->err, status, "%s '%s': %s", failed, f->given,
                      sluice_strerror(status));
  }
  f->cb(f->ctx, status);
}

static void work_discard(uv_work_t *work) {
  struct file_sink *f = work->data;

  sluice__temp_file_discard(&f->temp);
}

static void on_open_undone(uv_work_t *work, int status) {
  struct file_sink *f = work->data;

  (void)status;
  answer(f, f->step_status);
}

static void on_created(uv_work_t *work, int status) {
  struct file_sink *f = work->data;

  if (status == 0) {
    status = f->step_status;
  }
  if (status == 0) {
    f->step_status = status = start_writing(f);
    if (status < 0) { /* the file is there: take it away first */
      (void)start_step(f, work_discard, on_open_undone);
      return;
    }
  }
  answer(f, status);
}

static int open_file(void *self, uv_loop_t *loop, sluice_sink_cb cb, void *ctx,
                     sluice_error_t *err) {
  struct file_sink *f = self;

  f->loop = loop;
  f->cb = cb;
  f->ctx = ctx;
  f->err = err;
  return start_step(f, work_create, on_created);
}

static int write_file(void *self, const void *data, size_t len, uint64_t offset,
                      sluice_sink_cb cb, void *ctx) {
  struct file_sink *f = self;

  if (f->device != NULL) {
    return sluice__sink_write(f->device, data, len, offset, cb, ctx);
  }
  return sluice__pool_writer_write(&f->writer, data, len, offset, cb, ctx);
}

static ptrdiff_t write_file_now(void *self, const struct iovec *pieces,
                                int count, uint64_t offset) {
  struct file_sink *f = self;

  if (f->device != NULL) {
    return sluice__sink_write_now(f->device, pieces, count, offset);
  }
  return sluice__pool_writer_write_now(&f->writer, pieces, count, offset);
}

static int is_random_file(const void *self) {
  const struct file_sink *f = self;

  return f->device == NULL && f->is_in_memory;
}

static int patch_file(void *self, const sluice_patch_t *patches, size_t count,
                      sluice_sink_cb cb, void *ctx) {
  struct file_sink *f = self;

  f->patch.fd = f->temp.fd;
  f->patch.name = f->given;
  f->patch.err = f->err;
  return sluice__patch_job_start(&f->patch, f->loop, patches, count, cb, ctx);
}

static int can_patch_file(const void *self) {
  return ((const struct file_sink *)self)->device == NULL;
}

/* Images are to be mapped; what stands for a device is not. */
static size_t get_chunk_bytes(const void *self) {
  const struct file_sink *f = self;

  return f->device != NULL ? SLUICE_CHUNK_BYTES : SLUICE_CHUNK_BYTES_MAX;
}

static void work_commit(uv_work_t *work) {
  struct file_sink *f = work->data;

  f->step_status = sluice__temp_file_commit(&f->temp, f->options.no_sync);
}

static void on_step_over(uv_work_t *work, int status) {
  struct file_sink *f = work->data;

  answer(f, status < 0 ? status : f->step_status);
}

/* A write that failed has failed the session; should it come here all the
 * same, half an image must not get the final name. */
static int finish_file(void *self, sluice_sink_cb cb, void *ctx) {
  struct file_sink *f = self;

  if (f->device != NULL) {
    return sluice__sink_finish(f->device, cb, ctx);
  }
  f->cb = cb;
  f->ctx = ctx;
  f->step_status = f->writer.error;
  return start_step(f, f->writer.error == 0 ? work_commit : work_discard,
                    on_step_over);
}

static void discard(void *owner) {
  struct file_sink *f = owner;

  f->step_status = 0;
  (void)start_step(f, work_discard, on_step_over);
}

static void on_writes_ended(void *ctx, int status) {
  struct file_sink *f = ctx;

  (void)status;
  if (sluice__patch_job_when_over(&f->patch, discard, f)) {
    discard(f);
  }
}

static int abort_file(void *self, sluice_sink_cb cb, void *ctx) {
  struct file_sink *f = self;

  if (f->device != NULL) {
    return sluice__sink_abort(f->device, cb, ctx);
  }
  f->cb = cb;
  f->ctx = ctx;
  if (sluice__pool_writer_abort(&f->writer, on_writes_ended, f) > 0) {
    on_writes_ended(f, 0);
  }
  return 0;
}

static void free_file(struct file_sink *f) {
  sluice__pool_writer_done(&f->writer);
  free(f->path);
  free(f);
}

static void close_file(void *self) {
  struct file_sink *f = self;

  assert(f->writer.fifo.undelivered == 0);
  sluice__sink_close(f->device);
  sluice__temp_file_discard(&f->temp); /* nothing left, unless misused */
  free_file(f);
}

static void abandon_file(void *self) {
  struct file_sink *f = self;

  sluice__sink_abandon(f->device);
  sluice__temp_file_close(&f->temp);
  free_file(f);
}

static const sluice_sink_ops_t file_ops = {.size = sizeof(file_ops),
                                           .open = open_file,
                                           .write = write_file,
                                           .finish = finish_file,
                                           .abort = abort_file,
                                           .close = close_file,
                                           .write_now = write_file_now,
                                           .is_random = is_random_file,
                                           .chunk_bytes = get_chunk_bytes,
                                           .patch = patch_file,
                                           .can_patch = can_patch_file};

static void set_options(struct file_sink *f, const sluice_file_options_t *o) {
  f->options.mode = o->mode != 0 ? o->mode : DEFAULT_MODE;
  f->options.no_direct = o->no_direct != 0;
  f->options.no_sync = o->no_sync != 0;
  f->in_flight = o->in_flight != 0 ? o->in_flight : DEFAULT_IN_FLIGHT;
  if (f->in_flight > IN_FLIGHT_MAX) {
    f->in_flight = IN_FLIGHT_MAX;
  }
}

static int new_file(struct file_sink **out, const char *path) {
  struct file_sink *f = calloc(1, sizeof(*f));
  int r;

  if (f == NULL) {
    return UV_ENOMEM;
  }
  sluice__temp_file_init(&f->temp);
  r = sluice__path_absolute(&f->path, &f->given, path);
  if (r < 0) {
    free(f);
    return r;
  }
  *out = f;
  return 0;
}

bool sluice__sink_is_file(const sluice_sink_t *sink) {
  return sink->ops == &file_ops;
}

int sluice_sink_file(sluice_sink_t **out, const char *path,
                     const sluice_file_options_t *options) {
  sluice_file_options_t o;
  struct file_sink *f = NULL;
  int r = SLUICE_OPTIONS_COPY(&o, options, "file options",
                              sluice_file_options_t, in_flight, NULL);

  if (r < 0 || out == NULL || path == NULL) {
    return UV_EINVAL;
  }
  r = new_file(&f, path);
  if (r < 0) {
    return r;
  }
  set_options(f, &o);
  r = sluice__sink_new(out, &file_ops, abandon_file, f);
  if (r < 0) {
    close_file(f);
  }
  return r;
}
