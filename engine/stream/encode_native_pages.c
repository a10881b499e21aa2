/* encode_native_pages.c - pages of memory into PAGES records.
 *
 *   | header | runs | hashes | zeros |  page | page | page ...  |
 *   start                            data (multiple of 4096)    end of chunk
 *
 * Each page is tested for zeros where it is, copied once, and hashed where the
 * copy is, in cache: so the hash is that of what was written even when the page
 * changes meanwhile. Space for the table is set aside first; a record that
 * starts on a page boundary has one page of table. Pages that are next to each
 * other share a run, so 4 KiB ones mostly fill the chunk: who maps the image
 * needs a mapping a record. */
#include "stream/encode_native.h"

#include <string.h>
#include <uv.h>

#include "stream/bytes.h"
#include "stream/zero.h"

enum {
  /* A page of the common size. Of 2, 3 and 4 KiB the last is best (12.8, 13.4,
   * 15.2 GB/s); with four lines a turn or into L2 only, 13.6 and 14.4. */
  PREFETCH_BYTES = 4096
};

static uint64_t round_up(uint64_t offset) {
  return (offset + SLUICE__NATIVE_ALIGN - 1) &
         ~(uint64_t)(SLUICE__NATIVE_ALIGN - 1);
}

static uint64_t lesser(uint64_t a, uint64_t b) {
  return a < b ? a : b;
}

/* Where would the data of a record begin that started here, and how many pages
 * would it hold, were they in one run? */
static uint32_t plan(sluice_encoder_t *e, uint32_t page_size,
                     uint64_t *out_data, uint32_t *out_table) {
  uint64_t room = sluice__stage_room(&e->stage);
  uint64_t start = sluice__stage_offset(&e->stage);
  uint64_t planned = lesser(room / page_size, SLUICE__PAGES_PLANNED);
  uint64_t data =
      round_up(start + SLUICE__PAGES_TABLE + planned * SLUICE__PAGE_ENTRY);
  uint64_t table = data - start - SLUICE__PAGES_TABLE;

  *out_data = data;
  *out_table = (uint32_t)table;
  if (data >= start + room || table < SLUICE__PAGE_ENTRY) {
    return 0;
  }
  return (uint32_t)lesser((start + room - data) / page_size,
                          SLUICE__PAGES_PER_RECORD);
}

static int begin_pages(sluice_encoder_t *e, uint32_t page_size) {
  sluice__encode_native_t *n = sluice__encode_native_of(e);
  sluice__encode_pages_t *p = &n->pages;
  int r = sluice__native_end(e);

  while (r == 0 && (p->cap = plan(e, page_size, &p->data, &p->table)) == 0) {
    r = sluice__encoder_staged(e);
    if (r == 0) {
      r = sluice__native_pad(e);
    }
  }
  if (r == 0) {
    r = sluice__native_begin(e, SLUICE__NATIVE_PAGES, 0, e->section_id, 0);
  }
  if (r < 0) {
    return r;
  }
  p->page_size = page_size;
  p->count = 0;
  p->run_count = 0;
  (void)sluice__native_extend(e, (size_t)(p->data - n->start) -
                                     SLUICE__RECORD_BYTES);
  return 0;
}

static uint8_t *put_runs(const sluice__encode_pages_t *p, uint8_t *to) {
  for (uint32_t i = 0; i < p->run_count; i++) {
    sluice__put_le32(to, p->runs[i].region);
    sluice__put_le32(to + 4, p->runs[i].count);
    sluice__put_le64(to + 8, p->runs[i].offset);
    to += SLUICE__PAGES_RUN_BYTES;
  }
  return to;
}

static uint8_t *put_hashes(const sluice__encode_pages_t *p, uint8_t *to) {
  for (uint32_t i = 0; i < p->count; i++) {
    sluice__put_le64(to, p->hashes[i]);
    to += SLUICE__PAGES_HASH_BYTES;
  }
  return to;
}

int sluice__native_seal_pages(sluice_encoder_t *e, size_t *out_covered) {
  sluice__encode_native_t *n = sluice__encode_native_of(e);
  const sluice__encode_pages_t *p = &n->pages;
  uint8_t *data = n->at + (p->data - n->start);
  uint8_t *hashes;
  uint8_t *gap;

  sluice__put_le32(n->at + SLUICE__PAGES_RUNS, p->run_count);
  sluice__put_le32(n->at + SLUICE__PAGES_PAGES, p->count);
  sluice__put_le32(n->at + SLUICE__PAGES_DATA, (uint32_t)(p->data - n->start));
  sluice__put_le32(n->at + SLUICE__PAGES_PAGE_SIZE, p->page_size);
  hashes = put_runs(p, n->at + SLUICE__PAGES_TABLE);
  gap = put_hashes(p, hashes);
  memset(gap, 0, (size_t)(data - gap));
  if (n->has_map &&
      sluice__page_map_record(&n->map, p->data,
                              n->start + (uint64_t)(hashes - n->at)) < 0) {
    return sluice__encoder_fail(e, UV_ENOMEM, "no memory for the page map");
  }
  *out_covered = (size_t)(hashes - n->at) - SLUICE__RECORD_BYTES;
  return 0;
}

static void note_run(sluice__encode_pages_t *p, uint32_t region,
                     uint64_t offset) {
  sluice__native_run_t *run = &p->runs[p->run_count];

  if (p->run_count > 0 && run[-1].region == region &&
      run[-1].offset + (uint64_t)run[-1].count * p->page_size == offset) {
    run[-1].count++;
    return;
  }
  run->region = region;
  run->offset = offset;
  run->count = 1;
  p->run_count++;
}

static bool is_open_for(const sluice__encode_native_t *n, uint32_t page_size) {
  return n->type == SLUICE__NATIVE_PAGES && n->pages.page_size == page_size;
}

/* The page behind this one is most likely the next, and the processor's own
 * prefetching stops at the end of a page: so it is asked for while this one is
 * hashed, which takes no memory. An address of nothing does no harm. */
static void prefetch_page(const uint8_t *page) {
#ifdef __GNUC__
  uintptr_t at = (uintptr_t)page;

  for (uintptr_t end = at + PREFETCH_BYTES; at < end; at += 64) {
    __builtin_prefetch((const void *)at);
  }
#else
  (void)page;
#endif
}

/* The next page may be a run of its own. */
static bool is_full(const sluice__encode_pages_t *p) {
  return p->count == p->cap ||
         (p->run_count + 1) * (uint32_t)SLUICE__PAGES_RUN_BYTES +
                 (p->count + 1) * (uint32_t)SLUICE__PAGES_HASH_BYTES >
             p->table;
}

/* The page goes behind the others; `*slot` learns where that is. */
static int append_page(sluice_encoder_t *e, uint32_t region, uint64_t offset,
                       const uint8_t *page, uint64_t *slot) {
  sluice__encode_native_t *n = sluice__encode_native_of(e);
  sluice__encode_pages_t *p = &n->pages;
  uint32_t page_size = e->regions[region].page_size;
  uint8_t *to;

  if (!is_open_for(n, page_size) && begin_pages(e, page_size) < 0) {
    return e->error.code;
  }
  if (slot != NULL) {
    *slot = sluice__stage_offset(&e->stage);
  }
  to = sluice__native_extend(e, page_size);
  memcpy(to, page, page_size);
  prefetch_page(page + page_size);
  p->hashes[p->count++] = sluice__page_hash(to, page_size, region, offset);
  note_run(p, region, offset);
  e->totals.pages_data++;
  return is_full(p) ? sluice__native_end(e) : 0;
}

/* The page has been in the stream before: with keep_last it goes there. */
static int map_page(sluice_encoder_t *e, uint32_t region, uint64_t offset,
                    const uint8_t *page) {
  sluice__encode_native_t *n = sluice__encode_native_of(e);
  uint64_t *slot = sluice__page_map_slot(&n->map, region,
                                         offset / e->regions[region].page_size);
  uint64_t former;

  if (slot == NULL) {
    return sluice__encoder_fail(e, UV_ENOMEM, "no memory for the page map");
  }
  former = *slot & ~(uint64_t)SLUICE__PAGE_ZERO;
  if (e->options.keep_last && former != 0) {
    *slot = former;
    return sluice__native_rewrite(e, region, offset, former, page);
  }
  return append_page(e, region, offset, page, slot);
}

static int put_page(sluice_encoder_t *e, uint32_t region, uint64_t offset,
                    const uint8_t *page) {
  sluice__encode_native_t *n = sluice__encode_native_of(e);

  if (sluice__native_holds_zeros(n, region, offset,
                                 e->regions[region].page_size) &&
      sluice__native_complete(e) < 0) {
    return e->error.code;
  }
  n->has_payload = true;
  return n->has_map ? map_page(e, region, offset, page)
                    : append_page(e, region, offset, page, NULL);
}

/* How many pages from the first on are zeros? */
static uint64_t count_zeros(const uint8_t *data, uint32_t page_size,
                            uint64_t count) {
  uint64_t i = 0;

  while (i < count && sluice__is_zero(data + i * page_size, page_size)) {
    i++;
  }
  return i;
}

int sluice__native_pages(sluice_encoder_t *e, uint32_t region, uint64_t offset,
                         const uint8_t *data, uint64_t count) {
  uint32_t page_size = e->regions[region].page_size;
  int r = 0;

  if (e->regions[region].section_id != e->section_id) {
    return sluice__encoder_fail(e, UV_EINVAL,
                                "region '%s' is another section's",
                                e->regions[region].name);
  }
  while (count > 0 && r == 0) {
    uint64_t done = count_zeros(data, page_size, count);

    if (done > 0) {
      r = sluice__native_zeros(e, region, offset, done);
    } else {
      r = put_page(e, region, offset, data);
      done = 1;
    }
    data += done * page_size;
    offset += done * page_size;
    count -= done;
  }
  return r;
}
