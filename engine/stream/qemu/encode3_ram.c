/* encode3_ram.c - the pages of QEMU's ram section, version 4.
 *
 * Regions are collected and told, total first, before the first page or at the
 * close of the section's first payload. The first item of every payload names
 * its region: QEMU's readers remember the last one across sections, but one
 * that starts in the middle could not. A page is copied once, into the stage.
 */
#include "stream/qemu/encode3.h"

#include <string.h>
#include <uv.h>

#include "stream/bytes.h"
#include "stream/zero.h"

enum { WORD = 8, HEAD_MAX = WORD + 1 + SLUICE_NAME_MAX };

static void put_word(sluice_encoder_t *e, uint64_t word) {
  uint8_t b[WORD];

  sluice__put_be64(b, word);
  (void)sluice__stage_put(&e->stage, b, sizeof(b));
}

static int refuse_region(sluice_encoder_t *e, const sluice__region_t *region,
                         int code, const char *why) {
  return sluice__encoder_fail(e, code, "region '%s' %s", region->name, why);
}

int sluice__encode_qemu3_region(sluice_encoder_t *e, uint32_t index) {
  const qemu3_writer_t *q = e->state;
  const sluice__region_t *region = &e->regions[index];

  if (q->section->decl.payload != SLUICE_PAYLOAD_PAGES) {
    return refuse_region(e, region, UV_EINVAL, "is in a section of bytes");
  }
  if (q->are_regions_told) {
    return refuse_region(e, region, SLUICE_EORDER, "comes after pages");
  }
  if (!sluice__qemu_is_name((const uint8_t *)region->name,
                            strlen(region->name))) {
    return refuse_region(e, region, UV_EINVAL, "has control characters");
  }
  if (region->page_size < SLUICE__RAM_PAGE_MIN ||
      region->page_size != e->regions[0].page_size) {
    return refuse_region(e, region, UV_EINVAL,
                         "needs pages of the others' size, of 1024 bytes or "
                         "more");
  }
  for (uint32_t i = 0; i < index; i++) {
    if (strcmp(e->regions[i].name, region->name) == 0) {
      return refuse_region(e, region, UV_EINVAL, "is declared twice");
    }
  }
  return 0;
}

static int tell_regions(sluice_encoder_t *e) {
  qemu3_writer_t *q = e->state;
  uint64_t total = 0;

  for (uint32_t i = 0; i < e->region_count; i++) {
    if (__builtin_add_overflow(total, e->regions[i].bytes, &total)) {
      return refuse_region(e, &e->regions[i], SLUICE_ELIMIT, "is too large");
    }
  }
  put_word(e, total | SLUICE__RAM_MEM_SIZE);
  for (uint32_t i = 0; i < e->region_count; i++) {
    const sluice__region_t *region = &e->regions[i];
    uint8_t len = (uint8_t)strlen(region->name);

    (void)sluice__stage_put(&e->stage, &len, 1);
    (void)sluice__stage_put(&e->stage, region->name, len);
    put_word(e, region->bytes);
  }
  q->are_regions_told = true;
  return sluice__encoder_staged(e);
}

static int prepare_run(sluice_encoder_t *e, uint32_t index) {
  const qemu3_writer_t *q = e->state;

  if (q->section->decl.id != e->regions[index].section_id) {
    return refuse_region(e, &e->regions[index], UV_EINVAL,
                         "is not of the open section");
  }
  return q->are_regions_told ? 0 : tell_regions(e);
}

/* The bytes before a page's content; returns their number. */
static size_t make_head(sluice_encoder_t *e, uint8_t head[HEAD_MAX],
                        uint32_t index, uint64_t offset, uint32_t flag) {
  qemu3_writer_t *q = e->state;
  const char *name = e->regions[index].name;
  size_t len;

  if (q->last_region == index) {
    sluice__put_be64(head, offset | flag | SLUICE__RAM_CONTINUE);
    return WORD;
  }
  q->last_region = index;
  len = strlen(name);
  sluice__put_be64(head, offset | flag);
  head[WORD] = (uint8_t)len;
  memcpy(head + WORD + 1, name, len);
  return WORD + 1 + len;
}

static void put_zero(sluice_encoder_t *e, uint32_t index, uint64_t offset) {
  uint8_t head[HEAD_MAX + 1];
  size_t len = make_head(e, head, index, offset, SLUICE__RAM_ZERO);

  head[len] = 0; /* what the page is filled with */
  (void)sluice__stage_put(&e->stage, head, len + 1);
  e->totals.pages_zero++;
}

static void put_page(sluice_encoder_t *e, uint32_t index, uint64_t offset,
                     const uint8_t *data, size_t size) {
  uint8_t head[HEAD_MAX];
  size_t len = make_head(e, head, index, offset, SLUICE__RAM_PAGE);

  (void)sluice__stage_put(&e->stage, head, len);
  (void)sluice__stage_put(&e->stage, data, size);
  e->totals.pages_data++;
}

int sluice__encode_qemu3_pages(sluice_encoder_t *e, uint32_t region,
                               uint64_t offset,
                               const sluice__page_source_t *source) {
  size_t size = e->regions[region].page_size;
  const uint8_t *data = source->base;
  int r = prepare_run(e, region);

  for (uint64_t i = 0; r == 0 && i < source->count; i++) {
    if (sluice__is_zero(data, size)) {
      put_zero(e, region, offset);
    } else {
      put_page(e, region, offset, data, size);
    }
    data += size;
    offset += size;
    r = sluice__encoder_staged(e);
  }
  return r;
}

int sluice__encode_qemu3_zeros(sluice_encoder_t *e, uint32_t region,
                               uint64_t offset, uint64_t count) {
  int r = prepare_run(e, region);

  for (; r == 0 && count > 0; count--) {
    put_zero(e, region, offset);
    offset += e->regions[region].page_size;
    r = sluice__encoder_staged(e);
  }
  return r;
}

int sluice__encode_qemu3_eos(sluice_encoder_t *e) {
  const qemu3_writer_t *q = e->state;

  if (!q->are_regions_told && e->region_count > 0 && tell_regions(e) < 0) {
    return e->error.code;
  }
  put_word(e, SLUICE__RAM_EOS);
  return sluice__encoder_staged(e);
}
