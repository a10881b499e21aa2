/* ram_cut.c - sends the memory as it was at the instant; see cut.h.
 *
 * Pre-images go first, since their memory is bounded; then what somebody waits
 * for; then all the rest, in order. Each page is sent once. Guarded memory is
 * released run by run as it is sent, so that later writes to it cost nothing.
 * Knows nothing of formats. */
#include <inttypes.h>
#include <string.h>
#include <uv.h>

#include "bitmap.h"
#include "section.h"

#define PREIMAGE_DEFAULT (UINT64_C(32) << 20)

static int is_guarded(const sluice_ram_t *ram) {
  return ram->tracker->mode == SLUICE__TRACKER_ASKED;
}

/* Who can neither be put off nor wait may use as much again. */
static int open_store(sluice_ram_t *ram, sluice_error_t *err) {
  sluice__ram_cut_t *cut = &ram->cut;
  uint64_t page = UINT64_C(1) << ram->page_shift;
  uint64_t max = ram->max_preimage == 0 ? PREIMAGE_DEFAULT : ram->max_preimage;
  int can_exceed = ram->policy == SLUICE_RAM_SLOW && max <= UINT64_MAX / 2;
  int r;

  max = max < page ? page : max;
  r = sluice__preimages_open(&cut->store, (uint32_t)page,
                             can_exceed ? 2 * max : max, ram->spill_dir);

  cut->limit = max;
  return r == 0 ? 0
                : sluice_fail(err, r,
                              "no store for pre-images (%" PRIu64
                              " bytes; spill_dir: %s)",
                              max,
                              ram->spill_dir == NULL ? "none" : ram->spill_dir);
}

/* The kernel holds writes to anonymous memory and tmpfs's, not to that of other
 * files. */
static int guard_region(const sluice_ram_t *ram,
                        const sluice__ram_region_t *region,
                        sluice_error_t *err) {
  sluice_error_t why = {0};
  int r = sluice__guard_add(ram->cut.guard, region->base, region->bytes, &why);

  if (r < 0 && region->is_mapped) {
    return sluice_fail(err, UV_ENOTSUP,
                       "region \"%.64s\" is mapped from an image's file, whose "
                       "pages cannot be write-protected for a cut",
                       region->name);
  }
  return r < 0 ? sluice_fail(err, r, "%s", why.message) : 0;
}

static int open_guard(sluice_ram_t *ram, sluice_error_t *err) {
  sluice__ram_cut_t *cut = &ram->cut;
  int r;

  for (uint32_t i = 0; i < ram->region_count; i++) {
    /* Until the instant: written early. */
    (void)sluice__bitmap_clear(ram->regions[i]->pending, 0,
                               ram->regions[i]->pages);
  }
  r = sluice__guard_open(&cut->guard, sluice__ram_cut_on_fault, ram, err);
  for (uint32_t i = 0; r == 0 && i < ram->region_count; i++) {
    r = guard_region(ram, ram->regions[i], err);
  }
  return r;
}

static void close_parts(sluice_ram_t *ram) {
  sluice__guard_close(ram->cut.guard);
  ram->cut.guard = NULL;
  sluice__preimages_close(&ram->cut.store);
  (void)pthread_mutex_destroy(&ram->cut.lock);
}

int sluice__ram_cut_begin(sluice_ram_t *ram, sluice_error_t *err) {
  sluice__ram_cut_t *cut = &ram->cut;
  int r;

  memset(cut, 0, sizeof(*cut));
  ram->state = SLUICE__RAM_ARM;
  r = pthread_mutex_init(&cut->lock, NULL);
  if (r != 0) {
    ram->state = SLUICE__RAM_IDLE;
    return sluice_fail(err, -r, "no lock for pre-images");
  }
  r = open_store(ram, err);
  if (r == 0 && is_guarded(ram)) {
    r = open_guard(ram, err);
  }
  if (r != 0) {
    close_parts(ram);
    ram->state = SLUICE__RAM_IDLE;
  }
  return r;
}

int sluice__ram_save_cut(void *self, sluice_error_t *err) {
  sluice_ram_t *ram = self;
  int r = 0;

  (void)pthread_mutex_lock(&ram->cut.lock);
  if (ram->cut.guard != NULL) {
    r = sluice__ram_cut_protect_early(ram, err);
  }
  if (r == 0) {
    sluice__ram_make_all_pending(ram);
    ram->state = SLUICE__RAM_CUT;
  }
  (void)pthread_mutex_unlock(&ram->cut.lock);
  return r;
}

static int fail_lost(const sluice_ram_t *ram, sluice_error_t *err) {
  int code = ram->cut.code;

  if (code == SLUICE_ELIMIT) {
    return sluice_fail(err, code,
                       "pre-images fill max_preimage, %" PRIu64
                       " bytes: more is written than the sink takes",
                       ram->cut.limit);
  }
  return sluice_fail(err, code, "a pre-image could not be kept");
}

/* The pages are saved: who writes to them from now on changes nothing. */
static void end_loan(sluice_ram_t *ram, const sluice__ram_span_t *run) {
  sluice__ram_cut_t *cut = &ram->cut;
  sluice__ram_region_t *region = ram->regions[run->region];

  (void)pthread_mutex_lock(&cut->lock);
  (void)sluice__bitmap_clear(region->lent, run->page, run->count);
  (void)pthread_mutex_unlock(&cut->lock);
  if (cut->guard != NULL) {
    sluice__guard_release(cut->guard,
                          region->base + (run->page << ram->page_shift),
                          run->count << ram->page_shift);
  }
}

void sluice__ram_cut_take_back(sluice_ram_t *ram, uint64_t pages) {
  sluice__ram_cut_t *cut = &ram->cut;

  while (cut->loan_count > 0 && cut->loans[cut->loan_first].end <= pages) {
    end_loan(ram, &cut->loans[cut->loan_first].run);
    cut->loan_first = (cut->loan_first + 1) % SLUICE__RAM_LOANS_MAX;
    cut->loan_count--;
  }
}

static void note_loan(sluice__ram_cut_t *cut, const sluice__ram_span_t *run) {
  uint32_t at = (cut->loan_first + cut->loan_count) % SLUICE__RAM_LOANS_MAX;

  cut->lent_pages += run->count;
  cut->loans[at] = (sluice__ram_loan_t){.run = *run, .end = cut->lent_pages};
  cut->loan_count++;
}

/* Without a guard only the loop's thread writes. */
static int lend_run(sluice_ram_t *ram, sluice_writer_t *w,
                    const sluice__ram_span_t *run) {
  const sluice__ram_region_t *region = ram->regions[run->region];
  uint64_t offset = run->page << ram->page_shift;
  const uint8_t *data = region->base + offset;
  int r =
      ram->cut.guard != NULL
          ? sluice_writer_lend_pages(w, region->wire, offset, data, run->count)
          : sluice_writer_still_pages(w, region->wire, offset, data,
                                      run->count);

  if (r == 0) {
    note_loan(&ram->cut, run);
    sluice__ram_cut_take_back(ram, sluice_writer_returned(w));
  }
  return r;
}

static int copy_run(sluice_ram_t *ram, sluice_writer_t *w,
                    const sluice__ram_span_t *run) {
  const sluice__ram_region_t *region = ram->regions[run->region];
  uint64_t offset = run->page << ram->page_shift;
  int r = sluice_writer_pages(w, region->wire, offset, region->base + offset,
                              run->count);

  end_loan(ram, run);
  return r;
}

/* Sends pending pages. `lock` is held at the beginning, not at the end. */
static int send_run(sluice_ram_t *ram, sluice_writer_t *w,
                    const sluice__ram_span_t *run, int can_lend) {
  sluice__ram_region_t *region = ram->regions[run->region];

  ram->save.known -=
      sluice__bitmap_clear(region->pending, run->page, run->count);
  (void)sluice__bitmap_set(region->lent, run->page, run->count);
  (void)pthread_mutex_unlock(&ram->cut.lock);
  ram->stats.pages_sent += run->count;
  return can_lend && ram->cut.loan_count < SLUICE__RAM_LOANS_MAX
             ? lend_run(ram, w, run)
             : copy_run(ram, w, run);
}

/* `lock` is held at the beginning, not at the end. */
static int send_preimage(sluice_ram_t *ram, sluice_writer_t *w) {
  sluice__ram_cut_t *cut = &ram->cut;
  sluice__preimage_t at;
  const uint8_t *data;
  int r = sluice__preimages_first(&cut->store, &at, &data);

  cut->is_lent = r > 0;
  (void)pthread_mutex_unlock(&cut->lock);
  if (r <= 0) {
    return r;
  }
  r = sluice_writer_pages(w, ram->regions[at.region]->wire,
                          at.page << ram->page_shift, data, 1);
  ram->stats.pages_sent++;
  (void)pthread_mutex_lock(&cut->lock);
  cut->is_lent = 0;
  if (cut->code == 0) {
    sluice__preimages_pop(&cut->store);
    sluice__ram_cut_made_room(ram);
  } else {
    sluice__preimages_close(&cut->store);
  }
  (void)pthread_mutex_unlock(&cut->lock);
  return r;
}

/* What the host waits for: the next of it, and not lent, so that it is saved at
 * once. SLUICE_WAIT: all that is left of it has been lent before. As
 * send_preimage(), but that the lock is still held with SLUICE_WAIT. */
static int send_wanted(sluice_ram_t *ram, sluice_writer_t *w) {
  const sluice__ram_span_t *wanted = &ram->cut.wanted;
  const sluice__ram_region_t *region = ram->regions[wanted->region];
  sluice__ram_span_t run = {.region = wanted->region};

  run.count = sluice__bitmap_next_run(region->pending, wanted->page,
                                      wanted->page + wanted->count,
                                      sluice__ram_run_limit(ram, w), &run.page);
  if (run.count > 0) {
    return send_run(ram, w, &run, 0);
  }
  if (sluice__bitmap_count(region->lent, wanted->page, wanted->count) > 0) {
    return SLUICE_WAIT;
  }
  (void)pthread_mutex_unlock(&ram->cut.lock);
  sluice__ram_cut_tell_writable(ram);
  return 0;
}

/* As send_preimage(). */
static int send_next(sluice_ram_t *ram, sluice_writer_t *w) {
  sluice__ram_place_t *at = &ram->save.cursor;
  uint64_t n = sluice__ram_find_run(ram, sluice__ram_run_limit(ram, w));
  const sluice__ram_span_t run = {
      .region = at->region, .page = at->page, .count = n};

  at->page += n;
  return send_run(ram, w, &run, 1);
}

static int is_waited_for(const sluice__ram_cut_t *cut) {
  return cut->is_wanted || sluice__preimages_count(&cut->store) > 0;
}

/* Nothing is to be sent any more. The lock is held, and stays so. */
static int end_turn(sluice_ram_t *ram, sluice_error_t *err) {
  if (ram->cut.code != 0) {
    return fail_lost(ram, err);
  }
  return ram->cut.loan_count > 0 ? SLUICE_WAIT : SLUICE_DONE;
}

/* One unit. SLUICE_DONE: there was none left, SLUICE_WAIT: all that is left is
 * lent; SLUICE_MORE, or an error. */
static int cut_turn(sluice_ram_t *ram, sluice_writer_t *w,
                    sluice_error_t *err) {
  sluice__ram_cut_t *cut = &ram->cut;
  int r = SLUICE_WAIT;

  (void)pthread_mutex_lock(&cut->lock);
  if (cut->code == 0 && sluice__preimages_count(&cut->store) > 0) {
    r = send_preimage(ram, w);
  } else if (cut->code == 0 && cut->is_wanted) {
    r = send_wanted(ram, w);
  }
  if (r == SLUICE_WAIT && cut->code == 0 && ram->save.known > 0) {
    r = send_next(ram, w);
  }
  if (r == SLUICE_WAIT) {
    r = end_turn(ram, err);
    (void)pthread_mutex_unlock(&cut->lock);
    return r;
  }
  return r < 0 ? r : SLUICE_MORE;
}

int sluice__ram_cut_step(sluice_ram_t *ram, sluice_writer_t *w,
                         sluice_error_t *err) {
  int is_urgent;

  do {
    int r = cut_turn(ram, w, err);

    if (r != SLUICE_MORE) {
      return r;
    }
  } while (!sluice_writer_should_yield(w));
  (void)pthread_mutex_lock(&ram->cut.lock);
  is_urgent = is_waited_for(&ram->cut);
  (void)pthread_mutex_unlock(&ram->cut.lock);
  if (is_urgent) {
    sluice_section_urgent(ram->save.section);
  }
  return SLUICE_MORE;
}

uint64_t sluice__ram_cut_pending(sluice_ram_t *ram) {
  uint64_t pages = ram->pages;

  (void)pthread_mutex_lock(&ram->cut.lock);
  if (ram->state == SLUICE__RAM_CUT) {
    pages = ram->save.known + sluice__preimages_count(&ram->cut.store);
  }
  (void)pthread_mutex_unlock(&ram->cut.lock);
  return pages;
}

void sluice__ram_cut_end(sluice_ram_t *ram) {
  sluice__ram_cut_take_back(ram, UINT64_MAX); /* nobody reads any more */
  close_parts(ram);
  ram->stats.preimage_peak = ram->cut.store.peak;
}

/* To look is not to change: the lock is no part of what `ram` says. */
void sluice__ram_cut_stats(const sluice_ram_t *ram, sluice_ram_stats_t *out) {
  pthread_mutex_t *lock = (pthread_mutex_t *)(uintptr_t)&ram->cut.lock;

  (void)pthread_mutex_lock(lock);
  *out = ram->stats;
  out->preimage_peak = ram->cut.store.peak;
  (void)pthread_mutex_unlock(lock);
  for (uint32_t i = 0; i < ram->cut.loan_count; i++) {
    out->pages_lent +=
        ram->cut.loans[(ram->cut.loan_first + i) % SLUICE__RAM_LOANS_MAX]
            .run.count;
  }
}
