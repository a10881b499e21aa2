/* decode_regions.c - the regions of a section, and what lies in them.
 *
 * A region is declared before the first data of its section. Runs of pages are
 * held against what was declared: no later code meets one outside of it. */
#include "stream/native/decode.h"

#include <assert.h>
#include <inttypes.h>

#include "stream/bytes.h"

static int check_region_place(sluice_decoder_t *d) {
  const sluice__decode_native_t *n = sluice__decode_native_of(d);
  int r = sluice__native_check_open(d);

  if (r < 0) {
    return r;
  }
  if (!n->is_first || n->has_payload ||
      n->open->decl.payload != SLUICE_PAYLOAD_PAGES) {
    return SLUICE__NATIVE_REFUSE(d, SLUICE_EORDER,
                                 "a region is declared after data, or in a "
                                 "section that has no pages");
  }
  if (n->region_count >= d->options.max_regions) {
    return SLUICE__NATIVE_REFUSE(d, SLUICE_ELIMIT,
                                 "more than %" PRIu32 " regions",
                                 d->options.max_regions);
  }
  return 0;
}

static int check_region(sluice_decoder_t *d) {
  const sluice__decode_native_t *n = sluice__decode_native_of(d);
  const uint8_t *p = sluice__native_payload(d);
  uint32_t page_size;
  uint64_t bytes;

  if (n->record.length <= SLUICE__REGION_NAME) {
    return SLUICE__NATIVE_REFUSE(d, SLUICE_ECORRUPT, "a region without a name");
  }
  page_size = sluice__get_le32(p + SLUICE__REGION_PAGE_SIZE);
  bytes = sluice__get_le64(p + SLUICE__REGION_SIZE);
  if (sluice__get_le32(p + SLUICE__REGION_INDEX) != n->region_count ||
      !sluice__is_page_size(page_size) || bytes == 0 ||
      bytes % page_size != 0) {
    return SLUICE__NATIVE_REFUSE(d, SLUICE_ECORRUPT,
                                 "region %" PRIu32 " of %" PRIu64
                                 " bytes in pages of %" PRIu32
                                 ", expected region %" PRIu32,
                                 sluice__get_le32(p + SLUICE__REGION_INDEX),
                                 bytes, page_size, n->region_count);
  }
  if (bytes > d->options.max_region_bytes) {
    return SLUICE__NATIVE_REFUSE(d, SLUICE_ELIMIT,
                                 "a region of %" PRIu64
                                 " bytes, expected at most %" PRIu64,
                                 bytes, d->options.max_region_bytes);
  }
  return 0;
}

static int keep_region(sluice_decoder_t *d, sluice__decode_region_t **out) {
  sluice__decode_native_t *n = sluice__decode_native_of(d);
  const uint8_t *p = sluice__native_payload(d);
  void *array = n->regions;
  size_t cap = n->region_cap;
  sluice__decode_region_t *region;
  int r = sluice__native_reserve(d, &array, &cap, n->region_count + 1u,
                                 sizeof(*n->regions), "region table");

  if (r < 0) {
    return r;
  }
  n->regions = array;
  n->region_cap = (uint32_t)cap;
  region = &n->regions[n->region_count];
  region->bytes = sluice__get_le64(p + SLUICE__REGION_SIZE);
  region->page_size = sluice__get_le32(p + SLUICE__REGION_PAGE_SIZE);
  region->section_id = n->record.section;
  region->is_skipped = d->skips_pages;
  *out = region;
  return sluice__native_copy_name(
      d, region->name, p + SLUICE__REGION_NAME,
      (size_t)n->record.length - SLUICE__REGION_NAME, "region name");
}

int sluice__native_on_region(sluice_decoder_t *d, sluice_item_t *item) {
  sluice__decode_native_t *n = sluice__decode_native_of(d);
  sluice__decode_region_t *region = NULL;
  int r = check_region_place(d);

  if (r == 0) {
    r = check_region(d);
  }
  if (r == 0) {
    r = keep_region(d, &region);
  }
  if (r == 0) {
    r = sluice__native_seen_region(d, region);
  }
  if (r < 0) {
    return r;
  }
  assert(region != NULL);
  item->kind = SLUICE_ITEM_REGION;
  item->u.region.index = n->region_count++;
  item->u.region.section_id = region->section_id;
  item->u.region.page_size = region->page_size;
  item->u.region.bytes = region->bytes;
  item->u.region.name = region->name;
  sluice__native_take_record(d);
  return SLUICE__ITEM;
}

int sluice__native_check_run(sluice_decoder_t *d, uint32_t index,
                             uint64_t offset, uint64_t count) {
  const sluice__decode_native_t *n = sluice__decode_native_of(d);
  const sluice__decode_region_t *region;

  if (index >= n->region_count) {
    return SLUICE__NATIVE_REFUSE(d, SLUICE_ECORRUPT,
                                 "expected one of %" PRIu32
                                 " regions, found region %" PRIu32,
                                 n->region_count, index);
  }
  region = &n->regions[index];
  if (n->section != NULL && region->section_id != n->record.section) {
    return SLUICE__NATIVE_REFUSE(
        d, SLUICE_ECORRUPT, "region '%s' is another section's", region->name);
  }
  if (count == 0 || offset % region->page_size != 0 ||
      offset >= region->bytes ||
      count > (region->bytes - offset) / region->page_size) {
    return SLUICE__NATIVE_REFUSE(d, SLUICE_ECORRUPT,
                                 "%" PRIu64 " pages at %" PRIu64
                                 " are not in region '%s' of %" PRIu64 " bytes",
                                 count, offset, region->name, region->bytes);
  }
  return 0;
}
