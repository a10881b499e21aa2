/* ram_snapshot_arm.c - protects memory in slices before the instant, and
 * forgets it in slices after the save; see snapshot.h.
 *
 * Measured, 4 GiB in one call: 70 ms to protect, 40 to 118 to forget. So it
 * goes slice by slice while the host runs. What is written meanwhile is let go
 * and noted; further passes protect it again, each shorter than the one before,
 * until so little is left that the instant can do it. */
#include "bitmap.h"
#include "snapshot.h"

#define SLICE_BYTES (UINT64_C(4) << 20) /* measured: under 0.1 ms */

enum {
  SLICE_RUNS = 64,   /* of pages written early: 0.2 ms */
  EARLY_ENOUGH = 64, /* pages left for the instant */
  PASSES_MAX = 8,    /* a host that writes faster than this gets the rest in
                        one go */
  RUN_GAP = 16       /* pages: cheaper protected again than passed over */
};

static uint64_t smaller(uint64_t a, uint64_t b) {
  return a < b ? a : b;
}

static int protect_pages(sluice_ram_t *ram, const sluice__ram_region_t *region,
                         uint64_t page, uint64_t count, sluice_error_t *err) {
  return sluice__fault_handler_protect(ram->snapshot->faults,
                                       region->base + (page << ram->page_shift),
                                       count << ram->page_shift, err);
}

/* The next slice of the first pass, in which everything is protected. */
static int arm_slice(sluice_ram_t *ram, sluice_error_t *err) {
  sluice__ram_place_t *at = &ram->snapshot->armed;
  const sluice__ram_region_t *region = ram->regions[at->region];
  uint64_t n =
      smaller(region->pages - at->page, SLICE_BYTES >> ram->page_shift);
  int r = protect_pages(ram, region, at->page, n, err);

  at->page += n;
  if (at->page == region->pages) {
    sluice__ram_next_region(at);
  }
  return r;
}

/* The next run written early, gaps included; its bits are cleared before it is
 * protected: a write in between is from before the instant. */
static uint64_t take_early(sluice_ram_t *ram, sluice__ram_region_t *region,
                           uint64_t *page) {
  uint64_t from = *page;
  uint64_t end;
  uint64_t next;
  uint64_t n = sluice__bitmap_next_run(region->pending, from, region->pages,
                                       region->pages, page);

  if (n == 0) {
    return 0;
  }
  end = *page + n;
  while ((n = sluice__bitmap_next_run(region->pending, end,
                                      smaller(region->pages, end + RUN_GAP),
                                      region->pages, &next)) > 0) {
    end = next + n;
  }
  ram->snapshot->early -=
      sluice__bitmap_clear(region->pending, *page, end - *page);
  return end - *page;
}

/* `lock` is held. */
static uint64_t next_early(sluice_ram_t *ram, sluice__ram_place_t *at) {
  while (at->region < ram->region_count) {
    uint64_t n = take_early(ram, ram->regions[at->region], &at->page);

    if (n > 0) {
      return n;
    }
    sluice__ram_next_region(at);
  }
  return 0;
}

/* The next slice of a later pass. */
static int arm_early_slice(sluice_ram_t *ram, sluice_error_t *err) {
  sluice__ram_snapshot_t *snapshot = ram->snapshot;
  int r = 0;

  for (int i = 0; r == 0 && i < SLICE_RUNS; i++) {
    uint64_t n;

    (void)pthread_mutex_lock(&snapshot->lock);
    n = next_early(ram, &snapshot->armed);
    (void)pthread_mutex_unlock(&snapshot->lock);
    if (n == 0) {
      return 0;
    }
    r = protect_pages(ram, ram->regions[snapshot->armed.region],
                      snapshot->armed.page, n, err);
    snapshot->armed.page += n;
  }
  return r;
}

int sluice__ram_snapshot_protect_early(sluice_ram_t *ram, sluice_error_t *err) {
  sluice__ram_place_t at = {0};
  uint64_t n;

  while ((n = next_early(ram, &at)) > 0) {
    int r = protect_pages(ram, ram->regions[at.region], at.page, n, err);

    if (r != 0) {
      return r;
    }
    at.page += n;
  }
  return 0;
}

/* After a pass: is another one worth it? */
static int is_armed(sluice_ram_t *ram) {
  uint64_t early;

  (void)pthread_mutex_lock(&ram->snapshot->lock);
  early = ram->snapshot->early;
  (void)pthread_mutex_unlock(&ram->snapshot->lock);
  ram->snapshot->passes++;
  ram->snapshot->armed = (sluice__ram_place_t){0};
  return early <= EARLY_ENOUGH || ram->snapshot->passes >= PASSES_MAX;
}

int sluice__ram_snapshot_arm(sluice_ram_t *ram, sluice_error_t *err) {
  int r = 0;

  if (ram->snapshot->passes >= PASSES_MAX) {
    return SLUICE_DONE;
  }
  if (ram->snapshot->armed.region < ram->region_count) {
    r = ram->snapshot->passes == 0 ? arm_slice(ram, err)
                                   : arm_early_slice(ram, err);
  }
  if (r != 0) {
    return r;
  }
  if (ram->snapshot->armed.region < ram->region_count) {
    return SLUICE_MORE;
  }
  return is_armed(ram) ? SLUICE_DONE : SLUICE_MORE;
}

void sluice__ram_snapshot_forget(sluice_ram_t *ram, uint8_t *at,
                                 uint64_t bytes) {
  sluice__fault_handler_remove(ram->snapshot->faults, at, bytes);
}
