/* decode_stream.c - records about the stream as a whole: notes, index,
 * abort, trailer. */
#include "stream/native/decode.h"

#include <inttypes.h>
#include <string.h>
#include <uv.h>

#include "stream/bytes.h"
#include "stream/native/ends.h"

/* A piece of a note: where in the record, and how long. */
typedef struct piece_s {
  char name[SLUICE_NAME_MAX + 1];
  const uint8_t *data;
  size_t len;
} piece_t;

static int get_piece(sluice_decoder_t *d, piece_t *out) {
  const sluice__decode_native_t *n = sluice__decode_native_of(d);
  const uint8_t *p = sluice__native_payload(d);
  size_t len = (size_t)n->record.length;
  size_t name = len < SLUICE__NOTE_STRINGS ? 0 : sluice__get_le16(p);

  if (name == 0 || name > len - SLUICE__NOTE_STRINGS ||
      !sluice__native_is_blank(p + SLUICE__NOTE_ZERO,
                               SLUICE__NOTE_STRINGS - SLUICE__NOTE_ZERO)) {
    return SLUICE__NATIVE_REFUSE(d, SLUICE_ECORRUPT, "a note is malformed");
  }
  out->data = p + SLUICE__NOTE_STRINGS + name;
  out->len = len - SLUICE__NOTE_STRINGS - name;
  return sluice__native_copy_name(d, out->name, p + SLUICE__NOTE_STRINGS, name,
                                  "note name");
}

static int check_piece(sluice_decoder_t *d, const piece_t *piece) {
  const sluice__decode_note_t *note = &sluice__decode_native_of(d)->note;

  if (note->goes_on && strcmp(note->name, piece->name) != 0) {
    return SLUICE__NATIVE_REFUSE(d, SLUICE_EORDER,
                                 "expected the rest of note '%.60s', found "
                                 "'%.60s'",
                                 note->name, piece->name);
  }
  if (note->len + piece->len > SLUICE_NOTE_MAX) {
    return SLUICE__NATIVE_REFUSE(d, SLUICE_ELIMIT,
                                 "note '%.60s' is over the limit of %d bytes",
                                 note->name, (int)SLUICE_NOTE_MAX);
  }
  return 0;
}

/* Every note is put together aside, so its record can go at once. */
static int keep_piece(sluice_decoder_t *d, const piece_t *piece) {
  sluice__decode_note_t *note = &sluice__decode_native_of(d)->note;
  void *data = note->data;
  int r = sluice__native_reserve(d, &data, &note->cap, note->len + piece->len,
                                 1, "note");

  if (r < 0) {
    return r;
  }
  note->data = data;
  if (piece->len > 0) {
    memcpy(note->data + note->len, piece->data, piece->len);
  }
  note->len += piece->len;
  memcpy(note->name, piece->name, sizeof(note->name));
  return 0;
}

int sluice__native_on_note(sluice_decoder_t *d, sluice_item_t *item) {
  sluice__decode_native_t *n = sluice__decode_native_of(d);
  piece_t piece = {.name = ""};
  int r = get_piece(d, &piece);

  if (!n->note.goes_on) {
    n->note.len = 0;
  }
  if (r == 0) {
    r = check_piece(d, &piece);
  }
  if (r == 0) {
    r = keep_piece(d, &piece);
  }
  if (r < 0) {
    return r;
  }
  n->note.goes_on = (n->record.flags & SLUICE__NATIVE_MORE) != 0;
  sluice__native_take_record(d);
  if (n->note.goes_on) {
    return SLUICE__AGAIN;
  }
  item->kind = SLUICE_ITEM_NOTE;
  item->u.note.name = n->note.name;
  item->u.note.data = n->note.data;
  item->u.note.len = n->note.len;
  return SLUICE__ITEM;
}

/* Do `len` bytes at `offset` stand before this record? */
static bool is_before(const sluice__decode_native_t *n, uint64_t offset,
                      uint64_t len) {
  return offset <= n->at && len <= n->at - offset;
}

static int check_entry(sluice_decoder_t *d,
                       const sluice__index_entry_t *entry) {
  sluice__decode_native_t *n = sluice__decode_native_of(d);
  int r =
      sluice__native_check_run(d, entry->region, entry->offset, entry->count);
  uint64_t bytes;

  if (r < 0) {
    return r;
  }
  bytes = entry->count * n->regions[entry->region].page_size;
  if (entry->region < n->index.region ||
      (entry->region == n->index.region && entry->offset < n->index.end)) {
    return SLUICE__NATIVE_REFUSE(d, SLUICE_ECORRUPT,
                                 "the index is not in ascending order");
  }
  if (entry->data == 0
          ? entry->hashes != 0
          : !is_before(n, entry->data, bytes) ||
                !is_before(n, entry->hashes,
                           entry->count * SLUICE__PAGES_HASH_BYTES)) {
    return SLUICE__NATIVE_REFUSE(d, SLUICE_ECORRUPT,
                                 "the index points to %" PRIu64 " and %" PRIu64
                                 ", outside of the pages",
                                 entry->data, entry->hashes);
  }
  n->index.region = entry->region;
  n->index.end = entry->offset + bytes;
  r = sluice__native_compare_entry(d, entry);
  return r < 0 ? r : sluice__native_tell_entry(d, entry);
}

int sluice__native_on_index(sluice_decoder_t *d) {
  sluice__decode_native_t *n = sluice__decode_native_of(d);
  sluice__index_cursor_t cursor;
  sluice__index_entry_t entry;

  if (n->record.length % SLUICE__INDEX_RUN_BYTES != 0) {
    return SLUICE__NATIVE_REFUSE(
        d, SLUICE_ECORRUPT,
        "INDEX of %" PRIu64 " bytes, expected a multiple of %d",
        n->record.length, (int)SLUICE__INDEX_RUN_BYTES);
  }
  if (n->index.first == 0) {
    n->index.first = n->at;
  }
  sluice__index_cursor_open_payload(&cursor, sluice__native_payload(d),
                                    (size_t)n->record.length);
  while (sluice__index_cursor_next(&cursor, &entry) == SLUICE__INDEX_ENTRY) {
    int r = check_entry(d, &entry);

    if (r < 0) {
      return r;
    }
  }
  sluice__native_take_record(d);
  return SLUICE__AGAIN;
}

static int get_reason(sluice_decoder_t *d) {
  sluice__decode_native_t *n = sluice__decode_native_of(d);
  const uint8_t *p = sluice__native_payload(d);
  size_t len = (size_t)n->record.length;
  size_t section;
  size_t message;
  int r;

  if (len < SLUICE__ABORT_STRINGS) {
    return SLUICE__NATIVE_REFUSE(d, SLUICE_ECORRUPT, "ABORT is malformed");
  }
  n->abort.code = (int)(int32_t)sluice__get_le32(p + SLUICE__ABORT_CODE);
  section = sluice__get_le16(p + SLUICE__ABORT_SECTION_LENGTH);
  message = sluice__get_le16(p + SLUICE__ABORT_MESSAGE_LENGTH);
  if (SLUICE__ABORT_STRINGS + section + message != len || n->abort.code >= 0 ||
      sluice__get_le32(p + SLUICE__ABORT_ZERO) != 0) {
    return SLUICE__NATIVE_REFUSE(d, SLUICE_ECORRUPT, "ABORT is malformed");
  }
  p += SLUICE__ABORT_STRINGS;
  r = sluice__native_copy_name(d, n->abort.section, p, section,
                               "section of ABORT");
  if (r == 0) {
    r = sluice__native_copy_name(d, n->abort.message, p + section, message,
                                 "message of ABORT");
  }
  return r;
}

int sluice__native_on_abort(sluice_decoder_t *d, sluice_item_t *item) {
  sluice__decode_native_t *n = sluice__decode_native_of(d);
  int r = get_reason(d);

  if (r < 0) {
    return r;
  }
  item->kind = SLUICE_ITEM_ABORT;
  item->u.abort.code = n->abort.code;
  item->u.abort.section = n->abort.section;
  item->u.abort.message = n->abort.message;
  sluice__native_take_record(d);
  n->step = SLUICE__DECODE_ABORTED;
  return SLUICE__ITEM;
}

static int check_total(sluice_decoder_t *d, uint64_t found, uint64_t expected,
                       const char *what) {
  if (found == expected) {
    return 0;
  }
  return SLUICE__NATIVE_REFUSE(
      d, SLUICE_ECORRUPT, "trailer: expected %" PRIu64 " %s, found %" PRIu64,
      expected, what, found);
}

static int check_totals(sluice_decoder_t *d, const sluice__trailer_t *t) {
  const sluice__decode_native_t *n = sluice__decode_native_of(d);
  const struct {
    uint64_t found;
    uint64_t expected;
    const char *what;
  } rows[] = {
      {t->total, n->totals.bytes, "bytes"},
      {t->records, n->totals.records, "records"},
      {t->index, n->index.first, "as offset of the index"},
      {t->pages, n->totals.pages_data, "pages of data"},
      {t->zeros, n->totals.pages_zero, "pages of zeros"},
      {t->chain, n->chain, "as checksum of all records"},
  };
  int r = 0;

  for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) && r == 0; i++) {
    r = check_total(d, rows[i].found, rows[i].expected, rows[i].what);
  }
  return r;
}

static int check_trailer(sluice_decoder_t *d) {
  const sluice__decode_native_t *n = sluice__decode_native_of(d);
  sluice__trailer_t trailer;

  if (n->record.length != SLUICE__TRAILER_BYTES) {
    return SLUICE__NATIVE_REFUSE(d, SLUICE_ECORRUPT,
                                 "TRAILER of %" PRIu64 " bytes, expected %d",
                                 n->record.length, (int)SLUICE__TRAILER_BYTES);
  }
  if (!sluice__trailer_get(&trailer, sluice__native_payload(d))) {
    return SLUICE__NATIVE_REFUSE(d, SLUICE_ECORRUPT,
                                 "expected the end mark, found another");
  }
  return check_totals(d, &trailer);
}

int sluice__native_on_trailer(sluice_decoder_t *d, sluice_item_t *item) {
  sluice__decode_native_t *n = sluice__decode_native_of(d);
  int r;

  if (n->sections.live > 0) {
    return sluice__decoder_fail(d, SLUICE_EORDER, n->at,
                                sluice__native_unended(n)->decl.name,
                                "the stream ends before the section does");
  }
  n->totals.bytes = n->at + SLUICE__RECORD_BYTES + SLUICE__TRAILER_BYTES;
  r = check_trailer(d);
  if (r == 0) {
    r = sluice__native_compare_end(d);
  }
  if (r < 0) {
    return r;
  }
  item->kind = SLUICE_ITEM_TRAILER;
  item->u.totals = n->totals;
  sluice__native_take_record(d);
  n->step = SLUICE__DECODE_OVER;
  return SLUICE__ITEM;
}
