/* ram_save.c - sends pages until none is left that changed since it was sent.
 *
 * A pass sends what is pending; then what was written meanwhile is gathered
 * and becomes pending; and so on until a gathering finds nothing. The bits of a
 * run are cleared before it is lent: a write that comes later, even one into
 * the midst of its being copied, sets them again, and the page is sent again.
 * Where only the loop's thread writes, pages are still while they are sent.
 * Every turn of the loop is bounded (a slice to look at, a run to send) and
 * asks whether to yield. Knows nothing of formats. */
#include <string.h>

#include "bitmap.h"
#include "section.h"

/* Measured: 0.04 ms where nothing was written. With much written the tracker
 * stops earlier by itself. */
#define LOOK_BYTES (UINT64_C(64) << 20)
/* 4 GiB of pages of 4 KiB: 0.05 ms, 0.3 ms when the bitmaps are new. */
#define PRIME_PAGES (UINT64_C(1) << 20)
/* The most one run sends, whatever the writer allows: 0.2 ms. */
#define RUN_BYTES (UINT64_C(1) << 20)

static void next_region(sluice__ram_place_t *at) {
  at->region++;
  at->page = 0;
}

static int is_asked(const sluice_ram_t *ram) {
  return ram->tracker->mode == SLUICE__TRACKER_ASKED;
}

static void disarm_regions(sluice_ram_t *ram, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    if (!ram->regions[i]->is_passed) {
      ram->tracker->disarm(ram->tracker_state, ram->regions[i]->base,
                           ram->regions[i]->bytes);
    }
  }
  ram->tracker->end(ram->tracker_state);
}

static int arm_regions(sluice_ram_t *ram, sluice_error_t *err) {
  int r = is_asked(ram) ? ram->tracker->begin(ram->tracker_state, err) : 0;

  if (!is_asked(ram) || r != 0) {
    return r;
  }
  for (uint32_t i = 0; i < ram->region_count; i++) {
    if (ram->regions[i]->is_passed) {
      continue;
    }
    r = ram->tracker->arm(ram->tracker_state, ram->regions[i]->base,
                          ram->regions[i]->bytes, err);
    if (r != 0) {
      disarm_regions(ram, i);
      return r;
    }
  }
  return 0;
}

/* A save that failed may have left bits set: they were not known. */
static void make_pending(sluice_ram_t *ram, sluice__ram_region_t *region,
                         uint64_t page, uint64_t count) {
  if (region->is_passed) {
    (void)sluice__bitmap_clear(region->pending, page, count);
  } else {
    (void)sluice__bitmap_set(region->pending, page, count);
    ram->save.known += count;
  }
  ram->marked -= sluice__ram_region_gather(region, page, count);
}

void sluice__ram_make_all_pending(sluice_ram_t *ram) {
  for (uint32_t i = 0; i < ram->region_count; i++) {
    make_pending(ram, ram->regions[i], 0, ram->regions[i]->used);
  }
}

/* The next slice; after the last one the section goes on. */
static void prime_slice(sluice_ram_t *ram) {
  sluice__ram_place_t *at = &ram->save.look;
  uint64_t left = PRIME_PAGES;

  while (at->region < ram->region_count && left > 0) {
    sluice__ram_region_t *region = ram->regions[at->region];
    uint64_t end = region->used > at->page ? region->used : at->page;
    uint64_t count = end - at->page < left ? end - at->page : left;

    make_pending(ram, region, at->page, count);
    left -= count;
    at->page += count;
    if (at->page == end) {
      next_region(at);
    }
  }
  if (at->region == ram->region_count) {
    *at = (sluice__ram_place_t){0};
    /* A tracker that is asked must have looked at a page before it is copied.
     */
    ram->state = is_asked(ram) ? SLUICE__RAM_LOOK : SLUICE__RAM_SEND;
  }
}

int sluice__ram_save_begin(void *self, sluice_section_t *section,
                           sluice_error_t *err) {
  sluice_ram_t *ram = self;
  int r;

  memset(&ram->save, 0, sizeof(ram->save));
  memset(&ram->stats, 0, sizeof(ram->stats));
  ram->save.section = section;
  ram->save.is_first_pass = 1;
  ram->save.mode = sluice_section_mode(section);
  if (ram->save.mode == SLUICE_CUT) {
    return sluice__ram_cut_begin(ram, err);
  }
  r = sluice__ram_pass_regions(ram, err);
  if (r == 0) {
    r = arm_regions(ram, err);
  }
  if (r != 0) {
    sluice__ram_unpass_regions(ram);
    return r;
  }
  ram->state = SLUICE__RAM_PRIME;
  prime_slice(ram);
  return 0;
}

int sluice__ram_save_start(void *self, sluice_writer_t *w,
                           sluice_error_t *err) {
  sluice_ram_t *ram = self;

  (void)err; /* the writer's errors are the engine's to tell */
  for (uint32_t i = 0; i < ram->region_count; i++) {
    sluice__ram_region_t *region = ram->regions[i];
    int r = sluice_writer_region(w, region->name, region->bytes,
                                 UINT32_C(1) << ram->page_shift, &region->wire);

    if (r != 0) {
      return r;
    }
  }
  return 0;
}

static void add_pending(sluice_ram_t *ram, sluice__ram_region_t *region,
                        const sluice__span_t *span) {
  uint64_t page = span->from >> ram->page_shift;
  uint64_t last = (span->to - 1) >> ram->page_shift;

  ram->save.known += sluice__bitmap_set(region->pending, page, last - page + 1);
}

/* Asks the tracker about the bytes from..to; moves `*to` back to where it
 * stopped, which may be inside a page of ours. */
static int ask_tracker(sluice_ram_t *ram, sluice__ram_region_t *region,
                       uint64_t from, uint64_t *to, sluice_error_t *err) {
  sluice__look_t look = {.base = region->base, .from = from, .to = *to};
  int r;

  if (!is_asked(ram) || region->is_passed) {
    return 0;
  }
  r = ram->tracker->look(ram->tracker_state, &look, err);
  for (size_t i = 0; r == 0 && i < look.span_count; i++) {
    add_pending(ram, region, &look.spans[i]);
  }
  *to = look.reached;
  return r;
}

/* Gathers the next slice of the round; the caller knows that there is one. */
static int look_at_slice(sluice_ram_t *ram, sluice_error_t *err) {
  sluice__ram_place_t *at = &ram->save.look;
  sluice__ram_region_t *region = ram->regions[at->region];
  uint64_t from = at->page << ram->page_shift;
  uint64_t to =
      region->bytes - from > LOOK_BYTES ? from + LOOK_BYTES : region->bytes;
  int r = ask_tracker(ram, region, from, &to, err);
  uint64_t count = (to - from) >> ram->page_shift;

  if (r != 0) {
    return r;
  }
  ram->save.known +=
      sluice__bitmap_merge(region->pending, region->marks, at->page, count);
  ram->marked -= sluice__ram_region_gather(region, at->page, count);
  at->page += count;
  if (at->page == region->pages) {
    next_region(at);
  }
  return 0;
}

static void enter_look(sluice_ram_t *ram) {
  ram->save.look = (sluice__ram_place_t){0};
  ram->state = SLUICE__RAM_LOOK;
}

static void leave_look(sluice_ram_t *ram) {
  ram->stats.syncs++;
  ram->save.unsure = 0;
  if (ram->save.known > 0) {
    ram->state = SLUICE__RAM_SEND;
  } else if (ram->marked > 0) {
    enter_look(ram); /* marked behind the back of this round */
  } else {
    ram->state = SLUICE__RAM_CLEAN;
  }
}

static void leave_send(sluice_ram_t *ram) {
  /* A paused host writes nothing that a tracker would have to be asked about.
   */
  if ((is_asked(ram) && !ram->save.is_paused) || ram->marked > 0) {
    enter_look(ram);
  } else {
    ram->state = SLUICE__RAM_CLEAN;
  }
}

uint64_t sluice__ram_find_run(sluice_ram_t *ram, uint64_t max) {
  sluice__ram_place_t *at = &ram->save.cursor;

  for (;;) {
    sluice__ram_region_t *region = ram->regions[at->region];
    uint64_t n = sluice__bitmap_next_run(region->pending, at->page,
                                         region->pages, max, &at->page);

    if (n > 0) {
      return n;
    }
    at->page = 0;
    if (++at->region == ram->region_count) {
      at->region = 0;
      ram->save.is_first_pass = 0;
    }
  }
}

uint64_t sluice__ram_run_limit(const sluice_ram_t *ram,
                               const sluice_writer_t *w) {
  uint64_t left = sluice_writer_left(w);
  uint64_t pages = (left < RUN_BYTES ? left : RUN_BYTES) >> ram->page_shift;

  return pages > 0 ? pages : 1;
}

static void count_run(sluice_ram_t *ram, uint64_t count) {
  ram->stats.pages_sent += count;
  if (!ram->save.is_first_pass) {
    ram->stats.pages_again += count;
  }
  if (is_asked(ram)) {
    ram->save.unsure += count;
  }
}

/* Memory that the kernel is asked about is anybody's to write, at any time. */
static int send_pages(const sluice_ram_t *ram, sluice_writer_t *w,
                      const sluice__ram_region_t *region, uint64_t page,
                      uint64_t count) {
  uint64_t offset = page << ram->page_shift;
  const uint8_t *data = region->base + offset;

  return is_asked(ram)
             ? sluice_writer_lend_pages(w, region->wire, offset, data, count)
             : sluice_writer_still_pages(w, region->wire, offset, data, count);
}

/* Sends the next run; the caller knows that there is one. */
static int send_turn(sluice_ram_t *ram, sluice_writer_t *w) {
  sluice__ram_place_t *at = &ram->save.cursor;
  sluice__ram_region_t *region;
  uint64_t n = sluice__ram_find_run(ram, sluice__ram_run_limit(ram, w));
  uint64_t page;

  region = ram->regions[at->region];
  page = at->page;
  at->page += n;
  ram->save.known -= sluice__bitmap_clear(region->pending, page, n);
  ram->marked -= sluice__ram_region_gather(region, page, n);
  count_run(ram, n);
  return send_pages(ram, w, region, page, n);
}

static void leave_what_is_over(sluice_ram_t *ram) {
  if (ram->state == SLUICE__RAM_LOOK &&
      ram->save.look.region == ram->region_count) {
    leave_look(ram);
  } else if (ram->state == SLUICE__RAM_SEND && ram->save.known == 0) {
    leave_send(ram);
  }
}

static int take_turn(sluice_ram_t *ram, sluice_writer_t *w,
                     sluice_error_t *err) {
  if (ram->state == SLUICE__RAM_PRIME) {
    prime_slice(ram);
    return 0;
  }
  return ram->state == SLUICE__RAM_LOOK ? look_at_slice(ram, err)
                                        : send_turn(ram, w);
}

/* Turns until clean (DONE), told to yield (MORE), or an error. */
static int save_turns(sluice_ram_t *ram, sluice_writer_t *w,
                      sluice_error_t *err) {
  leave_what_is_over(ram); /* there may be no regions at all */
  while (ram->state != SLUICE__RAM_CLEAN) {
    int r = take_turn(ram, w, err);

    if (r < 0) {
      return r;
    }
    leave_what_is_over(ram);
    if (ram->state != SLUICE__RAM_CLEAN && sluice_writer_should_yield(w)) {
      return SLUICE_MORE;
    }
  }
  return SLUICE_DONE;
}

int sluice__ram_save_step(void *self, sluice_writer_t *w, sluice_error_t *err) {
  sluice_ram_t *ram = self;
  int r;

  if (ram->state == SLUICE__RAM_CUT) {
    return sluice__ram_cut_step(ram, w, err);
  }
  if (ram->state == SLUICE__RAM_CLEAN && (is_asked(ram) || ram->marked > 0)) {
    enter_look(ram);
  }
  r = save_turns(ram, w, err);
  if (r != SLUICE_DONE) {
    return r;
  }
  return ram->tracker->mode == SLUICE__TRACKER_NEVER ? SLUICE_DONE
                                                     : SLUICE_WAIT;
}

int sluice__ram_save_finish(void *self, sluice_writer_t *w,
                            sluice_error_t *err) {
  sluice_ram_t *ram = self;

  if (!ram->save.is_paused) {
    ram->save.is_paused = 1;
    /* All over again: what a round under way has passed may have changed. */
    if (ram->state != SLUICE__RAM_PRIME && (is_asked(ram) || ram->marked > 0)) {
      enter_look(ram);
    }
  }
  return save_turns(ram, w, err);
}

/* In a save that converges a page that was read too late has been marked again.
 */
void sluice__ram_save_returned(void *self, uint64_t pages) {
  sluice_ram_t *ram = self;

  if (ram->state == SLUICE__RAM_CUT) {
    sluice__ram_cut_take_back(ram, pages);
    if (ram->cut.loan_count == 0 || ram->cut.is_wanted) {
      sluice_section_wake(ram->save.section); /* it may wait for just that */
    }
  }
}

static void forget_writes(sluice_ram_t *ram) {
  for (uint32_t i = 0; i < ram->region_count; i++) {
    sluice__ram_region_t *region = ram->regions[i];

    memset(region->since, 0, sluice__bitmap_bytes(region->pages));
  }
}

void sluice__ram_save_end(void *self, int status) {
  sluice_ram_t *ram = self;

  while (is_asked(ram) && sluice__ram_save_release(ram) == SLUICE_MORE) {
  }
  if (ram->save.mode == SLUICE_CUT) {
    sluice__ram_cut_end(ram);
  } else if (is_asked(ram)) {
    ram->tracker->end(ram->tracker_state);
  }
  if (status == 0) {
    forget_writes(ram);
  }
  sluice__ram_unpass_regions(ram);
  ram->state = SLUICE__RAM_IDLE;
  ram->save.section = NULL;
  sluice__ram_cut_tell_writable(ram); /* may begin the next save */
}

void sluice__ram_save_marked(sluice_ram_t *ram) {
  if (ram->state == SLUICE__RAM_CLEAN) {
    sluice_section_wake(ram->save.section);
  }
}

/* Nobody tells a section that waits when the kernel has seen a write; but while
 * others are at work the engine asks what is pending. A slice each time finds
 * out, or the pause would pay for all that was written while it waited. */
static void glance(sluice_ram_t *ram) {
  if (ram->save.look.region == ram->region_count) {
    ram->save.look = (sluice__ram_place_t){0};
  }
  if (ram->region_count == 0 || look_at_slice(ram, NULL) != 0) {
    return; /* the next step meets the error, and reports it */
  }
  if (ram->save.known > 0) {
    ram->state = SLUICE__RAM_LOOK;
    sluice_section_wake(ram->save.section);
  }
}

/* What was sent since the tracker was asked may have changed again: it counts
 * until the next look, or a pass would seem over before it is known. */
uint64_t sluice__ram_save_pending(void *self) {
  sluice_ram_t *ram = self;
  uint64_t pages;

  if (ram->state == SLUICE__RAM_IDLE || ram->state == SLUICE__RAM_RESTORE ||
      ram->state == SLUICE__RAM_RELEASE) {
    return 0;
  }
  if (ram->save.mode == SLUICE_CUT) {
    return sluice__ram_cut_pending(ram) << ram->page_shift;
  }
  if (ram->state == SLUICE__RAM_CLEAN && is_asked(ram) &&
      !ram->save.is_paused) {
    glance(ram);
  }
  if (ram->state == SLUICE__RAM_PRIME) {
    return ram->pages << ram->page_shift;
  }
  pages = ram->save.known + ram->save.unsure + ram->marked;
  return (pages < ram->pages ? pages : ram->pages) << ram->page_shift;
}
