/* staging.c - see staging.h.
 *
 * Fresh memory is zero without being touched, so zero pages cost nothing there;
 * in a region with old content they are only written where they differ, which
 * leaves sparse memory sparse.
 *
 * Large buffers ask for huge pages: restoring into fresh pages of 4 KiB is four
 * times slower (page faults). They are placed so that they agree with their
 * region modulo the size of a huge page: mremap() then moves page tables as
 * they are, without splitting or touching single entries. */
#include "staging.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <uv.h>

#include <sluice/decoder.h>
#include <sluice/handler.h>

#include "bitmap.h"

#define HUGE_PAGE     (UINT64_C(2) << 20)  /* x86-64, arm64 with 4 KiB pages */
#define DISCARD_SLICE (UINT64_C(16) << 20) /* 1 ms at 60 ms a GiB */
#define SETTLE_SLICE  (UINT64_C(4) << 20)  /* 1 ms where all must be written */

static size_t page_bytes(const sluice__staging_t *staging) {
  return (size_t)1 << staging->page_shift;
}

static uint64_t total_bytes(const sluice__staging_t *staging) {
  return staging->pages << staging->page_shift;
}

static uint8_t *page_at(const sluice__staging_t *staging, uint64_t page) {
  return staging->at + (page << staging->page_shift);
}

static uint64_t smaller(uint64_t a, uint64_t b) {
  return a < b ? a : b;
}

static int is_zero(const uint8_t *data, size_t len) {
  return data[0] == 0 && memcmp(data, data + 1, len - 1) == 0;
}

/* Writes zeros only where there are none: reading does not take memory. */
static void zero_bytes(uint8_t *data, size_t len) {
  if (!is_zero(data, len)) {
    memset(data, 0, len);
  }
}

static void *map_fresh(size_t bytes) {
  void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

  return p == MAP_FAILED ? NULL : p;
}

/* Maps one huge page too much and unmaps what is in front and behind. */
static uint8_t *map_huge(size_t bytes, const uint8_t *like) {
  size_t spare = (size_t)HUGE_PAGE;
  uint8_t *p = bytes <= SIZE_MAX - spare ? map_fresh(bytes + spare) : NULL;
  size_t front;

  if (p == NULL) {
    return NULL;
  }
  front = (size_t)(((uintptr_t)like - (uintptr_t)p) % HUGE_PAGE);
  if (front > 0) {
    (void)munmap(p, front);
  }
  (void)munmap(p + front + bytes, spare - front);
  (void)madvise(p + front, bytes, MADV_HUGEPAGE); /* a wish */
  return p + front;
}

/* `like` need not be page-aligned; the kernel's pages always are. */
static uint8_t *map_staging(size_t bytes, const uint8_t *like) {
  if (bytes < HUGE_PAGE || (uintptr_t)like % 4096 != 0) {
    return map_fresh(bytes);
  }
  return map_huge(bytes, like);
}

/* Fresh pages in place: what the host had asked for them is lost in any case.
 */
static void ask_for_huge(void *base, uint64_t bytes) {
  if (bytes >= HUGE_PAGE) {
    (void)madvise(base, (size_t)bytes, MADV_HUGEPAGE); /* a wish */
  }
}

static int open_marks(sluice__staging_t *staging, uint64_t pages,
                      uint32_t page_shift) {
  memset(staging, 0, sizeof(*staging));
  staging->pages = pages;
  staging->page_shift = page_shift;
  staging->written = sluice__bitmap_new(pages);
  return staging->written == NULL ? UV_ENOMEM : 0;
}

int sluice__staging_open(sluice__staging_t *staging, const uint8_t *base,
                         uint64_t pages, uint32_t page_shift) {
  int r = open_marks(staging, pages, page_shift);

  if (r != 0) {
    return r;
  }
  staging->at = map_staging((size_t)total_bytes(staging), base);
  if (staging->at == NULL) {
    sluice__staging_close(staging);
    return UV_ENOMEM;
  }
  staging->is_own = 1;
  staging->is_fresh = 1;
  staging->prepared = total_bytes(staging);
  staging->settled = pages;
  return 0;
}

int sluice__staging_open_in_place(sluice__staging_t *staging, uint8_t *base,
                                  uint64_t pages, uint32_t page_shift,
                                  int can_discard, int is_blank) {
  int r = open_marks(staging, pages, page_shift);

  if (r != 0) {
    return r;
  }
  staging->at = base;
  staging->is_fresh = can_discard || is_blank;
  if (can_discard) {
    ask_for_huge(base, total_bytes(staging));
  }
  staging->prepared = can_discard && !is_blank ? 0 : total_bytes(staging);
  return 0;
}

void sluice__staging_close(sluice__staging_t *staging) {
  if (staging->is_own) {
    (void)munmap(staging->at, (size_t)total_bytes(staging));
  }
  sluice__bitmap_free(staging->written, staging->pages);
  memset(staging, 0, sizeof(*staging));
}

/* Not MADV_DONTNEED: the pages may be a file's, from a former restore, of which
 * only those that were written would be given back. */
static int discard(uint8_t *at, size_t bytes) {
  if (mmap(at, bytes, PROT_READ | PROT_WRITE,
           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
           0) == MAP_FAILED) {
    return 0;
  }
  ask_for_huge(at, bytes);
  return 1;
}

int sluice__staging_prepare(sluice__staging_t *staging) {
  uint64_t left = total_bytes(staging) - staging->prepared;
  uint64_t n = smaller(left, DISCARD_SLICE);

  if (left == 0) {
    return SLUICE_DONE;
  }
  staging->prepared += n;
  if (!discard(staging->at + staging->prepared - n, (size_t)n)) {
    staging->is_fresh = 0; /* zero it the long way */
    staging->prepared = total_bytes(staging);
  }
  return SLUICE_MORE;
}

static int is_written(const sluice__staging_t *staging, uint64_t page) {
  return sluice__bitmap_test(staging->written, page);
}

uint8_t *sluice__staging_place(const sluice__staging_t *staging,
                               uint64_t page) {
  return page_at(staging, page);
}

void sluice__staging_put(sluice__staging_t *staging, uint64_t page,
                         const uint8_t *data, uint64_t count) {
  if (data != page_at(staging, page)) {
    memcpy(page_at(staging, page), data,
           (size_t)(count << staging->page_shift));
  }
  (void)sluice__bitmap_set(staging->written, page, count);
}

static void zero_page(sluice__staging_t *staging, uint64_t page) {
  if (staging->is_fresh && !is_written(staging, page)) {
    return;
  }
  zero_bytes(page_at(staging, page), page_bytes(staging));
  (void)sluice__bitmap_set(staging->written, page, 1);
}

void sluice__staging_fill(sluice__staging_t *staging, uint64_t page,
                          uint64_t count, uint8_t byte) {
  if (byte != 0) {
    memset(page_at(staging, page), byte,
           (size_t)(count << staging->page_shift));
    (void)sluice__bitmap_set(staging->written, page, count);
    return;
  }
  for (uint64_t i = 0; i < count; i++) {
    zero_page(staging, page + i);
  }
}

int sluice__staging_delta(sluice__staging_t *staging, uint64_t page,
                          const uint8_t *delta, size_t len,
                          sluice_error_t *err) {
  /* The base of a page that has not come yet is the zero page. */
  if (!is_written(staging, page)) {
    zero_page(staging, page);
    (void)sluice__bitmap_set(staging->written, page, 1);
  }
  return sluice_delta_apply(page_at(staging, page), page_bytes(staging), delta,
                            len, err);
}

int sluice__staging_settle(sluice__staging_t *staging) {
  uint64_t page = staging->settled;
  uint64_t end = page + smaller(staging->pages - page,
                                SETTLE_SLICE >> staging->page_shift);

  if (staging->is_fresh || page == staging->pages) {
    return SLUICE_DONE;
  }
  for (; page < end; page++) {
    if (!is_written(staging, page)) {
      zero_bytes(page_at(staging, page), page_bytes(staging));
    }
  }
  staging->settled = end;
  return end == staging->pages ? SLUICE_DONE : SLUICE_MORE;
}

/* What was not written is zero: it is not read, so it takes no memory. */
static void copy_out(const sluice__staging_t *staging, uint8_t *base) {
  uint64_t page = 0;

  while (page < staging->pages) {
    uint64_t start;
    uint64_t n = sluice__bitmap_next_run(staging->written, page, staging->pages,
                                         staging->pages, &start);

    for (; page < start; page++) {
      zero_bytes(base + (page << staging->page_shift), page_bytes(staging));
    }
    memcpy(base + (start << staging->page_shift), page_at(staging, start),
           (size_t)(n << staging->page_shift));
    page = start + n;
  }
}

static int move_pages(const sluice__staging_t *staging, uint8_t *base) {
  size_t bytes = (size_t)total_bytes(staging);

  return mremap(staging->at, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED,
                base) != MAP_FAILED;
}

/* mremap() may have unmapped the region before it failed. If even the new
 * mapping is refused it had not: the kernel refuses before it changes a thing
 * but for lack of its own memory. */
static void remap_region(const sluice__staging_t *staging, uint8_t *base) {
  (void)mmap(base, (size_t)total_bytes(staging), PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

void sluice__staging_commit(sluice__staging_t *staging, uint8_t *base,
                            int can_move) {
  if (!staging->is_own) {
    return;
  }
  if (can_move && move_pages(staging, base)) {
    staging->is_own = 0;
    return;
  }
  if (can_move) {
    remap_region(staging, base);
  }
  copy_out(staging, base);
}
