/* decode2_ram.c - memory in version-2 streams: one region, three layouts.
 *
 *   1  be32 bytes, then every page in order: u8 0 and the page | u8 1, u8 fill
 *   2  be32 bytes, then compressed blocks of 1 KiB (decode2_inflate.c)
 *   3  items: be64 address | flags, as in version 4 but without names
 *
 * Invariant: exactly the pages of the region that MEM_SIZE or be32 told; all of
 * them in versions 1 and 2. */
#include "stream/qemu/decode2.h"

#include <string.h>

#include "stream/bytes.h"
#include "stream/qemu/format.h"

enum { WORD = 8, PAGE = 4096, BLOCK = 1024 };

static int fail_ram(sluice_decoder_t *d, int code, const char *what,
                    uint64_t value) {
  return sluice__decoder_fail(d, code, d->window.offset, SLUICE__RAM_NAME,
                              "%s (0x%llx)", what, (unsigned long long)value);
}

int sluice__qemu2_ram_begin(sluice_decoder_t *d) {
  qemu2_t *q = d->state;

  if (q->has_ram) {
    return fail_ram(d, SLUICE_EORDER, "memory is sent a second time",
                    q->totals.records);
  }
  if (q->version < 1 || q->version > 3) {
    return sluice__decoder_fail(d, SLUICE_EVERSION, d->window.offset, q->name,
                                "expected version 1, 2 or 3 of 'ram', found %u",
                                q->version);
  }
  q->has_ram = true;
  q->page_size = q->version == 2 ? BLOCK : PAGE;
  q->phase = q->version == 3 ? QEMU2_RAM_ITEMS : QEMU2_RAM_SIZE;
  return 0;
}

static int deliver_region(sluice_decoder_t *d, sluice_item_t *item,
                          uint64_t bytes, size_t taken) {
  qemu2_t *q = d->state;

  if (bytes == 0 || bytes % q->page_size != 0) {
    return fail_ram(d, SLUICE_ECORRUPT, "memory is not whole pages", bytes);
  }
  if (bytes > d->options.max_region_bytes) {
    return fail_ram(d, SLUICE_ELIMIT, "memory is over the limit", bytes);
  }
  q->ram_bytes = bytes;
  item->kind = SLUICE_ITEM_REGION;
  item->offset = d->window.offset;
  item->u.region.section_id = (uint32_t)q->totals.records - 1;
  item->u.region.page_size = q->page_size;
  item->u.region.bytes = bytes;
  item->u.region.name = SLUICE__RAM_NAME;
  sluice__window_take(&d->window, taken);
  return SLUICE__ITEM;
}

void sluice__qemu2_ram_run(sluice_decoder_t *d, sluice_item_t *item,
                           sluice_item_kind_t kind, uint64_t offset) {
  qemu2_t *q = d->state;

  item->kind = kind;
  item->offset = d->window.offset;
  item->u.run.page_size = q->page_size;
  item->u.run.offset = offset;
  item->u.run.count = 1;
  item->u.run.len = kind == SLUICE_ITEM_PAGES ? q->page_size : 0;
  if (kind == SLUICE_ITEM_PAGES) {
    q->totals.pages_data++;
  } else {
    q->totals.pages_zero++;
  }
}

/* `head` bytes, then a fill byte. */
static int deliver_fill(sluice_decoder_t *d, sluice_item_t *item, size_t head,
                        uint64_t offset) {
  int r = 0;
  const uint8_t *p = sluice__qemu2_peek(d, head + 1, &r);

  if (p == NULL) {
    return r;
  }
  sluice__qemu2_ram_run(d, item, SLUICE_ITEM_ZEROS, offset);
  item->u.run.fill = p[head];
  sluice__window_take(&d->window, head + 1);
  return SLUICE__ITEM;
}

static int deliver_page(sluice_decoder_t *d, sluice_item_t *item, size_t head,
                        uint64_t offset) {
  qemu2_t *q = d->state;
  int r = 0;
  const uint8_t *p = sluice__qemu2_peek(d, head + q->page_size, &r);

  if (p == NULL) {
    return r;
  }
  sluice__qemu2_ram_run(d, item, SLUICE_ITEM_PAGES, offset);
  item->u.run.data = p + head;
  q->lent = head + q->page_size;
  return SLUICE__ITEM;
}

static int read_size(sluice_decoder_t *d, sluice_item_t *item) {
  qemu2_t *q = d->state;
  int r = 0;
  const uint8_t *p = sluice__qemu2_peek(d, 4, &r);

  if (p == NULL) {
    return r;
  }
  q->phase = q->version == 1 ? QEMU2_RAM_PLAIN : QEMU2_RAM_INFLATE;
  return deliver_region(d, item, sluice__get_be32(p), 4);
}

static int read_plain(sluice_decoder_t *d, sluice_item_t *item) {
  qemu2_t *q = d->state;
  const uint8_t *p;
  int r = 0;

  if (q->ram_at == q->ram_bytes) {
    q->phase = QEMU2_SKIP;
    return SLUICE__AGAIN;
  }
  p = sluice__qemu2_peek(d, 1, &r);
  if (p == NULL) {
    return r;
  }
  if (*p > 1) {
    return fail_ram(d, SLUICE_ECORRUPT, "expected a page (0) or a fill (1)",
                    *p);
  }
  r = *p == 0 ? deliver_page(d, item, 1, q->ram_at)
              : deliver_fill(d, item, 1, q->ram_at);
  q->ram_at += r == SLUICE__ITEM ? q->page_size : 0;
  return r;
}

static int read_item(sluice_decoder_t *d, sluice_item_t *item, uint64_t word) {
  qemu2_t *q = d->state;
  uint64_t at = word & ~(uint64_t)(PAGE - 1);
  uint32_t flag = (uint32_t)(word - at);

  if ((flag == SLUICE__RAM_PAGE || flag == SLUICE__RAM_ZERO) &&
      at >= q->ram_bytes) {
    return fail_ram(d, SLUICE_ECORRUPT, "a page is outside of memory", at);
  }
  switch (flag) {
  case SLUICE__RAM_PAGE: return deliver_page(d, item, WORD, at);
  case SLUICE__RAM_ZERO: return deliver_fill(d, item, WORD, at);
  case SLUICE__RAM_EOS: q->phase = QEMU2_SKIP; return SLUICE__AGAIN;
  case SLUICE__RAM_MEM_SIZE:
    return q->ram_bytes == 0
               ? deliver_region(d, item, at, WORD)
               : fail_ram(d, SLUICE_EORDER, "memory's size comes twice", at);
  default:
    return fail_ram(d, SLUICE_ECORRUPT,
                    "expected exactly one known flag of a page", word);
  }
}

static int read_items(sluice_decoder_t *d, sluice_item_t *item) {
  int r = 0;
  const uint8_t *p = sluice__qemu2_peek(d, WORD, &r);

  return p == NULL ? r : read_item(d, item, sluice__get_be64(p));
}

int sluice__qemu2_ram(sluice_decoder_t *d, sluice_item_t *item) {
  const qemu2_t *q = d->state;

  if (q->phase == QEMU2_RAM_SIZE) {
    return read_size(d, item);
  }
  return q->phase == QEMU2_RAM_PLAIN ? read_plain(d, item)
                                     : read_items(d, item);
}
