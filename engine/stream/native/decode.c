/* decode.c - the native stream, read: file header and the round of records.
 *
 * At the top: it calls the files that know what a record means, none of them
 * calls it. */
#include "stream/native/decode.h"

#include <inttypes.h>
#include <stdalign.h>
#include <string.h>
#include <uv.h>

#include "stream/bytes.h"
#include "stream/hash.h"
#include "stream/native/ends.h"

/* A record is peeked at as a whole, so this is what the window needs at most;
 * while it grows, old and new buffer exist side by side. */
enum { WINDOW_LIMIT = 4 * 1024 * 1024 };

/* What is left for tables beside the window and what has a fixed size. */
static size_t tables_limit(size_t limit, size_t window) {
  size_t fixed = sizeof(sluice_decoder_t) + sizeof(sluice__decode_native_t) +
                 window + window / 2;

  return limit > fixed ? limit - fixed : 0;
}

static int native_open(sluice_decoder_t *d) {
  sluice__decode_native_t *n =
      d->alloc.alloc(d->alloc.ctx, sizeof(*n), alignof(max_align_t));
  size_t limit = d->options.max_memory;
  size_t window = limit / 2 < WINDOW_LIMIT ? limit / 2 : WINDOW_LIMIT;

  if (n == NULL) {
    return UV_ENOMEM;
  }
  memset(n, 0, sizeof(*n));
  d->state = n;
  d->window.limit = window < d->window.cap ? d->window.cap : window;
  d->window.both = d->window.limit + d->window.limit / 2;
  n->keep.limit = tables_limit(limit, d->window.limit);
  sluice__native_seen_begin(d);
  return 0;
}

static void native_close(sluice_decoder_t *d) {
  sluice__decode_native_t *n = d->state;

  if (n == NULL) {
    return;
  }
  sluice__native_seen_done(d);
  sluice__native_free_sections(d);
  sluice__native_release(d, n->regions, n->region_cap * sizeof(*n->regions));
  sluice__native_release(d, n->pages.table, n->pages.table_cap);
  sluice__native_release(d, n->note.data, n->note.cap);
  sluice__native_release(d, n->skipped.list,
                         n->skipped.cap * sizeof(*n->skipped.list));
  d->alloc.release(d->alloc.ctx, n, sizeof(*n), alignof(max_align_t));
  d->state = NULL;
}

static int check_features(sluice_decoder_t *d,
                          const sluice__file_head_t *head) {
  if (head->version != SLUICE__NATIVE_VERSION) {
    return SLUICE__NATIVE_REFUSE(d, SLUICE_EFORMAT,
                                 "expected version %d of the native format, "
                                 "found %" PRIu32,
                                 (int)SLUICE__NATIVE_VERSION, head->version);
  }
  if ((head->required & SLUICE__NATIVE_INCREMENTAL) != 0) {
    return SLUICE__NATIVE_REFUSE(
        d, SLUICE_EFEATURE, "required feature bit 0 (incremental) is not read");
  }
  if (head->required != 0) {
    return SLUICE__NATIVE_REFUSE(d, SLUICE_EFEATURE,
                                 "required feature bit %d is unknown",
                                 __builtin_ctzll(head->required));
  }
  if (head->align != SLUICE__NATIVE_ALIGN) {
    return SLUICE__NATIVE_REFUSE(d, SLUICE_EFEATURE,
                                 "expected pages aligned to %d, found %" PRIu32,
                                 (int)SLUICE__NATIVE_ALIGN, head->align);
  }
  return 0;
}

static int read_host(sluice_decoder_t *d, const sluice__file_head_t *head,
                     const uint8_t *h, size_t len) {
  sluice__decode_native_t *n = sluice__decode_native_of(d);
  size_t host = head->host_length;
  size_t version = head->host_version_length;
  size_t used = SLUICE__FILE_STRINGS + host + version;
  int r;

  if (sluice__native_padded(used) + SLUICE__FILE_CHECKSUM_BYTES != len ||
      !sluice__native_is_blank(h + used,
                               len - SLUICE__FILE_CHECKSUM_BYTES - used)) {
    return SLUICE__NATIVE_REFUSE(
        d, SLUICE_ECORRUPT,
        "expected strings of %zu and %zu bytes to fill "
        "a header of %zu",
        host, version, len);
  }
  h += SLUICE__FILE_STRINGS;
  r = sluice__native_copy_name(d, n->host, h, host, "host name");
  if (r == 0) {
    r = sluice__native_copy_name(d, n->host_version, h + host, version,
                                 "host version");
  }
  return r;
}

static int check_header_sum(sluice_decoder_t *d, const uint8_t *h, size_t len) {
  uint64_t expected = sluice__hash(h, len - SLUICE__FILE_CHECKSUM_BYTES);
  uint64_t found = sluice__get_le64(h + len - SLUICE__FILE_CHECKSUM_BYTES);

  if (expected != found) {
    return SLUICE__NATIVE_REFUSE(d, SLUICE_ECORRUPT,
                                 "file header: expected checksum %016" PRIx64
                                 ", found %016" PRIx64,
                                 expected, found);
  }
  sluice__decode_native_of(d)->chain = found;
  return 0;
}

static void make_header(const sluice__decode_native_t *n,
                        const sluice__file_head_t *head, sluice_item_t *item) {
  sluice_header_t *to = &item->u.header;

  item->kind = SLUICE_ITEM_HEADER;
  to->format = SLUICE_FORMAT_NATIVE;
  to->version = head->version;
  to->features_required = head->required;
  to->features_optional = head->optional;
  memcpy(to->image_id, head->image_id, sizeof(to->image_id));
  memcpy(to->parent_id, head->parent_id, sizeof(to->parent_id));
  to->host = n->host;
  to->host_version = n->host_version;
}

/* Length of the header, or what to return instead. */
static int measure_header(sluice_decoder_t *d) {
  const uint8_t *h = sluice__window_peek(&d->window, SLUICE__FILE_REQUIRED);
  uint32_t len;

  if (h == NULL) {
    return sluice__decoder_starve(d, "", "file header");
  }
  len = sluice__file_head_length(h);
  if (len % 8 != 0 || len > SLUICE__FILE_MAX ||
      len < SLUICE__FILE_STRINGS + SLUICE__FILE_CHECKSUM_BYTES) {
    return SLUICE__NATIVE_REFUSE(
        d, SLUICE_ECORRUPT,
        "file header of %" PRIu32 " bytes, expected %d to %d", len,
        (int)SLUICE__FILE_STRINGS + (int)SLUICE__FILE_CHECKSUM_BYTES,
        (int)SLUICE__FILE_MAX);
  }
  return (int)len;
}

/* The signature was seen when the format was found. */
static int read_header(sluice_decoder_t *d, const uint8_t *h, size_t len,
                       sluice_item_t *item) {
  sluice__file_head_t head;
  int r = check_header_sum(d, h, len);

  if (r < 0) {
    return r;
  }
  (void)sluice__file_head_get(&head, h);
  r = check_features(d, &head);
  if (r == 0) {
    r = read_host(d, &head, h, len);
  }
  if (r == 0) {
    make_header(sluice__decode_native_of(d), &head, item);
  }
  return r;
}

static int step_header(sluice_decoder_t *d, sluice_item_t *item) {
  int len = measure_header(d);
  const uint8_t *h;
  int r;

  if (len <= SLUICE__STARVED) {
    return len;
  }
  h = sluice__window_peek(&d->window, (size_t)len);
  if (h == NULL) {
    return sluice__decoder_starve(d, "", "file header");
  }
  r = read_header(d, h, (size_t)len, item);
  if (r < 0) {
    return r;
  }
  sluice__window_take(&d->window, (size_t)len);
  sluice__decode_native_of(d)->step = SLUICE__DECODE_RECORDS;
  return SLUICE__ITEM;
}

/* Does the record end the payload that is open? */
static bool is_closing(const sluice__record_t *record) {
  switch (record->type) {
  case SLUICE__NATIVE_START:
  case SLUICE__NATIVE_FULL:
  case SLUICE__NATIVE_END:
  case SLUICE__NATIVE_NOTE:
  case SLUICE__NATIVE_INDEX:
  case SLUICE__NATIVE_TRAILER: return true;
  default: return (record->flags & SLUICE__NATIVE_OPENS) != 0;
  }
}

static bool is_aside(uint16_t type) {
  return type == SLUICE__NATIVE_PAD || type > SLUICE__NATIVE_PAD ||
         type == SLUICE__NATIVE_ABORT;
}

/* What must not stand where it does, whatever it says. */
static int check_place(sluice_decoder_t *d) {
  const sluice__decode_native_t *n = sluice__decode_native_of(d);
  uint16_t type = n->record.type;

  if (is_aside(type)) {
    return 0;
  }
  if (n->note.goes_on && type != SLUICE__NATIVE_NOTE) {
    return SLUICE__NATIVE_REFUSE(d, SLUICE_EORDER,
                                 "expected the rest of note '%s', found %s",
                                 n->note.name, sluice__native_type_name(type));
  }
  if (n->index.first != 0 && type != SLUICE__NATIVE_INDEX &&
      type != SLUICE__NATIVE_TRAILER) {
    return SLUICE__NATIVE_REFUSE(d, SLUICE_EORDER,
                                 "expected TRAILER behind the index, found %s",
                                 sluice__native_type_name(type));
  }
  return 0;
}

static int on_data(sluice_decoder_t *d) {
  sluice__decode_native_t *n = sluice__decode_native_of(d);
  int r = sluice__native_check_open(d);

  if (r < 0) {
    return r;
  }
  n->has_payload = true;
  n->position = 0;
  n->step = SLUICE__DECODE_DATA;
  return SLUICE__AGAIN;
}

static int on_pad(sluice_decoder_t *d) {
  const sluice__decode_native_t *n = sluice__decode_native_of(d);

  if (n->record.type == SLUICE__NATIVE_PAD &&
      !sluice__native_is_blank(sluice__native_payload(d),
                               (size_t)n->record.length)) {
    return SLUICE__NATIVE_REFUSE(d, SLUICE_ECORRUPT,
                                 "expected zeros in PAD, found others");
  }
  sluice__native_take_record(d);
  return SLUICE__AGAIN;
}

static int on_record(sluice_decoder_t *d, sluice_item_t *item) {
  switch (sluice__decode_native_of(d)->record.type) {
  case SLUICE__NATIVE_START:
  case SLUICE__NATIVE_FULL: return sluice__native_on_section(d, item);
  case SLUICE__NATIVE_DATA: return on_data(d);
  case SLUICE__NATIVE_REGION: return sluice__native_on_region(d, item);
  case SLUICE__NATIVE_PAGES: return sluice__native_on_pages(d);
  case SLUICE__NATIVE_ZEROS: return sluice__native_on_zeros(d);
  case SLUICE__NATIVE_END: return sluice__native_on_end(d, item);
  case SLUICE__NATIVE_NOTE: return sluice__native_on_note(d, item);
  case SLUICE__NATIVE_INDEX: return sluice__native_on_index(d);
  case SLUICE__NATIVE_ABORT: return sluice__native_on_abort(d, item);
  case SLUICE__NATIVE_TRAILER: return sluice__native_on_trailer(d, item);
  default: return on_pad(d); /* or unknown and skippable: was checked */
  }
}

static int step_records(sluice_decoder_t *d, sluice_item_t *item) {
  sluice__decode_native_t *n = sluice__decode_native_of(d);
  int r;

  if (!n->has_record) {
    r = sluice__native_read_record(d);
    if (r != SLUICE__WHOLE) {
      return r;
    }
    n->section = sluice__native_find(n, n->record.section);
  }
  r = check_place(d);
  if (r < 0) {
    return r;
  }
  item->offset = n->at;
  if (n->open != NULL && is_closing(&n->record)) {
    return sluice__native_close_payload(d, item);
  }
  if ((n->record.flags & SLUICE__NATIVE_OPENS) != 0) {
    return sluice__native_on_part(d, item);
  }
  return on_record(d, item);
}

static int step_data(sluice_decoder_t *d, sluice_item_t *item) {
  sluice__decode_native_t *n = sluice__decode_native_of(d);

  if (n->wants_longer) {
    return SLUICE__NATIVE_REFUSE(d, SLUICE_ELIMIT,
                                 "a piece longer than the %" PRIu64
                                 " bytes left in its record was asked for",
                                 n->record.length - n->position);
  }
  if (n->position == n->record.length) {
    sluice__native_take_record(d);
    n->step = SLUICE__DECODE_RECORDS;
    return SLUICE__AGAIN;
  }
  n->lent = (size_t)(n->record.length - n->position);
  item->kind = SLUICE_ITEM_BYTES;
  item->offset = n->at + SLUICE__RECORD_BYTES + n->position;
  item->u.bytes.data = sluice__native_payload(d) + n->position;
  item->u.bytes.len = n->lent;
  return SLUICE__ITEM;
}

/* ABORT was delivered: what a reader that does not look at it gets. */
static int step_aborted(sluice_decoder_t *d) {
  const sluice__decode_native_t *n = sluice__decode_native_of(d);

  return sluice__decoder_fail(d, SLUICE_EABORTED, n->at, n->abort.section, "%s",
                              n->abort.message);
}

static int step(sluice_decoder_t *d, sluice_item_t *item) {
  switch (sluice__decode_native_of(d)->step) {
  case SLUICE__DECODE_HEADER: return step_header(d, item);
  case SLUICE__DECODE_RECORDS: return step_records(d, item);
  case SLUICE__DECODE_DATA: return step_data(d, item);
  case SLUICE__DECODE_PAGES: return sluice__native_step_pages(d, item);
  case SLUICE__DECODE_ZEROS: return sluice__native_step_zeros(d, item);
  case SLUICE__DECODE_ABORTED: return step_aborted(d);
  case SLUICE__DECODE_OVER: return SLUICE__WHOLE;
  }
  return SLUICE_ESTATE;
}

/* What the last item lent is used up. */
static void give_back(sluice_decoder_t *d) {
  sluice__decode_native_t *n = sluice__decode_native_of(d);

  n->payload_bytes += n->lent;
  if (n->step == SLUICE__DECODE_DATA) {
    n->position += n->lent;
  } else if (n->lent > 0) {
    sluice__window_take(&d->window, n->lent);
  }
  n->lent = 0;
}

static int native_next(sluice_decoder_t *d, sluice_item_t *item) {
  int r;

  give_back(d);
  do {
    r = step(d, item);
  } while (r == SLUICE__AGAIN);
  return r;
}

static void native_consume(sluice_decoder_t *d, size_t len) {
  sluice__decode_native_t *n = sluice__decode_native_of(d);

  if (n->step != SLUICE__DECODE_DATA || n->lent == 0) {
    return;
  }
  n->wants_longer = len == 0;
  n->lent = len < n->lent ? len : n->lent;
}

static bool native_is_between(const sluice_decoder_t *d) {
  const sluice__decode_native_t *n = d->state;

  return n->step == SLUICE__DECODE_RECORDS && !n->has_record;
}

/* Native payloads say themselves where they end. */
static void native_end_payload(sluice_decoder_t *d) {
  (void)d;
}

const sluice__decode_ops_t sluice__decode_native = {
    .format = SLUICE_FORMAT_NATIVE,
    .open = native_open,
    .close = native_close,
    .next = native_next,
    .consume = native_consume,
    .end_payload = native_end_payload,
    .is_between = native_is_between,
    .places = sluice__native_places,
    .placed = sluice__native_placed,
};
