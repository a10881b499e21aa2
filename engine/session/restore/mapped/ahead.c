/* ahead.c - see ahead.h. */
#include "session/restore/mapped/ahead.h"

#include <fcntl.h>

#include "stream/bytes.h"
#include "stream/native/record.h"

enum {
  PAGE = 4096,
  /* Hashes stand behind this and their record's runs, which mostly are one. */
  BEFORE_HASHES = SLUICE__PAGES_TABLE + SLUICE__PAGES_RUN_BYTES,
  TABLE_MAX = 16 * 1024, /* what is longer is read page by page */
  /* A scattered image has more records than are worth it. */
  ASKED_MAX = 65536
};

static bool is_over(const sluice__ahead_t *a) {
  return a->asked >= ASKED_MAX || atomic_load(&a->is_off);
}

/* A table ends where its record's first page begins, so a run's data is behind
 * it, mostly just behind. */
static void ask_for(sluice__ahead_t *a, uint64_t hashes, uint64_t data) {
  uint64_t page = (hashes - BEFORE_HASHES) / PAGE * PAGE;
  uint64_t len = data > page && data - page <= TABLE_MAX ? data - page : PAGE;

  if (hashes < BEFORE_HASHES || hashes >= a->end || page == a->last) {
    return; /* of zeros, or nonsense, or known */
  }
  (void)posix_fadvise(a->fd, (off_t)page, (off_t)len, POSIX_FADV_WILLNEED);
  a->last = page;
  a->asked++;
}

/* `runs` entries of the index, at `at`. */
static void read_runs(sluice__ahead_t *a, uint64_t at, uint64_t runs) {
  uint64_t most = a->len / SLUICE__INDEX_RUN_BYTES;

  while (runs > 0 && !is_over(a)) {
    uint64_t want = runs < most ? runs : most;
    ptrdiff_t n = sluice__file_read(a->fd, a->buf,
                                    (size_t)want * SLUICE__INDEX_RUN_BYTES, at);
    size_t got = n > 0 ? (size_t)n / SLUICE__INDEX_RUN_BYTES : 0;

    for (size_t i = 0; i < got && !is_over(a); i++) {
      const uint8_t *run = a->buf + i * SLUICE__INDEX_RUN_BYTES;

      ask_for(a, sluice__get_le64(run + 24), sluice__get_le64(run + 16));
    }
    if (got < want) {
      return;
    }
    at += want * SLUICE__INDEX_RUN_BYTES;
    runs -= want;
  }
}

/* Returns where the next record begins; 0: the index is over. One that was
 * written in pieces has padding between them. */
static uint64_t read_record(sluice__ahead_t *a, uint64_t at) {
  uint8_t head[SLUICE__RECORD_BYTES];
  sluice__record_t record;

  if (a->end - at < sizeof(head) ||
      sluice__file_read(a->fd, head, sizeof(head), at) !=
          (ptrdiff_t)sizeof(head)) {
    return 0;
  }
  at += sizeof(head);
  sluice__record_get(&record, head);
  if (record.length > a->end - at) {
    return 0;
  }
  if (record.type == SLUICE__NATIVE_INDEX) {
    read_runs(a, at, record.length / SLUICE__INDEX_RUN_BYTES);
  } else if (record.type != SLUICE__NATIVE_PAD) {
    return 0;
  }
  return at + sluice__native_padded(record.length);
}

void sluice__ahead_run(void *ahead) {
  sluice__ahead_t *a = ahead;
  uint64_t at = a->index;

  a->last = UINT64_MAX;
  a->asked = 0;
  while (at != 0 && at < a->end && !is_over(a)) {
    at = read_record(a, at);
  }
}

void sluice__ahead_start(sluice__ahead_t *ahead) {
  if (!ahead->is_begun) {
    ahead->is_begun = true;
    (void)sluice__file_job_start(&ahead->job, sluice__ahead_run, ahead);
  }
}

bool sluice__ahead_stop(sluice__ahead_t *ahead) {
  atomic_store(&ahead->is_off, true);
  sluice__file_job_cancel(&ahead->job);
  return !ahead->job.is_busy;
}
