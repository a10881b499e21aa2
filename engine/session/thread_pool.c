/* thread_pool.c - see thread_pool.h. */
#include "session/thread_pool.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/options.h>

enum {
  POOL_DEFAULT = 4, /* libuv's threads, unless its variable says otherwise */
  /* Below this another thread is not worth waking: 5 us of copying. */
  MIN_BYTES = 64 * 1024,
  /* Measured on two: what is saved on the loop is lost, and more, to caches and
   * to the sink's reader. */
  FEW_PROCESSORS = 2,
  BATCH_ITEMS = 8 /* then others may have the thread */
};

static void append(sluice__work_list_t *list, sluice__work_item_t *item) {
  item->next = NULL;
  if (list->last == NULL) {
    list->first = item;
  } else {
    list->last->next = item;
  }
  list->last = item;
}

/* `lock` is held. */
static sluice__work_item_t *pop_item(sluice__thread_pool_t *p) {
  sluice__work_item_t *item = p->queue.first;

  if (item != NULL) {
    p->queue.first = item->next;
    p->queue.last = item->next == NULL ? NULL : p->queue.last;
    p->queued--;
  }
  return item;
}

/* `lock` is held: the loop may free us as soon as it has seen what is done. */
static void tell_loop(sluice__thread_pool_t *p) {
  if (!p->is_told) {
    p->is_told = true;
    sluice__queue_post(&p->cont);
  }
}

void sluice_job_run(sluice_job_t *job) {
  sluice__thread_pool_t *p;
  sluice__work_item_t *item;

  if (job == NULL) {
    return;
  }
  p = job->pool;
  uv_mutex_lock(&p->lock);
  for (int i = 0; i < BATCH_ITEMS && (item = pop_item(p)) != NULL; i++) {
    uv_mutex_unlock(&p->lock);
    item->run(item);
    uv_mutex_lock(&p->lock);
    append(&p->done, item);
    tell_loop(p);
  }
  job->is_over = true;
  if (!p->is_pool) {
    tell_loop(p);
  }
  uv_mutex_unlock(&p->lock);
}

static void work_job(uv_work_t *work) {
  sluice_job_run(work->data);
}

static void hire(sluice__thread_pool_t *p);

static void job_is_back(sluice__thread_pool_t *p, sluice_job_t *job) {
  job->is_out = false;
  p->jobs_out--;
}

static void look_around(sluice__thread_pool_t *p) {
  hire(p);
  if (p->jobs_out == 0 && p->on_idle != NULL) {
    p->on_idle(p->ctx); /* last touch: it may free the pool */
  }
}

static void on_job_back(uv_work_t *work, int status) {
  sluice_job_t *job = work->data;

  (void)status; /* cancelled or not: it is back */
  job_is_back(job->pool, job);
  look_around(job->pool);
}

static int submit(sluice__thread_pool_t *p, sluice_job_t *job) {
  if (!p->is_pool) {
    return p->executor.submit(p->executor.ctx, job);
  }
  job->work.data = job;
  return uv_queue_work(p->pump->loop, &job->work, work_job, on_job_back);
}

static sluice_job_t *find_job(sluice__thread_pool_t *p) {
  for (uint32_t i = 0; i < p->executor.jobs_max; i++) {
    if (!p->jobs[i].is_out) {
      return &p->jobs[i];
    }
  }
  return NULL;
}

static uint32_t count_queued(sluice__thread_pool_t *p) {
  uint32_t n;

  uv_mutex_lock(&p->lock);
  n = p->queued;
  uv_mutex_unlock(&p->lock);
  return n;
}

/* Never more jobs than there are work items to begin. The lock is not held
 * while the executor is called: it may run the job there and then. */
static void hire(sluice__thread_pool_t *p) {
  uint32_t wanted = count_queued(p);
  sluice_job_t *job;

  while (p->jobs_out < wanted && (job = find_job(p)) != NULL) {
    job->is_out = true;
    job->is_over = false;
    p->jobs_out++;
    if (submit(p, job) != 0) {
      job_is_back(p, job);
      return; /* asked again with the next item */
    }
  }
}

static sluice__work_item_t *take_done(sluice__thread_pool_t *p, bool *over) {
  sluice__work_item_t *done;

  uv_mutex_lock(&p->lock);
  done = p->done.first;
  p->done = (sluice__work_list_t){0};
  p->is_told = false;
  for (uint32_t i = 0; i < SLUICE__THREAD_POOL_JOBS_MAX; i++) {
    over[i] = p->jobs[i].is_out && p->jobs[i].is_over;
  }
  uv_mutex_unlock(&p->lock);
  return done;
}

static int pool_step(sluice__cont_t *cont, sluice__budget_t *b) {
  sluice__thread_pool_t *p =
      (sluice__thread_pool_t *)(void *)((char *)cont -
                                        offsetof(sluice__thread_pool_t, cont));
  bool over[SLUICE__THREAD_POOL_JOBS_MAX];
  sluice__work_item_t *item = take_done(p, over);

  (void)b;
  while (item != NULL) {
    sluice__work_item_t *next = item->next;

    item->over(item);
    item = next;
  }
  for (uint32_t i = 0; i < SLUICE__THREAD_POOL_JOBS_MAX && !p->is_pool; i++) {
    if (over[i]) {
      job_is_back(p, &p->jobs[i]);
    }
  }
  look_around(p);
  return SLUICE__WAIT;
}

/* One thread of the pool is left to the host. */
static uint32_t pool_jobs(void) {
  const char *set = getenv("UV_THREADPOOL_SIZE");
  long threads = set == NULL ? POOL_DEFAULT : strtol(set, NULL, 10);

  if (uv_available_parallelism() <= FEW_PROCESSORS) {
    return 0;
  }
  if (threads > SLUICE__THREAD_POOL_JOBS_MAX) {
    return SLUICE__THREAD_POOL_JOBS_MAX;
  }
  return threads > 2 ? (uint32_t)threads - 1 : 1;
}

static int set_executor(sluice__thread_pool_t *p,
                        const sluice_executor_t *executor,
                        sluice_error_t *err) {
  int r;

  if (executor == NULL) {
    p->is_pool = true;
    p->executor.jobs_max = pool_jobs();
    p->executor.min_bytes = MIN_BYTES;
    return 0;
  }
  r = SLUICE_OPTIONS_COPY(&p->executor, executor, "executor", sluice_executor_t,
                          ctx, err);
  if (r < 0) {
    return r;
  }
  if (p->executor.jobs_max > SLUICE__THREAD_POOL_JOBS_MAX) {
    return sluice_fail(err, UV_EINVAL, "executor: jobs_max is %u, at most %d",
                       (unsigned)p->executor.jobs_max,
                       SLUICE__THREAD_POOL_JOBS_MAX);
  }
  if (p->executor.submit == NULL) {
    p->is_pool = p->executor.jobs_max > 0;
  } else if (p->executor.jobs_max == 0) {
    p->executor.jobs_max = 1;
  }
  if (p->executor.min_bytes == 0) {
    p->executor.min_bytes = MIN_BYTES;
  }
  return 0;
}

int sluice__thread_pool_init(sluice__thread_pool_t *p, sluice__pump_t *pump,
                             const sluice_executor_t *executor,
                             sluice_error_t *err) {
  int r;

  memset(p, 0, sizeof(*p));
  p->pump = pump;
  r = set_executor(p, executor, err);
  if (r == 0 && (r = uv_mutex_init(&p->lock)) < 0) {
    (void)sluice_fail(err, r, "the engine's lock cannot be made");
  }
  for (uint32_t i = 0; i < SLUICE__THREAD_POOL_JOBS_MAX; i++) {
    p->jobs[i].pool = p;
  }
  sluice__cont_init(&p->cont, &pump->queue, pool_step, SLUICE__URGENT, 100);
  return r;
}

void sluice__thread_pool_done(sluice__thread_pool_t *p) {
  assert(p->jobs_out == 0 && p->queued == 0);
  uv_mutex_destroy(&p->lock);
}

void sluice__thread_pool_put(sluice__thread_pool_t *p,
                             sluice__work_item_t *item) {
  uv_mutex_lock(&p->lock);
  append(&p->queue, item);
  p->queued++;
  uv_mutex_unlock(&p->lock);
  hire(p);
}

/* `lock` is held. */
static bool unlink_item(sluice__thread_pool_t *p,
                        const sluice__work_item_t *item) {
  sluice__work_item_t *before = NULL;

  for (sluice__work_item_t *at = p->queue.first; at != NULL; at = at->next) {
    if (at == item) {
      *(before == NULL ? &p->queue.first : &before->next) = at->next;
      p->queue.last = at->next == NULL ? before : p->queue.last;
      p->queued--;
      return true;
    }
    before = at;
  }
  return false;
}

bool sluice__thread_pool_take_back(sluice__thread_pool_t *p,
                                   sluice__work_item_t *item) {
  bool is_ours;

  uv_mutex_lock(&p->lock);
  is_ours = unlink_item(p, item);
  uv_mutex_unlock(&p->lock);
  return is_ours;
}

void sluice__thread_pool_cancel(sluice__thread_pool_t *p) {
  for (uint32_t i = 0; i < SLUICE__THREAD_POOL_JOBS_MAX && p->is_pool; i++) {
    if (p->jobs[i].is_out) {
      (void)uv_cancel((uv_req_t *)&p->jobs[i].work);
    }
  }
}
