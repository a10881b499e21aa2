/* scatter.c - see scatter.h.
 *
 * The index has runs in pages and does not say how large these are; where the
 * next run of the region begins tells it: nearest behind the shortest way. */
#include "session/restore/mapped/scatter.h"

#include <string.h>

#include "io/file_job.h"
#include "stream/bytes.h"
#include "stream/native/record.h"

enum {
  BUFFER = 16 * 1024,
  REGIONS_MAX = 4096, /* as of any stream: decoder.h */
  PAGE_MAX = 1024 * 1024,
  LAST = SLUICE__SCATTER_SIZES - 1
};

typedef struct run_s {
  uint32_t region;
  uint32_t pages;
  uint64_t offset;
  uint64_t at; /* 0: zeros */
} run_t;

/* Of one region, until the size of its pages is known. */
typedef struct look_s {
  sluice__scatter_t *out;
  unsigned regions;
  run_t last;     /* of the index; pages 0: none */
  uint64_t pages; /* of the data run at hand; 0: none */
  uint64_t page_size;
  uint64_t large; /* pages of the runs of the last size */
  uint64_t most;  /* the largest of the other sizes that there is */
  uint64_t sizes[SLUICE__SCATTER_SIZES];
} look_t;

/* ---- a region ---- */

static void end_run(look_t *l) {
  if (l->pages >= LAST) {
    l->large += l->pages;
    l->sizes[LAST]++;
  } else if (l->pages > 0) {
    l->sizes[l->pages]++;
    l->most = l->pages > l->most ? l->pages : l->most;
  }
  l->pages = 0;
}

static void add_runs(sluice__scatter_t *out, uint64_t runs, uint64_t bytes) {
  uint64_t size = runs == 0 ? 0 : bytes / runs / SLUICE__SCATTER_PAGE;

  out->sizes[size < LAST ? size : LAST] += runs;
  out->large += size < LAST ? 0 : bytes;
  out->bytes += bytes;
  out->count += runs;
}

static void end_region(look_t *l) {
  uint64_t page =
      l->page_size == UINT64_MAX ? SLUICE__SCATTER_PAGE : l->page_size;

  end_run(l);
  for (uint64_t n = 1; n <= l->most; n++) {
    add_runs(l->out, l->sizes[n], l->sizes[n] * n * page);
    l->sizes[n] = 0;
  }
  add_runs(l->out, l->sizes[LAST], l->large * page);
  l->sizes[LAST] = 0;
  l->large = 0;
  l->most = 0;
  l->page_size = UINT64_MAX;
}

/* ---- the index ---- */

static void learn_page_size(look_t *l, const run_t *run) {
  uint64_t size;

  if (l->last.pages == 0 || run->offset <= l->last.offset) {
    return;
  }
  size = (run->offset - l->last.offset) / l->last.pages;
  size = size < PAGE_MAX ? size : PAGE_MAX;
  l->page_size = size < l->page_size ? size : l->page_size;
}

/* Behind the last one in the region and, as far, in the file. */
static bool goes_on(const look_t *l, const run_t *run) {
  return l->pages > 0 && run->at > l->last.at &&
         run->at - l->last.at == run->offset - l->last.offset;
}

static void take_run(look_t *l, const run_t *run) {
  if (run->region != l->last.region) {
    end_region(l);
    l->last.pages = 0;
    l->regions++;
  }
  learn_page_size(l, run);
  if (run->at == 0) {
    end_run(l);
  } else if (goes_on(l, run)) {
    l->pages += run->pages;
  } else {
    l->out->gaps += l->pages == 0;
    end_run(l);
    l->pages = run->pages;
  }
  l->last = *run;
}

/* Whole runs. A stream that has more regions than it may is refused later. */
static void take_runs(look_t *l, const uint8_t *p, size_t len) {
  for (; len >= SLUICE__INDEX_RUN_BYTES && l->regions < REGIONS_MAX;
       p += SLUICE__INDEX_RUN_BYTES, len -= SLUICE__INDEX_RUN_BYTES) {
    const run_t run = {.region = sluice__get_le32(p),
                       .pages = sluice__get_le32(p + 4),
                       .offset = sluice__get_le64(p + 8),
                       .at = sluice__get_le64(p + 16)};

    take_run(l, &run);
  }
}

static bool take_index(look_t *l, int fd, uint64_t at, uint64_t left) {
  uint8_t buf[BUFFER];

  while (left > 0) {
    size_t n = left < BUFFER ? (size_t)left : BUFFER;

    if (sluice__file_read(fd, buf, n, at) != (ptrdiff_t)n) {
      return false;
    }
    take_runs(l, buf, n);
    at += n;
    left -= n;
  }
  return true;
}

/* One record; where the next one begins, or 0: the index is over. It may have
 * been written in pieces, with padding between them. */
static uint64_t take_record(look_t *l, int fd, uint64_t at, uint64_t end) {
  uint8_t header[SLUICE__RECORD_BYTES];
  sluice__record_t record;

  if (sluice__file_read(fd, header, sizeof(header), at) != sizeof(header)) {
    return 0;
  }
  sluice__record_get(&record, header);
  at += sizeof(header);
  if (record.length > end - at) {
    return 0;
  }
  if (record.type != SLUICE__NATIVE_PAD &&
      (record.type != SLUICE__NATIVE_INDEX ||
       !take_index(l, fd, at, record.length))) {
    return 0;
  }
  return sluice__native_padded(at + record.length);
}

void sluice__scatter_look(sluice__scatter_t *out, int fd, uint64_t from,
                          uint64_t end) {
  look_t l = {.out = out, .page_size = UINT64_MAX};

  memset(out, 0, sizeof(*out));
  if (end > from && end - from > SLUICE__SCATTER_LOOK) {
    end = from + SLUICE__SCATTER_LOOK;
  }
  while (from != 0 && from < end && end - from >= SLUICE__RECORD_BYTES) {
    from = take_record(&l, fd, from, end);
  }
  end_region(&l);
}

/* ---- the rule ---- */

/* Where no other run follows, a mapping of what is between does: one more. */
uint64_t sluice__scatter_most(uint64_t asked, uint64_t left, uint64_t count,
                              uint64_t gaps) {
  uint64_t most = left / 2;

  if (asked != 0) {
    return asked;
  }
  return count + gaps <= most ? count : most / 2;
}

static uint64_t count_mapped(const sluice__scatter_t *s, uint64_t most) {
  uint64_t n = s->sizes[LAST] < most ? s->sizes[LAST] : most;
  uint64_t mapped = n == 0 ? 0 : s->large / s->sizes[LAST] * n;

  for (uint64_t size = LAST - 1; size >= SLUICE__SCATTER_LEAST; size--) {
    most -= n;
    n = s->sizes[size] < most ? s->sizes[size] : most;
    mapped += n * size * SLUICE__SCATTER_PAGE;
  }
  return mapped;
}

bool sluice__scatter_is_too_much(const sluice__scatter_t *s, uint64_t most) {
  uint64_t mapped = count_mapped(s, most);
  uint64_t read = s->bytes > mapped ? s->bytes - mapped : 0;

  return read > SLUICE__SCATTER_FEW && read > s->bytes / 2;
}
