/* decode_pages.c - the records that fill regions.
 *
 * The table of a PAGES record is kept aside, its data is lent straight from the
 * window, or from where it was put: as many pages as are there, each verified
 * just before. */
#include "stream/native/decode.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "stream/bytes.h"

/* All runs are checked before the first page is lent. */
static int check_runs(sluice_decoder_t *d, const uint8_t *record) {
  const sluice__decode_native_t *n = sluice__decode_native_of(d);
  const uint8_t *at = record + SLUICE__PAGES_TABLE;
  uint32_t page_size = sluice__get_le32(record + SLUICE__PAGES_PAGE_SIZE);
  uint64_t pages = 0;

  for (uint32_t left = sluice__get_le32(record + SLUICE__PAGES_RUNS); left > 0;
       left--) {
    sluice__native_run_t run = sluice__native_run_get(at);
    int r = sluice__native_check_run(d, run.region, run.offset, run.count);

    if (r < 0) {
      return r;
    }
    if (n->regions[run.region].page_size != page_size) {
      return SLUICE__NATIVE_REFUSE(
          d, SLUICE_ECORRUPT,
          "pages of %" PRIu32 " bytes for region '%s' of %" PRIu32, page_size,
          n->regions[run.region].name, n->regions[run.region].page_size);
    }
    pages += run.count;
    at += SLUICE__PAGES_RUN_BYTES;
  }
  if (pages != sluice__get_le32(record + SLUICE__PAGES_PAGES)) {
    return SLUICE__NATIVE_REFUSE(
        d, SLUICE_ECORRUPT, "runs of %" PRIu64 " pages, expected %" PRIu32,
        pages, sluice__get_le32(record + SLUICE__PAGES_PAGES));
  }
  return 0;
}

static int keep_table(sluice_decoder_t *d, const uint8_t *record) {
  sluice__decode_pages_t *p = &sluice__decode_native_of(d)->pages;
  uint32_t runs = sluice__get_le32(record + SLUICE__PAGES_RUNS);
  uint32_t pages = sluice__get_le32(record + SLUICE__PAGES_PAGES);
  size_t size = (size_t)runs * SLUICE__PAGES_RUN_BYTES +
                (size_t)pages * SLUICE__PAGES_HASH_BYTES;
  void *table = p->table;
  int r = sluice__native_reserve(d, &table, &p->table_cap, size, 1,
                                 "table of pages");

  if (r < 0) {
    return r;
  }
  p->table = table;
  memcpy(p->table, record + SLUICE__PAGES_TABLE, size);
  p->page_size = sluice__get_le32(record + SLUICE__PAGES_PAGE_SIZE);
  p->run_count = runs;
  p->page_count = pages;
  p->run = 0;
  p->in_run = 0;
  p->in_data = 0;
  return 0;
}

static int check_pages_place(sluice_decoder_t *d) {
  sluice__decode_native_t *n = sluice__decode_native_of(d);
  int r = sluice__native_check_open(d);

  if (r < 0) {
    return r;
  }
  n->has_payload = true;
  if (n->open->decl.payload != SLUICE_PAYLOAD_PAGES) {
    return SLUICE__NATIVE_REFUSE(d, SLUICE_ECORRUPT,
                                 "pages in a section that has none");
  }
  return 0;
}

/* Checked late: where records are lost or swapped that is to be said first. */
static int check_alignment(sluice_decoder_t *d, const uint8_t *record) {
  uint64_t data = sluice__decode_native_of(d)->at +
                  sluice__get_le32(record + SLUICE__PAGES_DATA);

  if (data % SLUICE__NATIVE_ALIGN != 0) {
    return SLUICE__NATIVE_REFUSE(d, SLUICE_ECORRUPT,
                                 "expected pages at a multiple of %d, found "
                                 "them at %" PRIu64,
                                 (int)SLUICE__NATIVE_ALIGN, data);
  }
  return 0;
}

int sluice__native_on_pages(sluice_decoder_t *d) {
  sluice__decode_native_t *n = sluice__decode_native_of(d);
  const uint8_t *record = sluice__window_at(&d->window);
  int r = check_pages_place(d);

  if (r == 0) {
    r = check_alignment(d, record);
  }
  if (r == 0) {
    r = check_runs(d, record);
  }
  if (r == 0 && d->skips_pages) {
    return sluice__native_skip_pages(d);
  }
  if (r == 0) {
    r = keep_table(d, record);
  }
  if (r == 0) {
    r = sluice__native_seen_record(
        d, n->at + sluice__get_le32(record + SLUICE__PAGES_DATA),
        n->at + SLUICE__PAGES_TABLE +
            (uint64_t)n->pages.run_count * SLUICE__PAGES_RUN_BYTES);
  }
  if (r < 0) {
    return r;
  }
  sluice__window_take(&d->window,
                      sluice__get_le32(record + SLUICE__PAGES_DATA));
  n->has_record = false;
  n->step = SLUICE__DECODE_PAGES;
  return SLUICE__AGAIN;
}

static uint64_t stored_hash(const sluice__decode_pages_t *p, uint32_t page) {
  return sluice__get_le64(p->table +
                          (size_t)p->run_count * SLUICE__PAGES_RUN_BYTES +
                          (size_t)page * SLUICE__PAGES_HASH_BYTES);
}

/* How many of the `count` pages at `data` are as they were written? */
static uint32_t verify(const sluice__decode_pages_t *p,
                       const sluice__native_run_t *run, const uint8_t *data,
                       uint32_t count) {
  uint64_t offset = run->offset + (uint64_t)p->in_run * p->page_size;
  uint32_t i = 0;

  while (i < count &&
         sluice__page_hash(data, p->page_size, run->region, offset) ==
             stored_hash(p, p->in_data + i)) {
    data += p->page_size;
    offset += p->page_size;
    i++;
  }
  return i;
}

static int refuse_page(sluice_decoder_t *d, const sluice__native_run_t *run,
                       const uint8_t *page) {
  const sluice__decode_native_t *n = sluice__decode_native_of(d);
  const sluice__decode_pages_t *p = &n->pages;
  uint64_t offset = run->offset + (uint64_t)p->in_run * p->page_size;

  return sluice__decoder_fail(
      d, SLUICE_ECORRUPT, d->window.offset, sluice__native_section_name(n),
      "page at %" PRIu64 " of region '%s': expected checksum %016" PRIx64
      ", found %016" PRIx64,
      offset, n->regions[run->region].name, stored_hash(p, p->in_data),
      sluice__page_hash(page, p->page_size, run->region, offset));
}

static void tell_damage(sluice_decoder_t *d, const sluice__native_run_t *run) {
  const sluice__decode_native_t *n = sluice__decode_native_of(d);
  sluice_damage_t page = {.offset = run->offset + (uint64_t)n->pages.in_run *
                                                      n->pages.page_size,
                          .bytes = n->pages.page_size,
                          .at = d->window.offset};

  if (n->section != NULL) {
    page.instance = n->section->decl.instance;
  }
  (void)snprintf(page.section, sizeof(page.section), "%.63s",
                 sluice__native_section_name(n));
  (void)snprintf(page.region, sizeof(page.region), "%.63s",
                 n->regions[run->region].name);
  d->hooks.on_damage(d->hooks.ctx, &page);
}

static void make_pages(sluice__decode_pages_t *p,
                       const sluice__native_run_t *run, const uint8_t *data,
                       uint32_t count, sluice_item_t *item) {
  item->kind = SLUICE_ITEM_PAGES;
  item->u.run.region = run->region;
  item->u.run.page_size = p->page_size;
  item->u.run.offset = run->offset + (uint64_t)p->in_run * p->page_size;
  item->u.run.count = count;
  item->u.run.data = data;
  item->u.run.len = (size_t)count * p->page_size;
  p->in_run += count;
  p->in_data += count;
  if (p->in_run == run->count) {
    p->run++;
    p->in_run = 0;
  }
}

int sluice__native_step_pages(sluice_decoder_t *d, sluice_item_t *item) {
  sluice__decode_native_t *n = sluice__decode_native_of(d);
  sluice__decode_pages_t *p = &n->pages;
  sluice__native_run_t run;
  const uint8_t *data = NULL;
  size_t at_hand = 0;
  uint32_t count;
  int r;

  if (p->in_data == p->page_count) {
    n->step = SLUICE__DECODE_RECORDS;
    return SLUICE__AGAIN;
  }
  run = sluice__native_run_at(p, p->run);
  r = sluice__native_at_hand(d, &run, &data, &at_hand);
  if (r != SLUICE__WHOLE) {
    return r;
  }
  at_hand /= p->page_size;
  count = run.count - p->in_run;
  count = verify(p, &run, data, at_hand < count ? (uint32_t)at_hand : count);
  if (count == 0) {
    if (d->hooks.on_damage == NULL) {
      return refuse_page(d, &run, data);
    }
    tell_damage(d, &run);
    count = 1;
  }
  item->offset = d->window.offset;
  make_pages(p, &run, data, count, item);
  n->lent = item->u.run.len;
  n->totals.pages_data += count;
  r = sluice__native_seen_pages(d, item);
  return r < 0 ? r : SLUICE__ITEM;
}

int sluice__native_on_zeros(sluice_decoder_t *d) {
  sluice__decode_native_t *n = sluice__decode_native_of(d);
  int r = check_pages_place(d);

  if (r < 0) {
    return r;
  }
  if (n->record.length == 0 ||
      n->record.length % SLUICE__ZEROS_RUN_BYTES != 0) {
    return SLUICE__NATIVE_REFUSE(
        d, SLUICE_ECORRUPT,
        "ZEROS of %" PRIu64 " bytes, expected a multiple of %d",
        n->record.length, (int)SLUICE__ZEROS_RUN_BYTES);
  }
  n->position = 0;
  n->step = SLUICE__DECODE_ZEROS;
  return SLUICE__AGAIN;
}

int sluice__native_step_zeros(sluice_decoder_t *d, sluice_item_t *item) {
  sluice__decode_native_t *n = sluice__decode_native_of(d);
  const uint8_t *at = sluice__native_payload(d) + n->position;
  sluice_run_t *run = &item->u.run;
  int r;

  if (n->position == n->record.length) {
    sluice__native_take_record(d);
    n->step = SLUICE__DECODE_RECORDS;
    return SLUICE__AGAIN;
  }
  run->region = sluice__get_le32(at);
  run->offset = sluice__get_le64(at + 8);
  run->count = sluice__get_le64(at + 16);
  r = sluice__native_check_run(d, run->region, run->offset, run->count);
  if (r == 0 && sluice__get_le32(at + 4) != 0) {
    r = SLUICE__NATIVE_REFUSE(d, SLUICE_ECORRUPT,
                              "expected a fill of 0, found %" PRIu32,
                              sluice__get_le32(at + 4));
  }
  if (r < 0) {
    return r;
  }
  run->page_size = n->regions[run->region].page_size;
  item->kind = SLUICE_ITEM_ZEROS;
  item->offset = n->at + SLUICE__RECORD_BYTES + n->position;
  n->position += SLUICE__ZEROS_RUN_BYTES;
  n->totals.pages_zero += run->count;
  r = sluice__native_seen_zeros(d, run);
  if (r == 0 && d->skips_pages) {
    return SLUICE__AGAIN;
  }
  return r < 0 ? r : SLUICE__ITEM;
}
