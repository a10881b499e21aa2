/* fallback_read.c - see fallback_read.h. */
#include "image/fallback_read.h"

#include <sluice/error.h>

#include "queue.h"

enum { BUFFER = 1024 * 1024 };

static uint64_t smaller(uint64_t a, uint64_t b) {
  return a < b ? a : b;
}

void sluice__fallback_close(sluice__fallback_t *f) {
  if (f->buf != NULL) {
    sluice__mem_free(f->mem, f->buf, BUFFER);
    f->buf = NULL;
  }
}

/* On the pool. Fills the buffer: whole pages of as many extents as fit. */
static void fill_buffer(void *self) {
  sluice__fallback_t *f = self;

  while (f->to < f->extents->unmapped) {
    const sluice__image_extent_t *extent = &f->extents->list[f->to];
    uint64_t room =
        (BUFFER - f->used) / extent->page_size * (uint64_t)extent->page_size;
    uint64_t n = smaller(extent->bytes - f->in_to, room);
    ptrdiff_t got = sluice__file_read(f->fd, f->buf + f->used, (size_t)n,
                                      extent->at + f->in_to);

    if (n == 0 || got != (ptrdiff_t)n) {
      f->code = n == 0 ? 0 : got < 0 ? (int)got : SLUICE_ETRUNCATED;
      return;
    }
    f->used += (size_t)n;
    f->in_to += n;
    if (f->in_to == extent->bytes) {
      f->to++;
      f->in_to = 0;
    }
  }
}

static int start(sluice__fallback_t *f) {
  int r;

  if (f->buf == NULL) {
    f->buf = sluice__mem_alloc(f->mem, BUFFER);
    if (f->buf == NULL) {
      return sluice__mem_error(f->mem);
    }
  }
  f->used = 0;
  f->taken = 0;
  f->is_read = true;
  r = sluice__file_job_start(f->job, fill_buffer, f);
  return r < 0 ? r : SLUICE__WAIT;
}

/* What of the first extent is in the buffer. */
static int take(sluice__fallback_t *f) {
  const sluice__image_extent_t *extent = &f->extents->list[f->from];
  uint64_t n = smaller(extent->bytes - f->done, f->used - f->taken);
  int r = f->put(f->ctx, extent, f->done, n, f->buf + f->taken);

  if (r < 0) {
    return r;
  }
  f->taken += (size_t)n;
  f->done += n;
  if (f->done == extent->bytes) {
    f->from++;
    f->done = 0;
  }
  return 0;
}

static int take_all(sluice__fallback_t *f, sluice__budget_t *b) {
  while (f->taken < f->used) {
    size_t before = f->taken;
    int r = take(f);

    if (r < 0) {
      return r;
    }
    sluice__budget_charge(b, f->taken - before);
    if (sluice__budget_should_yield(b)) {
      return SLUICE__MORE;
    }
  }
  f->is_read = false;
  return SLUICE__MORE;
}

int sluice__fallback_run(sluice__fallback_t *f, sluice__budget_t *b) {
  if (f->job->is_busy) {
    return SLUICE__WAIT;
  }
  if (f->code < 0) {
    return f->code;
  }
  if (f->is_read) {
    return take_all(f, b);
  }
  return f->from < f->extents->unmapped ? start(f) : SLUICE__DONE;
}
