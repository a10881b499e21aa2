/* pool_writer.c - see pool_writer.h. */
#include "io/pool_writer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "io/quiet_write.h"
#include "io/write_job.h"

enum { NOW_PIECES = 64 }; /* in one system call: mostly it is one or two */

int sluice__pool_writer_init(sluice__pool_writer_t *w, uv_loop_t *loop,
                             const sluice__pool_target_t *target) {
  assert(target->use_offset || target->jobs_max == 1);
  *w = (sluice__pool_writer_t){.loop = loop,
                               .fd = target->fd,
                               .direct_fd = target->direct_fd,
                               .use_offset = target->use_offset,
                               .is_in_memory = target->is_in_memory,
                               .jobs_max = target->jobs_max,
                               .name = target->name,
                               .err = target->err};
  w->jobs = calloc(target->jobs_max, sizeof(*w->jobs));
  return w->jobs == NULL ? UV_ENOMEM : 0;
}

static sluice__write_job_t *find_free_job(sluice__pool_writer_t *w) {
  uint32_t i;

  for (i = 0; i < w->jobs_max; i++) {
    if (!w->jobs[i].is_running) {
      return &w->jobs[i];
    }
  }
  return NULL;
}

static void work_job(uv_work_t *work) {
  sluice__write_job_run((sluice__write_job_t *)work);
}

static void on_job_over(uv_work_t *work, int status);

/* Gives `job` as many queued chunks as it takes, and to the pool. */
static void start_job(sluice__pool_writer_t *w, sluice__write_job_t *job) {
  *job = (sluice__write_job_t){.is_running = true,
                               .fd = w->fd,
                               .direct_fd = w->direct_fd,
                               .use_offset = w->use_offset};
  job->work.data = w;
  while (w->fifo.queued.first != NULL &&
         sluice__write_job_takes(job, w->fifo.queued.first)) {
    sluice__write_job_add(job, sluice__fifo_pop(&w->fifo));
  }
  /* Fails for a NULL function only. */
  (void)uv_queue_work(w->loop, &job->work, work_job, on_job_over);
}

static void start_jobs(sluice__pool_writer_t *w) {
  sluice__write_job_t *job;

  while (w->fifo.queued.first != NULL && (job = find_free_job(w)) != NULL) {
    start_job(w, job);
  }
}

static void settle_chunks(sluice__chunk_list_t *list, int status) {
  sluice__chunk_t *chunk;

  for (chunk = list->first; chunk != NULL; chunk = chunk->next) {
    chunk->status = status;
  }
}

static void latch(sluice__pool_writer_t *w, int status) {
  if (status == 0 || w->error != 0) {
    return;
  }
  w->error = status;
  if (w->name != NULL) {
    (void)sluice_fail(w->err, status, "cannot write '%s': %s", w->name,
                      sluice_strerror(status));
  }
}

/* State is brought in order first: the last callback may close the owner. */
static void on_job_over(uv_work_t *work, int status) {
  sluice__write_job_t *job = (sluice__write_job_t *)work;
  sluice__pool_writer_t *w = work->data;
  sluice__chunk_list_t done = job->chunks;

  status = status < 0 ? status : job->status; /* < 0: it never ran */
  job->is_running = false;
  settle_chunks(&done, status);
  if (job->direct_refused) {
    w->direct_fd = -1;
  }
  latch(w, status);
  if (w->error != 0) {
    sluice__fifo_retire_all(&w->fifo, &done, w->error);
  }
  start_jobs(w);
  sluice__fifo_deliver(&w->fifo, &done);
}

int sluice__pool_writer_write(sluice__pool_writer_t *w, const void *data,
                              size_t len, uint64_t offset, sluice_sink_cb cb,
                              void *ctx) {
  const sluice__chunk_t chunk = {
      .data = data, .len = len, .offset = offset, .cb = cb, .ctx = ctx};
  int r;

  if (w->error != 0) {
    return w->error;
  }
  if (len == 0) {
    return 1;
  }
  r = sluice__fifo_push(&w->fifo, &chunk);
  if (r == 0) {
    start_jobs(w);
  }
  return r;
}

static ptrdiff_t put_now(sluice__pool_writer_t *w, const struct iovec *pieces,
                         int count, uint64_t offset) {
  ssize_t n = w->use_offset ? sluice__quiet_pwrite(w->fd, pieces, count, offset)
                            : sluice__quiet_write(w->fd, pieces, count);

  if (n < 0) {
    latch(w, (int)n);
  }
  return n;
}

/* A file that is full takes less than it is given, and nothing next time, with
 * the reason. */
static ptrdiff_t put_all(sluice__pool_writer_t *w, struct iovec *pieces,
                         int count, uint64_t offset) {
  ptrdiff_t done = 0;

  while (count > 0) {
    ptrdiff_t n = put_now(w, pieces, count, offset + (uint64_t)done);

    if (n < 0) {
      return n;
    }
    done += n;
    sluice__iov_advance(&pieces, &count, (size_t)n);
  }
  return done;
}

ptrdiff_t sluice__pool_writer_write_now(sluice__pool_writer_t *w,
                                        const struct iovec *pieces, int count,
                                        uint64_t offset) {
  struct iovec rest[NOW_PIECES];
  ptrdiff_t done = 0;

  if (w->error != 0 || !w->is_in_memory) {
    return w->error != 0 ? w->error : UV_ENOTSUP;
  }
  assert(w->fifo.undelivered == 0);
  while (count > 0) {
    int some = count < NOW_PIECES ? count : NOW_PIECES;
    ptrdiff_t n;

    memcpy(rest, pieces, (size_t)some * sizeof(*rest));
    n = put_all(w, rest, some, offset + (uint64_t)done);
    if (n < 0) {
      return n;
    }
    done += n;
    pieces += some;
    count -= some;
  }
  return done;
}

static void tell_aborted(void *owner) {
  sluice__pool_writer_t *w = owner;

  w->abort_cb(w->abort_ctx, 0);
}

int sluice__pool_writer_abort(sluice__pool_writer_t *w, sluice_sink_cb cb,
                              void *ctx) {
  uint32_t i;

  w->error = UV_ECANCELED;
  w->abort_cb = cb;
  w->abort_ctx = ctx;
  for (i = 0; i < w->jobs_max; i++) {
    if (w->jobs[i].is_running) {
      (void)uv_cancel(
          (uv_req_t *)&w->jobs[i].work); /* too late: it ends soon */
    }
  }
  return sluice__fifo_when_quiet(&w->fifo, tell_aborted, w) ? 1 : 0;
}

void sluice__pool_writer_done(sluice__pool_writer_t *w) {
  free(w->jobs);
  w->jobs = NULL;
  sluice__fifo_done(&w->fifo);
}
