/* lost.c - pages that could not be read: which, and that it is told once.
 *
 * The thread sets a bit for each in one map; the loop tells what that map has
 * and its own has not. So nothing has to be allocated when a page is lost, and
 * neither waits for the other. */
#include "session/restore/late/thread.h"

#include <stdlib.h>
#include <uv.h>

enum { WORD = 64, RANGES_A_TURN = 256 /* an image may be all lost */ };

int sluice__late_open_maps(sluice__late_t *late) {
  uint64_t page = 0;
  size_t words;

  for (size_t i = 0; i < late->count; i++) {
    late->list[i].first = page;
    page += late->list[i].pages.bytes / sluice__late_page();
  }
  words = (size_t)(page / WORD) + 1;
  late->lost_map = calloc(words, sizeof(*late->lost_map));
  late->told_map = calloc(words, sizeof(*late->told_map));
  return late->lost_map == NULL || late->told_map == NULL ? UV_ENOMEM : 0;
}

/* The bit is there before the sum that makes the loop look for it. */
void sluice__late_note_lost(sluice__late_t *late,
                            const sluice__late_piece_t *piece, uint64_t from) {
  uint64_t page = piece->first + from / sluice__late_page();

  (void)atomic_fetch_or(&late->lost_map[page / WORD], UINT64_C(1)
                                                          << page % WORD);
  (void)atomic_fetch_add(&late->lost, sluice__late_page());
}

/* ---- on the loop ---- */

static bool has_bit(const uint64_t *map, uint64_t page) {
  return (map[page / WORD] >> page % WORD & 1) != 0;
}

/* Of a page that was not told yet: it will be. */
static bool take_bit(sluice__late_t *late, uint64_t page) {
  uint64_t bit = UINT64_C(1) << page % WORD;

  if ((atomic_load(&late->lost_map[page / WORD]) & bit) == 0 ||
      has_bit(late->told_map, page)) {
    return false;
  }
  late->told_map[page / WORD] |= bit;
  late->told += sluice__late_page();
  return true;
}

/* The first page from `page` on that may be new, `end` if there is none. */
static uint64_t find_new(const sluice__late_t *late, uint64_t page,
                         uint64_t end) {
  while (page < end) {
    uint64_t lost = atomic_load(&late->lost_map[page / WORD]);
    uint64_t fresh = (lost & ~late->told_map[page / WORD]) >> page % WORD;

    if (fresh != 0) {
      return page + (uint64_t)__builtin_ctzll(fresh);
    }
    page += WORD - page % WORD;
  }
  return end;
}

/* The piece that has this page; there is one. */
static const sluice__late_piece_t *piece_of(const sluice__late_t *late,
                                            uint64_t page) {
  size_t low = 0;
  size_t high = late->count;

  while (high - low > 1) {
    size_t mid = low + (high - low) / 2;

    if (late->list[mid].first <= page) {
      low = mid;
    } else {
      high = mid;
    }
  }
  return &late->list[low];
}

/* As many as follow each other in a piece. Returns the page behind them. */
static uint64_t tell_range(sluice__late_t *late, uint64_t page) {
  const sluice__late_piece_t *piece = piece_of(late, page);
  uint64_t from = (page - piece->first) * sluice__late_page();
  sluice__late_pages_t range = piece->pages;

  range.to += from;
  range.at += from;
  range.bytes = 0;
  while (from + range.bytes < piece->pages.bytes && take_bit(late, page)) {
    range.bytes += sluice__late_page();
    page++;
  }
  late->owner.lost(late->owner.ctx, &range);
  return page;
}

bool sluice__late_tell_lost(sluice__late_t *late) {
  const uint64_t end = late->bytes / sluice__late_page();
  uint64_t page = 0;

  if (atomic_load(&late->lost) == late->told) {
    return true;
  }
  for (int n = 0; n < RANGES_A_TURN; n++) {
    page = find_new(late, page, end);
    if (page == end) {
      return true;
    }
    page = tell_range(late, page);
  }
  return false;
}

/* ---- afterwards ---- */

void sluice__late_take_losses(sluice__late_t *late,
                              sluice__late_losses_t *out) {
  *out = (sluice__late_losses_t){late->list, late->count, late->told_map};
  late->list = NULL;
  late->count = 0;
  late->told_map = NULL;
}

void sluice__late_close_losses(sluice__late_losses_t *losses) {
  free(losses->list);
  free(losses->map);
  *losses = (sluice__late_losses_t){0};
}

bool sluice__late_was_lost(const sluice__late_losses_t *losses,
                           const uint8_t *to, uint64_t at) {
  size_t i = sluice__late_find(losses->list, losses->count, to);
  const sluice__late_piece_t *piece;
  uint64_t from;

  if (i == losses->count || to < losses->list[i].pages.to) {
    return false;
  }
  piece = &losses->list[i];
  from = (uint64_t)(to - piece->pages.to);
  return piece->pages.at + from == at &&
         has_bit(losses->map, piece->first + from / sluice__late_page());
}
