/* decode_skip.c - pages that are not read, only found.
 *
 * A reader of a file passes over the data of PAGES records and believes the
 * index instead. What the index names must then lie inside of one such record's
 * data, in whole pages of it: so whoever maps it reads pages, if perhaps the
 * wrong ones of a stream that lies. */
#include "stream/native/decode.h"

#include <inttypes.h>

#include "stream/bytes.h"

static int keep_skipped(sluice_decoder_t *d, const sluice__skipped_t *record) {
  sluice__decode_native_t *n = sluice__decode_native_of(d);
  void *array = n->skipped.list;
  int r = sluice__native_reserve(d, &array, &n->skipped.cap,
                                 n->skipped.count + 1, sizeof(*n->skipped.list),
                                 "table of skipped records");

  if (r == 0) {
    n->skipped.list = array;
    n->skipped.list[n->skipped.count++] = *record;
  }
  return r;
}

int sluice__native_skip_pages(sluice_decoder_t *d) {
  sluice__decode_native_t *n = sluice__decode_native_of(d);
  const uint8_t *record = sluice__window_at(&d->window);
  const sluice__skipped_t skipped = {
      .at = n->at + sluice__get_le32(record + SLUICE__PAGES_DATA),
      .pages = sluice__get_le32(record + SLUICE__PAGES_PAGES),
      .page_size = sluice__get_le32(record + SLUICE__PAGES_PAGE_SIZE)};
  int r = keep_skipped(d, &skipped);

  if (r < 0) {
    return r;
  }
  n->totals.pages_data += skipped.pages;
  n->has_record = false;
  sluice__window_skip(&d->window, SLUICE__RECORD_BYTES +
                                      sluice__native_padded(n->record.length));
  return SLUICE__AGAIN;
}

/* The last record that begins at `at` or before; NULL: none. */
static const sluice__skipped_t *find_skipped(const sluice__decode_native_t *n,
                                             uint64_t at) {
  size_t low = 0;
  size_t high = n->skipped.count;

  while (low < high) {
    size_t middle = low + (high - low) / 2;

    if (n->skipped.list[middle].at <= at) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low == 0 ? NULL : &n->skipped.list[low - 1];
}

/* `bytes` were bounded by the region, `data` by the stream. */
static bool is_inside(const sluice__skipped_t *s,
                      const sluice__index_entry_t *entry, uint32_t page_size) {
  uint64_t from;
  uint64_t all;

  if (s == NULL || s->page_size != page_size) {
    return false;
  }
  from = entry->data - s->at;
  all = (uint64_t)s->pages * page_size;
  return from % page_size == 0 && from < all &&
         entry->count <= (all - from) / page_size;
}

int sluice__native_tell_entry(sluice_decoder_t *d,
                              const sluice__index_entry_t *entry) {
  const sluice__decode_native_t *n = sluice__decode_native_of(d);
  const sluice__decode_region_t *region = &n->regions[entry->region];
  const sluice__index_run_t run = {.section_id = region->section_id,
                                   .region = entry->region,
                                   .region_name = region->name,
                                   .page_size = region->page_size,
                                   .offset = entry->offset,
                                   .bytes = entry->count * region->page_size,
                                   .at = entry->data,
                                   .hashes = entry->hashes};
  int r;

  if (!region->is_skipped || d->hooks.on_index_run == NULL) {
    return 0;
  }
  if (entry->data != 0 &&
      !is_inside(find_skipped(n, entry->data), entry, region->page_size)) {
    return SLUICE__NATIVE_REFUSE(d, SLUICE_ECORRUPT,
                                 "the index names %" PRIu64 " pages at %" PRIu64
                                 ", where no record has them",
                                 entry->count, entry->data);
  }
  r = d->hooks.on_index_run(d->hooks.ctx, &run);
  if (r < 0) {
    return SLUICE__NATIVE_REFUSE(d, r, "no memory for the index");
  }
  return 0;
}
