/* copy_queue.c - see copy_queue.h. */
#include "stream/copy_queue.h"

#include <assert.h>
#include <string.h>
#include <uv.h>

#include "stream/bytes.h"

void sluice__copy_queue_init(sluice__copy_queue_t *q,
                             const sluice_alloc_t *alloc, size_t job_bytes) {
  assert(job_bytes >= sizeof(sluice__copy_job_t));
  memset(q, 0, sizeof(*q));
  q->alloc = *alloc;
  q->job_bytes = job_bytes;
}

static size_t amended_bytes(const sluice__copy_job_t *job) {
  return sizeof(sluice__amended_page_t) + job->list.page_size;
}

static void drop_amended(sluice__copy_queue_t *q, sluice__copy_job_t *job) {
  sluice__amended_page_t *page = job->amended;

  job->amended = page->next;
  q->alloc.release(q->alloc.ctx, page, amended_bytes(job),
                   _Alignof(max_align_t));
}

static void free_list(sluice__copy_queue_t *q, sluice__copy_job_t **list) {
  while (*list != NULL) {
    sluice__copy_job_t *job = *list;

    *list = job->next;
    while (job->amended != NULL) {
      drop_amended(q, job);
    }
    q->alloc.release(q->alloc.ctx, job, q->job_bytes, _Alignof(max_align_t));
  }
}

void sluice__copy_queue_done(sluice__copy_queue_t *q) {
  free_list(q, &q->first);
  free_list(q, &q->idle);
  q->last = NULL;
  q->next = NULL;
}

static sluice__copy_job_t *find_idle(sluice__copy_queue_t *q) {
  sluice__copy_job_t *job = q->idle;

  if (job != NULL) {
    q->idle = job->next;
    return job;
  }
  job = q->alloc.alloc(q->alloc.ctx, q->job_bytes, _Alignof(max_align_t));
  if (job != NULL) {
    memset(job, 0, q->job_bytes);
  }
  return job;
}

sluice__copy_job_t *sluice__copy_queue_append(sluice__copy_queue_t *q,
                                              const uint8_t *chunk) {
  sluice__copy_job_t *job = find_idle(q);

  if (job == NULL) {
    return NULL;
  }
  job->chunk = chunk;
  job->amended = NULL;
  job->state = SLUICE__COPY_BUILT;
  job->next = NULL;
  if (q->last == NULL) {
    q->first = job;
  } else {
    q->last->next = job;
  }
  q->last = job;
  q->next = q->next == NULL ? job : q->next;
  return job;
}

void sluice__copy_queue_retire(sluice__copy_queue_t *q,
                               sluice__copy_job_t *job) {
  job->next = q->idle;
  q->idle = job;
}

void sluice__copy_queue_drop(sluice__copy_queue_t *q, sluice__copy_job_t *job) {
  sluice__copy_job_t *before = q->first == job ? NULL : q->first;

  assert(job == q->last && job->state == SLUICE__COPY_BUILT);
  while (before != NULL && before->next != job) {
    before = before->next;
  }
  *(before == NULL ? &q->first : &before->next) = NULL;
  q->last = before;
  q->next = q->next == job ? NULL : q->next;
  sluice__copy_queue_retire(q, job);
}

sluice__copy_job_t *sluice__copy_queue_take(sluice__copy_queue_t *q) {
  sluice__copy_job_t *job = q->next;

  if (job == NULL || job->state != SLUICE__COPY_READY) {
    return NULL;
  }
  q->next = job->next;
  job->state = SLUICE__COPY_GIVEN;
  return job;
}

static sluice__copy_job_t *find_slot(const sluice__copy_queue_t *q,
                                     uint64_t slot) {
  sluice__copy_job_t *at = q->first;

  while (at != NULL &&
         (at->state == SLUICE__COPY_BUILT || slot < at->slot ||
          slot - at->slot >= (uint64_t)at->list.count * at->list.page_size)) {
    at = at->next;
  }
  return at;
}

static sluice__amended_page_t *amended_at(const sluice__copy_job_t *job,
                                          uint32_t at) {
  sluice__amended_page_t *page = job->amended;

  while (page != NULL && page->at != at) {
    page = page->next;
  }
  return page;
}

static sluice__amended_page_t *
add_amended(sluice__copy_queue_t *q, sluice__copy_job_t *job, uint32_t at) {
  sluice__amended_page_t *page =
      q->alloc.alloc(q->alloc.ctx, amended_bytes(job), _Alignof(max_align_t));

  if (page != NULL) {
    page->at = at;
    page->next = job->amended;
    job->amended = page;
  }
  return page;
}

int sluice__copy_queue_amend(sluice__copy_queue_t *q, uint64_t slot,
                             const uint8_t *page, uint64_t hash) {
  sluice__copy_job_t *job = find_slot(q, slot);
  sluice__amended_page_t *to;
  uint32_t at;

  if (job == NULL) {
    return 0;
  }
  at = (uint32_t)((slot - job->slot) / job->list.page_size);
  to = amended_at(job, at);
  if (to == NULL) {
    to = add_amended(q, job, at);
  }
  if (to == NULL) {
    return UV_ENOMEM;
  }
  to->hash = hash;
  memcpy(to + 1, page, job->list.page_size);
  return 1;
}

static void amend(sluice__copy_queue_t *q, sluice__copy_job_t *job) {
  const sluice__page_list_t *list = &job->list;
  sluice__amended_page_t *page;

  while ((page = job->amended) != NULL) {
    memcpy(list->data + (size_t)page->at * list->page_size, page + 1,
           list->page_size);
    sluice__put_le64(list->hashes + page->at * sizeof(uint64_t), page->hash);
    drop_amended(q, job);
  }
}

sluice__copy_job_t *sluice__copy_queue_pop(sluice__copy_queue_t *q) {
  sluice__copy_job_t *job = q->first;

  if (job == NULL || job->state != SLUICE__COPY_OVER) {
    return NULL;
  }
  q->first = job->next;
  q->last = job->next == NULL ? NULL : q->last;
  amend(q, job);
  return job;
}
