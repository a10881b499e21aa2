/* rest.c - pages that could not be mapped, read into a buffer and
 * handed out in slices, before the commit.
 *
 * Like mapped ones they are not verified here. */
#include "session/restore/restore.h"

#include <uv.h>

enum { REST_BYTES = 1024 * 1024 };

static uint64_t smaller(uint64_t a, uint64_t b) {
  return a < b ? a : b;
}

void sluice__restore_rest_close(sluice_restore_t *restore) {
  sluice__rest_t *rest = &restore->file.rest;

  sluice__mem_free(&restore->session.mem, rest->buf,
                   rest->buf == NULL ? 0 : REST_BYTES);
  rest->buf = NULL;
}

/* On the pool. Fills the buffer: whole pages of as many pieces as fit. */
static void read_rest(void *self) {
  sluice_restore_t *restore = self;
  sluice__rest_t *rest = &restore->file.rest;
  const sluice__pieces_t *p = &restore->file.pieces;

  while (rest->to < p->rest) {
    const sluice__piece_t *piece = &p->list[rest->to];
    uint64_t room = (REST_BYTES - rest->used) / piece->page_size *
                    (uint64_t)piece->page_size;
    uint64_t n = smaller(piece->bytes - rest->in_to, room);
    ptrdiff_t got =
        sluice__file_read(restore->file.survey.fd, rest->buf + rest->used,
                          (size_t)n, piece->at + rest->in_to);

    if (n == 0 || got != (ptrdiff_t)n) {
      rest->code = n == 0 ? 0 : got < 0 ? (int)got : SLUICE_ETRUNCATED;
      return;
    }
    rest->used += (size_t)n;
    rest->in_to += n;
    if (rest->in_to == piece->bytes) {
      rest->to++;
      rest->in_to = 0;
    }
  }
}

static int start(sluice_restore_t *restore) {
  sluice__rest_t *rest = &restore->file.rest;
  int r = 0;

  if (rest->buf == NULL) {
    rest->buf = sluice__mem_alloc(&restore->session.mem, REST_BYTES);
    r = rest->buf == NULL ? sluice__mem_error(&restore->session.mem) : 0;
  }
  rest->used = 0;
  rest->taken = 0;
  rest->is_read = true;
  if (r == 0) {
    r = sluice__restore_start_job(restore, read_rest, restore);
  }
  if (r < 0) {
    sluice__session_fail(&restore->session, r, NULL, SLUICE_OFFSET_NONE, NULL);
  }
  return SLUICE__WAIT;
}

/* What of the first piece is in the buffer. */
static int take(sluice_restore_t *restore) {
  sluice__rest_t *rest = &restore->file.rest;
  const sluice__piece_t *piece = &restore->file.pieces.list[rest->from];
  uint64_t n = smaller(piece->bytes - rest->done, rest->used - rest->taken);
  int r = sluice__restore_put_piece(restore, piece, rest->done, n,
                                    rest->buf + rest->taken);

  if (r < 0) {
    return r;
  }
  restore->file.stats.read_bytes += n;
  rest->taken += (size_t)n;
  rest->done += n;
  if (rest->done == piece->bytes) {
    rest->from++;
    rest->done = 0;
  }
  return 0;
}

static int take_all(sluice_restore_t *restore, sluice__budget_t *b) {
  sluice__rest_t *rest = &restore->file.rest;

  while (rest->taken < rest->used) {
    size_t before = rest->taken;

    if (take(restore) < 0) {
      return SLUICE__WAIT;
    }
    sluice__budget_charge(b, rest->taken - before);
    if (sluice__budget_should_yield(b)) {
      return SLUICE__MORE;
    }
  }
  rest->is_read = false;
  return SLUICE__MORE;
}

int sluice__restore_rest_turn(sluice_restore_t *restore, sluice__budget_t *b) {
  sluice__rest_t *rest = &restore->file.rest;

  if (restore->is_source_busy) {
    return SLUICE__WAIT;
  }
  if (rest->code < 0) {
    sluice__session_fail(&restore->session, rest->code, NULL,
                         SLUICE_OFFSET_NONE, NULL);
    return SLUICE__WAIT;
  }
  if (rest->is_read) {
    sluice__session_moved(&restore->session);
    return take_all(restore, b);
  }
  if (rest->from < restore->file.pieces.rest) {
    return start(restore);
  }
  return SLUICE__DONE;
}
