/* decode_record.c - is the record at the head whole and the right one?
 *
 * Lengths are bounded first, then the checksum, then the sequence: only then is
 * anything of the record believed. */
#include "stream/native/decode.h"

#include <inttypes.h>

#include "stream/bytes.h"

typedef struct record_kind_s {
  const char *name;
  uint64_t length_max;
  uint16_t flags;
  bool has_section;
} record_kind_t;

#define KIB(n) ((uint64_t)(n)*1024)

static const record_kind_t kinds[] = {
    [SLUICE__NATIVE_START] = {"START", KIB(1024), 0, true},
    [SLUICE__NATIVE_FULL] = {"FULL", KIB(1024), 0, true},
    [SLUICE__NATIVE_DATA] = {"DATA", KIB(1024), SLUICE__NATIVE_OPENS, true},
    [SLUICE__NATIVE_REGION] = {"REGION", KIB(1), 0, true},
    [SLUICE__NATIVE_PAGES] = {"PAGES", KIB(4096), SLUICE__NATIVE_OPENS, true},
    [SLUICE__NATIVE_ZEROS] = {"ZEROS", KIB(1024), SLUICE__NATIVE_OPENS, true},
    [SLUICE__NATIVE_END] = {"END", 0, 0, true},
    [SLUICE__NATIVE_NOTE] = {"NOTE", KIB(1024), SLUICE__NATIVE_MORE, false},
    [SLUICE__NATIVE_INDEX] = {"INDEX", KIB(1024), 0, false},
    [SLUICE__NATIVE_ABORT] = {"ABORT", KIB(1), 0, false},
    [SLUICE__NATIVE_TRAILER] = {"TRAILER", SLUICE__TRAILER_BYTES, 0, false},
    [SLUICE__NATIVE_PAD] = {"PAD", KIB(1024), 0, false},
};

static const record_kind_t unknown_kind = {"unknown", KIB(1024), UINT16_MAX,
                                           false};

static const record_kind_t *kind_of(uint16_t type) {
  if (type < sizeof(kinds) / sizeof(kinds[0]) && kinds[type].name != NULL) {
    return &kinds[type];
  }
  return &unknown_kind;
}

const char *sluice__native_type_name(uint16_t type) {
  return kind_of(type)->name;
}

static int check_sum(sluice_decoder_t *d, const uint8_t *p, size_t covered) {
  const sluice__decode_native_t *n = sluice__decode_native_of(d);
  uint64_t expected = sluice__record_checksum(p, covered);

  if (expected == n->record.checksum) {
    return 0;
  }
  return SLUICE__NATIVE_REFUSE(
      d, SLUICE_ECORRUPT,
      "record %" PRIu64 ": expected checksum %016" PRIx64 ", found %016" PRIx64,
      n->sequence, expected, n->record.checksum);
}

static int check_sequence(sluice_decoder_t *d) {
  const sluice__decode_native_t *n = sluice__decode_native_of(d);

  if (n->record.sequence == n->sequence) {
    return 0;
  }
  return SLUICE__NATIVE_REFUSE(
      d, SLUICE_ECORRUPT,
      "expected record %" PRIu64 ", found record %" PRIu64 ": records are %s",
      n->sequence, n->record.sequence,
      n->record.sequence > n->sequence ? "lost or swapped"
                                       : "repeated or swapped");
}

/* The checksum was right, so this is what the writer meant. */
static int check_kind(sluice_decoder_t *d) {
  sluice__decode_native_t *n = sluice__decode_native_of(d);
  const record_kind_t *kind = kind_of(n->record.type);
  bool has_section = n->record.section != SLUICE__NATIVE_NO_SECTION;

  if (kind == &unknown_kind) {
    if ((n->record.flags & SLUICE__NATIVE_SKIPPABLE) == 0) {
      return SLUICE__NATIVE_REFUSE(
          d, SLUICE_ECORRUPT, "record type %d is unknown", (int)n->record.type);
    }
    n->record.flags = 0;
    n->record.type = SLUICE__NATIVE_PAD + 1;
    return 0;
  }
  if ((n->record.flags & ~kind->flags) != 0) {
    return SLUICE__NATIVE_REFUSE(d, SLUICE_ECORRUPT,
                                 "unknown flags 0x%04x of %s",
                                 (unsigned)n->record.flags, kind->name);
  }
  if (has_section != kind->has_section) {
    return SLUICE__NATIVE_REFUSE(d, SLUICE_ECORRUPT,
                                 "%s with section id %" PRIu32, kind->name,
                                 n->record.section);
  }
  return 0;
}

static int verify(sluice_decoder_t *d, const uint8_t *p, size_t covered) {
  sluice__decode_native_t *n = sluice__decode_native_of(d);
  int r = check_sum(d, p, covered);

  if (r == 0) {
    r = check_sequence(d);
  }
  if (r == 0) {
    r = check_kind(d);
  }
  if (r < 0) {
    return r;
  }
  /* The trailer has the chain over all records before it. */
  if (n->record.type != SLUICE__NATIVE_TRAILER) {
    n->chain = sluice__record_chain(n->chain, n->record.checksum);
  }
  n->sequence++;
  n->totals.records = n->sequence;
  n->has_record = true;
  return SLUICE__WHOLE;
}

static int verify_plain(sluice_decoder_t *d) {
  sluice__decode_native_t *n = sluice__decode_native_of(d);
  size_t len = (size_t)n->record.length;
  size_t padded = (size_t)sluice__native_padded(len);
  const uint8_t *p =
      sluice__window_peek(&d->window, SLUICE__RECORD_BYTES + padded);

  if (p == NULL) {
    return sluice__decoder_starve(d, "",
                                  sluice__native_type_name(n->record.type));
  }
  if (!sluice__native_is_blank(p + SLUICE__RECORD_BYTES + len, padded - len)) {
    return SLUICE__NATIVE_REFUSE(
        d, SLUICE_ECORRUPT,
        "expected zeros behind record %" PRIu64 ", found others", n->sequence);
  }
  return verify(d, p, len);
}

/* Do the lengths in the fixed part of PAGES agree? */
static bool is_table(const sluice__decode_native_t *n, const uint8_t *p) {
  uint64_t runs = sluice__get_le32(p + SLUICE__PAGES_RUNS);
  uint64_t pages = sluice__get_le32(p + SLUICE__PAGES_PAGES);
  uint64_t data = sluice__get_le32(p + SLUICE__PAGES_DATA);
  uint32_t page_size = sluice__get_le32(p + SLUICE__PAGES_PAGE_SIZE);

  return sluice__is_page_size(page_size) && runs > 0 && runs <= pages &&
         data <= SLUICE__NATIVE_TABLE_MAX &&
         data >= SLUICE__PAGES_TABLE + runs * SLUICE__PAGES_RUN_BYTES +
                     pages * SLUICE__PAGES_HASH_BYTES &&
         data + pages * page_size == SLUICE__RECORD_BYTES + n->record.length;
}

static int verify_pages(sluice_decoder_t *d) {
  sluice__decode_native_t *n = sluice__decode_native_of(d);
  const uint8_t *p = sluice__window_peek(&d->window, SLUICE__PAGES_TABLE);
  size_t data;
  size_t runs_end;
  size_t used;

  if (p == NULL) {
    return sluice__decoder_starve(d, "", "PAGES");
  }
  if (!is_table(n, p)) {
    return SLUICE__NATIVE_REFUSE(
        d, SLUICE_ECORRUPT,
        "record %" PRIu64 ": the lengths in PAGES do not agree", n->sequence);
  }
  data = sluice__get_le32(p + SLUICE__PAGES_DATA);
  runs_end =
      SLUICE__PAGES_TABLE + (size_t)sluice__get_le32(p + SLUICE__PAGES_RUNS) *
                                SLUICE__PAGES_RUN_BYTES;
  used = runs_end + (size_t)sluice__get_le32(p + SLUICE__PAGES_PAGES) *
                        SLUICE__PAGES_HASH_BYTES;
  p = sluice__window_peek(&d->window, data);
  if (p == NULL) {
    return sluice__decoder_starve(d, "", "PAGES");
  }
  if (!sluice__native_is_blank(p + used, data - used)) {
    return SLUICE__NATIVE_REFUSE(d, SLUICE_ECORRUPT,
                                 "expected zeros before the pages of record "
                                 "%" PRIu64 ", found others",
                                 n->sequence);
  }
  return verify(d, p, runs_end - SLUICE__RECORD_BYTES);
}

int sluice__native_read_record(sluice_decoder_t *d) {
  sluice__decode_native_t *n = sluice__decode_native_of(d);
  const uint8_t *p = sluice__window_peek(&d->window, SLUICE__RECORD_BYTES);
  const record_kind_t *kind;

  n->section = NULL;
  n->at = d->window.offset;
  if (p == NULL) {
    return sluice__decoder_starve(d, "", "record header");
  }
  sluice__record_get(&n->record, p);
  kind = kind_of(n->record.type);
  if (n->record.length > kind->length_max) {
    return SLUICE__NATIVE_REFUSE(d, SLUICE_ECORRUPT,
                                 "record %" PRIu64 ": %s of %" PRIu64
                                 " bytes, expected at most %" PRIu64,
                                 n->sequence, kind->name, n->record.length,
                                 kind->length_max);
  }
  return n->record.type == SLUICE__NATIVE_PAGES ? verify_pages(d)
                                                : verify_plain(d);
}

void sluice__native_take_record(sluice_decoder_t *d) {
  sluice__decode_native_t *n = sluice__decode_native_of(d);

  sluice__window_take(&d->window,
                      SLUICE__RECORD_BYTES +
                          (size_t)sluice__native_padded(n->record.length));
  n->has_record = false;
}
