/* encode_rewrite.c - keep_last: pages are replaced where they stand.
 *
 * A page and its hash are covered by no other checksum, so both can change in
 * place: in the chunk while it is lent, else through the output. */
#include "stream/native/encode.h"

#include <string.h>
#include <uv.h>

#include "stream/bytes.h"

static int patch_output(sluice_encoder_t *e, uint64_t offset, const void *data,
                        size_t len) {
  const sluice_output_t *out = &e->stage.output;
  int r = out->patch(out->ctx, offset, data, len);

  return r < 0 ? sluice__encoder_fail(e, r, "cannot overwrite a page: %s",
                                      sluice_strerror(r))
               : 0;
}

/* In one copy, as the page may change: what is hashed is what is written. */
static int patch_page(sluice_encoder_t *e, uint32_t region, uint64_t offset,
                      uint64_t slot, const uint8_t *page, uint64_t *out_hash) {
  sluice__encode_native_t *n = sluice__encode_native_of(e);
  uint32_t page_size = e->regions[region].page_size;
  uint8_t *to = sluice__stage_find(&e->stage, slot);

  if (to != NULL) {
    memcpy(to, page, page_size);
    *out_hash = sluice__page_hash(to, page_size, region, offset);
    return 0;
  }
  memcpy(n->bounce, page, page_size);
  *out_hash = sluice__page_hash(n->bounce, page_size, region, offset);
  return patch_output(e, slot, n->bounce, page_size);
}

static int patch_hash(sluice_encoder_t *e, uint64_t slot, uint32_t page_size,
                      uint64_t hash) {
  sluice__encode_native_t *n = sluice__encode_native_of(e);
  uint8_t bytes[SLUICE__PAGES_HASH_BYTES];
  uint64_t at;
  uint8_t *to;

  if (n->type == SLUICE__NATIVE_PAGES && slot >= n->pages.data) {
    n->pages.hashes[(slot - n->pages.data) / page_size] = hash;
    return 0;
  }
  at = sluice__page_map_hash(&n->map, slot, page_size);
  to = sluice__stage_find(&e->stage, at);
  if (to != NULL) {
    sluice__put_le64(to, hash);
    return 0;
  }
  sluice__put_le64(bytes, hash);
  return patch_output(e, at, bytes, sizeof(bytes));
}

int sluice__native_rewrite(sluice_encoder_t *e, uint32_t region,
                           uint64_t offset, uint64_t slot,
                           const uint8_t *page) {
  uint64_t hash;
  int r = patch_page(e, region, offset, slot, page, &hash);

  return r < 0 ? r : patch_hash(e, slot, e->regions[region].page_size, hash);
}

int sluice__native_fetch(sluice_encoder_t *e, uint32_t region, uint64_t offset,
                         void *page) {
  sluice__encode_native_t *n = sluice__encode_native_of(e);
  const sluice_output_t *out = &e->stage.output;
  uint32_t page_size = e->regions[region].page_size;
  uint64_t slot;
  const uint8_t *at;

  if (offset % page_size != 0 || offset >= e->regions[region].bytes) {
    return UV_EINVAL;
  }
  slot = sluice__page_map_get(&n->map, region, offset / page_size);
  if (slot == 0 || (slot & SLUICE__PAGE_ZERO) != 0) {
    memset(page, 0, page_size);
    return 0;
  }
  at = sluice__stage_find(&e->stage, slot);
  if (at != NULL) {
    memcpy(page, at, page_size);
    return 0;
  }
  return out->fetch(out->ctx, slot, page, page_size);
}
