/* patch_job.c - see patch_job.h. */
#include "io/patch_job.h"

#include "io/quiet_write.h"

static void work_patch(uv_work_t *work) {
  sluice__patch_job_t *job = work->data;

  job->status =
      sluice__quiet_patch(job->fd, job->patches, job->count, job->base);
}

static void on_work_over(uv_work_t *work, int status) {
  sluice__patch_job_t *job = work->data;
  void (*then)(void *) = job->on_over;
  void *owner = job->owner;

  status = status < 0 ? status : job->status;
  if (status < 0 && job->name != NULL) {
    (void)sluice_fail(job->err, status, "cannot write '%s': %s", job->name,
                      sluice_strerror(status));
  }
  job->is_running = false;
  job->cb(job->ctx, status); /* last touch: may close the owner */
  if (then != NULL) {
    then(owner); /* who waits for that has not closed it */
  }
}

int sluice__patch_job_start(sluice__patch_job_t *job, uv_loop_t *loop,
                            const sluice_patch_t *patches, size_t count,
                            sluice_sink_cb cb, void *ctx) {
  job->work.data = job;
  job->patches = patches;
  job->count = count;
  job->cb = cb;
  job->ctx = ctx;
  job->is_running = true;
  return uv_queue_work(loop, &job->work, work_patch, on_work_over);
}

bool sluice__patch_job_when_over(sluice__patch_job_t *job,
                                 void (*on_over)(void *), void *owner) {
  if (job->is_running) {
    job->on_over = on_over;
    job->owner = owner;
  }
  return !job->is_running;
}
