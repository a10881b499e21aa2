/* ram_cut_write.c - a page that is about to change and is not saved yet is
 * copied into the store first. What happens when the store is full is the
 * host's choice: the save fails, a file takes the rest, or the writer waits.
 *
 * A lost image lets everybody go at once: the host comes first. */
#include "bitmap.h"
#include "section.h"

static void wake_all(sluice_ram_t *ram) {
  for (uint32_t i = 0; i < ram->region_count; i++) {
    sluice__guard_wake(ram->cut.guard, ram->regions[i]->base,
                       ram->regions[i]->bytes);
  }
}

/* `lock` is held. Memory goes back at once, unless it is being sent. */
static void lose_image(sluice_ram_t *ram, int code) {
  sluice__ram_cut_t *cut = &ram->cut;

  cut->code = code;
  if (!cut->is_lent) {
    sluice__preimages_close(&cut->store);
  }
  if (cut->is_holding) {
    cut->is_holding = 0;
    wake_all(ram); /* who tries again finds the code */
  }
}

/* `lock` is held. `can_wait`: SLUICE_ELIMIT may be the answer, and nothing has
 * happened then. Else the page may be written afterwards, come what may. */
static int preserve_page(sluice_ram_t *ram, uint32_t region, uint64_t page,
                         int can_wait) {
  sluice__ram_cut_t *cut = &ram->cut;
  sluice__ram_region_t *of = ram->regions[region];
  const sluice__preimage_t at = {.region = region, .page = page};
  int r = sluice__preimages_put(&cut->store, &at,
                                of->base + (page << ram->page_shift),
                                can_wait ? cut->limit : UINT64_MAX);

  if (r == SLUICE_ELIMIT && can_wait) {
    return r;
  }
  if (r != 0) {
    lose_image(ram, r);
    return 0;
  }
  ram->save.known -= sluice__bitmap_clear(of->pending, page, 1);
  ram->stats.pages_again += sluice__bitmap_clear(of->lent, page, 1);
  ram->stats.preimages++;
  return 0;
}

/* `lock` is held. */
static void preserve_pages(sluice_ram_t *ram, const sluice__ram_span_t *span,
                           const uint64_t *unsaved) {
  uint64_t end = span->page + span->count;
  uint64_t page = span->page;

  while (ram->cut.code == 0 &&
         sluice__bitmap_next_run(unsaved, page, end, 1, &page) > 0) {
    (void)preserve_page(ram, span->region, page, 0);
  }
}

void sluice__ram_cut_preserve(sluice_ram_t *ram,
                              const sluice__ram_span_t *span) {
  sluice__ram_cut_t *cut = &ram->cut;
  int is_urgent;

  (void)pthread_mutex_lock(&cut->lock);
  if (cut->code == 0) {
    preserve_pages(ram, span, ram->regions[span->region]->pending);
    preserve_pages(ram, span, ram->regions[span->region]->lent);
  }
  is_urgent = cut->code != 0 || sluice__preimages_count(&cut->store) > 0;
  (void)pthread_mutex_unlock(&cut->lock);
  if (is_urgent) {
    sluice_section_urgent(ram->save.section);
  }
}

static int has_room(const sluice__ram_cut_t *cut, uint64_t bytes) {
  return cut->store.held <= cut->limit && bytes <= cut->limit - cut->store.held;
}

int sluice__ram_cut_may_write(sluice_ram_t *ram,
                              const sluice__ram_span_t *span) {
  const sluice__ram_region_t *region = ram->regions[span->region];
  sluice__ram_cut_t *cut = &ram->cut;
  uint64_t n;
  int may_write;

  (void)pthread_mutex_lock(&cut->lock);
  n = sluice__bitmap_count(region->pending, span->page, span->count) +
      sluice__bitmap_count(region->lent, span->page, span->count);
  may_write = cut->code != 0 || has_room(cut, n << ram->page_shift);
  if (!may_write && !cut->is_wanted) {
    cut->wanted = *span;
    cut->is_wanted = 1;
  }
  (void)pthread_mutex_unlock(&cut->lock);
  if (!may_write) {
    sluice_section_urgent(ram->save.section);
    return 0;
  }
  sluice__ram_cut_preserve(ram, span);
  return 1;
}

void sluice__ram_cut_tell_writable(sluice_ram_t *ram) {
  if (ram->cut.is_wanted) {
    ram->cut.is_wanted = 0;
    if (ram->writable != NULL) {
      ram->writable(ram->writable_data);
    }
  }
}

void sluice__ram_cut_made_room(sluice_ram_t *ram) {
  sluice__ram_cut_t *cut = &ram->cut;

  /* Half of it at a time: each waking makes every held writer try again. */
  if (cut->is_holding && cut->store.held <= cut->limit / 2) {
    cut->is_holding = 0;
    wake_all(ram);
  }
}

void sluice__ram_cut_let_go(sluice_ram_t *ram) {
  (void)pthread_mutex_lock(&ram->cut.lock);
  ram->state = SLUICE__RAM_RELEASE;
  (void)pthread_mutex_unlock(&ram->cut.lock);
  if (ram->cut.guard != NULL) {
    wake_all(ram); /* who tries again finds the state */
  }
}

/* Faults, on the guard's thread. */

static int is_unsaved(const sluice_ram_t *ram, const sluice__preimage_t *at) {
  const sluice__ram_region_t *region = ram->regions[at->region];

  return sluice__bitmap_test(region->pending, at->page) ||
         sluice__bitmap_test(region->lent, at->page);
}

/* Whether the writer may go on. `lock` is held. */
static int judge_cut(sluice_ram_t *ram, const sluice__preimage_t *at,
                     int is_owner) {
  sluice__ram_cut_t *cut = &ram->cut;
  int can_wait = ram->policy == SLUICE_RAM_SLOW && !is_owner;

  if (cut->code != 0 || !is_unsaved(ram, at)) {
    return 1;
  }
  if (preserve_page(ram, at->region, at->page, can_wait) != 0) {
    cut->is_holding = 1;
    return 0;
  }
  return 1;
}

static int judge_early(sluice_ram_t *ram, const sluice__preimage_t *at) {
  ram->cut.early +=
      sluice__bitmap_set(ram->regions[at->region]->pending, at->page, 1);
  return 1;
}

static int judge_fault(sluice_ram_t *ram, const sluice__preimage_t *at,
                       int is_owner) {
  if (ram->state == SLUICE__RAM_ARM) {
    return judge_early(ram, at);
  }
  return ram->state == SLUICE__RAM_CUT ? judge_cut(ram, at, is_owner) : 1;
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

void sluice__ram_cut_on_fault(void *ctx, sluice__guard_t *guard, uint8_t *at,
                              int is_owner) {
  sluice_ram_t *ram = ctx;
  sluice__preimage_t page;
  int may_write;

  if (!find_page(ram, at, &page)) {
    return; /* not ours: nothing else is registered */
  }
  (void)pthread_mutex_lock(&ram->cut.lock);
  may_write = judge_fault(ram, &page, is_owner);
  if (ram->state == SLUICE__RAM_CUT) {
    /* With the lock: who sees the pre-image must see that we have called. */
    sluice_section_wake_async(ram->save.section);
  }
  (void)pthread_mutex_unlock(&ram->cut.lock);
  if (may_write) {
    sluice__guard_release(
        guard, ram->regions[page.region]->base + (page.page << ram->page_shift),
        UINT64_C(1) << ram->page_shift);
  }
}
