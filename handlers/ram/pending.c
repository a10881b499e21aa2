/* pending.c - see pending.h. */
#include "pending.h"

#include "bitmap.h"

/* The most one run sends, whatever the writer allows: 0.2 ms. */
#define RUN_BYTES (UINT64_C(1) << 20)

void sluice__ram_pending_open(sluice_ram_t *ram) {
  ram->pending = (sluice__ram_pending_t){.is_first_pass = 1};
}

/* A save that failed may have left bits set: they were not known. */
void sluice__ram_pending_add_all(sluice_ram_t *ram,
                                 sluice__ram_region_t *region, uint64_t page,
                                 uint64_t count) {
  if (region->is_passed) {
    (void)sluice__bitmap_clear(region->pending, page, count);
  } else {
    (void)sluice__bitmap_set(region->pending, page, count);
    ram->pending.known += count;
  }
  ram->marked -= sluice__ram_region_gather(region, page, count);
}

/* How many pages follow the cursor's, at most `max`. */
static uint64_t find_run(sluice_ram_t *ram, uint64_t max) {
  sluice__ram_place_t *at = &ram->pending.cursor;

  for (;;) {
    sluice__ram_region_t *region = ram->regions[at->region];
    uint64_t n = sluice__bitmap_next_run(region->pending, at->page,
                                         region->pages, max, &at->page);

    if (n > 0) {
      return n;
    }
    sluice__ram_next_region(at);
    if (at->region == ram->region_count) {
      at->region = 0;
      ram->pending.is_first_pass = 0;
    }
  }
}

sluice__ram_span_t sluice__ram_pending_next(sluice_ram_t *ram,
                                            const sluice_writer_t *w) {
  sluice__ram_place_t *at = &ram->pending.cursor;
  uint64_t n = find_run(ram, sluice__ram_pending_limit(ram, w));
  sluice__ram_span_t run = {.region = at->region, .page = at->page, .count = n};

  at->page += n;
  return run;
}

uint64_t sluice__ram_pending_limit(const sluice_ram_t *ram,
                                   const sluice_writer_t *w) {
  uint64_t left = sluice_writer_left(w);
  uint64_t pages = (left < RUN_BYTES ? left : RUN_BYTES) >> ram->page_shift;

  return pages > 0 ? pages : 1;
}
