/* file_job.c - see file_job.h. */
#include "io/file_job.h"

#include <assert.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

static void work_run(uv_work_t *work) {
  sluice__file_job_t *job = work->data;

  job->run(job->self);
}

static void on_done(uv_work_t *work, int status) {
  sluice__file_job_t *job = work->data;

  (void)status; /* whoever cancels knows it */
  job->is_busy = false;
  job->done(job->ctx);
}

int sluice__file_job_start(sluice__file_job_t *job, void (*run)(void *self),
                           void *self) {
  int r;

  assert(!job->is_busy);
  job->run = run;
  job->self = self;
  job->work.data = job;
  r = uv_queue_work(job->loop, &job->work, work_run, on_done);
  job->is_busy = r == 0;
  return r;
}

void sluice__file_job_cancel(sluice__file_job_t *job) {
  if (job->is_busy) {
    (void)uv_cancel((uv_req_t *)&job->work); /* too late: it ends by itself */
  }
}

ptrdiff_t sluice__file_read(int fd, void *buf, size_t len, uint64_t at) {
  size_t got = 0;

  while (got < len) {
    ssize_t n = pread(fd, (char *)buf + got, len - got, (off_t)(at + got));

    if (n == 0) {
      break;
    }
    if (n < 0 && errno != EINTR) {
      return uv_translate_sys_error(errno);
    }
    got += n > 0 ? (size_t)n : 0;
  }
  return (ptrdiff_t)got;
}

bool sluice__file_holds(int fd, uint64_t size, const struct timespec *changed) {
  struct stat st;

  return fstat(fd, &st) == 0 && (uint64_t)st.st_size == size &&
         st.st_mtim.tv_sec == changed->tv_sec &&
         st.st_mtim.tv_nsec == changed->tv_nsec;
}
