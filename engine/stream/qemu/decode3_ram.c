/* decode3_ram.c - the pages of QEMU's ram section, version 4.
 *
 *   be64 address | flags   [str8 region, unless CONTINUE]   what the flag says
 *
 * until EOS, which ends each payload. Nearly all time of a migration is spent
 * here: a page is one peek, one check, one item lent in place. Invariant: an
 * item is delivered only with a region that was declared and pages within it.
 */
#include "stream/qemu/decode3.h"

#include <string.h>

#include "stream/bytes.h"

enum { WORD = 8 };

struct head {
  uint64_t word;
  uint64_t at; /* byte in the region */
  qemu3_region_t *region;
  uint32_t index;
  size_t len; /* bytes before what the flag says */
};

static int fail_region(sluice_decoder_t *d, const struct head *h,
                       const uint8_t *name, size_t len) {
  const qemu3_t *q = d->state;

  if (!q->regions.is_declared) {
    return sluice__qemu3_fail_ram(d, SLUICE_EORDER,
                                  "a page comes before the regions", h->word);
  }
  if (!sluice__qemu_is_name(name, len)) {
    return sluice__qemu3_fail_ram(d, SLUICE_ECORRUPT,
                                  "a region's name is malformed", h->word);
  }
  return sluice__decoder_fail(d, SLUICE_ECORRUPT, d->window.offset,
                              sluice__qemu3_name(q),
                              "a page of region '%.*s', which was not declared",
                              (int)len, (const char *)name);
}

/* Both answer whether the page is known; else why not is in `*r`. */
static bool name_region(sluice_decoder_t *d, struct head *h, int *r) {
  qemu3_t *q = d->state;
  const uint8_t *p = sluice__window_peek(&d->window, WORD + 1);
  size_t len = p == NULL ? 0 : p[WORD];
  int index;

  if (p != NULL) {
    p = sluice__window_peek(&d->window, WORD + 1 + len);
  }
  if (p == NULL) {
    *r = sluice__qemu3_starve_ram(d);
    return false;
  }
  index = sluice__qemu3_find_region(&q->regions, p + WORD + 1, len);
  if (index < 0) {
    *r = fail_region(d, h, p + WORD + 1, len);
    return false;
  }
  h->index = (uint32_t)index;
  h->region = q->regions.list[index];
  h->len = WORD + 1 + len;
  return true;
}

static bool find_page(sluice_decoder_t *d, struct head *h, int *r) {
  qemu3_t *q = d->state;

  if ((h->word & SLUICE__RAM_CONTINUE) == 0) {
    if (!name_region(d, h, r)) {
      return false;
    }
  } else if (q->regions.last == NULL) {
    *r = sluice__qemu3_fail_ram(d, SLUICE_ECORRUPT,
                                "the first page names no region", h->word);
    return false;
  } else {
    h->region = q->regions.last;
    h->index = q->regions.last_index;
    h->len = WORD;
  }
  if (h->at >= h->region->bytes) {
    *r = sluice__decoder_fail(
        d, SLUICE_ECORRUPT, d->window.offset, sluice__qemu3_name(q),
        "page at 0x%llx is outside of region '%s' of 0x%llx bytes",
        (unsigned long long)h->at, h->region->name,
        (unsigned long long)h->region->bytes);
    return false;
  }
  return true;
}

static void make_run(sluice_decoder_t *d, sluice_item_t *item,
                     sluice_item_kind_t kind, const struct head *h) {
  qemu3_t *q = d->state;

  item->kind = kind;
  item->offset = d->window.offset;
  item->u.run.region = h->index;
  item->u.run.page_size = q->page_size;
  item->u.run.offset = h->at;
  item->u.run.count = 1;
  q->regions.last = h->region;
  q->regions.last_index = h->index;
}

static int read_page(sluice_decoder_t *d, sluice_item_t *item, struct head *h) {
  qemu3_t *q = d->state;
  int r = 0;
  const uint8_t *p;

  if (!find_page(d, h, &r)) {
    return r;
  }
  p = sluice__window_peek(&d->window, h->len + q->page_size);
  if (p == NULL) {
    return sluice__qemu3_starve_ram(d);
  }
  make_run(d, item, SLUICE_ITEM_PAGES, h);
  item->u.run.data = p + h->len;
  item->u.run.len = q->page_size;
  q->lent = h->len + q->page_size;
  q->totals.pages_data++;
  return SLUICE__ITEM;
}

/* Takes what follows while it is the next page of the same fill, as far as it
 * is at hand: idle memory comes as long rows of nine bytes each. */
static void merge_zeros(sluice_decoder_t *d, sluice_run_t *run,
                        const struct head *h) {
  sluice__window_t *w = &d->window;
  uint64_t at = h->at + run->page_size;

  while (sluice__window_have(w) > WORD && at < h->region->bytes) {
    const uint8_t *p = sluice__window_at(w);

    if (sluice__get_be64(p) != (at | SLUICE__RAM_ZERO | SLUICE__RAM_CONTINUE) ||
        p[WORD] != run->fill) {
      return;
    }
    sluice__window_take(w, WORD + 1);
    run->count++;
    at += run->page_size;
  }
}

static int read_zero(sluice_decoder_t *d, sluice_item_t *item, struct head *h) {
  qemu3_t *q = d->state;
  int r = 0;
  const uint8_t *p;

  if (!find_page(d, h, &r)) {
    return r;
  }
  p = sluice__window_peek(&d->window, h->len + 1);
  if (p == NULL) {
    return sluice__qemu3_starve_ram(d);
  }
  make_run(d, item, SLUICE_ITEM_ZEROS, h);
  item->u.run.fill = p[h->len];
  sluice__window_take(&d->window, h->len + 1);
  merge_zeros(d, &item->u.run, h);
  q->totals.pages_zero += item->u.run.count;
  return SLUICE__ITEM;
}

/* u8 1, be16 length, delta */
static int read_delta(sluice_decoder_t *d, sluice_item_t *item,
                      struct head *h) {
  qemu3_t *q = d->state;
  int r = 0;
  const uint8_t *p;
  size_t len;

  if (!find_page(d, h, &r)) {
    return r;
  }
  p = sluice__window_peek(&d->window, h->len + 3);
  if (p == NULL) {
    return sluice__qemu3_starve_ram(d);
  }
  len = sluice__get_be16(p + h->len + 1);
  if (p[h->len] != SLUICE__RAM_XBZRLE_MARK || len > q->page_size) {
    return sluice__qemu3_fail_ram(d, SLUICE_ECORRUPT,
                                  "a page's delta is malformed", h->word);
  }
  p = sluice__window_peek(&d->window, h->len + 3 + len);
  if (p == NULL) {
    return sluice__qemu3_starve_ram(d);
  }
  make_run(d, item, SLUICE_ITEM_DELTA, h);
  item->u.run.data = p + h->len + 3;
  item->u.run.len = len;
  q->lent = h->len + 3 + len;
  q->totals.pages_data++;
  return SLUICE__ITEM;
}

/* EOS, or a mark that means something to other connections only. */
static int take_mark(sluice_decoder_t *d, const struct head *h,
                     qemu3_phase_t next) {
  if (h->at != 0) {
    return sluice__qemu3_fail_ram(d, SLUICE_ECORRUPT, "a mark has an address",
                                  h->word);
  }
  sluice__window_take(&d->window, WORD);
  sluice__qemu3(d)->phase = next;
  return SLUICE__AGAIN;
}

static int read_item(sluice_decoder_t *d, sluice_item_t *item, struct head *h) {
  uint32_t flags = (uint32_t)(h->word - h->at);

  switch (flags & ~(uint32_t)SLUICE__RAM_CONTINUE) {
  case SLUICE__RAM_PAGE: return read_page(d, item, h);
  case SLUICE__RAM_ZERO: return read_zero(d, item, h);
  case SLUICE__RAM_XBZRLE: return read_delta(d, item, h);
  case SLUICE__RAM_MEM_SIZE: return sluice__qemu3_regions(d, h->at);
  case SLUICE__RAM_EOS: return take_mark(d, h, QEMU3_FOOTER);
  case SLUICE__RAM_MULTIFD_FLUSH: return take_mark(d, h, QEMU3_RAM);
  case SLUICE__RAM_HOOK:
    return sluice__qemu3_fail_ram(d, SLUICE_EFEATURE,
                                  "RDMA (HOOK) is not supported", h->word);
  case SLUICE__RAM_COMPRESS_PAGE:
    return sluice__qemu3_fail_ram(
        d, SLUICE_EFEATURE, "capability 'compress' is not supported", h->word);
  case SLUICE__RAM_FULL:
    return sluice__qemu3_fail_ram(d, SLUICE_EFEATURE,
                                  "flag FULL is not supported", h->word);
  default:
    return sluice__qemu3_fail_ram(d, SLUICE_ECORRUPT,
                                  "expected exactly one known flag of a page",
                                  h->word);
  }
}

int sluice__qemu3_ram(sluice_decoder_t *d, sluice_item_t *item) {
  const uint8_t *p = sluice__window_peek(&d->window, WORD);
  struct head h = {0};

  if (p == NULL) {
    return sluice__qemu3_starve_ram(d);
  }
  h.word = sluice__get_be64(p);
  h.at = h.word & ~(uint64_t)(sluice__qemu3(d)->page_size - 1);
  return read_item(d, item, &h);
}
