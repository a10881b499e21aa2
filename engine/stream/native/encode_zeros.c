/* encode_zeros.c - pages of zeros into ZEROS records.
 *
 * Runs are merged and held back until the payload closes, so that they do not
 * end PAGES records early. A reader sees them after the PAGES that were begun
 * before: so a page that is written while it is among the held zeros forces
 * both out first.
 *
 * With keep_last nothing is held back: the map knows which pages are zeros, and
 * they are written once, when the section's last payload closes. */
#include "stream/native/encode.h"

#include <uv.h>

#include "stream/bytes.h"

bool sluice__native_holds_zeros(const sluice__encode_native_t *n,
                                uint32_t region, uint64_t offset,
                                uint32_t page_size) {
  const sluice__encode_zeros_t *z = &n->zeros;

  if (z->count == 0 || z->region != region || offset >= z->high ||
      offset < z->low) {
    return false; /* so it is in a sweep upwards, page after page */
  }
  for (uint32_t i = 0; i < z->count; i++) {
    uint64_t from = z->runs[i].offset;

    if (offset >= from && offset - from < z->runs[i].count * page_size) {
      return true;
    }
  }
  return false;
}

static int put_zeros(sluice_encoder_t *e, uint32_t region, uint64_t offset,
                     uint64_t count) {
  uint8_t *to = sluice__native_unit(e, SLUICE__NATIVE_ZEROS, e->section_id,
                                    SLUICE__ZEROS_RUN_BYTES);

  if (to == NULL) {
    return e->error.code;
  }
  sluice__put_le32(to, region);
  sluice__put_le32(to + 4, 0);
  sluice__put_le64(to + 8, offset);
  sluice__put_le64(to + 16, count);
  e->totals.pages_zero += count;
  return 0;
}

int sluice__native_complete(sluice_encoder_t *e) {
  sluice__encode_zeros_t *z = &sluice__encode_native_of(e)->zeros;
  uint32_t count = z->count;
  int r = 0;

  z->count = 0;
  for (uint32_t i = 0; i < count && r == 0; i++) {
    r = put_zeros(e, z->region, z->runs[i].offset, z->runs[i].count);
  }
  return r < 0 ? r : sluice__native_end(e);
}

static void widen(sluice__encode_zeros_t *z, uint64_t from, uint64_t to) {
  z->low = z->count == 0 || from < z->low ? from : z->low;
  z->high = z->count == 0 || to > z->high ? to : z->high;
}

/* Does the run go on where the last one ends? */
static bool extends(const sluice__encode_zeros_t *z, uint32_t region,
                    uint64_t offset, uint32_t page_size) {
  if (z->count == 0 || z->region != region) {
    return false;
  }
  return z->runs[z->count - 1].offset +
             z->runs[z->count - 1].count * page_size ==
         offset;
}

static int hold_zeros(sluice_encoder_t *e, uint32_t region, uint64_t offset,
                      uint64_t count) {
  sluice__encode_zeros_t *z = &sluice__encode_native_of(e)->zeros;
  uint32_t page_size = e->regions[region].page_size;

  if (extends(z, region, offset, page_size)) {
    z->runs[z->count - 1].count += count;
    widen(z, offset, offset + count * page_size);
    return 0;
  }
  if ((z->count == SLUICE__HELD_ZEROS ||
       (z->count > 0 && z->region != region)) &&
      sluice__native_complete(e) < 0) {
    return e->error.code;
  }
  widen(z, offset, offset + count * page_size);
  z->region = region;
  z->runs[z->count].offset = offset;
  z->runs[z->count].count = count;
  z->count++;
  return 0;
}

int sluice__native_zeros(sluice_encoder_t *e, uint32_t region, uint64_t offset,
                         uint64_t count) {
  sluice__encode_native_t *n = sluice__encode_native_of(e);
  uint64_t page = offset / e->regions[region].page_size;
  int r = 0;

  if (e->regions[region].section_id != e->section_id) {
    return sluice__encoder_fail(e, UV_EINVAL,
                                "region '%s' is another section's",
                                e->regions[region].name);
  }
  if (count == 0) {
    return 0;
  }
  n->has_payload = true;
  if (n->has_map && sluice__page_map_zero(&n->map, region, page, count,
                                          e->options.keep_last != 0) < 0) {
    return sluice__encoder_fail(e, UV_ENOMEM, "no memory for the page map");
  }
  if (!e->options.keep_last) {
    r = hold_zeros(e, region, offset, count);
  }
  return r;
}

static int region_zeros(sluice_encoder_t *e, uint32_t region) {
  sluice__encode_native_t *n = sluice__encode_native_of(e);
  uint32_t page_size = e->regions[region].page_size;
  sluice__page_walk_t walk = {0};
  sluice__page_run_t run;
  uint64_t looks = UINT64_MAX;
  int r = 0;

  while (r == 0 && sluice__page_map_walk(&n->map, region, page_size, &walk,
                                         &looks, &run) == SLUICE__PAGES_RUN) {
    if (run.data == 0) {
      r = put_zeros(e, region, run.page * page_size, run.count);
    }
  }
  return r;
}

int sluice__native_last_zeros(sluice_encoder_t *e) {
  int r = 0;

  for (uint32_t i = 0; i < e->region_count && r == 0; i++) {
    if (e->regions[i].section_id == e->section_id) {
      r = region_zeros(e, i);
    }
  }
  return r;
}
