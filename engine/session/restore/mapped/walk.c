/* walk.c - see walk.h. */
#include "session/restore/mapped/walk.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <uv.h>

#include "session/restore/mapped/ahead.h"
#include "stream/native/stretch.h"

enum {
  FIRST_BYTES = 4096,       /* a header and the table of 250 pages */
  TABLE_MAX = 16 * 1024,    /* that is read in one go: that of 4 MiB */
  PLAIN_BYTES = 256 * 1024, /* where nothing is passed over */
  HEAD_BYTES = 64 * 1024,   /* of the file: mostly pages follow soon */
  ALL_BYTES = SLUICE__WALK_BYTES +
              SLUICE__WALK_PIECES * sizeof(sluice__walk_piece_t) +
              SLUICE__AHEAD_BYTES
};

static size_t lesser(size_t a, uint64_t b) {
  return a < b ? a : (size_t)b;
}

int sluice__walk_open(sluice__walk_t *walk, sluice__mem_t *mem) {
  walk->buf = sluice__mem_alloc(mem, ALL_BYTES);
  if (walk->buf == NULL) {
    return sluice__mem_error(mem);
  }
  walk->pieces =
      (sluice__walk_piece_t *)(void *)(walk->buf + SLUICE__WALK_BYTES);
  walk->spare = (uint8_t *)(walk->pieces + SLUICE__WALK_PIECES);
  return 0;
}

void sluice__walk_close(sluice__walk_t *walk, sluice__mem_t *mem) {
  sluice__mem_free(mem, walk->buf, walk->buf == NULL ? 0 : ALL_BYTES);
  walk->buf = NULL;
}

/* Makes the piece `len` bytes long as far as there are so many; false: not. */
static bool lengthen(sluice__walk_t *walk, sluice__walk_piece_t *piece,
                     size_t len) {
  size_t room = SLUICE__WALK_BYTES - piece->pos;
  size_t most = len < room ? len : room;
  ptrdiff_t n;

  if (most > piece->len) {
    n = sluice__file_read(walk->fd, walk->buf + piece->pos + piece->len,
                          most - piece->len, piece->at + piece->len);
    walk->code = n < 0 ? (int)n : walk->code;
    piece->len += n > 0 ? (size_t)n : 0;
  }
  return piece->len >= len;
}

/* What is there of the piece without waiting for the disk: once that is not
 * all, the image is a cold one, and nobody looks any more. */
static void read_at_hand(sluice__walk_t *walk, sluice__walk_piece_t *piece,
                         size_t len) {
  struct iovec all = {walk->buf + piece->pos,
                      lesser(len, walk->size - piece->at)};
  ssize_t n;

  if (walk->is_cold || walk->is_untold) {
    return;
  }
  n = preadv2(walk->fd, &all, 1, (off_t)piece->at, RWF_NOWAIT);
  if (n < 0 && errno != EAGAIN && errno != EINTR) {
    walk->is_untold = true; /* the file system's own word */
  } else {
    walk->is_cold = n < 0 ? errno == EAGAIN : (size_t)n < all.iov_len;
  }
  piece->len = n > 0 ? (size_t)n : 0;
}

/* One stretch of records; returns where the next begins, 0: none is known. */
static uint64_t read_stretch(sluice__walk_t *walk, uint64_t at) {
  sluice__walk_piece_t *piece = &walk->pieces[walk->count];
  size_t first = walk->table > FIRST_BYTES ? walk->table : FIRST_BYTES;
  sluice__stretch_t found = {.need = first};
  bool is_whole = false;

  *piece = (sluice__walk_piece_t){.at = at, .pos = walk->used};
  read_at_hand(walk, piece, first);
  (void)lengthen(walk, piece, first);
  for (;;) {
    size_t before = piece->len;

    is_whole = sluice__native_stretch(walk->buf + piece->pos, before, &found);
    if (is_whole || !lengthen(walk, piece, found.need)) {
      break;
    }
  }
  if (is_whole) {
    piece->len = found.used;
    walk->table = found.used < TABLE_MAX ? found.used : TABLE_MAX;
  }
  if (piece->len > 0) {
    walk->used += piece->len;
    walk->count++;
  }
  return is_whole ? at + found.used + found.skip : 0;
}

static void run_hops(sluice__walk_t *walk) {
  uint64_t at = walk->from;
  bool was_cold = walk->is_cold;

  /* Once it shows that the image is cold the owner learns it, at once. */
  while (walk->is_cold == was_cold && at != 0 && at < walk->size &&
         walk->count < SLUICE__WALK_PIECES &&
         walk->used + TABLE_MAX <= SLUICE__WALK_BYTES && walk->code == 0) {
    at = read_stretch(walk, at);
  }
}

static void run_plain(sluice__walk_t *walk) {
  sluice__walk_piece_t *piece = &walk->pieces[0];
  size_t len = lesser(walk->want, SLUICE__WALK_BYTES);

  if (walk->from == 0 && len > HEAD_BYTES) {
    len = HEAD_BYTES;
  } else if (len < PLAIN_BYTES) {
    len = PLAIN_BYTES;
  }
  *piece = (sluice__walk_piece_t){.at = walk->from};
  read_at_hand(walk, piece, len);
  (void)lengthen(walk, piece, len);
  walk->used = piece->len;
  walk->count = piece->len > 0 ? 1 : 0;
}

static void run(void *self) {
  sluice__walk_t *walk = self;

  if (walk->hops) {
    run_hops(walk);
  } else {
    run_plain(walk);
  }
  if (walk->count == 0 && walk->code == 0) {
    walk->code = UV_EOF; /* the file has become shorter meanwhile */
  }
}

static ptrdiff_t start(sluice__walk_t *walk, size_t len, uint64_t at,
                       bool hops) {
  int r;

  walk->from = at;
  walk->want = len;
  walk->hops = hops;
  walk->used = 0;
  walk->count = 0;
  walk->next = 0;
  r = sluice__file_job_start(walk->job, run, walk);
  return r < 0 ? r : 0;
}

/* Decoders only go forward: what is before `at` is passed. */
static const sluice__walk_piece_t *find(sluice__walk_t *walk, uint64_t at) {
  while (walk->next < walk->count) {
    const sluice__walk_piece_t *piece = &walk->pieces[walk->next];

    if (at < piece->at) {
      return NULL;
    }
    if (at - piece->at < piece->len) {
      return piece;
    }
    walk->next++;
  }
  return NULL;
}

ptrdiff_t sluice__walk_read(sluice__walk_t *walk, void *buf, size_t len,
                            uint64_t at, bool hops) {
  const sluice__walk_piece_t *piece;
  size_t n;

  if (walk->code < 0) {
    return walk->code;
  }
  if (at >= walk->size) {
    return UV_EOF;
  }
  piece = find(walk, at);
  if (piece == NULL) {
    return start(walk, len, at, hops);
  }
  n = piece->len - (size_t)(at - piece->at);
  n = n < len ? n : len;
  memcpy(buf, walk->buf + piece->pos + (size_t)(at - piece->at), n);
  return (ptrdiff_t)n;
}
