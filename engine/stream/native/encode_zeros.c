/* encode_zeros.c - pages of zeros into ZEROS records.
 *
 * Runs are merged and held back until the payload closes, so that they do not
 * end PAGES records early. A reader sees them after the PAGES that were begun
 * before: so a page that is written while it is among the held zeros forces
 * both out first.
 *
 * With keep_last a page is said to be zeros once, and only while it has no place
 * of its own in the stream; in that place zeros are data like any other. */
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

static int note_zeros(sluice_encoder_t *e, uint32_t region, uint64_t page,
                      uint64_t count) {
  sluice__encode_native_t *n = sluice__encode_native_of(e);
  uint32_t page_size = e->regions[region].page_size;
  uint64_t dropped = 0;

  if (n->has_map && sluice__page_map_zero(&n->map, region, page, count,
                                          &dropped) < 0) {
    return sluice__encoder_fail(e, UV_ENOMEM, "no memory for the page map");
  }
  e->totals.pages_superseded += dropped;
  e->totals.bytes_superseded += dropped * page_size;
  return hold_zeros(e, region, page * page_size, count);
}

/* Where page `page`'s neighbours stop that are as it is: never written, or
 * zeros. */
static uint64_t span_end(const sluice__page_map_t *m, uint32_t region,
                         uint64_t page, uint64_t end) {
  uint64_t value = sluice__page_map_get(m, region, page);

  do {
    page = sluice__page_map_step(m, region, page);
  } while (page < end && sluice__page_map_get(m, region, page) == value);
  return page < end ? page : end;
}

/* keep_last: zeros that are zeros already say nothing new; what has a place
 * becomes zeros there, lest a reader in order see them too late. */
static int keep_zeros(sluice_encoder_t *e, uint32_t region, uint64_t page,
                      uint64_t end) {
  sluice__page_map_t *m = &sluice__encode_native_of(e)->map;
  uint32_t page_size = e->regions[region].page_size;
  int r = 0;

  while (page < end && r == 0) {
    uint64_t value = sluice__page_map_get(m, region, page);
    uint64_t next = page + 1;

    if (value > SLUICE__PAGE_ZERO) {
      r = sluice__native_rewrite(e, region, page * page_size, value, NULL);
    } else {
      next = span_end(m, region, page, end);
      r = value == 0 ? note_zeros(e, region, page, next - page) : 0;
    }
    page = next;
  }
  return r;
}

int sluice__native_zeros(sluice_encoder_t *e, uint32_t region, uint64_t offset,
                         uint64_t count) {
  sluice__encode_native_t *n = sluice__encode_native_of(e);
  uint64_t page = offset / e->regions[region].page_size;

  if (e->regions[region].section_id != e->section_id) {
    return sluice__encoder_fail(e, UV_EINVAL,
                                "region '%s' is another section's",
                                e->regions[region].name);
  }
  if (count == 0) {
    return 0;
  }
  n->has_payload = true;
  return e->options.keep_last ? keep_zeros(e, region, page, page + count)
                              : note_zeros(e, region, page, count);
}
