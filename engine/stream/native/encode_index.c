/* encode_index.c - how a stream ends: INDEX records and the TRAILER.
 *
 * The index has a run for every stretch of pages that are adjacent in region
 * and stream, in ascending order; a page that was never written has none. It is
 * written in steps: of 4 GiB of pages it takes some milliseconds. */
#include "stream/native/encode.h"

#include "stream/native/ends.h"
#include "stream/native/index_cursor.h"

/* Zero runs can be longer than the count on disk; split below it. */
#define RUN_MAX (UINT64_C(1) << 31)

enum { INDEX_LATER = 1, INDEX_WHOLE = 2 };

static int put_entry(sluice_encoder_t *e, const sluice__index_entry_t *entry) {
  sluice__encode_native_t *n = sluice__encode_native_of(e);
  uint8_t *to =
      sluice__native_unit(e, SLUICE__NATIVE_INDEX, SLUICE__NATIVE_NO_SECTION,
                          SLUICE__INDEX_RUN_BYTES);

  if (to == NULL) {
    return e->error.code;
  }
  if (n->first_index == 0) {
    n->first_index = n->start;
  }
  sluice__index_entry_put(to, entry);
  return 0;
}

/* Page `page` of the run and those behind it, `count` of them. */
static int put_part(sluice_encoder_t *e, uint32_t region,
                    const sluice__page_run_t *run, uint64_t page,
                    uint64_t count) {
  const sluice__page_map_t *map = &sluice__encode_native_of(e)->map;
  uint32_t page_size = e->regions[region].page_size;
  sluice__index_entry_t entry = {.region = region,
                                 .count = count,
                                 .offset = (run->page + page) * page_size};

  if (run->data != 0) {
    entry.data = run->data + page * page_size;
    entry.hashes = sluice__page_map_hash(map, entry.data, page_size);
  }
  return put_entry(e, &entry);
}

static int put_run(sluice_encoder_t *e, uint32_t region,
                   const sluice__page_run_t *run) {
  uint64_t done = 0;
  int r = 0;

  while (done < run->count && r == 0) {
    uint64_t left = run->count - done;
    uint64_t count = left < RUN_MAX ? left : RUN_MAX;

    r = put_part(e, region, run, done, count);
    done += count;
  }
  return r;
}

/* The next run, or region. INDEX_WHOLE: there are no more regions. */
static int put_next(sluice_encoder_t *e, uint64_t *looks) {
  sluice__encode_index_t *x = &sluice__encode_native_of(e)->index;
  sluice__page_run_t run;

  if (x->region == e->region_count) {
    return INDEX_WHOLE;
  }
  switch (sluice__page_map_walk(&sluice__encode_native_of(e)->map, x->region,
                                e->regions[x->region].page_size, &x->walk,
                                looks, &run)) {
  case SLUICE__PAGES_RUN: return put_run(e, x->region, &run);
  case SLUICE__PAGES_LATER: return 0;
  case SLUICE__PAGES_OVER: break;
  }
  x->region++;
  x->walk = (sluice__page_walk_t){0};
  return 0;
}

static int put_index(sluice_encoder_t *e, uint64_t *looks) {
  int r = 0;

  while (r == 0 && *looks > 0) {
    r = put_next(e, looks);
  }
  if (r == INDEX_WHOLE) {
    return sluice__native_end(e);
  }
  return r < 0 ? r : INDEX_LATER;
}

static int put_trailer(sluice_encoder_t *e) {
  sluice__encode_native_t *n = sluice__encode_native_of(e);
  sluice__trailer_t trailer;
  uint8_t *to;
  int r =
      sluice__native_begin(e, SLUICE__NATIVE_TRAILER, 0,
                           SLUICE__NATIVE_NO_SECTION, SLUICE__TRAILER_BYTES);

  if (r < 0) {
    return r;
  }
  trailer.chain = n->chain; /* behind begin: that may have written a PAD */
  to = sluice__native_extend(e, SLUICE__TRAILER_BYTES);
  trailer.total = sluice__stage_offset(&e->stage);
  trailer.records = n->sequence + 1;
  trailer.index = n->first_index;
  trailer.pages = e->totals.pages_data;
  trailer.zeros = e->totals.pages_zero;
  sluice__trailer_put(to, &trailer);
  n->is_over = true;
  return sluice__native_end(e);
}

int sluice__native_finish(sluice_encoder_t *e, uint64_t *looks) {
  int r = e->options.no_index ? 0 : put_index(e, looks);

  if (r == INDEX_LATER) {
    return 1;
  }
  return r < 0 ? r : put_trailer(e);
}
