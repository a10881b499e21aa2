/* crew.c - see crew.h. */
#include "session/crew.h"

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
  VISIT_TASKS = 8 /* then others may have the thread */
};

static void append(sluice__task_list_t *list, sluice__task_t *task) {
  task->next = NULL;
  if (list->last == NULL) {
    list->first = task;
  } else {
    list->last->next = task;
  }
  list->last = task;
}

/* `lock` is held. */
static sluice__task_t *pop_task(sluice__crew_t *c) {
  sluice__task_t *task = c->queue.first;

  if (task != NULL) {
    c->queue.first = task->next;
    c->queue.last = task->next == NULL ? NULL : c->queue.last;
    c->queued--;
  }
  return task;
}

/* `lock` is held: the loop may free us as soon as it has seen what is done. */
static void tell_loop(sluice__crew_t *c) {
  if (!c->is_told) {
    c->is_told = true;
    sluice__queue_post(&c->cont);
  }
}

void sluice_job_run(sluice_job_t *job) {
  sluice__crew_t *c = job->crew;
  sluice__task_t *task;

  uv_mutex_lock(&c->lock);
  for (int i = 0; i < VISIT_TASKS && (task = pop_task(c)) != NULL; i++) {
    uv_mutex_unlock(&c->lock);
    task->run(task);
    uv_mutex_lock(&c->lock);
    append(&c->done, task);
    tell_loop(c);
  }
  job->is_over = true;
  if (!c->is_pool) {
    tell_loop(c);
  }
  uv_mutex_unlock(&c->lock);
}

static void work_job(uv_work_t *work) {
  sluice_job_run(work->data);
}

static void hire(sluice__crew_t *c);

static void job_is_back(sluice__crew_t *c, sluice_job_t *job) {
  job->is_out = false;
  c->jobs_out--;
}

static void look_around(sluice__crew_t *c) {
  hire(c);
  if (c->jobs_out == 0 && c->on_idle != NULL) {
    c->on_idle(c->ctx); /* last touch: it may free the crew */
  }
}

static void on_job_back(uv_work_t *work, int status) {
  sluice_job_t *job = work->data;

  (void)status; /* cancelled or not: it is back */
  job_is_back(job->crew, job);
  look_around(job->crew);
}

static int submit(sluice__crew_t *c, sluice_job_t *job) {
  if (!c->is_pool) {
    return c->executor.submit(c->executor.ctx, job);
  }
  job->work.data = job;
  return uv_queue_work(c->pump->loop, &job->work, work_job, on_job_back);
}

static sluice_job_t *find_job(sluice__crew_t *c) {
  for (uint32_t i = 0; i < c->executor.jobs_max; i++) {
    if (!c->jobs[i].is_out) {
      return &c->jobs[i];
    }
  }
  return NULL;
}

static uint32_t count_queued(sluice__crew_t *c) {
  uint32_t n;

  uv_mutex_lock(&c->lock);
  n = c->queued;
  uv_mutex_unlock(&c->lock);
  return n;
}

/* Never more jobs than there are tasks to begin. The lock is not held while the
 * executor is called: it may run the job there and then. */
static void hire(sluice__crew_t *c) {
  uint32_t wanted = count_queued(c);
  sluice_job_t *job;

  while (c->jobs_out < wanted && (job = find_job(c)) != NULL) {
    job->is_out = true;
    job->is_over = false;
    c->jobs_out++;
    if (submit(c, job) != 0) {
      job_is_back(c, job);
      return; /* asked again with the next task */
    }
  }
}

static sluice__task_t *take_done(sluice__crew_t *c, bool *over) {
  sluice__task_t *done;

  uv_mutex_lock(&c->lock);
  done = c->done.first;
  c->done = (sluice__task_list_t){0};
  c->is_told = false;
  for (uint32_t i = 0; i < SLUICE__CREW_JOBS_MAX; i++) {
    over[i] = c->jobs[i].is_out && c->jobs[i].is_over;
  }
  uv_mutex_unlock(&c->lock);
  return done;
}

static int crew_step(sluice__cont_t *cont, sluice__budget_t *b) {
  sluice__crew_t *c =
      (sluice__crew_t *)(void *)((char *)cont - offsetof(sluice__crew_t, cont));
  bool over[SLUICE__CREW_JOBS_MAX];
  sluice__task_t *task = take_done(c, over);

  (void)b;
  while (task != NULL) {
    sluice__task_t *next = task->next;

    task->over(task);
    task = next;
  }
  for (uint32_t i = 0; i < SLUICE__CREW_JOBS_MAX && !c->is_pool; i++) {
    if (over[i]) {
      job_is_back(c, &c->jobs[i]);
    }
  }
  look_around(c);
  return SLUICE__WAIT;
}

/* One thread of the pool is left to the host. */
static uint32_t pool_jobs(void) {
  const char *set = getenv("UV_THREADPOOL_SIZE");
  long threads = set == NULL ? POOL_DEFAULT : strtol(set, NULL, 10);

  if (uv_available_parallelism() <= FEW_PROCESSORS) {
    return 0;
  }
  if (threads > SLUICE__CREW_JOBS_MAX) {
    return SLUICE__CREW_JOBS_MAX;
  }
  return threads > 2 ? (uint32_t)threads - 1 : 1;
}

static int set_executor(sluice__crew_t *c, const sluice_executor_t *executor,
                        sluice_error_t *err) {
  int r;

  if (executor == NULL) {
    c->is_pool = true;
    c->executor.jobs_max = pool_jobs();
    c->executor.min_bytes = MIN_BYTES;
    return 0;
  }
  r = SLUICE_OPTIONS_COPY(&c->executor, executor, "executor", sluice_executor_t,
                          ctx, err);
  if (r < 0) {
    return r;
  }
  if (c->executor.jobs_max > SLUICE__CREW_JOBS_MAX) {
    return sluice_fail(err, UV_EINVAL, "executor: jobs_max is %u, at most %d",
                       (unsigned)c->executor.jobs_max, SLUICE__CREW_JOBS_MAX);
  }
  if (c->executor.submit == NULL) {
    c->is_pool = c->executor.jobs_max > 0;
  } else if (c->executor.jobs_max == 0) {
    c->executor.jobs_max = 1;
  }
  if (c->executor.min_bytes == 0) {
    c->executor.min_bytes = MIN_BYTES;
  }
  return 0;
}

int sluice__crew_init(sluice__crew_t *c, sluice__pump_t *pump,
                      const sluice_executor_t *executor, sluice_error_t *err) {
  int r;

  memset(c, 0, sizeof(*c));
  c->pump = pump;
  r = set_executor(c, executor, err);
  if (r == 0) {
    r = uv_mutex_init(&c->lock);
  }
  for (uint32_t i = 0; i < SLUICE__CREW_JOBS_MAX; i++) {
    c->jobs[i].crew = c;
  }
  sluice__cont_init(&c->cont, &pump->queue, crew_step, SLUICE__URGENT, 100);
  return r;
}

void sluice__crew_done(sluice__crew_t *c) {
  assert(c->jobs_out == 0 && c->queued == 0);
  uv_mutex_destroy(&c->lock);
}

void sluice__crew_put(sluice__crew_t *c, sluice__task_t *task) {
  uv_mutex_lock(&c->lock);
  append(&c->queue, task);
  c->queued++;
  uv_mutex_unlock(&c->lock);
  hire(c);
}

/* `lock` is held. */
static bool unlink_task(sluice__crew_t *c, const sluice__task_t *task) {
  sluice__task_t *before = NULL;

  for (sluice__task_t *at = c->queue.first; at != NULL; at = at->next) {
    if (at == task) {
      *(before == NULL ? &c->queue.first : &before->next) = at->next;
      c->queue.last = at->next == NULL ? before : c->queue.last;
      c->queued--;
      return true;
    }
    before = at;
  }
  return false;
}

bool sluice__crew_take_back(sluice__crew_t *c, sluice__task_t *task) {
  bool is_ours;

  uv_mutex_lock(&c->lock);
  is_ours = unlink_task(c, task);
  uv_mutex_unlock(&c->lock);
  return is_ours;
}

void sluice__crew_dismiss(sluice__crew_t *c) {
  for (uint32_t i = 0; i < SLUICE__CREW_JOBS_MAX && c->is_pool; i++) {
    if (c->jobs[i].is_out) {
      (void)uv_cancel((uv_req_t *)&c->jobs[i].work);
    }
  }
}
