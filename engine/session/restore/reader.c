/* reader.c - items of the current payload for its handler. See reader.h.
 *
 * Bytes that come in pieces are joined in the section's stash, never more of
 * them than the handler asked for: so an open payload is never read past its
 * end. */
#include "session/restore/reader.h"

#include <assert.h>
#include <string.h>
#include <uv.h>

#include <sluice/handler.h>

#include "stream/bytes.h"
#include "stream/decoder.h"

void sluice__reader_lend(sluice_reader_t *r, sluice_section_t *section,
                         sluice__budget_t *budget) {
  r->section = section;
  r->budget = budget;
  r->asked_at = budget->bytes_used;
  r->is_starved = false;
}

void sluice__reader_open(sluice_reader_t *r) {
  r->lent = NULL;
  r->lent_len = 0;
  r->lent_used = 0;
  r->is_lent_open = false;
  r->is_closed = false;
}

/* Work that read nothing may have taken any time: only the clock knows. */
int sluice_reader_should_yield(sluice_reader_t *r) {
  sluice__budget_t *b;

  if (r == NULL) {
    return 1;
  }
  b = r->budget;
  if (b->bytes_used == r->asked_at && b->deadline_ns != UINT64_MAX) {
    (void)sluice__budget_read_clock(b);
  }
  r->asked_at = b->bytes_used;
  return r->status < 0 || sluice__budget_should_yield(b);
}

static int fail(sluice_reader_t *r, int code, const char *what) {
  if (r->status == 0) {
    r->status = sluice_fail(&r->error, code, "%s", what);
    r->error.offset = sluice_decoder_offset(r->decoder);
  }
  return r->status;
}

/* The next item of this payload: MORE, WAIT (starved or closed) or an error. */
static int next_item(sluice_reader_t *r, sluice_item_t *item) {
  uint64_t before = sluice__decoder_read(r->decoder);
  int got;

  if (r->status < 0) {
    return r->status;
  }
  if (r->is_closed) {
    return SLUICE_WAIT;
  }
  got = sluice_decoder_next(r->decoder, item, &r->error);
  if (got == SLUICE_MORE && item->kind == SLUICE_ITEM_ABORT) {
    got = sluice_decoder_next(r->decoder, item, &r->error); /* its reason */
  }
  sluice__budget_charge(r->budget, sluice__decoder_read(r->decoder) - before);
  r->taken += got == SLUICE_MORE ? 1 : 0;
  if (got < 0) {
    r->status = got;
  } else if (got == SLUICE_WAIT) {
    r->is_starved = true;
  } else if (got == SLUICE_MORE && item->kind == SLUICE_ITEM_CLOSE) {
    r->is_closed = true;
    got = SLUICE_WAIT;
  }
  return got;
}

static bool is_section_over(const sluice_reader_t *r) {
  return r->is_closed && r->section->is_end;
}

static int refuse_null(sluice_reader_t *r) {
  return r == NULL ? UV_EINVAL : fail(r, UV_EINVAL, "there is no place for it");
}

int sluice_reader_next(sluice_reader_t *r, sluice_item_t *item) {
  int got;

  if (r == NULL || item == NULL) {
    return refuse_null(r);
  }
  if (r->section->handler->payload != SLUICE_PAYLOAD_PAGES) {
    return fail(r, UV_EINVAL, "items are for sections of pages");
  }
  got = next_item(r, item);
  if (got == SLUICE_MORE && item->kind == SLUICE_ITEM_BYTES) {
    return fail(r, SLUICE_EKIND, "expected pages, found bytes");
  }
  return got == SLUICE_WAIT && is_section_over(r) ? SLUICE_DONE : got;
}

/* Makes at least one byte of the payload be at hand: 0, WAIT or an error. */
static int lend_bytes(sluice_reader_t *r) {
  sluice_item_t item;
  int got;

  if (r->status == 0 && r->lent_used < r->lent_len) {
    return 0;
  }
  r->lent_len = 0;
  r->lent_used = 0;
  got = next_item(r, &item);
  if (got != SLUICE_MORE) {
    return got;
  }
  if (item.kind != SLUICE_ITEM_BYTES) {
    return fail(r, SLUICE_EKIND, "expected bytes, found pages");
  }
  r->lent = item.u.bytes.data;
  r->lent_len = item.u.bytes.len;
  r->is_lent_open = item.u.bytes.is_open != 0;
  return 0;
}

static size_t take(sluice_reader_t *r, void *to, size_t len) {
  size_t n = r->lent_len - r->lent_used;

  n = n < len ? n : len;
  memcpy(to, r->lent + r->lent_used, n);
  r->lent_used += n;
  r->taken += n;
  return n;
}

static int grow_stash(sluice_reader_t *r, size_t len) {
  sluice__stash_t *stash = &r->section->stash;
  uint8_t *base;

  if (len <= stash->cap) {
    return 0;
  }
  base = sluice__mem_resize(r->mem, stash->base, stash->cap, len);
  if (base == NULL) {
    return fail(r, sluice__mem_error(r->mem), "no memory to join bytes in");
  }
  stash->base = base;
  stash->cap = len;
  return 0;
}

/* What is at hand is less than `len`: keep it, ask for more. */
static int fill_stash(sluice_reader_t *r, size_t len) {
  sluice__stash_t *stash = &r->section->stash;

  while (stash->len < len) {
    int got = lend_bytes(r);

    if (got != 0) {
      return got;
    }
    if (grow_stash(r, len) < 0) {
      return r->status;
    }
    stash->len += take(r, stash->base + stash->len, len - stash->len);
  }
  return 0;
}

int sluice_reader_exact(sluice_reader_t *r, void *buf, size_t len) {
  sluice__stash_t *stash;
  int got;

  if (r == NULL || (buf == NULL && len > 0)) {
    return refuse_null(r);
  }
  stash = &r->section->stash;
  if (len > SLUICE_READER_EXACT_MAX) {
    return fail(r, UV_EINVAL, "asked for too many bytes at once");
  }
  if (stash->len == 0 && r->status == 0 &&
      r->lent_len - r->lent_used >= len) { /* the common case */
    (void)take(r, buf, len);
    return 0;
  }
  got = fill_stash(r, len);
  if (got == SLUICE_WAIT && is_section_over(r)) {
    return fail(r, SLUICE_ECORRUPT, "the section ends before its last field");
  }
  if (got == 0 && len > 0) {
    memcpy(buf, stash->base, len);
    stash->len = 0;
  }
  return got;
}

/* Gives back what is at hand and asks for more of it in one piece. */
static int lend_more(sluice_reader_t *r) {
  size_t used = r->lent_used;

  r->lent_len = 0;
  r->lent_used = 0;
  sluice_decoder_consume(r->decoder, used);
  return lend_bytes(r);
}

int sluice_reader_peek(sluice_reader_t *r, void *buf, size_t len, size_t *got) {
  int result;

  if (r == NULL || got == NULL || (buf == NULL && len > 0)) {
    return refuse_null(r);
  }
  *got = 0;
  assert(r->section->stash.len == 0); /* an exact that waits is not abandoned */
  result = lend_bytes(r);
  while (result == 0 && r->lent_len - r->lent_used < len) {
    result = lend_more(r);
  }
  if (result == 0) {
    memcpy(buf, r->lent + r->lent_used, len);
    *got = len;
  }
  return result == SLUICE_WAIT && r->is_closed ? 0 : result;
}

sluice_format_t sluice_reader_format(const sluice_reader_t *r) {
  return r == NULL ? SLUICE_FORMAT_UNKNOWN : sluice_decoder_format(r->decoder);
}

int sluice_reader_some(sluice_reader_t *r, void *buf, size_t len, size_t *got) {
  int result;

  if (r == NULL || got == NULL || (buf == NULL && len > 0)) {
    return refuse_null(r);
  }
  *got = 0;
  assert(r->section->stash.len == 0); /* an exact that waits is not abandoned */
  result = lend_bytes(r);
  if (result == 0) {
    *got = take(r, buf, len);
  }
  return result == SLUICE_WAIT && is_section_over(r) ? 0 : result;
}

int sluice_reader_u8(sluice_reader_t *r, uint8_t *out) {
  return sluice_reader_exact(r, out, 1);
}

int sluice_reader_u16(sluice_reader_t *r, uint16_t *out) {
  uint8_t b[2];
  int got = sluice_reader_exact(r, out == NULL ? NULL : b, sizeof(b));

  if (got == 0) {
    *out = r->is_big_endian ? sluice__get_be16(b) : sluice__get_le16(b);
  }
  return got;
}

int sluice_reader_u32(sluice_reader_t *r, uint32_t *out) {
  uint8_t b[4];
  int got = sluice_reader_exact(r, out == NULL ? NULL : b, sizeof(b));

  if (got == 0) {
    *out = r->is_big_endian ? sluice__get_be32(b) : sluice__get_le32(b);
  }
  return got;
}

int sluice_reader_u64(sluice_reader_t *r, uint64_t *out) {
  uint8_t b[8];
  int got = sluice_reader_exact(r, out == NULL ? NULL : b, sizeof(b));

  if (got == 0) {
    *out = r->is_big_endian ? sluice__get_be64(b) : sluice__get_le64(b);
  }
  return got;
}

/* Gives back what was lent and not read, and ends an open payload there. */
static void give_back(sluice_reader_t *r) {
  if (r->lent_used < r->lent_len) {
    sluice_decoder_consume(r->decoder, r->lent_used);
  }
  r->lent_len = 0;
  r->lent_used = 0;
  if (r->is_lent_open) {
    sluice_decoder_end_payload(r->decoder);
    r->is_lent_open = false;
  }
}

int sluice__reader_close(sluice_reader_t *r) {
  sluice_item_t item;
  int got = SLUICE_DONE;

  assert(r->status == 0); /* who has failed is not asked for its end */
  if (!r->is_closed) {
    give_back(r);
    got = next_item(r, &item);
  }
  if (got == SLUICE_MORE) {
    return fail(r, SLUICE_ECORRUPT,
                "the section has more than its handler reads");
  }
  return r->is_closed ? SLUICE_DONE : got;
}
