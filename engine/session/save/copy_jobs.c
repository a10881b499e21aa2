/* copy_jobs.c - see copy_jobs.h. */
#include "session/save/copy_jobs.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

/* What the queue allocates. */
typedef struct given_job_s {
  sluice__copy_job_t job; /* first */
  sluice__work_item_t item;
  sluice__copy_jobs_t *owner;
  uint64_t given_ns;
} given_job_t;

static given_job_t *of_item(sluice__work_item_t *item) {
  return (given_job_t *)(void *)((char *)item - offsetof(given_job_t, item));
}

static given_job_t *of_job(sluice__copy_job_t *job) {
  return (given_job_t *)job;
}

static uint64_t bytes_of(const sluice__copy_job_t *job) {
  return (uint64_t)job->list.count * job->list.page_size;
}

static void run_item(sluice__work_item_t *item) {
  sluice__page_list_fill(&of_item(item)->job.list);
}

static void item_is_over(sluice__work_item_t *item) {
  given_job_t *given = of_item(item);

  given->job.state = SLUICE__COPY_OVER;
  given->owner->on_over(given->owner->ctx);
}

static void run_here(sluice__copy_job_t *job) {
  sluice__page_list_fill(&job->list);
  job->state = SLUICE__COPY_OVER;
}

void sluice__copy_jobs_init(sluice__copy_jobs_t *j,
                            sluice__thread_pool_t *threads,
                            const sluice_alloc_t *alloc,
                            sluice__chunks_t *chunks) {
  memset(j, 0, sizeof(*j));
  sluice__copy_queue_init(&j->queue, alloc, sizeof(given_job_t));
  j->threads = sluice__thread_pool_has_threads(threads) ? threads : NULL;
  j->chunks = chunks;
}

void sluice__copy_jobs_done(sluice__copy_jobs_t *j) {
  sluice__copy_queue_done(&j->queue);
}

static void give(sluice__copy_jobs_t *j, given_job_t *given) {
  given->owner = j;
  given->item.run = run_item;
  given->item.over = item_is_over;
  given->given_ns = sluice__pump_now(j->threads->pump);
  sluice__thread_pool_put(j->threads, &given->item);
}

void sluice__copy_jobs_start(sluice__copy_jobs_t *j) {
  sluice__copy_job_t *job;

  while ((job = sluice__copy_queue_take(&j->queue)) != NULL) {
    if (bytes_of(job) < j->threads->executor.min_bytes) {
      run_here(job);
    } else {
      give(j, of_job(job));
    }
  }
}

bool sluice__copy_jobs_are_quiet(const sluice__copy_jobs_t *j) {
  const sluice__copy_job_t *at = j->queue.first;

  while (at != NULL && at->state != SLUICE__COPY_GIVEN) {
    at = at->next;
  }
  return at == NULL;
}

uint64_t sluice__copy_jobs_returned(const sluice__copy_jobs_t *j,
                                    const sluice_section_t *section) {
  for (const sluice__copy_job_t *at = j->queue.first; at != NULL;
       at = at->next) {
    if (at->lender == section && at->state != SLUICE__COPY_OVER) {
      return at->before;
    }
  }
  return section->lent;
}

void sluice__copy_jobs_tell(const sluice__copy_jobs_t *j,
                            sluice_section_t *section) {
  uint64_t returned = sluice__copy_jobs_returned(j, section);

  if (returned != section->returned) {
    section->returned = returned;
    if (section->handler->save_returned != NULL) {
      section->handler->save_returned(section->self, returned);
    }
  }
}

void sluice__copy_jobs_collect(sluice__copy_jobs_t *j, bool is_silent) {
  sluice__copy_job_t *job;

  while ((job = sluice__copy_queue_pop(&j->queue)) != NULL) {
    sluice_section_t *lender = job->lender;

    sluice__copy_queue_retire(&j->queue, job);
    if (!is_silent) {
      sluice__copy_jobs_tell(j, lender);
    }
    sluice__chunks_go_on(j->chunks);
  }
}

static bool take_back(sluice__copy_jobs_t *j, sluice__copy_job_t *job) {
  return job->state == SLUICE__COPY_GIVEN &&
         sluice__thread_pool_take_back(j->threads, &of_job(job)->item);
}

uint64_t sluice__copy_jobs_run_late(sluice__copy_jobs_t *j, uint64_t ns) {
  for (sluice__copy_job_t *at = j->queue.first; at != NULL; at = at->next) {
    if (of_job(at)->given_ns <= ns && take_back(j, at)) {
      run_here(at);
      return bytes_of(at);
    }
  }
  return 0;
}

void sluice__copy_jobs_abandon(sluice__copy_jobs_t *j) {
  for (sluice__copy_job_t *at = j->queue.first; at != NULL; at = at->next) {
    if (take_back(j, at)) {
      at->state = SLUICE__COPY_OVER;
    }
  }
}
