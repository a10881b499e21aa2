/* prefetch.c - see prefetch.h. */
#include "image/prefetch.h"

#include <fcntl.h>

#include "image/index_file.h"
#include "stream/native/format.h"

enum {
  PAGE = 4096,
  /* Hashes stand behind this and their record's runs, which mostly are one. */
  BEFORE_HASHES = SLUICE__PAGES_TABLE + SLUICE__PAGES_RUN_BYTES,
  TABLE_MAX = 16 * 1024, /* what is longer is read page by page */
  /* A scattered image has more records than are worth it. */
  ASKED_MAX = 65536
};

static bool is_over(const sluice__prefetch_t *a) {
  return a->asked >= ASKED_MAX || atomic_load(&a->is_off);
}

/* A table ends where its record's first page begins, so a run's data is behind
 * it, mostly just behind. */
static void ask_for(sluice__prefetch_t *a, uint64_t hashes, uint64_t data) {
  uint64_t page = (hashes - BEFORE_HASHES) / PAGE * PAGE;
  uint64_t len = data > page && data - page <= TABLE_MAX ? data - page : PAGE;

  if (hashes < BEFORE_HASHES || hashes >= a->end || page == a->last) {
    return; /* of zeros, or nonsense, or known */
  }
  (void)posix_fadvise(a->fd, (off_t)page, (off_t)len, POSIX_FADV_WILLNEED);
  a->last = page;
  a->asked++;
}

void sluice__prefetch_run(void *prefetch) {
  sluice__prefetch_t *a = prefetch;
  sluice__index_cursor_t cursor;
  sluice__index_entry_t run;

  a->last = UINT64_MAX;
  a->asked = 0;
  sluice__index_cursor_open(&cursor, a->index, a->end, a->len);
  while (!is_over(a) && sluice__index_file_next(&cursor, a->fd, a->buf, &run)) {
    ask_for(a, run.hashes, run.data);
  }
}

void sluice__prefetch_start(sluice__prefetch_t *prefetch) {
  if (!prefetch->is_begun) {
    prefetch->is_begun = true;
    (void)sluice__file_job_start(&prefetch->job, sluice__prefetch_run,
                                 prefetch);
  }
}

bool sluice__prefetch_stop(sluice__prefetch_t *prefetch) {
  atomic_store(&prefetch->is_off, true);
  sluice__file_job_cancel(&prefetch->job);
  return !prefetch->job.is_busy;
}
