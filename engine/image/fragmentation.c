/* fragmentation.c - see fragmentation.h.
 *
 * The index has runs in pages and does not say how large these are; where the
 * next run of the region begins tells it: nearest behind the shortest way. */
#include "image/fragmentation.h"

#include <string.h>

#include "image/index_file.h"

enum {
  BUFFER = 16 * 1024,
  REGIONS_MAX = 4096, /* as of any stream: decoder.h */
  PAGE_MAX = 1024 * 1024,
  LAST = SLUICE__FRAGMENTATION_SIZES - 1
};

/* Of one region, until the size of its pages is known. */
typedef struct look_s {
  sluice__fragmentation_t *out;
  unsigned regions;
  sluice__index_entry_t last; /* of the index; count 0: none */
  uint64_t pages;             /* of the data run at hand; 0: none */
  uint64_t page_size;
  uint64_t large; /* pages of the runs of the last size */
  uint64_t most;  /* the largest of the other sizes that there is */
  uint64_t sizes[SLUICE__FRAGMENTATION_SIZES];
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

static void add_runs(sluice__fragmentation_t *out, uint64_t runs,
                     uint64_t bytes) {
  uint64_t size = runs == 0 ? 0 : bytes / runs / SLUICE__FRAGMENTATION_PAGE;

  out->sizes[size < LAST ? size : LAST] += runs;
  out->large += size < LAST ? 0 : bytes;
  out->bytes += bytes;
  out->count += runs;
}

static void end_region(look_t *l) {
  uint64_t page =
      l->page_size == UINT64_MAX ? SLUICE__FRAGMENTATION_PAGE : l->page_size;

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

static void learn_page_size(look_t *l, const sluice__index_entry_t *run) {
  uint64_t size;

  if (l->last.count == 0 || run->offset <= l->last.offset) {
    return;
  }
  size = (run->offset - l->last.offset) / l->last.count;
  size = size < PAGE_MAX ? size : PAGE_MAX;
  l->page_size = size < l->page_size ? size : l->page_size;
}

/* Behind the last one in the region and, as far, in the file. */
static bool goes_on(const look_t *l, const sluice__index_entry_t *run) {
  return l->pages > 0 && run->data > l->last.data &&
         run->data - l->last.data == run->offset - l->last.offset;
}

static void take_run(look_t *l, const sluice__index_entry_t *run) {
  if (run->region != l->last.region) {
    end_region(l);
    l->last.count = 0;
    l->regions++;
  }
  learn_page_size(l, run);
  if (run->data == 0) {
    end_run(l);
  } else if (goes_on(l, run)) {
    l->pages += run->count;
  } else {
    l->out->gaps += l->pages == 0;
    end_run(l);
    l->pages = run->count;
  }
  l->last = *run;
}

/* A stream that has more regions than it may is refused later. */
void sluice__fragmentation_look(sluice__fragmentation_t *out, int fd,
                                uint64_t from, uint64_t end) {
  look_t l = {.out = out, .page_size = UINT64_MAX};
  sluice__index_cursor_t cursor;
  sluice__index_entry_t run;
  uint8_t buf[BUFFER];

  memset(out, 0, sizeof(*out));
  if (end > from && end - from > SLUICE__FRAGMENTATION_LOOK) {
    end = from + SLUICE__FRAGMENTATION_LOOK;
  }
  sluice__index_cursor_open(&cursor, from, end, sizeof(buf));
  while (l.regions < REGIONS_MAX &&
         sluice__index_file_next(&cursor, fd, buf, &run)) {
    take_run(&l, &run);
  }
  end_region(&l);
}

/* ---- the rule ---- */

/* Where no other run follows, a mapping of what is between does: one more. */
uint64_t sluice__fragmentation_most(uint64_t asked, uint64_t left,
                                    uint64_t count, uint64_t gaps) {
  uint64_t most = left / 2;

  if (asked != 0) {
    return asked;
  }
  return count + gaps <= most ? count : most / 2;
}

static uint64_t count_mapped(const sluice__fragmentation_t *s, uint64_t most) {
  uint64_t n = s->sizes[LAST] < most ? s->sizes[LAST] : most;
  uint64_t mapped = n == 0 ? 0 : s->large / s->sizes[LAST] * n;

  for (uint64_t size = LAST - 1; size >= SLUICE__FRAGMENTATION_LEAST; size--) {
    most -= n;
    n = s->sizes[size] < most ? s->sizes[size] : most;
    mapped += n * size * SLUICE__FRAGMENTATION_PAGE;
  }
  return mapped;
}

bool sluice__fragmentation_is_too_much(const sluice__fragmentation_t *s,
                                       uint64_t most) {
  uint64_t mapped = count_mapped(s, most);
  uint64_t read = s->bytes > mapped ? s->bytes - mapped : 0;

  return read > SLUICE__FRAGMENTATION_FEW && read > s->bytes / 2;
}
