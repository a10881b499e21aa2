/* decode_twice.c - see decode_twice.h. */
#include "decode_twice.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/decoder.h>
#include <sluice/handler.h>

#include "counting_alloc.h"
#include "require.h"
#include "stream/decoder.h"

enum {
  SIGNATURE_BYTES = 8,
  MEMORY_MAX = 512 * 1024, /* so the window is small, and quickly made */
  SLACK = 8192,            /* what a decoder needs before it counts */
  ITEMS_MAX = 200000,      /* many zero pages cost the input few bytes */
  PLACED_REGIONS = 4,      /* of the first bytes of so many regions, */
  PLACED_BYTES = 64 * 1024 /* pages are put elsewhere */
};

typedef struct run_s {
  sluice_decoder_t *decoder;
  const uint8_t *data;
  size_t left;
  size_t step; /* 0: all at once */
  size_t cut;
  size_t wanted;  /* of an open payload, still */
  uint64_t sum;   /* of all bytes and texts that came */
  uint64_t pages; /* each by its region; how runs were joined must not show */
  unsigned items;
  int result;
  bool places; /* pages are put where they belong, if the format can */
} run_t;

static uint8_t memory[PLACED_REGIONS][PLACED_BYTES];

static void add(run_t *r, uint64_t v) {
  r->sum = (r->sum ^ v) * UINT64_C(0x100000001b3);
}

/* Order of bytes counts, not how they were cut. */
static void add_bytes(run_t *r, const void *data, size_t len) {
  const uint8_t *p = data;

  for (size_t i = 0; i < len; i++) {
    add(r, p[i]);
  }
}

static void add_text(run_t *r, const char *text) {
  add_bytes(r, text, strlen(text) + 1);
}

static void take_bytes(run_t *r, const sluice_bytes_t *bytes) {
  size_t n = bytes->len;

  REQUIRE(n > 0);
  if (bytes->is_open) {
    n = n < r->wanted ? n : r->wanted;
    r->wanted -= n;
  }
  add_bytes(r, bytes->data, n);
  if (bytes->is_open) {
    sluice_decoder_consume(r->decoder, n);
    if (r->wanted == 0) {
      sluice_decoder_end_payload(r->decoder);
    }
  }
}

static void take_decl(run_t *r, const sluice_decl_t *decl) {
  r->wanted = r->cut;
  add(r, decl->id);
  add(r, decl->instance);
  add(r, decl->version);
  add_text(r, decl->name);
  add_text(r, decl->type);
  if (decl->schema != NULL) {
    add_bytes(r, decl->schema, decl->schema_len);
  }
}

/* Runs are joined as far as they are in the window, so their pages count. */
static void take_run(run_t *r, const sluice_run_t *run) {
  REQUIRE(run->page_size > 0 && run->count > 0);
  REQUIRE(run->data == NULL || run->len == run->count * run->page_size);
  r->pages += run->count * (run->region + 1u);
  add_bytes(r, run->data, run->len);
}

static void take_delta(run_t *r, const sluice_run_t *run) {
  uint8_t page[65536] = {0};

  REQUIRE(run->count == 1 && run->page_size <= sizeof(page));
  add(r, run->offset);
  add(r, (uint64_t)sluice_delta_apply(page, run->page_size, run->data, run->len,
                                      NULL));
  add_bytes(r, page, run->page_size);
}

static void take(run_t *r, const sluice_item_t *item) {
  switch (item->kind) {
  case SLUICE_ITEM_HEADER:
    add_text(r, item->u.header.host);
    add_text(r, item->u.header.host_version);
    break;
  case SLUICE_ITEM_NOTE:
    add_text(r, item->u.note.name);
    add_bytes(r, item->u.note.data, item->u.note.len);
    break;
  case SLUICE_ITEM_SECTION:
  case SLUICE_ITEM_PART:
  case SLUICE_ITEM_END: take_decl(r, &item->u.decl); break;
  case SLUICE_ITEM_REGION: add_text(r, item->u.region.name); break;
  case SLUICE_ITEM_PAGES:
  case SLUICE_ITEM_ZEROS: take_run(r, &item->u.run); break;
  case SLUICE_ITEM_DELTA: take_delta(r, &item->u.run); break;
  case SLUICE_ITEM_BYTES: take_bytes(r, &item->u.bytes); break;
  case SLUICE_ITEM_CLOSE: add(r, item->u.payload_bytes); break;
  case SLUICE_ITEM_COMMAND:
    add_text(r, item->u.command.name);
    add_bytes(r, item->u.command.data, item->u.command.len);
    break;
  case SLUICE_ITEM_ABORT:
    add_text(r, item->u.abort.section);
    add_text(r, item->u.abort.message);
    break;
  case SLUICE_ITEM_TRAILER: add(r, item->u.totals.bytes); break;
  }
}

static uint8_t *find_place(void *ctx, const sluice_run_t *run) {
  bool is_there = run->region < PLACED_REGIONS && run->offset < PLACED_BYTES &&
                  run->count <= (PLACED_BYTES - run->offset) / run->page_size;

  (void)ctx;
  return is_there ? memory[run->region] + run->offset : NULL;
}

/* The way of a reader that puts pages where they belong. */
static bool feed_places(run_t *r) {
  struct iovec places[8];
  int count = sluice__decoder_places(r->decoder, places, 8, r->step * 16);
  size_t got = 0;

  for (int i = 0; i < count && got < r->step; i++) {
    size_t n = places[i].iov_len < r->left ? places[i].iov_len : r->left;

    n = n < r->step - got ? n : r->step - got;
    memcpy(places[i].iov_base, r->data, n);
    r->data += n;
    r->left -= n;
    got += n;
  }
  if (count > 0) {
    sluice__decoder_placed(r->decoder, got);
  }
  return count > 0;
}

static void feed(run_t *r) {
  void *space;
  size_t n;

  if (r->left == 0) {
    sluice_decoder_eof(r->decoder);
    return;
  }
  if (r->places && feed_places(r)) {
    return;
  }
  sluice_decoder_space(r->decoder, &space, &n);
  REQUIRE(n > 0);
  n = n < r->left ? n : r->left;
  n = r->step > 0 && r->step < n ? r->step : n;
  memcpy(space, r->data, n);
  sluice_decoder_fill(r->decoder, n);
  r->data += n;
  r->left -= n;
}

static void decode(run_t *r) {
  sluice_error_t err = {0};
  sluice_item_t item;

  while (r->items < ITEMS_MAX) {
    r->result = sluice_decoder_next(r->decoder, &item, &err);
    if (r->result == SLUICE_MORE) {
      r->items++;
      take(r, &item);
    } else if (r->result == SLUICE_WAIT) {
      feed(r);
    } else {
      REQUIRE(r->result == SLUICE_DONE ||
              (r->result < 0 && err.code == r->result));
      REQUIRE(sluice_decoder_next(r->decoder, &item, &err) == r->result);
      return;
    }
  }
}

static void run(run_t *r, const decode_twice_t *in) {
  const sluice_decoder_options_t o = {
      .size = sizeof(o),
      .format = in->format,
      .payload_ends = (in->options & OPTION_BY_DESCRIPTION) != 0
                          ? SLUICE_ENDS_BY_DESCRIPTION
                          : SLUICE_ENDS_BY_READER,
      .max_sections = 64,
      .max_regions = 16,
      .max_memory = MEMORY_MAX,
      .max_region_bytes = UINT64_C(1) << 32,
      .may_stay_open = (in->options & OPTION_MAY_STAY_OPEN) != 0,
      .check_index = (in->options & OPTION_CHECK_INDEX) != 0};
  const sluice__decode_hooks_t hooks = {.place = find_place};
  counting_alloc_t count;
  sluice_alloc_t alloc;

  counting_alloc_init(&count);
  alloc = counting_alloc_of(&count);
  REQUIRE(sluice_decoder_new(&r->decoder, &o, &alloc) == 0);
  sluice__decoder_set_hooks(r->decoder, &hooks);
  decode(r);
  sluice_decoder_free(r->decoder);
  REQUIRE(count.live == 0 && count.peak <= MEMORY_MAX + SLACK);
}

void decode_twice(const decode_twice_t *in) {
  run_t whole = {.data = in->data, .left = in->len, .cut = in->cut};
  run_t pieces = whole;

  pieces.step = in->step;
  pieces.places = true;
  run(&whole, in);
  run(&pieces, in);
  if (whole.items < ITEMS_MAX && pieces.items < ITEMS_MAX &&
      (in->options & OPTION_MAY_STAY_OPEN) == 0) {
    REQUIRE(whole.result == pieces.result);
    REQUIRE(whole.result < 0 ||
            (whole.sum == pieces.sum && whole.pages == pieces.pages));
  }
}

size_t decode_twice_open(decode_twice_t *out, sluice_format_t format,
                         const char *signature, const uint8_t *data,
                         size_t size, uint8_t **out_stream) {
  const unsigned raw = OPTION_AS_IT_IS | OPTION_ANY_FORMAT;

  if (size <= INPUT_STREAM) {
    return 0;
  }
  out->options = data[INPUT_OPTIONS];
  out->format =
      (out->options & OPTION_ANY_FORMAT) != 0 ? SLUICE_FORMAT_UNKNOWN : format;
  out->step = (size_t)data[INPUT_STEP] + 1;
  out->cut = data[INPUT_CUT];
  out->len = size - INPUT_STREAM;
  *out_stream = malloc(out->len);
  REQUIRE(*out_stream != NULL);
  memcpy(*out_stream, data + INPUT_STREAM, out->len);
  out->data = *out_stream;
  if ((out->options & raw) == 0 && out->len >= SIGNATURE_BYTES) {
    memcpy(*out_stream, signature, SIGNATURE_BYTES);
  }
  return out->len;
}
