/* lost.c - pages that could not be read: which, and that it is told once.
 *
 * The thread sets a bit for each in one map; the loop tells what that map has
 * and its own has not. So nothing has to be allocated when a page is lost, and
 * neither waits for the other. */
#include "image/demand/pager.h"

#include <stdlib.h>
#include <uv.h>

enum { WORD = 64, RANGES_A_TURN = 256 /* an image may be all lost */ };

int sluice__demand_open_maps(sluice__demand_t *demand) {
  uint64_t page = 0;
  size_t words;

  for (size_t i = 0; i < demand->count; i++) {
    demand->list[i].first = page;
    page += demand->list[i].pages.bytes / sluice__demand_page();
  }
  words = (size_t)(page / WORD) + 1;
  demand->lost_map = calloc(words, sizeof(*demand->lost_map));
  demand->told_map = calloc(words, sizeof(*demand->told_map));
  return demand->lost_map == NULL || demand->told_map == NULL ? UV_ENOMEM : 0;
}

/* The bit is there before the sum that makes the loop look for it. */
void sluice__demand_note_lost(sluice__demand_t *demand,
                              const sluice__demand_extent_t *extent,
                              uint64_t from) {
  uint64_t page = extent->first + from / sluice__demand_page();

  (void)atomic_fetch_or(&demand->lost_map[page / WORD], UINT64_C(1)
                                                            << page % WORD);
  (void)atomic_fetch_add(&demand->lost, sluice__demand_page());
}

/* ---- on the loop ---- */

static bool has_bit(const uint64_t *map, uint64_t page) {
  return (map[page / WORD] >> page % WORD & 1) != 0;
}

/* Of a page that was not told yet: it will be. */
static bool take_bit(sluice__demand_t *demand, uint64_t page) {
  uint64_t bit = UINT64_C(1) << page % WORD;

  if ((atomic_load(&demand->lost_map[page / WORD]) & bit) == 0 ||
      has_bit(demand->told_map, page)) {
    return false;
  }
  demand->told_map[page / WORD] |= bit;
  demand->told += sluice__demand_page();
  return true;
}

/* The first page from `page` on that may be new, `end` if there is none. */
static uint64_t find_new(const sluice__demand_t *demand, uint64_t page,
                         uint64_t end) {
  while (page < end) {
    uint64_t lost = atomic_load(&demand->lost_map[page / WORD]);
    uint64_t fresh = (lost & ~demand->told_map[page / WORD]) >> page % WORD;

    if (fresh != 0) {
      return page + (uint64_t)__builtin_ctzll(fresh);
    }
    page += WORD - page % WORD;
  }
  return end;
}

/* As many as follow each other in an extent. Returns the page behind them. */
static uint64_t tell_range(sluice__demand_t *demand, uint64_t page) {
  const sluice__demand_extent_t *extent =
      sluice__demand_extent_of(demand->list, demand->count, page);
  uint64_t from = (page - extent->first) * sluice__demand_page();
  sluice__demand_pages_t range = extent->pages;

  range.to += from;
  range.at += from;
  range.bytes = 0;
  while (from + range.bytes < extent->pages.bytes && take_bit(demand, page)) {
    range.bytes += sluice__demand_page();
    page++;
  }
  demand->owner.lost(demand->owner.ctx, &range);
  return page;
}

bool sluice__demand_tell_lost(sluice__demand_t *demand) {
  const uint64_t end = demand->bytes / sluice__demand_page();
  uint64_t page = 0;

  if (atomic_load(&demand->lost) == demand->told) {
    return true;
  }
  for (int n = 0; n < RANGES_A_TURN; n++) {
    page = find_new(demand, page, end);
    if (page == end) {
      return true;
    }
    page = tell_range(demand, page);
  }
  return false;
}

/* ---- afterwards ---- */

void sluice__demand_take_losses(sluice__demand_t *demand,
                                sluice__demand_losses_t *out) {
  *out =
      (sluice__demand_losses_t){demand->list, demand->count, demand->told_map};
  demand->list = NULL;
  demand->count = 0;
  demand->told_map = NULL;
}

void sluice__demand_close_losses(sluice__demand_losses_t *losses) {
  free(losses->list);
  free(losses->map);
  *losses = (sluice__demand_losses_t){0};
}

bool sluice__demand_was_lost(const sluice__demand_losses_t *losses,
                             const uint8_t *to, uint64_t at) {
  size_t i = sluice__demand_find(losses->list, losses->count, to);
  const sluice__demand_extent_t *extent;
  uint64_t from;

  if (i == losses->count || to < losses->list[i].pages.to) {
    return false;
  }
  extent = &losses->list[i];
  from = (uint64_t)(to - extent->pages.to);
  return extent->pages.at + from == at &&
         has_bit(losses->map, extent->first + from / sluice__demand_page());
}
