/* scan.c - see scan.h. */
#include "image/scan.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <uv.h>

#include "image/prefetch.h"
#include "stream/native/stretch.h"

enum {
  FIRST_BYTES = 4096,       /* a header and the table of 250 pages */
  TABLE_MAX = 16 * 1024,    /* that is read in one go: that of 4 MiB */
  PLAIN_BYTES = 256 * 1024, /* where nothing is passed over */
  HEAD_BYTES = 64 * 1024,   /* of the file: mostly pages follow soon */
  ALL_BYTES = SLUICE__SCAN_BYTES +
              SLUICE__SCAN_SPANS * sizeof(sluice__scan_span_t) +
              SLUICE__PREFETCH_BYTES
};

static size_t lesser(size_t a, uint64_t b) {
  return a < b ? a : (size_t)b;
}

int sluice__scan_open(sluice__scan_t *scan, sluice__mem_t *mem) {
  scan->buf = sluice__mem_alloc(mem, ALL_BYTES);
  if (scan->buf == NULL) {
    return sluice__mem_error(mem);
  }
  scan->spans = (sluice__scan_span_t *)(void *)(scan->buf + SLUICE__SCAN_BYTES);
  scan->spare = (uint8_t *)(scan->spans + SLUICE__SCAN_SPANS);
  return 0;
}

void sluice__scan_close(sluice__scan_t *scan, sluice__mem_t *mem) {
  sluice__mem_free(mem, scan->buf, scan->buf == NULL ? 0 : ALL_BYTES);
  scan->buf = NULL;
}

/* Makes the span `len` bytes long as far as there are so many; false: not. */
static bool lengthen(sluice__scan_t *scan, sluice__scan_span_t *span,
                     size_t len) {
  size_t room = SLUICE__SCAN_BYTES - span->pos;
  size_t most = len < room ? len : room;
  ptrdiff_t n;

  if (most > span->len) {
    n = sluice__file_read(scan->fd, scan->buf + span->pos + span->len,
                          most - span->len, span->at + span->len);
    scan->code = n < 0 ? (int)n : scan->code;
    span->len += n > 0 ? (size_t)n : 0;
  }
  return span->len >= len;
}

/* What is there of the span without waiting for the disk: once that is not
 * all, the image is a cold one, and nobody looks any more. */
static void read_at_hand(sluice__scan_t *scan, sluice__scan_span_t *span,
                         size_t len) {
  struct iovec all = {scan->buf + span->pos,
                      lesser(len, scan->size - span->at)};
  ssize_t n;

  if (scan->is_cold || scan->is_untold) {
    return;
  }
  n = preadv2(scan->fd, &all, 1, (off_t)span->at, RWF_NOWAIT);
  if (n < 0 && errno != EAGAIN && errno != EINTR) {
    scan->is_untold = true; /* the file system's own word */
  } else {
    scan->is_cold = n < 0 ? errno == EAGAIN : (size_t)n < all.iov_len;
  }
  span->len = n > 0 ? (size_t)n : 0;
}

/* The records up to the next pages; returns where the next begins, 0: none is
 * known. */
static uint64_t read_stretch(sluice__scan_t *scan, uint64_t at) {
  sluice__scan_span_t *span = &scan->spans[scan->count];
  size_t first = scan->table > FIRST_BYTES ? scan->table : FIRST_BYTES;
  sluice__stretch_t found = {.need = first};
  bool is_whole = false;

  *span = (sluice__scan_span_t){.at = at, .pos = scan->used};
  read_at_hand(scan, span, first);
  (void)lengthen(scan, span, first);
  for (;;) {
    size_t before = span->len;

    is_whole = sluice__native_stretch(scan->buf + span->pos, before, &found);
    if (is_whole || !lengthen(scan, span, found.need)) {
      break;
    }
  }
  if (is_whole) {
    span->len = found.used;
    scan->table = found.used < TABLE_MAX ? found.used : TABLE_MAX;
  }
  if (span->len > 0) {
    scan->used += span->len;
    scan->count++;
  }
  return is_whole ? at + found.used + found.skip : 0;
}

static void run_hops(sluice__scan_t *scan) {
  uint64_t at = scan->from;
  bool was_cold = scan->is_cold;

  /* Once it shows that the image is cold the owner learns it, at once. */
  while (scan->is_cold == was_cold && at != 0 && at < scan->size &&
         scan->count < SLUICE__SCAN_SPANS &&
         scan->used + TABLE_MAX <= SLUICE__SCAN_BYTES && scan->code == 0) {
    at = read_stretch(scan, at);
  }
}

static void run_plain(sluice__scan_t *scan) {
  sluice__scan_span_t *span = &scan->spans[0];
  size_t len = lesser(scan->want, SLUICE__SCAN_BYTES);

  if (scan->from == 0 && len > HEAD_BYTES) {
    len = HEAD_BYTES;
  } else if (len < PLAIN_BYTES) {
    len = PLAIN_BYTES;
  }
  *span = (sluice__scan_span_t){.at = scan->from};
  read_at_hand(scan, span, len);
  (void)lengthen(scan, span, len);
  scan->used = span->len;
  scan->count = span->len > 0 ? 1 : 0;
}

static void run(void *self) {
  sluice__scan_t *scan = self;

  if (scan->hops) {
    run_hops(scan);
  } else {
    run_plain(scan);
  }
  if (scan->count == 0 && scan->code == 0) {
    scan->code = UV_EOF; /* the file has become shorter meanwhile */
  }
}

static ptrdiff_t start(sluice__scan_t *scan, size_t len, uint64_t at,
                       bool hops) {
  int r;

  scan->from = at;
  scan->want = len;
  scan->hops = hops;
  scan->used = 0;
  scan->count = 0;
  scan->next = 0;
  r = sluice__file_job_start(scan->job, run, scan);
  return r < 0 ? r : 0;
}

/* Decoders only go forward: what is before `at` is passed. */
static const sluice__scan_span_t *find(sluice__scan_t *scan, uint64_t at) {
  while (scan->next < scan->count) {
    const sluice__scan_span_t *span = &scan->spans[scan->next];

    if (at < span->at) {
      return NULL;
    }
    if (at - span->at < span->len) {
      return span;
    }
    scan->next++;
  }
  return NULL;
}

ptrdiff_t sluice__scan_read(sluice__scan_t *scan, void *buf, size_t len,
                            uint64_t at, bool hops) {
  const sluice__scan_span_t *span;
  size_t n;

  if (scan->code < 0) {
    return scan->code;
  }
  if (at >= scan->size) {
    return UV_EOF;
  }
  span = find(scan, at);
  if (span == NULL) {
    return start(scan, len, at, hops);
  }
  n = span->len - (size_t)(at - span->at);
  n = n < len ? n : len;
  memcpy(buf, scan->buf + span->pos + (size_t)(at - span->at), n);
  return (ptrdiff_t)n;
}
