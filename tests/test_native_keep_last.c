/* test_native_keep_last.c - with keep_last a page that comes again replaces its
 * former copy, wherever that is: in the record being built, in the chunk, or
 * behind the output.
 *
 * Random rewriting is compared with a model: by fetching, by decoding, and
 * through the index. */
#include <check.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include <sluice/decoder.h>
#include <sluice/encoder.h>
#include <sluice/handler.h>

#include "decode_all.h"
#include "memory_output.h"
#include "seed.h"
#include "stream/bytes.h"
#include "stream/native/record.h"
#include "suite.h"

enum { PAGES = 400, REGIONS = 2, MARK = 0xee };

static const uint32_t page_sizes[REGIONS] = {1024, 4096};

typedef struct fixture_s {
  seed_t random;
  memory_output_t m;
  sluice_encoder_t *e;
  sluice_decl_t decl;
  uint8_t *model[REGIONS]; /* what the pages are */
  uint8_t written[REGIONS][PAGES];
  uint8_t *decoded[REGIONS]; /* what a reader of the stream gets */
  uint64_t data_pages;       /* that the stream should hold */
} fixture_t;

static fixture_t *f;

static size_t region_bytes(uint32_t region) {
  return (size_t)PAGES * page_sizes[region];
}

static void setup(void) {
  sluice_encoder_options_t options = {.size = sizeof(options), .keep_last = 1};
  sluice_output_t output;

  f = calloc(1, sizeof(*f));
  f->decl.flags = SLUICE_SECTION_LIVE;
  f->decl.payload = SLUICE_PAYLOAD_PAGES;
  f->decl.name = "ram";
  f->decl.type = "ram";
  memory_output_init(&f->m);
  output = memory_output_of(&f->m);
  ck_assert_int_eq(sluice_encoder_new(&f->e, &options, &output, NULL), 0);
  ck_assert_int_eq(sluice_encoder_header(f->e), 0);
  ck_assert_int_eq(sluice_encoder_open(f->e, SLUICE_ITEM_SECTION, &f->decl), 0);
  for (uint32_t i = 0; i < REGIONS; i++) {
    uint32_t index;

    ck_assert_int_eq(sluice_encoder_region(f->e, "r", region_bytes(i),
                                           page_sizes[i], &index),
                     0);
    ck_assert_uint_eq(index, i);
    f->model[i] = calloc(1, region_bytes(i));
    f->decoded[i] = malloc(region_bytes(i));
    memset(f->decoded[i], MARK, region_bytes(i));
  }
}

static void teardown(void) {
  sluice_encoder_free(f->e);
  memory_output_done(&f->m);
  for (uint32_t i = 0; i < REGIONS; i++) {
    free(f->model[i]);
    free(f->decoded[i]);
  }
  free(f);
}

static uint8_t *model_page(uint32_t region, uint32_t page) {
  return f->model[region] + (size_t)page * page_sizes[region];
}

/* Bit 1 of `written` tells that the page has had data: its place is kept. */
static void note_written(uint32_t region, uint32_t page, int is_data) {
  if (is_data && (f->written[region][page] & 2) == 0) {
    f->data_pages++;
  }
  f->written[region][page] |= is_data ? 3 : 1;
}

static void write_pages(uint32_t region, uint32_t first, uint32_t count) {
  uint32_t page_size = page_sizes[region];

  for (uint32_t i = first; i < first + count; i++) {
    int is_data = seed_pick(&f->random, 3) != 0;

    memset(model_page(region, i),
           is_data ? 1 + (int)seed_pick(&f->random, 255) : 0, page_size);
    note_written(region, i, is_data);
  }
  ck_assert_int_eq(sluice_encoder_pages(f->e, region,
                                        (uint64_t)first * page_size,
                                        model_page(region, first), count),
                   0);
}

static void write_zeros(uint32_t region, uint32_t first, uint32_t count) {
  uint32_t page_size = page_sizes[region];

  memset(model_page(region, first), 0, (size_t)count * page_size);
  for (uint32_t i = first; i < first + count; i++) {
    note_written(region, i, 0);
  }
  ck_assert_int_eq(
      sluice_encoder_zeros(f->e, region, (uint64_t)first * page_size, count),
      0);
}

static void check_fetch(uint32_t region, uint32_t page) {
  uint8_t got[4096];

  ck_assert_int_eq(sluice_encoder_fetch(
                       f->e, region, (uint64_t)page * page_sizes[region], got),
                   0);
  ck_assert_mem_eq(got, model_page(region, page), page_sizes[region]);
}

static void next_payload(sluice_item_kind_t kind) {
  ck_assert_int_eq(sluice_encoder_close(f->e), 0);
  ck_assert_int_eq(sluice_encoder_open(f->e, kind, &f->decl), 0);
}

static void random_action(void) {
  uint32_t region = seed_pick(&f->random, REGIONS);
  uint32_t first = seed_pick(&f->random, PAGES);
  uint32_t count = 1 + seed_pick(&f->random, 12);

  count = count < PAGES - first ? count : PAGES - first;
  switch (seed_pick(&f->random, 8)) {
  case 0: write_zeros(region, first, count); return;
  case 1: check_fetch(region, first); return;
  case 2: next_payload(SLUICE_ITEM_PART); return;
  case 3:
    if (seed_pick(&f->random, 4) == 0) {
      ck_assert_int_eq(sluice_encoder_flush(f->e), 0);
    }
    return;
  default: write_pages(region, first, count); return;
  }
}

static void finish(void) {
  next_payload(SLUICE_ITEM_END);
  ck_assert_int_eq(sluice_encoder_close(f->e), 0);
  ck_assert_int_eq(sluice_encoder_finish(f->e), 0);
}

static void on_item(void *ctx, const sluice_item_t *item) {
  const sluice_run_t *run = &item->u.run;
  size_t len = (size_t)(run->count * run->page_size);

  (void)ctx;
  if (item->kind == SLUICE_ITEM_PAGES) {
    memcpy(f->decoded[run->region] + run->offset, run->data, len);
  } else if (item->kind == SLUICE_ITEM_ZEROS) {
    memset(f->decoded[run->region] + run->offset, 0, len);
  } else if (item->kind == SLUICE_ITEM_TRAILER) {
    ck_assert_uint_eq(item->u.totals.pages_data, f->data_pages);
  }
}

static void check_decoded(void) {
  for (uint32_t r = 0; r < REGIONS; r++) {
    for (uint32_t i = 0; i < PAGES; i++) {
      const uint8_t *got = f->decoded[r] + (size_t)i * page_sizes[r];

      if (f->written[r][i] != 0) {
        ck_assert_mem_eq(got, model_page(r, i), page_sizes[r]);
      } else {
        ck_assert_uint_eq(got[0], MARK);
      }
    }
  }
}

static void decode(void) {
  sluice_error_t err = {0};
  int r =
      decode_all(f->m.data, f->m.len, 0, NULL, NULL, on_item, NULL, &err, NULL);

  ck_assert_msg(r == SLUICE_DONE, "%d at %" PRIu64 ": %s", r, err.offset,
                err.message);
  check_decoded();
}

/* Reads the pages where one run of the index says they are, as a mapping
 * reader would. */
static void apply_run(const uint8_t *at) {
  uint32_t region = sluice__get_le32(at);
  uint32_t count = sluice__get_le32(at + 4);
  uint64_t offset = sluice__get_le64(at + 8);
  uint64_t data = sluice__get_le64(at + 16);
  uint64_t hashes = sluice__get_le64(at + 24);
  uint32_t page_size = page_sizes[region];

  for (uint32_t i = 0; i < count; i++) {
    uint8_t *to = f->decoded[region] + offset + (size_t)i * page_size;

    if (data == 0) {
      memset(to, 0, page_size);
      continue;
    }
    memcpy(to, f->m.data + data + (size_t)i * page_size, page_size);
    ck_assert_uint_eq(sluice__get_le64(f->m.data + hashes + (size_t)i * 8),
                      sluice__page_hash(to, page_size, region,
                                        offset + (uint64_t)i * page_size));
  }
}

static void read_through_index(void) {
  const uint8_t *trailer = f->m.data + f->m.len - SLUICE__TRAILER_BYTES;
  uint64_t at = sluice__get_le64(trailer + SLUICE__TRAILER_INDEX);
  sluice__record_t record;

  ck_assert_uint_ne(at, 0);
  for (sluice__record_get(&record, f->m.data + at);
       record.type != SLUICE__NATIVE_TRAILER;
       sluice__record_get(&record, f->m.data + at)) {
    if (record.type == SLUICE__NATIVE_INDEX) { /* a PAD may stand between */
      for (uint64_t i = 0; i < record.length; i += SLUICE__INDEX_RUN_BYTES) {
        apply_run(f->m.data + at + SLUICE__RECORD_BYTES + i);
      }
    }
    at += SLUICE__RECORD_BYTES + sluice__native_padded(record.length);
  }
  check_decoded();
}

START_TEST(random_rewriting_leaves_what_was_written_last) {
  f->random = seed_open(_i);
  for (int i = 0; i < 1500; i++) {
    random_action();
  }
  for (uint32_t i = 0; i < PAGES; i++) {
    check_fetch(0, i);
    check_fetch(1, i);
  }
  finish();
  ck_assert_uint_gt(f->m.patches, 0);
  decode();
}
END_TEST

START_TEST(the_index_leads_to_what_was_written_last) {
  f->random = seed_open(_i);
  for (int i = 0; i < 500; i++) {
    random_action();
  }
  finish();
  read_through_index();
}
END_TEST

START_TEST(rewriting_does_not_lengthen_the_stream) {
  uint64_t before;

  write_pages(1, 0, PAGES);
  write_zeros(1, 0, 0);
  ck_assert_int_eq(sluice_encoder_flush(f->e), 0);
  for (uint32_t i = 0; i < PAGES; i++) {
    memset(model_page(1, i), 7, page_sizes[1]);
    note_written(1, i, 1);
  }
  ck_assert_int_eq(sluice_encoder_pages(f->e, 1, 0, model_page(1, 0), PAGES),
                   0);
  ck_assert_int_eq(sluice_encoder_flush(f->e), 0);
  before = sluice_encoder_offset(f->e);
  for (int i = 0; i < 5; i++) {
    memset(model_page(1, 0), 8 + i, page_sizes[1]);
    ck_assert_int_eq(sluice_encoder_pages(f->e, 1, 0, model_page(1, 0), PAGES),
                     0);
    write_zeros(1, 3, 2);
  }
  ck_assert_uint_eq(sluice_encoder_offset(f->e), before);
  finish();
  decode();
}
END_TEST

START_TEST(a_page_that_was_zero_for_a_while_gets_its_place_back) {
  memset(model_page(0, 9), 1, page_sizes[0]);
  ck_assert_int_eq(sluice_encoder_pages(f->e, 0, 9 * 1024, model_page(0, 9), 1),
                   0);
  note_written(0, 9, 1);
  write_zeros(0, 8, 3);
  check_fetch(0, 9);
  memset(model_page(0, 9), 2, page_sizes[0]);
  ck_assert_int_eq(sluice_encoder_pages(f->e, 0, 9 * 1024, model_page(0, 9), 1),
                   0);
  check_fetch(0, 9);
  finish();
  decode();
}
END_TEST

START_TEST(a_page_that_was_never_written_is_fetched_as_zeros) {
  check_fetch(1, 17);
  finish();
}
END_TEST

START_TEST(a_fetch_outside_of_its_region_is_refused) {
  uint8_t page[4096];

  ck_assert_int_eq(sluice_encoder_fetch(f->e, 1, region_bytes(1), page),
                   UV_EINVAL);
  ck_assert_int_eq(sluice_encoder_fetch(f->e, 1, 100, page), UV_EINVAL);
  ck_assert_int_eq(sluice_encoder_fetch(f->e, 2, 0, page), UV_EINVAL);
  finish();
}
END_TEST

START_TEST(a_failed_patch_is_latched) {
  memset(model_page(1, 0), 1, page_sizes[1]);
  ck_assert_int_eq(sluice_encoder_pages(f->e, 1, 0, model_page(1, 0), 1), 0);
  ck_assert_int_eq(sluice_encoder_flush(f->e), 0);
  f->m.fail_at = f->m.calls + (size_t)_i;
  ck_assert_int_eq(sluice_encoder_pages(f->e, 1, 0, model_page(1, 0), 1),
                   UV_EIO);
  f->m.fail_at = SIZE_MAX;
  ck_assert_int_eq(sluice_encoder_close(f->e), UV_EIO);
  ck_assert_ptr_nonnull(
      strstr(sluice_encoder_error(f->e)->message, "overwrite"));
}
END_TEST

Suite *native_keep_last_suite(void) {
  Suite *s = suite_create("native_keep_last");
  TCase *core = tcase_create("core");

  tcase_add_checked_fixture(core, setup, teardown);
  tcase_add_loop_test(core, random_rewriting_leaves_what_was_written_last, 0,
                      10);
  tcase_add_loop_test(core, the_index_leads_to_what_was_written_last, 0, 10);
  tcase_add_test(core, rewriting_does_not_lengthen_the_stream);
  tcase_add_test(core, a_page_that_was_zero_for_a_while_gets_its_place_back);
  tcase_add_test(core, a_page_that_was_never_written_is_fetched_as_zeros);
  tcase_add_test(core, a_fetch_outside_of_its_region_is_refused);
  tcase_add_loop_test(core, a_failed_patch_is_latched, 0, 2);
  suite_add_tcase(s, core);
  return s;
}
