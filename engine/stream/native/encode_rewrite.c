/* encode_rewrite.c - keep_last: pages are replaced where they stand.
 *
 * A page and its hash are covered by no other checksum, so both can change in
 * place: in the chunk while it is lent, else through the output. One that a
 * copy job still has to fill is amended when that is over. */
#include "stream/native/encode.h"

#include <string.h>
#include <uv.h>

#include "stream/bytes.h"
#include "stream/page_list.h"

static int patch_output(sluice_encoder_t *e, uint64_t offset, const void *data,
                        size_t len) {
  const sluice_output_t *out = &e->stage.output;
  int r = out->patch(out->ctx, offset, data, len);

  return r < 0 ? sluice__encoder_fail(e, r, "cannot overwrite a page: %s",
                                      sluice_strerror(r))
               : 0;
}

/* The page at hand, copied: it may change, and what is hashed is what is
 * written. NULL: zeros. */
static const uint8_t *hold_page(sluice_encoder_t *e, const uint8_t *page,
                                uint32_t page_size) {
  sluice__encode_native_t *n = sluice__encode_native_of(e);

  if (n->bounce == NULL) {
    n->bounce = e->alloc.alloc(e->alloc.ctx, SLUICE_PAGE_MAX, 64);
  }
  if (n->bounce == NULL) {
    (void)sluice__encoder_fail(e, UV_ENOMEM, "no memory for a page");
    return NULL;
  }
  if (page == NULL) {
    memset(n->bounce, 0, page_size);
  } else {
    sluice__copy_changing(n->bounce, page, page_size);
  }
  return n->bounce;
}

/* Its record is being built: the page may be in its slot, left out of it, or
 * put into the sink already; its hash is at hand. */
static int rewrite_built(sluice_encoder_t *e, uint64_t slot,
                         const uint8_t *page, uint64_t hash) {
  sluice__encode_native_t *n = sluice__encode_native_of(e);
  sluice__encode_pages_t *p = &n->pages;
  uint32_t at = (uint32_t)((slot - p->data) / p->page_size);

  p->hashes[at] = hash;
  memcpy(n->at + (slot - n->start), page, p->page_size);
  if (p->list == NULL) {
    return 0;
  }
  p->list->pages[at].from = NULL;
  return p->job == NULL && at < p->list->out
             ? patch_output(e, slot, page, p->page_size)
             : 0;
}

static int put_bytes(sluice_encoder_t *e, uint64_t offset, const uint8_t *data,
                     size_t len) {
  uint8_t *to = sluice__stage_find(&e->stage, offset);

  if (to == NULL) {
    return patch_output(e, offset, data, len);
  }
  memcpy(to, data, len);
  return 0;
}

static int rewrite_sealed(sluice_encoder_t *e, uint64_t slot,
                          uint32_t page_size, const uint8_t *page,
                          uint64_t hash) {
  sluice__encode_native_t *n = sluice__encode_native_of(e);
  uint8_t bytes[SLUICE__PAGES_HASH_BYTES];
  int r;

  if (e->jobs != NULL) {
    r = sluice__copy_queue_amend(e->jobs, slot, page, hash);
    if (r != 0) {
      return r < 0 ? sluice__encoder_fail(e, r, "no memory for a page") : 0;
    }
  }
  r = put_bytes(e, slot, page, page_size);
  sluice__put_le64(bytes, hash);
  return r < 0 ? r
               : put_bytes(e, sluice__page_map_hash(&n->map, slot, page_size),
                           bytes, sizeof(bytes));
}

int sluice__native_rewrite(sluice_encoder_t *e, uint32_t region,
                           uint64_t offset, uint64_t slot,
                           const sluice__page_source_t *source) {
  sluice__encode_native_t *n = sluice__encode_native_of(e);
  uint32_t page_size = e->regions[region].page_size;
  const uint8_t *held =
      hold_page(e, source == NULL ? NULL : source->base, page_size);
  uint64_t hash;

  if (held == NULL) {
    return e->error.code;
  }
  e->totals.pages_rewritten++;
  e->totals.bytes_rewritten += page_size;
  hash = sluice__page_hash(held, page_size, region, offset);
  if (source != NULL && source->kind == SLUICE__PAGES_SPOILT) {
    hash = ~hash; /* not its own, as that of its former copy */
  }
  return n->type == SLUICE__NATIVE_PAGES && slot >= n->pages.data
             ? rewrite_built(e, slot, held, hash)
             : rewrite_sealed(e, slot, page_size, held, hash);
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
  if (slot <= SLUICE__PAGE_ZERO) {
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
