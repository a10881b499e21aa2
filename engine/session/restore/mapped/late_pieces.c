/* late_pieces.c - pieces that come after the commit: which.
 *
 * Offered piece by piece while pieces are mapped; decided when all are. Where
 * the kernel will not, they are read before the commit with the rest. */
#include "session/restore/restore.h"

#include <uv.h>

static uint8_t *place_of(const sluice_restore_t *restore,
                         const sluice__piece_t *piece) {
  const sluice_handler_t *h = piece->section->handler;
  const sluice_extent_t extent = {.region = piece->region,
                                  .page_size = piece->page_size,
                                  .offset = piece->offset,
                                  .bytes = piece->bytes,
                                  .fd = restore->file.survey.fd,
                                  .at = piece->at};

  return h->restore_late_place == NULL
             ? NULL
             : h->restore_late_place(piece->section->self, &extent);
}

static int add_piece(sluice_restore_t *restore, const sluice__piece_t *piece,
                     uint8_t *to) {
  sluice__restore_file_t *f = &restore->file;
  int64_t tag = sluice__restore_tag_late(restore, piece, to - piece->offset);
  const sluice__late_pages_t pages = {.to = to,
                                      .at = piece->at,
                                      .bytes = piece->bytes,
                                      .gap = f->gap,
                                      .tag = (uint32_t)tag};

  return tag < 0 ? (int)tag : sluice__late_add(f->late, &pages);
}

bool sluice__restore_may_be_late(sluice_restore_t *restore,
                                 const sluice__piece_t *piece) {
  sluice__restore_file_t *f = &restore->file;
  uint8_t *to;

  if (restore->options.filled == NULL || f->stats.late_reason != NULL) {
    return false;
  }
  to = place_of(restore, piece);
  if (to == NULL) {
    f->gap++; /* what is read before is in between */
    return false;
  }
  if (f->late == NULL &&
      sluice__late_new(&f->late, restore->session.engine, f->survey.fd) < 0) {
    f->stats.late_reason = "no memory";
    return false;
  }
  f->gap += piece->region != f->gap_region;
  f->gap_region = piece->region;
  if (add_piece(restore, piece, to) < 0) {
    f->stats.late_reason = "no memory";
    return false;
  }
  return true;
}

static void give_up(sluice_restore_t *restore, const char *reason) {
  sluice__late_drop(restore->file.late);
  restore->file.late = NULL;
  restore->file.stats.late_reason = reason;
}

/* Out of what is read before the commit. */
static void take_out(sluice__pieces_t *p) {
  size_t n = 0;

  for (size_t i = 0; i < p->rest; i++) {
    if (!p->list[i].is_late) {
      p->list[n++] = p->list[i];
    }
  }
  p->rest = n;
}

static const char *name_reason(int code) {
  return code == UV_EPERM || code == UV_EACCES ? "userfaultfd is not allowed"
         : code == UV_ENOMEM                   ? "no memory"
         : code == UV_EAGAIN
             ? "no thread is to be had"
             : "the kernel has no userfaultfd with poison (Linux 6.6)";
}

void sluice__restore_start_late(sluice_restore_t *restore) {
  sluice__restore_file_t *f = &restore->file;
  sluice__late_stats_t late;
  int r;

  if (f->late == NULL || f->stats.late_bytes != 0) {
    return;
  }
  if (f->stats.late_reason != NULL) {
    give_up(restore, f->stats.late_reason);
    return;
  }
  r = sluice__late_start(f->late);
  if (r < 0) {
    give_up(restore, name_reason(r));
    return;
  }
  sluice__late_stats(f->late, &late);
  f->stats.late_bytes = late.bytes;
  take_out(&f->pieces);
}
