/* ram_converge.c - see converge.h.
 *
 * A pass sends what is pending; then what was written meanwhile is gathered
 * and becomes pending; and so on until a gathering finds nothing. The bits of a
 * run are cleared before it is lent: a write that comes later, even one into
 * the midst of its being copied, sets them again, and the page is sent again.
 * Where only the loop's thread writes, pages are still while they are sent.
 * Every turn of the loop is bounded (a slice to look at, a run to send) and
 * asks whether to yield. Knows nothing of formats. */
#include "converge.h"

#include <stdlib.h>
#include <uv.h>

#include "bitmap.h"
#include "memfd.h"
#include "pending.h"

/* Measured: 0.04 ms where nothing was written. With much written the tracker
 * stops earlier by itself. */
#define LOOK_BYTES (UINT64_C(64) << 20)
/* 4 GiB of pages of 4 KiB: 0.05 ms, 0.3 ms when the bitmaps are new. */
#define PRIME_PAGES (UINT64_C(1) << 20)

struct sluice__ram_converge_s {
  sluice__ram_place_t look; /* gathered, or primed, up to here in this round */
  uint64_t unsure;          /* pages sent since the tracker was asked */
  int is_paused;            /* save_finish has begun */
};

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
  int r = sluice__ram_is_asked(ram)
              ? ram->tracker->begin(ram->tracker_state, err)
              : 0;

  if (!sluice__ram_is_asked(ram) || r != 0) {
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

/* The next slice; after the last one the section goes on. */
static void prime_slice(sluice_ram_t *ram) {
  sluice__ram_place_t *at = &ram->converge->look;
  uint64_t left = PRIME_PAGES;

  while (at->region < ram->region_count && left > 0) {
    sluice__ram_region_t *region = ram->regions[at->region];
    uint64_t end = region->used > at->page ? region->used : at->page;
    uint64_t count = end - at->page < left ? end - at->page : left;

    sluice__ram_pending_add_all(ram, region, at->page, count);
    left -= count;
    at->page += count;
    if (at->page == end) {
      sluice__ram_next_region(at);
    }
  }
  if (at->region == ram->region_count) {
    *at = (sluice__ram_place_t){0};
    /* A tracker that is asked must have looked at a page before it is copied.
     */
    ram->state =
        sluice__ram_is_asked(ram) ? SLUICE__RAM_LOOK : SLUICE__RAM_SEND;
  }
}

static void add_pending(sluice_ram_t *ram, sluice__ram_region_t *region,
                        const sluice__span_t *span) {
  uint64_t page = span->from >> ram->page_shift;
  uint64_t last = (span->to - 1) >> ram->page_shift;

  ram->pending.known +=
      sluice__bitmap_set(region->pending, page, last - page + 1);
}

/* Asks the tracker about the bytes from..to; moves `*to` back to where it
 * stopped, which may be inside a page of ours. */
static int ask_tracker(sluice_ram_t *ram, sluice__ram_region_t *region,
                       uint64_t from, uint64_t *to, sluice_error_t *err) {
  sluice__look_t look = {.base = region->base, .from = from, .to = *to};
  int r;

  if (!sluice__ram_is_asked(ram) || region->is_passed) {
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
  sluice__ram_place_t *at = &ram->converge->look;
  sluice__ram_region_t *region = ram->regions[at->region];
  uint64_t from = at->page << ram->page_shift;
  uint64_t to =
      region->bytes - from > LOOK_BYTES ? from + LOOK_BYTES : region->bytes;
  int r = ask_tracker(ram, region, from, &to, err);
  uint64_t count = (to - from) >> ram->page_shift;

  if (r != 0) {
    return r;
  }
  ram->pending.known +=
      sluice__bitmap_merge(region->pending, region->marks, at->page, count);
  ram->marked -= sluice__ram_region_gather(region, at->page, count);
  at->page += count;
  if (at->page == region->pages) {
    sluice__ram_next_region(at);
  }
  return 0;
}

static void enter_look(sluice_ram_t *ram) {
  ram->converge->look = (sluice__ram_place_t){0};
  ram->state = SLUICE__RAM_LOOK;
}

static void leave_look(sluice_ram_t *ram) {
  ram->stats.syncs++;
  ram->converge->unsure = 0;
  if (ram->pending.known > 0) {
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
  if ((sluice__ram_is_asked(ram) && !ram->converge->is_paused) ||
      ram->marked > 0) {
    enter_look(ram);
  } else {
    ram->state = SLUICE__RAM_CLEAN;
  }
}

static void count_run(sluice_ram_t *ram, uint64_t count) {
  ram->stats.pages_sent += count;
  if (!ram->pending.is_first_pass) {
    ram->stats.pages_again += count;
  }
  if (sluice__ram_is_asked(ram)) {
    ram->converge->unsure += count;
  }
}

/* Memory that the kernel is asked about is anybody's to write, at any time. */
static int send_pages(const sluice_ram_t *ram, sluice_writer_t *w,
                      const sluice__ram_region_t *region, uint64_t page,
                      uint64_t count) {
  uint64_t offset = page << ram->page_shift;
  const uint8_t *data = region->base + offset;

  return sluice__ram_is_asked(ram)
             ? sluice_writer_lend_pages(w, region->wire, offset, data, count)
             : sluice_writer_still_pages(w, region->wire, offset, data, count);
}

/* Sends the next run; the caller knows that there is one. */
static int send_turn(sluice_ram_t *ram, sluice_writer_t *w) {
  const sluice__ram_span_t run = sluice__ram_pending_next(ram, w);
  sluice__ram_region_t *region = ram->regions[run.region];

  ram->pending.known -=
      sluice__bitmap_clear(region->pending, run.page, run.count);
  ram->marked -= sluice__ram_region_gather(region, run.page, run.count);
  count_run(ram, run.count);
  return send_pages(ram, w, region, run.page, run.count);
}

static void leave_what_is_over(sluice_ram_t *ram) {
  if (ram->state == SLUICE__RAM_LOOK &&
      ram->converge->look.region == ram->region_count) {
    leave_look(ram);
  } else if (ram->state == SLUICE__RAM_SEND && ram->pending.known == 0) {
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

int sluice__ram_converge_step(sluice_ram_t *ram, sluice_writer_t *w,
                              sluice_error_t *err) {
  int r;

  if (ram->state == SLUICE__RAM_CLEAN &&
      (sluice__ram_is_asked(ram) || ram->marked > 0)) {
    enter_look(ram);
  }
  r = save_turns(ram, w, err);
  if (r != SLUICE_DONE) {
    return r;
  }
  return ram->tracker->mode == SLUICE__TRACKER_NEVER ? SLUICE_DONE
                                                     : SLUICE_WAIT;
}

int sluice__ram_converge_finish(sluice_ram_t *ram, sluice_writer_t *w,
                                sluice_error_t *err) {
  if (!ram->converge->is_paused) {
    ram->converge->is_paused = 1;
    /* All over again: what a round under way has passed may have changed. */
    if (ram->state != SLUICE__RAM_PRIME &&
        (sluice__ram_is_asked(ram) || ram->marked > 0)) {
      enter_look(ram);
    }
  }
  return save_turns(ram, w, err);
}

/* Nobody tells a section that waits when the kernel has seen a write; but while
 * others are at work the engine asks what is pending. A slice each time finds
 * out, or the pause would pay for all that was written while it waited. */
static void glance(sluice_ram_t *ram) {
  if (ram->converge->look.region == ram->region_count) {
    ram->converge->look = (sluice__ram_place_t){0};
  }
  if (ram->region_count == 0 || look_at_slice(ram, NULL) != 0) {
    return; /* the next step meets the error, and reports it */
  }
  if (ram->pending.known > 0) {
    ram->state = SLUICE__RAM_LOOK;
    sluice_section_wake(ram->section);
  }
}

/* What was sent since the tracker was asked may have changed again: it counts
 * until the next look, or a pass would seem over before it is known. */
uint64_t sluice__ram_converge_pending(sluice_ram_t *ram) {
  uint64_t pages;

  if (ram->state == SLUICE__RAM_CLEAN && sluice__ram_is_asked(ram) &&
      !ram->converge->is_paused) {
    glance(ram);
  }
  if (ram->state == SLUICE__RAM_PRIME) {
    return ram->pages;
  }
  pages = ram->pending.known + ram->converge->unsure + ram->marked;
  return pages < ram->pages ? pages : ram->pages;
}

static int open_parts(sluice_ram_t *ram, sluice_error_t *err) {
  int r = sluice__ram_pass_regions(ram, err);

  if (r == 0) {
    r = arm_regions(ram, err);
  }
  if (r != 0) {
    sluice__ram_unpass_regions(ram);
  }
  return r;
}

int sluice__ram_converge_begin(sluice_ram_t *ram, sluice_error_t *err) {
  int r;

  ram->converge = calloc(1, sizeof(*ram->converge));
  r = ram->converge == NULL
          ? sluice_fail(err, UV_ENOMEM, "no memory to save a ram section")
          : open_parts(ram, err);
  if (r != 0) {
    free(ram->converge);
    ram->converge = NULL;
    return r;
  }
  ram->state = SLUICE__RAM_PRIME;
  prime_slice(ram);
  return 0;
}

void sluice__ram_converge_end(sluice_ram_t *ram) {
  if (sluice__ram_is_asked(ram)) {
    ram->tracker->end(ram->tracker_state);
  }
  sluice__ram_unpass_regions(ram);
  free(ram->converge);
  ram->converge = NULL;
}
