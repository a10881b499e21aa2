/* rounds.c - see rounds.h. Called for every page: two compares each. */
#include "contents/rounds.h"

#include <inttypes.h>

#include "cli/bar.h"
#include "cli/report.h"

enum { MIB = 1024 * 1024, SHOW_BYTES = 16 * MIB };

uint64_t rounds_left(const rounds_t *r) {
  uint64_t whole = r->count <= 1 ? r->declared : r->former;

  return whole > r->seen ? whole - r->seen : 0;
}

static void tell_round(const rounds_t *r) {
  if (r->is_verbose && r->count > 0) {
    report_detail("round %" PRIu32 ": %" PRIu64 " KiB of memory", r->count,
                  r->seen / 1024);
  }
}

static void begin_round(rounds_t *r) {
  tell_round(r);
  r->count++;
  r->former = r->seen;
  r->seen = 0;
}

static void show(rounds_t *r) {
  r->shown = r->moved;
  bar_say("round %" PRIu32 ", %" PRIu64 " MiB left", r->count,
          rounds_left(r) / MIB);
}

static void note_run(rounds_t *r, const sluice_run_t *run) {
  uint64_t bytes = run->count * run->page_size;

  if (r->count == 0 || run->region < r->region ||
      (run->region == r->region && run->offset < r->end)) {
    begin_round(r);
  }
  r->region = run->region;
  r->end = run->offset + bytes;
  r->seen += bytes;
  r->moved += bytes;
  if (r->moved - r->shown >= SHOW_BYTES) {
    show(r);
  }
}

void rounds_note(rounds_t *r, const sluice_item_t *item) {
  switch (item->kind) {
  case SLUICE_ITEM_PAGES:
  case SLUICE_ITEM_ZEROS:
  case SLUICE_ITEM_DELTA: note_run(r, &item->u.run); break;
  case SLUICE_ITEM_REGION: r->declared += item->u.region.bytes; break;
  case SLUICE_ITEM_TRAILER: tell_round(r); break;
  case SLUICE_ITEM_HEADER:
  case SLUICE_ITEM_NOTE:
  case SLUICE_ITEM_SECTION:
  case SLUICE_ITEM_PART:
  case SLUICE_ITEM_END:
  case SLUICE_ITEM_CLOSE:
  case SLUICE_ITEM_BYTES:
  case SLUICE_ITEM_COMMAND:
  case SLUICE_ITEM_ABORT: break;
  }
}
