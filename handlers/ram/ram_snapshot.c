/* ram_snapshot.c - sends the memory as it was at the instant; see snapshot.h.
 *
 * Pre-images go first, since their memory is bounded; then what somebody waits
 * for; then all the rest, in order. Each page is sent once. Guarded memory is
 * released run by run as it is sent, so that later writes to it cost nothing.
 * Knows nothing of formats. */
#include <inttypes.h>
#include <stdlib.h>
#include <uv.h>

#include "bitmap.h"
#include "pending.h"
#include "snapshot.h"

#define PREIMAGE_DEFAULT (UINT64_C(32) << 20)

static uint64_t find_limit(const sluice_ram_t *ram) {
  uint64_t page = UINT64_C(1) << ram->page_shift;
  uint64_t max = ram->max_preimage == 0 ? PREIMAGE_DEFAULT : ram->max_preimage;

  return max < page ? page : max;
}

/* Who can neither be put off nor wait may use as much again. */
static int open_store(sluice_ram_t *ram, sluice_error_t *err) {
  sluice__ram_snapshot_t *snapshot = ram->snapshot;
  uint64_t page = UINT64_C(1) << ram->page_shift;
  uint64_t max = find_limit(ram);
  int can_exceed = ram->policy == SLUICE_RAM_SLOW && max <= UINT64_MAX / 2;
  int r;

  r = sluice__preimages_open(&snapshot->store, (uint32_t)page,
                             can_exceed ? 2 * max : max, ram->spill_dir);

  snapshot->limit = max;
  return r == 0 ? 0
                : sluice_fail(err, r,
                              "no store for pre-images (%" PRIu64
                              " bytes; spill_dir: %s)",
                              max,
                              ram->spill_dir == NULL ? "none" : ram->spill_dir);
}

/* The kernel holds writes to anonymous memory and tmpfs's, not to that of other
 * files. */
static int watch_region(sluice__fault_handler_t *faults,
                        const sluice__ram_region_t *region,
                        sluice_error_t *err) {
  sluice_error_t why = {0};
  int r = sluice__fault_handler_add(faults, region->base, region->bytes, &why);

  if (r < 0 && region->is_mapped) {
    return sluice_fail(err, UV_ENOTSUP,
                       "region \"%.64s\" is mapped from an image's file, whose "
                       "pages cannot be write-protected for a cut",
                       region->name);
  }
  return r < 0 ? sluice_fail(err, r, "%s", why.message) : 0;
}

/* Nothing is protected yet. What is open after a failure is `*out`. */
static int watch_regions(sluice_ram_t *ram, sluice__fault_handler_t **out,
                         sluice_error_t *err) {
  int r =
      sluice__fault_handler_open(out, sluice__ram_snapshot_on_fault, ram, err);

  for (uint32_t i = 0; r == 0 && i < ram->region_count; i++) {
    r = watch_region(*out, ram->regions[i], err);
  }
  return r;
}

/* Whatever the host writes, and however slow the sink is? */
static int has_room(const sluice_ram_t *ram, sluice_error_t *err) {
  uint64_t limit = find_limit(ram);
  uint64_t bytes = 0;

  for (uint32_t i = 0; i < ram->region_count; i++) {
    bytes += ram->regions[i]->bytes;
  }
  return bytes <= limit || ram->policy != SLUICE_RAM_FAIL ||
                 ram->tracker == &sluice__tracker_static
             ? 0
             : sluice_fail(err, SLUICE_ELIMIT,
                           "pre-images may be %" PRIu64
                           " bytes, max_preimage is %" PRIu64,
                           bytes, limit);
}

int sluice__ram_snapshot_is_possible(sluice_ram_t *ram, sluice_error_t *err) {
  sluice__fault_handler_t *faults = NULL;
  int r = has_room(ram, err);

  if (r == 0 && sluice__ram_is_asked(ram)) {
    r = watch_regions(ram, &faults, err);
  }
  sluice__fault_handler_close(faults);
  return r;
}

static int open_faults(sluice_ram_t *ram, sluice_error_t *err) {
  for (uint32_t i = 0; i < ram->region_count; i++) {
    /* Until the instant: written early. */
    (void)sluice__bitmap_clear(ram->regions[i]->pending, 0,
                               ram->regions[i]->pages);
  }
  return watch_regions(ram, &ram->snapshot->faults, err);
}

static void close_parts(sluice_ram_t *ram) {
  sluice__fault_handler_close(ram->snapshot->faults);
  ram->snapshot->faults = NULL;
  sluice__preimages_close(&ram->snapshot->store);
  (void)pthread_mutex_destroy(&ram->snapshot->lock);
}

static int open_parts(sluice_ram_t *ram, sluice_error_t *err) {
  int r = pthread_mutex_init(&ram->snapshot->lock, NULL);

  if (r != 0) {
    return sluice_fail(err, -r, "no lock for pre-images");
  }
  r = open_store(ram, err);
  if (r == 0 && sluice__ram_is_asked(ram)) {
    r = open_faults(ram, err);
  }
  if (r != 0) {
    close_parts(ram);
  }
  return r;
}

int sluice__ram_snapshot_begin(sluice_ram_t *ram, sluice_error_t *err) {
  int r;

  ram->snapshot = calloc(1, sizeof(*ram->snapshot));
  if (ram->snapshot == NULL) {
    return sluice_fail(err, UV_ENOMEM, "no memory to save a ram section");
  }
  ram->state = SLUICE__RAM_ARM;
  r = open_parts(ram, err);
  if (r != 0) {
    ram->state = SLUICE__RAM_IDLE;
    free(ram->snapshot);
    ram->snapshot = NULL;
  }
  return r;
}

static void add_all_pending(sluice_ram_t *ram) {
  for (uint32_t i = 0; i < ram->region_count; i++) {
    sluice__ram_pending_add_all(ram, ram->regions[i], 0, ram->regions[i]->used);
  }
}

int sluice__ram_snapshot_take(sluice_ram_t *ram, sluice_error_t *err) {
  int r = 0;

  (void)pthread_mutex_lock(&ram->snapshot->lock);
  if (ram->snapshot->faults != NULL) {
    r = sluice__ram_snapshot_protect_early(ram, err);
  }
  if (r == 0) {
    add_all_pending(ram);
    ram->state = SLUICE__RAM_SNAPSHOT;
  }
  (void)pthread_mutex_unlock(&ram->snapshot->lock);
  return r;
}

static int fail_lost(const sluice_ram_t *ram, sluice_error_t *err) {
  int code = ram->snapshot->code;

  if (code == SLUICE_ELIMIT) {
    return sluice_fail(err, code,
                       "pre-images fill max_preimage, %" PRIu64
                       " bytes: more is written than the sink takes",
                       ram->snapshot->limit);
  }
  return sluice_fail(err, code, "a pre-image could not be kept");
}

/* The pages are saved: who writes to them from now on changes nothing. */
static void end_loan(sluice_ram_t *ram, const sluice__ram_span_t *run) {
  sluice__ram_snapshot_t *snapshot = ram->snapshot;
  sluice__ram_region_t *region = ram->regions[run->region];

  (void)pthread_mutex_lock(&snapshot->lock);
  (void)sluice__bitmap_clear(region->borrowed, run->page, run->count);
  (void)pthread_mutex_unlock(&snapshot->lock);
  if (snapshot->faults != NULL) {
    sluice__fault_handler_release(snapshot->faults,
                                  region->base + (run->page << ram->page_shift),
                                  run->count << ram->page_shift);
  }
}

static void take_back(sluice_ram_t *ram, uint64_t pages) {
  sluice__ram_snapshot_t *snapshot = ram->snapshot;

  while (snapshot->loan_count > 0 &&
         snapshot->loans[snapshot->loan_first].end <= pages) {
    end_loan(ram, &snapshot->loans[snapshot->loan_first].run);
    snapshot->loan_first = (snapshot->loan_first + 1) % SLUICE__RAM_LOANS_MAX;
    snapshot->loan_count--;
  }
}

void sluice__ram_snapshot_returned(sluice_ram_t *ram, uint64_t pages) {
  take_back(ram, pages);
  if (ram->snapshot->loan_count == 0 || ram->snapshot->is_wanted) {
    sluice_section_wake(ram->section); /* it may wait for just that */
  }
}

static void note_loan(sluice__ram_snapshot_t *snapshot,
                      const sluice__ram_span_t *run) {
  uint32_t at =
      (snapshot->loan_first + snapshot->loan_count) % SLUICE__RAM_LOANS_MAX;

  snapshot->borrowed_pages += run->count;
  snapshot->loans[at] =
      (sluice__ram_loan_t){.run = *run, .end = snapshot->borrowed_pages};
  snapshot->loan_count++;
}

/* Without faults only the loop's thread writes. */
static int lend_run(sluice_ram_t *ram, sluice_writer_t *w,
                    const sluice__ram_span_t *run) {
  const sluice__ram_region_t *region = ram->regions[run->region];
  uint64_t offset = run->page << ram->page_shift;
  const uint8_t *data = region->base + offset;
  int r =
      ram->snapshot->faults != NULL
          ? sluice_writer_lend_pages(w, region->wire, offset, data, run->count)
          : sluice_writer_still_pages(w, region->wire, offset, data,
                                      run->count);

  if (r == 0) {
    note_loan(ram->snapshot, run);
    take_back(ram, sluice_writer_returned(w));
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

  ram->pending.known -=
      sluice__bitmap_clear(region->pending, run->page, run->count);
  (void)sluice__bitmap_set(region->borrowed, run->page, run->count);
  (void)pthread_mutex_unlock(&ram->snapshot->lock);
  ram->stats.pages_sent += run->count;
  return can_lend && ram->snapshot->loan_count < SLUICE__RAM_LOANS_MAX
             ? lend_run(ram, w, run)
             : copy_run(ram, w, run);
}

/* `lock` is held at the beginning, not at the end. */
static int send_preimage(sluice_ram_t *ram, sluice_writer_t *w) {
  sluice__ram_snapshot_t *snapshot = ram->snapshot;
  sluice__preimage_t at;
  const uint8_t *data;
  int r = sluice__preimages_first(&snapshot->store, &at, &data);

  snapshot->is_sending = r > 0;
  (void)pthread_mutex_unlock(&snapshot->lock);
  if (r <= 0) {
    return r;
  }
  r = sluice_writer_pages(w, ram->regions[at.region]->wire,
                          at.page << ram->page_shift, data, 1);
  ram->stats.pages_sent++;
  (void)pthread_mutex_lock(&snapshot->lock);
  snapshot->is_sending = 0;
  if (snapshot->code == 0) {
    sluice__preimages_pop(&snapshot->store);
    sluice__ram_snapshot_made_room(ram);
  } else {
    sluice__preimages_close(&snapshot->store);
  }
  (void)pthread_mutex_unlock(&snapshot->lock);
  return r;
}

/* What the host waits for: the next of it, and not lent, so that it is saved at
 * once. SLUICE_WAIT: all that is left of it has been lent before. As
 * send_preimage(), but that the lock is still held with SLUICE_WAIT. */
static int send_wanted(sluice_ram_t *ram, sluice_writer_t *w) {
  const sluice__ram_span_t *wanted = &ram->snapshot->wanted;
  const sluice__ram_region_t *region = ram->regions[wanted->region];
  sluice__ram_span_t run = {.region = wanted->region};

  run.count = sluice__bitmap_next_run(
      region->pending, wanted->page, wanted->page + wanted->count,
      sluice__ram_pending_limit(ram, w), &run.page);
  if (run.count > 0) {
    return send_run(ram, w, &run, 0);
  }
  if (sluice__bitmap_count(region->borrowed, wanted->page, wanted->count) > 0) {
    return SLUICE_WAIT;
  }
  (void)pthread_mutex_unlock(&ram->snapshot->lock);
  sluice__ram_snapshot_tell_writable(ram);
  return 0;
}

/* As send_preimage(). */
static int send_next(sluice_ram_t *ram, sluice_writer_t *w) {
  const sluice__ram_span_t run = sluice__ram_pending_next(ram, w);

  return send_run(ram, w, &run, 1);
}

static int is_waited_for(const sluice__ram_snapshot_t *snapshot) {
  return snapshot->is_wanted || sluice__preimages_count(&snapshot->store) > 0;
}

/* Nothing is to be sent any more. The lock is held, and stays so. */
static int end_turn(sluice_ram_t *ram, sluice_error_t *err) {
  if (ram->snapshot->code != 0) {
    return fail_lost(ram, err);
  }
  return ram->snapshot->loan_count > 0 ? SLUICE_WAIT : SLUICE_DONE;
}

/* One unit. SLUICE_DONE: there was none left, SLUICE_WAIT: all that is left is
 * lent; SLUICE_MORE, or an error. */
static int snapshot_turn(sluice_ram_t *ram, sluice_writer_t *w,
                         sluice_error_t *err) {
  sluice__ram_snapshot_t *snapshot = ram->snapshot;
  int r = SLUICE_WAIT;

  (void)pthread_mutex_lock(&snapshot->lock);
  if (snapshot->code == 0 && sluice__preimages_count(&snapshot->store) > 0) {
    r = send_preimage(ram, w);
  } else if (snapshot->code == 0 && snapshot->is_wanted) {
    r = send_wanted(ram, w);
  }
  if (r == SLUICE_WAIT && snapshot->code == 0 && ram->pending.known > 0) {
    r = send_next(ram, w);
  }
  if (r == SLUICE_WAIT) {
    r = end_turn(ram, err);
    (void)pthread_mutex_unlock(&snapshot->lock);
    return r;
  }
  return r < 0 ? r : SLUICE_MORE;
}

int sluice__ram_snapshot_step(sluice_ram_t *ram, sluice_writer_t *w,
                              sluice_error_t *err) {
  int is_urgent;

  do {
    int r = snapshot_turn(ram, w, err);

    if (r != SLUICE_MORE) {
      return r;
    }
  } while (!sluice_writer_should_yield(w));
  (void)pthread_mutex_lock(&ram->snapshot->lock);
  is_urgent = is_waited_for(ram->snapshot);
  (void)pthread_mutex_unlock(&ram->snapshot->lock);
  if (is_urgent) {
    sluice_section_urgent(ram->section);
  }
  return SLUICE_MORE;
}

uint64_t sluice__ram_snapshot_pending(sluice_ram_t *ram) {
  uint64_t pages = ram->pages;

  (void)pthread_mutex_lock(&ram->snapshot->lock);
  if (ram->state == SLUICE__RAM_SNAPSHOT) {
    pages = ram->pending.known + sluice__preimages_count(&ram->snapshot->store);
  }
  (void)pthread_mutex_unlock(&ram->snapshot->lock);
  return pages;
}

int sluice__ram_snapshot_end(sluice_ram_t *ram) {
  int is_wanted = ram->snapshot->is_wanted;

  take_back(ram, UINT64_MAX); /* nobody reads any more */
  close_parts(ram);
  ram->stats.preimage_peak = ram->snapshot->store.peak;
  free(ram->snapshot);
  ram->snapshot = NULL;
  return is_wanted;
}

void sluice__ram_snapshot_stats(const sluice_ram_t *ram,
                                sluice_ram_stats_t *out) {
  sluice__ram_snapshot_t *snapshot = ram->snapshot;

  (void)pthread_mutex_lock(&snapshot->lock);
  *out = ram->stats;
  out->preimage_peak = snapshot->store.peak;
  (void)pthread_mutex_unlock(&snapshot->lock);
  for (uint32_t i = 0; i < snapshot->loan_count; i++) {
    out->pages_lent +=
        snapshot->loans[(snapshot->loan_first + i) % SLUICE__RAM_LOANS_MAX]
            .run.count;
  }
}
