/* mutate_native.c - changes native streams a record at a time, for libFuzzer.
 *
 * Records are repeated, left out, moved, and changed within, their lengths and
 * the place of page data made right: a change of bytes alone rarely does so.
 * Half of all changes are still of bytes alone. What comes out is an input like
 * any other, so the corpus needs no libFuzzer to be replayed. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "decode_twice.h"
#include "fuzz.h"
#include "require.h"
#include "seed.h"
#include "stream/bytes.h"
#include "stream/native/record.h"

enum { RECORDS_MAX = 64, GROWTH = 64 };

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
                               unsigned seed);

typedef struct piece_s {
  const uint8_t *at;
  size_t len;
} piece_t;

typedef struct cutter_s {
  const uint8_t *data;
  size_t size;
  piece_t piece[RECORDS_MAX + 1]; /* [0]: options and file header */
  size_t count;
  size_t at; /* what is cut so far */
} cutter_t;

static bool cut_header(cutter_t *c) {
  const uint8_t *header = c->data + INPUT_STREAM;
  size_t len;

  if (c->size < INPUT_STREAM + SLUICE__FILE_STRINGS) {
    return false;
  }
  len = sluice__get_le32(header + SLUICE__FILE_LENGTH);
  if (len > c->size - INPUT_STREAM) {
    return false;
  }
  c->at = INPUT_STREAM + len;
  c->piece[0] = (piece_t){c->data, c->at};
  c->count = 1;
  return true;
}

static bool cut_record(cutter_t *c) {
  size_t left = c->size - c->at;
  uint64_t payload;
  size_t len;

  if (left < SLUICE__RECORD_BYTES || c->count > RECORDS_MAX) {
    return false;
  }
  payload = sluice__get_le64(c->data + c->at + SLUICE__RECORD_LENGTH);
  if (payload > left - SLUICE__RECORD_BYTES) {
    return false;
  }
  len = SLUICE__RECORD_BYTES + (size_t)sluice__native_padded(payload);
  len = len < left ? len : left;
  c->piece[c->count++] = (piece_t){c->data + c->at, len};
  c->at += len;
  return true;
}

typedef struct paste_s {
  uint8_t *to;
  size_t len;
  size_t cap;
} paste_t;

static void put(paste_t *p, const uint8_t *data, size_t len) {
  size_t room = p->cap - p->len;

  len = len < room ? len : room;
  memcpy(p->to + p->len, data, len);
  p->len += len;
}

static void put_zeros(paste_t *p, size_t len) {
  size_t room = p->cap - p->len;

  len = len < room ? len : room;
  memset(p->to + p->len, 0, len);
  p->len += len;
}

/* The data of a record of pages, or 0. */
static size_t data_of(const piece_t *piece) {
  size_t data;

  if (piece->len < SLUICE__PAGES_TABLE ||
      sluice__get_le16(piece->at) != SLUICE__NATIVE_PAGES) {
    return 0;
  }
  data = sluice__get_le32(piece->at + SLUICE__PAGES_DATA);
  return data <= piece->len ? data : 0;
}

static size_t table_of(const piece_t *piece, size_t data) {
  uint64_t runs = sluice__get_le32(piece->at + SLUICE__PAGES_RUNS);
  uint64_t pages = sluice__get_le32(piece->at + SLUICE__PAGES_PAGES);
  uint64_t table = SLUICE__PAGES_TABLE + runs * SLUICE__PAGES_RUN_BYTES +
                   pages * SLUICE__PAGES_HASH_BYTES;

  return table < data ? (size_t)table : data;
}

/* Page data stands at a multiple of 4096 of the stream, wherever it goes. */
static void put_pages(paste_t *p, const piece_t *piece, size_t data) {
  size_t begin = p->len;
  size_t table = table_of(piece, data);
  size_t end = begin - INPUT_STREAM + table;
  size_t gap = (SLUICE__NATIVE_ALIGN - end % SLUICE__NATIVE_ALIGN) %
               SLUICE__NATIVE_ALIGN;

  put(p, piece->at, table);
  put_zeros(p, gap);
  put(p, piece->at + data, piece->len - data);
  sluice__put_le32(p->to + begin + SLUICE__PAGES_DATA, (uint32_t)(table + gap));
  sluice__put_le64(p->to + begin + SLUICE__RECORD_LENGTH,
                   p->len - begin - SLUICE__RECORD_BYTES);
}

static void put_piece(paste_t *p, const piece_t *piece) {
  size_t data = data_of(piece);

  if (data > 0 && p->cap - p->len > SLUICE__PAGES_TABLE) {
    put_pages(p, piece, data);
  } else {
    put(p, piece->at, piece->len);
  }
}

/* The record with a changed payload, its length right. */
static void put_changed(paste_t *p, const piece_t *piece) {
  size_t body = piece->len - SLUICE__RECORD_BYTES;
  uint8_t *copy = malloc(piece->len + GROWTH);
  size_t len;

  REQUIRE(copy != NULL);
  memset(copy, 0, piece->len + GROWTH);
  memcpy(copy, piece->at, piece->len);
  len = LLVMFuzzerMutate(copy + SLUICE__RECORD_BYTES, body,
                         body + GROWTH - SLUICE__RECORD_PAD);
  memset(copy + SLUICE__RECORD_BYTES + len, 0, SLUICE__RECORD_PAD);
  sluice__put_le64(copy + SLUICE__RECORD_LENGTH, len);
  put_piece(p, &(piece_t){copy, SLUICE__RECORD_BYTES +
                                    (size_t)sluice__native_padded(len)});
  free(copy);
}

typedef enum change_e { REPEAT, DROP, MOVE, WITHIN, CHANGES } change_t;

static void paste(paste_t *p, const cutter_t *c, seed_t *dice) {
  change_t change = (change_t)seed_below(dice, CHANGES);
  size_t which = 1 + seed_below(dice, c->count - 1);
  size_t to = 1 + seed_below(dice, c->count - 1);

  put(p, c->piece[0].at, c->piece[0].len);
  for (size_t i = 1; i < c->count; i++) {
    if (i == to && (change == REPEAT || change == MOVE)) {
      put_piece(p, &c->piece[which]);
    }
    if (i == which && change == WITHIN) {
      put_changed(p, &c->piece[i]);
    } else if (i != which || change == REPEAT) {
      put_piece(p, &c->piece[i]);
    }
  }
  put(p, c->data + c->at, c->size - c->at);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
                               unsigned seed) {
  cutter_t c = {.data = data, .size = size};
  seed_t dice = {seed};
  paste_t p = {.cap = max_size};

  if (seed_below(&dice, 2) == 0 || !cut_header(&c)) {
    return LLVMFuzzerMutate(data, size, max_size);
  }
  while (cut_record(&c)) {
  }
  if (c.count == 1) {
    return LLVMFuzzerMutate(data, size, max_size);
  }
  p.to = malloc(max_size);
  REQUIRE(p.to != NULL);
  paste(&p, &c, &dice);
  p.to[INPUT_OPTIONS] |= seed_below(&dice, 4) == 0 ? 0 : OPTION_MEND;
  memcpy(data, p.to, p.len);
  free(p.to);
  return p.len;
}
