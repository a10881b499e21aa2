/* ahead.c - see ahead.h. */
#include "session/restore/ahead.h"

#include <fcntl.h>

#include "io/file_job.h"
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

typedef struct ahead_s {
  int fd;
  uint64_t end;
  uint64_t last; /* page that was asked for last */
  size_t asked;
} ahead_t;

/* A table ends where its record's first page begins, so a run's data is behind
 * it, mostly just behind. */
static void ask_for(ahead_t *a, uint64_t hashes, uint64_t data) {
  uint64_t page = (hashes - BEFORE_HASHES) / PAGE * PAGE;
  uint64_t len = data > page && data - page <= TABLE_MAX ? data - page : PAGE;

  if (hashes < BEFORE_HASHES || hashes >= a->end || page == a->last) {
    return; /* of zeros, or nonsense, or known */
  }
  (void)posix_fadvise(a->fd, (off_t)page, (off_t)len, POSIX_FADV_WILLNEED);
  a->last = page;
  a->asked++;
}

/* The entries of the records that are there; how many bytes those have. */
static size_t look_at(ahead_t *a, const uint8_t *p, size_t len) {
  size_t at = 0;

  while (len - at >= SLUICE__RECORD_BYTES && a->asked < ASKED_MAX) {
    sluice__record_t record;
    size_t end;

    sluice__record_get(&record, p + at);
    if (record.type != SLUICE__NATIVE_INDEX ||
        record.length > len - at - SLUICE__RECORD_BYTES) {
      break;
    }
    end = at + SLUICE__RECORD_BYTES + (size_t)record.length;
    for (size_t i = at + SLUICE__RECORD_BYTES;
         end - i >= SLUICE__INDEX_RUN_BYTES; i += SLUICE__INDEX_RUN_BYTES) {
      ask_for(a, sluice__get_le64(p + i + 24), sluice__get_le64(p + i + 16));
    }
    at = (size_t)sluice__native_padded(end);
  }
  return at;
}

size_t sluice__ahead_ask(int fd, uint64_t index, uint64_t end, uint8_t *buf,
                         size_t len) {
  ahead_t a = {.fd = fd, .end = end, .last = UINT64_MAX};

  while (index < end && a.asked < ASKED_MAX) {
    uint64_t left = end - index;
    ptrdiff_t n =
        sluice__file_read(fd, buf, left < len ? (size_t)left : len, index);
    size_t used = n > 0 ? look_at(&a, buf, (size_t)n) : 0;

    if (used == 0) {
      break;
    }
    index += used;
  }
  return a.asked;
}
