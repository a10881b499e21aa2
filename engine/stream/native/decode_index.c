/* decode_index.c - does the index say what the stream has?
 *
 * Optional, because it takes 8 bytes a page: where the last copy of every page
 * stood is kept in mind as it goes by, and the index must then name these and
 * no others. A reader that maps a file believes the index, so this is what
 * proves a file. Invariant: `cursor` is the first page that the index has not
 * named yet. */
#include "stream/native/decode.h"

#include <inttypes.h>
#include <uv.h>

#include "stream/bytes.h"

/* The map's memory is under the decoder's cap like all other. */

static void *seen_alloc(void *ctx, size_t size, size_t align) {
  sluice_decoder_t *d = ctx;
  sluice__decode_native_t *n = sluice__decode_native_of(d);
  void *p;

  if (size > n->keep.limit - n->keep.held) {
    n->seen.is_over_limit = true;
    return NULL;
  }
  p = d->alloc.alloc(d->alloc.ctx, size, align);
  n->keep.held += p == NULL ? 0 : size;
  return p;
}

static void seen_release(void *ctx, void *p, size_t size, size_t align) {
  (void)align; /* the same for all */
  sluice__native_release(ctx, p, size);
}

static int refuse_memory(sluice_decoder_t *d) {
  return SLUICE__NATIVE_REFUSE(d,
                               sluice__decode_native_of(d)->seen.is_over_limit
                                   ? SLUICE_ELIMIT
                                   : UV_ENOMEM,
                               "no memory to check the index");
}

void sluice__native_seen_begin(sluice_decoder_t *d) {
  const sluice_alloc_t alloc = {
      .ctx = d, .alloc = seen_alloc, .release = seen_release};

  if (d->options.check_index) {
    sluice__page_map_init(&sluice__decode_native_of(d)->seen.map, &alloc);
  }
}

void sluice__native_seen_done(sluice_decoder_t *d) {
  if (d->options.check_index) {
    sluice__page_map_done(&sluice__decode_native_of(d)->seen.map);
  }
}

int sluice__native_seen_region(sluice_decoder_t *d,
                               const sluice__decode_region_t *region) {
  if (d->options.check_index &&
      sluice__page_map_region(&sluice__decode_native_of(d)->seen.map,
                              region->bytes / region->page_size) < 0) {
    return refuse_memory(d);
  }
  return 0;
}

int sluice__native_seen_record(sluice_decoder_t *d, uint64_t data,
                               uint64_t hashes) {
  if (d->options.check_index &&
      sluice__page_map_record(&sluice__decode_native_of(d)->seen.map, data,
                              hashes) < 0) {
    return refuse_memory(d);
  }
  return 0;
}

static int see_page(sluice_decoder_t *d, uint32_t region, uint64_t page,
                    uint64_t data) {
  uint64_t *slot = sluice__page_map_slot(&sluice__decode_native_of(d)->seen.map,
                                         region, page);

  if (slot == NULL) {
    return refuse_memory(d);
  }
  *slot = data;
  return 0;
}

int sluice__native_seen_pages(sluice_decoder_t *d, const sluice_item_t *item) {
  const sluice_run_t *run = &item->u.run;
  uint64_t page = run->offset / run->page_size;
  int r = 0;

  if (!d->options.check_index) {
    return 0;
  }
  for (uint64_t i = 0; i < run->count && r == 0; i++) {
    r = see_page(d, run->region, page + i, item->offset + i * run->page_size);
  }
  return r;
}

int sluice__native_seen_zeros(sluice_decoder_t *d, const sluice_run_t *run) {
  uint64_t dropped = 0;

  if (d->options.check_index &&
      sluice__page_map_zero(&sluice__decode_native_of(d)->seen.map, run->region,
                            run->offset / run->page_size, run->count,
                            &dropped) < 0) {
    return refuse_memory(d);
  }
  return 0;
}

/* The next run that the index must name; false: none. Moves the cursor there.
 */
static bool next_seen(sluice__decode_native_t *n, sluice__page_run_t *out) {
  while (n->seen.region < n->region_count) {
    if (sluice__page_map_next(&n->seen.map, n->seen.region,
                              n->regions[n->seen.region].page_size,
                              n->seen.page, out)) {
      return true;
    }
    n->seen.region++;
    n->seen.page = 0;
  }
  return false;
}

static bool has_hashes(const sluice__decode_native_t *n,
                       const sluice__index_entry_t *entry, uint32_t page_size) {
  uint64_t last = entry->count - 1;

  return entry->data == 0 ||
         (sluice__page_map_hash(&n->seen.map, entry->data, page_size) ==
              entry->hashes &&
          sluice__page_map_hash(&n->seen.map, entry->data + last * page_size,
                                page_size) ==
              entry->hashes + last * sizeof(uint64_t));
}

int sluice__native_compare_entry(sluice_decoder_t *d,
                                 const sluice__index_entry_t *entry) {
  sluice__decode_native_t *n = sluice__decode_native_of(d);
  uint32_t page_size = n->regions[entry->region].page_size;
  uint64_t page = entry->offset / page_size;
  sluice__page_run_t run;

  if (!d->options.check_index || entry->count == 0) {
    return 0;
  }
  if (!next_seen(n, &run) || n->seen.region != entry->region ||
      run.page != page || run.count < entry->count || run.data != entry->data ||
      !has_hashes(n, entry, page_size)) {
    return SLUICE__NATIVE_REFUSE(
        d, SLUICE_ECORRUPT,
        "the index has %" PRIu64 " pages at %" PRIu64 " of region '%s' at "
        "stream offset %" PRIu64 ", which is not where they are",
        entry->count, entry->offset, n->regions[entry->region].name,
        entry->data);
  }
  n->seen.page = page + entry->count;
  return 0;
}

int sluice__native_compare_end(sluice_decoder_t *d) {
  sluice__decode_native_t *n = sluice__decode_native_of(d);
  sluice__page_run_t run;

  if (!d->options.check_index || n->index.first == 0 || !next_seen(n, &run)) {
    return 0;
  }
  return SLUICE__NATIVE_REFUSE(d, SLUICE_ECORRUPT,
                               "the index leaves out page %" PRIu64
                               " of region '%s'",
                               run.page, n->regions[n->seen.region].name);
}
