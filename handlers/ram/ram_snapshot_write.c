/* ram_snapshot_write.c - a page that is about to change and is not saved yet is
 * copied into the store first. What happens when the store is full is the
 * host's choice: the save fails, a file takes the rest, or the writer waits.
 *
 * A lost image lets everybody go at once: the host comes first. */
#include "bitmap.h"
#include "snapshot.h"

static void wake_all(sluice_ram_t *ram) {
  for (uint32_t i = 0; i < ram->region_count; i++) {
    sluice__fault_handler_wake(ram->snapshot->faults, ram->regions[i]->base,
                               ram->regions[i]->bytes);
  }
}

/* `lock` is held. Memory goes back at once, unless it is being sent. */
static void lose_image(sluice_ram_t *ram, int code) {
  sluice__ram_snapshot_t *snapshot = ram->snapshot;

  snapshot->code = code;
  if (!snapshot->is_sending) {
    sluice__preimages_close(&snapshot->store);
  }
  if (snapshot->is_holding) {
    snapshot->is_holding = 0;
    wake_all(ram); /* who tries again finds the code */
  }
}

/* `lock` is held. `can_wait`: SLUICE_ELIMIT may be the answer, and nothing has
 * happened then. Else the page may be written afterwards, come what may. */
static int preserve_page(sluice_ram_t *ram, uint32_t region, uint64_t page,
                         int can_wait) {
  sluice__ram_snapshot_t *snapshot = ram->snapshot;
  sluice__ram_region_t *of = ram->regions[region];
  const sluice__preimage_t at = {.region = region, .page = page};
  int r = sluice__preimages_put(&snapshot->store, &at,
                                of->base + (page << ram->page_shift),
                                can_wait ? snapshot->limit : UINT64_MAX);

  if (r == SLUICE_ELIMIT && can_wait) {
    return r;
  }
  if (r != 0) {
    lose_image(ram, r);
    return 0;
  }
  ram->pending.known -= sluice__bitmap_clear(of->pending, page, 1);
  ram->stats.pages_again += sluice__bitmap_clear(of->borrowed, page, 1);
  ram->stats.preimages++;
  return 0;
}

/* `lock` is held. */
static void preserve_pages(sluice_ram_t *ram, const sluice__ram_span_t *span,
                           const uint64_t *unsaved) {
  uint64_t end = span->page + span->count;
  uint64_t page = span->page;

  while (ram->snapshot->code == 0 &&
         sluice__bitmap_next_run(unsaved, page, end, 1, &page) > 0) {
    (void)preserve_page(ram, span->region, page, 0);
  }
}

void sluice__ram_snapshot_preserve(sluice_ram_t *ram,
                                   const sluice__ram_span_t *span) {
  sluice__ram_snapshot_t *snapshot = ram->snapshot;
  int is_urgent;

  (void)pthread_mutex_lock(&snapshot->lock);
  if (snapshot->code == 0) {
    preserve_pages(ram, span, ram->regions[span->region]->pending);
    preserve_pages(ram, span, ram->regions[span->region]->borrowed);
  }
  is_urgent =
      snapshot->code != 0 || sluice__preimages_count(&snapshot->store) > 0;
  (void)pthread_mutex_unlock(&snapshot->lock);
  if (is_urgent) {
    sluice_section_urgent(ram->section);
  }
}

static int has_room(const sluice__ram_snapshot_t *snapshot, uint64_t bytes) {
  return snapshot->store.held <= snapshot->limit &&
         bytes <= snapshot->limit - snapshot->store.held;
}

int sluice__ram_snapshot_may_write(sluice_ram_t *ram,
                                   const sluice__ram_span_t *span) {
  const sluice__ram_region_t *region = ram->regions[span->region];
  sluice__ram_snapshot_t *snapshot = ram->snapshot;
  uint64_t n;
  int may_write;

  (void)pthread_mutex_lock(&snapshot->lock);
  n = sluice__bitmap_count(region->pending, span->page, span->count) +
      sluice__bitmap_count(region->borrowed, span->page, span->count);
  may_write = snapshot->code != 0 || has_room(snapshot, n << ram->page_shift);
  if (!may_write && !snapshot->is_wanted) {
    snapshot->wanted = *span;
    snapshot->is_wanted = 1;
  }
  (void)pthread_mutex_unlock(&snapshot->lock);
  if (!may_write) {
    sluice_section_urgent(ram->section);
    return 0;
  }
  sluice__ram_snapshot_preserve(ram, span);
  return 1;
}

void sluice__ram_snapshot_tell_writable(sluice_ram_t *ram) {
  if (ram->snapshot->is_wanted) {
    ram->snapshot->is_wanted = 0;
    if (ram->writable != NULL) {
      ram->writable(ram->writable_data);
    }
  }
}

void sluice__ram_snapshot_made_room(sluice_ram_t *ram) {
  sluice__ram_snapshot_t *snapshot = ram->snapshot;

  /* Half of it at a time: each waking makes every held writer try again. */
  if (snapshot->is_holding && snapshot->store.held <= snapshot->limit / 2) {
    snapshot->is_holding = 0;
    wake_all(ram);
  }
}

void sluice__ram_snapshot_let_go(sluice_ram_t *ram) {
  (void)pthread_mutex_lock(&ram->snapshot->lock);
  ram->state = SLUICE__RAM_RELEASE;
  (void)pthread_mutex_unlock(&ram->snapshot->lock);
  if (ram->snapshot->faults != NULL) {
    wake_all(ram); /* who tries again finds the state */
  }
}

/* Faults, on their handler's thread. */

static int is_unsaved(const sluice_ram_t *ram, const sluice__preimage_t *at) {
  const sluice__ram_region_t *region = ram->regions[at->region];

  return sluice__bitmap_test(region->pending, at->page) ||
         sluice__bitmap_test(region->borrowed, at->page);
}

/* Whether the writer may go on. `lock` is held. */
static int judge_snapshot(sluice_ram_t *ram, const sluice__preimage_t *at,
                          int is_owner) {
  sluice__ram_snapshot_t *snapshot = ram->snapshot;
  int can_wait = ram->policy == SLUICE_RAM_SLOW && !is_owner;

  if (snapshot->code != 0 || !is_unsaved(ram, at)) {
    return 1;
  }
  if (preserve_page(ram, at->region, at->page, can_wait) != 0) {
    snapshot->is_holding = 1;
    return 0;
  }
  return 1;
}

static int judge_early(sluice_ram_t *ram, const sluice__preimage_t *at) {
  ram->snapshot->early +=
      sluice__bitmap_set(ram->regions[at->region]->pending, at->page, 1);
  return 1;
}

static int judge_fault(sluice_ram_t *ram, const sluice__preimage_t *at,
                       int is_owner) {
  if (ram->state == SLUICE__RAM_ARM) {
    return judge_early(ram, at);
  }
  return ram->state == SLUICE__RAM_SNAPSHOT ? judge_snapshot(ram, at, is_owner)
                                            : 1;
}

static int find_page(const sluice_ram_t *ram, const uint8_t *at,
                     sluice__preimage_t *out) {
  for (uint32_t i = 0; i < ram->region_count; i++) {
    const sluice__ram_region_t *region = ram->regions[i];

    if (at >= region->base && (uint64_t)(at - region->base) < region->bytes) {
      out->region = i;
      out->page = (uint64_t)(at - region->base) >> ram->page_shift;
      return 1;
    }
  }
  return 0;
}

void sluice__ram_snapshot_on_fault(void *ctx, sluice__fault_handler_t *faults,
                                   uint8_t *at, int is_owner) {
  sluice_ram_t *ram = ctx;
  sluice__preimage_t page;
  int may_write;

  if (!find_page(ram, at, &page)) {
    return; /* not ours: nothing else is registered */
  }
  (void)pthread_mutex_lock(&ram->snapshot->lock);
  may_write = judge_fault(ram, &page, is_owner);
  if (ram->state == SLUICE__RAM_SNAPSHOT) {
    /* With the lock: who sees the pre-image must see that we have called. */
    sluice_section_wake_async(ram->section);
  }
  (void)pthread_mutex_unlock(&ram->snapshot->lock);
  if (may_write) {
    sluice__fault_handler_release(faults,
                                  ram->regions[page.region]->base +
                                      (page.page << ram->page_shift),
                                  UINT64_C(1) << ram->page_shift);
  }
}
