/* decode3_regions.c - the list that the ram section begins with.
 *
 *   be64 total | MEM_SIZE, then { str8 name, be64 bytes }* until total is told
 *
 * Invariant: names are unique, every region is whole pages, and the sum of all
 * is the total exactly; pages come later. */
#include "stream/qemu/decode3.h"

#include <string.h>

#include "stream/bytes.h"

enum { WORD = 8 };

int sluice__qemu3_fail_ram(sluice_decoder_t *d, int code, const char *what,
                           uint64_t word) {
  return sluice__decoder_fail(d, code, d->window.offset,
                              sluice__qemu3_name(d->state), "%s (0x%016llx)",
                              what, (unsigned long long)word);
}

int sluice__qemu3_starve_ram(sluice_decoder_t *d) {
  return sluice__decoder_starve(d, sluice__qemu3_name(d->state),
                                "an item of pages");
}

int sluice__qemu3_find_region(const qemu3_regions_t *t, const uint8_t *name,
                              size_t len) {
  for (uint32_t i = 0; i < t->count; i++) {
    const qemu3_region_t *r = t->list[i];

    if (r->name_len == len && memcmp(r->name, name, len) == 0) {
      return (int)i;
    }
  }
  return -1;
}

static int grow_list(sluice_decoder_t *d) {
  qemu3_t *q = d->state;
  qemu3_regions_t *t = &q->regions;
  uint32_t cap = t->cap == 0 ? 16 : t->cap * 2;
  qemu3_region_t **list;
  int code = 0;

  if (t->count < t->cap) {
    return 0;
  }
  list = sluice__arena_alloc(&q->arena, cap * sizeof(void *), &code);
  if (list == NULL) {
    return code;
  }
  if (t->count > 0) {
    memcpy(list, t->list, t->count * sizeof(void *));
  }
  t->list = list;
  t->cap = cap;
  return 0;
}

static qemu3_region_t *add_region(sluice_decoder_t *d, const uint8_t *name,
                                  size_t len, uint64_t bytes, int *code) {
  qemu3_t *q = d->state;
  qemu3_region_t *r;

  *code = grow_list(d);
  if (*code < 0) {
    return NULL;
  }
  r = sluice__arena_alloc(&q->arena, sizeof(*r), code);
  if (r == NULL) {
    return NULL;
  }
  r->name = sluice__arena_name(&q->arena, name, len, code);
  if (r->name == NULL) {
    return NULL;
  }
  r->name_len = len;
  r->bytes = bytes;
  q->regions.list[q->regions.count++] = r;
  return r;
}

static int check_region(sluice_decoder_t *d, const uint8_t *name, size_t len,
                        uint64_t bytes) {
  qemu3_t *q = d->state;
  const qemu3_regions_t *t = &q->regions;

  if (!sluice__qemu_is_name(name, len)) {
    return sluice__qemu3_fail_ram(d, SLUICE_ECORRUPT,
                                  "a region's name is malformed", len);
  }
  if (bytes == 0 || bytes % q->page_size != 0) {
    return sluice__qemu3_fail_ram(d, SLUICE_ECORRUPT,
                                  "a region is not whole pages", bytes);
  }
  if (bytes > t->undeclared) {
    return sluice__qemu3_fail_ram(
        d, SLUICE_ECORRUPT, "the regions' sizes do not add up to their total",
        bytes);
  }
  if (bytes > d->options.max_region_bytes) {
    return sluice__qemu3_fail_ram(d, SLUICE_ELIMIT,
                                  "a region is over the limit", bytes);
  }
  if (t->count >= d->options.max_regions) {
    return sluice__qemu3_fail_ram(d, SLUICE_ELIMIT,
                                  "there are too many regions", t->count);
  }
  if (sluice__qemu3_find_region(&q->regions, name, len) >= 0) {
    return sluice__qemu3_fail_ram(d, SLUICE_ECORRUPT,
                                  "a region is declared twice", t->count);
  }
  return 0;
}

static int deliver_region(sluice_decoder_t *d, sluice_item_t *item,
                          const uint8_t *p, size_t len) {
  qemu3_t *q = d->state;
  uint64_t bytes = sluice__get_be64(p + 1 + len);
  qemu3_region_t *region;
  int code = 0;

  if (check_region(d, p + 1, len, bytes) < 0) {
    return d->error.code;
  }
  sluice__qemu3_charge(d);
  region = add_region(d, p + 1, len, bytes, &code);
  sluice__qemu3_charge(d);
  if (region == NULL) {
    return sluice__qemu3_fail_memory(d, code, "the table of regions");
  }
  q->regions.undeclared -= bytes;
  item->kind = SLUICE_ITEM_REGION;
  item->offset = d->window.offset;
  item->u.region.index = q->regions.count - 1;
  item->u.region.section_id = q->section->decl.id;
  item->u.region.page_size = q->page_size;
  item->u.region.bytes = bytes;
  item->u.region.name = region->name;
  sluice__window_take(&d->window, 1 + len + WORD);
  return SLUICE__ITEM;
}

int sluice__qemu3_region(sluice_decoder_t *d, sluice_item_t *item) {
  qemu3_t *q = d->state;
  const uint8_t *p;
  size_t len;

  if (q->regions.undeclared == 0) {
    q->phase = QEMU3_RAM;
    return SLUICE__AGAIN;
  }
  p = sluice__window_peek(&d->window, 1);
  if (p == NULL) {
    return sluice__qemu3_starve_ram(d);
  }
  len = *p;
  p = sluice__window_peek(&d->window, 1 + len + WORD);
  return p == NULL ? sluice__qemu3_starve_ram(d)
                   : deliver_region(d, item, p, len);
}

int sluice__qemu3_regions(sluice_decoder_t *d, uint64_t total) {
  qemu3_t *q = d->state;

  if (q->regions.is_declared) {
    return sluice__qemu3_fail_ram(
        d, SLUICE_EORDER, "the regions are declared a second time", total);
  }
  q->regions.is_declared = true;
  q->regions.undeclared = total;
  sluice__window_take(&d->window, WORD);
  q->phase = QEMU3_REGIONS;
  return SLUICE__AGAIN;
}
