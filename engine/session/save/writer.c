/* writer.c - from handlers' calls to the encoder. See writer.h.
 *
 * A handler's mistake (bytes in a section of pages, a range outside) is latched
 * by the encoder, so it ends the save like any other error. */
#include "session/save/writer.h"

#include <string.h>
#include <uv.h>

#include <sluice/error.h>

#include "session/save/spoilt.h"
#include "stream/bytes.h"
#include "stream/encoder.h"

/* A page of zeros costs a read of it and no payload. Measured, a read sweep is
 * about an eighth of the way of a page through staging, checksum and sink. */
enum { ZERO_DISCOUNT = 8, KEPT_FIRST = 4096 };

void sluice__writer_lend(sluice_writer_t *w, sluice_encoder_t *encoder,
                         sluice_section_t *section, sluice__budget_t *budget,
                         sluice_item_kind_t kind, bool is_open,
                         bool is_big_endian) {
  w->encoder = encoder;
  w->section = section;
  w->budget = budget;
  w->kind = kind;
  w->is_open = is_open;
  w->is_big_endian = is_big_endian;
  w->jobs = NULL;
  w->pages = SLUICE__PAGES_CHANGING;
  w->kept = NULL;
  w->mem = NULL;
  w->status = 0;
  w->worked = 0;
  w->asked_at = budget->bytes_used;
}

static int ensure_open(sluice_writer_t *w) {
  sluice_decl_t decl;

  if (w->kept != NULL) {
    w->status = UV_EINVAL; /* only bytes are kept */
  }
  if (w->status < 0 || w->is_open) {
    return w->status;
  }
  decl = sluice__section_decl(w->section);
  w->status = sluice_encoder_open(w->encoder, w->kind, &decl);
  w->is_open = w->status == 0;
  return w->status;
}

size_t sluice_writer_left(const sluice_writer_t *w) {
  uint64_t left;

  if (w == NULL) {
    return 0;
  }
  left = sluice__budget_left(w->budget);
  /* A sink that takes it at once takes its time: the clock is to be read. */
  return (size_t)(left > SLUICE__STABLE_BYTES &&
                          w->pages == SLUICE__PAGES_STABLE &&
                          sluice__direct_writer_can_put(w->jobs->chunks->writer)
                      ? SLUICE__STABLE_BYTES
                      : left);
}

/* Work that wrote nothing may have taken any time: only the clock knows. */
int sluice_writer_should_yield(sluice_writer_t *w) {
  sluice__budget_t *b;

  if (w == NULL) {
    return 1;
  }
  b = w->budget;
  if (b->bytes_used == w->asked_at && b->deadline_ns != UINT64_MAX) {
    (void)sluice__budget_read_clock(b);
  }
  w->asked_at = b->bytes_used;
  return w->status < 0 || sluice__budget_should_yield(b) ||
         (w->pages == SLUICE__PAGES_STABLE &&
          sluice__chunks_are_full(w->jobs->chunks));
}

int sluice_writer_status(const sluice_writer_t *w) {
  return w == NULL ? UV_EINVAL : w->status;
}

sluice_format_t sluice_writer_format(const sluice_writer_t *w) {
  return w != NULL && w->is_big_endian ? SLUICE_FORMAT_QEMU3
                                       : SLUICE_FORMAT_NATIVE;
}

int sluice_writer_describe(sluice_writer_t *w, const char *json, size_t len) {
  if (w == NULL) {
    return UV_EINVAL;
  }
  if (w->kept != NULL) {
    return w->status; /* written out later: shown as plain bytes */
  }
  if (ensure_open(w) == 0) {
    w->status = sluice_encoder_describe(w->encoder, json, len);
  }
  return w->status;
}

static int grow_kept(sluice_writer_t *w, size_t len) {
  sluice__stash_t *kept = w->kept;
  size_t cap = kept->cap == 0 ? (size_t)KEPT_FIRST : kept->cap;
  uint8_t *base;

  if (len > SIZE_MAX / 2 - kept->len) {
    return UV_ENOMEM;
  }
  while (cap - kept->len < len) {
    cap *= 2;
  }
  if (cap == kept->cap) {
    return 0;
  }
  base = sluice__mem_resize(w->mem, kept->base, kept->cap, cap);
  if (base == NULL) {
    return sluice__mem_error(w->mem);
  }
  kept->base = base;
  kept->cap = cap;
  return 0;
}

static int keep_bytes(sluice_writer_t *w, const void *data, size_t len) {
  if (w->status == 0) {
    w->status = grow_kept(w, len);
  }
  if (w->status == 0 && len > 0) {
    memcpy(w->kept->base + w->kept->len, data, len);
    w->kept->len += len;
    w->worked += len;
  }
  return w->status;
}

int sluice_writer_bytes(sluice_writer_t *w, const void *data, size_t len) {
  if (w == NULL) {
    return UV_EINVAL;
  }
  if (w->kept != NULL) {
    return keep_bytes(w, data, len);
  }
  if (ensure_open(w) == 0) {
    w->status = w->section->handler->payload == SLUICE_PAYLOAD_BYTES
                    ? sluice_encoder_bytes(w->encoder, data, len)
                    : UV_EINVAL;
    sluice__budget_charge(w->budget, len);
    w->worked += len;
  }
  return w->status;
}

int sluice_writer_u8(sluice_writer_t *w, uint8_t v) {
  return sluice_writer_bytes(w, &v, 1);
}

static bool is_big_endian(const sluice_writer_t *w) {
  return w != NULL && w->is_big_endian;
}

int sluice_writer_u16(sluice_writer_t *w, uint16_t v) {
  uint8_t b[2];

  if (is_big_endian(w)) {
    sluice__put_be16(b, v);
  } else {
    sluice__put_le16(b, v);
  }
  return sluice_writer_bytes(w, b, sizeof(b));
}

int sluice_writer_u32(sluice_writer_t *w, uint32_t v) {
  uint8_t b[4];

  if (is_big_endian(w)) {
    sluice__put_be32(b, v);
  } else {
    sluice__put_le32(b, v);
  }
  return sluice_writer_bytes(w, b, sizeof(b));
}

int sluice_writer_u64(sluice_writer_t *w, uint64_t v) {
  uint8_t b[8];

  if (is_big_endian(w)) {
    sluice__put_be64(b, v);
  } else {
    sluice__put_le64(b, v);
  }
  return sluice_writer_bytes(w, b, sizeof(b));
}

int sluice_writer_region(sluice_writer_t *w, const char *name, uint64_t bytes,
                         uint32_t page_size, uint32_t *out_index) {
  if (w == NULL) {
    return UV_EINVAL;
  }
  if (ensure_open(w) == 0) {
    w->status =
        sluice_encoder_region(w->encoder, name, bytes, page_size, out_index);
  }
  return w->status;
}

/* Charges by what came out, and for pages that turned out to be zero. */
static void charge_pages(sluice_writer_t *w, const sluice_totals_t *before,
                         uint64_t looked_at) {
  sluice_totals_t after;
  uint64_t written;

  sluice__encoder_totals(w->encoder, &after);
  written = after.bytes - before->bytes + after.bytes_rewritten -
            before->bytes_rewritten;
  if (written < looked_at) {
    written += (looked_at - written) / ZERO_DISCOUNT;
  }
  sluice__budget_charge(w->budget, written);
  w->worked += looked_at;
}

static int put_pages(sluice_writer_t *w, uint32_t region, uint64_t offset,
                     const sluice__page_source_t *source) {
  sluice_totals_t before;

  if (w == NULL) {
    return UV_EINVAL;
  }
  if (ensure_open(w) == 0) {
    sluice__encoder_totals(w->encoder, &before);
    w->status = sluice__spoilt_has_any(w)
                    ? sluice__spoilt_pages(w, region, offset, source)
                    : sluice__encoder_pages(w->encoder, region, offset, source);
    charge_pages(w, &before,
                 source->count * sluice__encoder_page_size(w->encoder, region));
  }
  return w->status;
}

int sluice_writer_pages(sluice_writer_t *w, uint32_t region, uint64_t offset,
                        const void *data, uint64_t count) {
  const sluice__page_source_t source = {.base = data, .count = count};

  return put_pages(w, region, offset, &source);
}

/* Threads begin with what is whole of it while the handler goes on. */
static int lend_pages(sluice_writer_t *w, uint32_t region, uint64_t offset,
                      const void *data, uint64_t count,
                      sluice__page_kind_t kind) {
  const sluice__page_source_t source = {.base = data,
                                        .count = count,
                                        .kind = kind,
                                        .lender = w->section,
                                        .before = w->section->lent};

  (void)put_pages(w, region, offset, &source);
  w->section->lent += w->status == 0 ? count : 0;
  if (kind == SLUICE__PAGES_BORROWED) {
    sluice__copy_jobs_start(w->jobs);
  }
  return w->status;
}

int sluice_writer_lend_pages(sluice_writer_t *w, uint32_t region,
                             uint64_t offset, const void *data,
                             uint64_t count) {
  return w == NULL ? UV_EINVAL
                   : lend_pages(w, region, offset, data, count,
                                w->pages == SLUICE__PAGES_BORROWED
                                    ? SLUICE__PAGES_BORROWED
                                    : SLUICE__PAGES_CHANGING);
}

int sluice_writer_still_pages(sluice_writer_t *w, uint32_t region,
                              uint64_t offset, const void *data,
                              uint64_t count) {
  return w == NULL ? UV_EINVAL
                   : lend_pages(w, region, offset, data, count, w->pages);
}

uint64_t sluice_writer_returned(const sluice_writer_t *w) {
  return w == NULL ? 0 : sluice__copy_jobs_returned(w->jobs, w->section);
}

int sluice_writer_zeros(sluice_writer_t *w, uint32_t region, uint64_t offset,
                        uint64_t count) {
  sluice_totals_t before;

  if (w == NULL) {
    return UV_EINVAL;
  }
  if (ensure_open(w) == 0) {
    sluice__encoder_totals(w->encoder, &before);
    w->status = sluice_encoder_zeros(w->encoder, region, offset, count);
    charge_pages(w, &before, 0);
    w->worked += count * sluice__encoder_page_size(w->encoder, region);
  }
  return w->status;
}
