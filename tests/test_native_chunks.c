/* test_native_chunks.c - outputs with chunks of more than 1 MiB: records of
 * pages fill them, no other record does, and who reads them sees no
 * difference. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include <sluice/decoder.h>
#include <sluice/encoder.h>
#include <sluice/handler.h>

#include "counting_alloc.h"
#include "decode_all.h"
#include "memory_output.h"
#include "seed.h"
#include "stream/bytes.h"
#include "stream/native/record.h"
#include "suite.h"

enum { MIB = 1024 * 1024, PAGE = 4096, PAGES = 4 * 1024 };

static const size_t chunk_sizes[] = {MIB, 2 * MIB, 4 * MIB};
enum { SIZES = sizeof(chunk_sizes) / sizeof(*chunk_sizes) };

/* What was written, and what was read. */
static uint8_t *from;
static uint8_t *to;
static memory_output_t m;

static const sluice_decl_t ram = {.flags = SLUICE_SECTION_LIVE,
                                  .payload = SLUICE_PAYLOAD_PAGES,
                                  .name = "ram",
                                  .type = "ram"};

static void setup(void) {
  from = malloc((size_t)PAGES * PAGE);
  to = malloc((size_t)PAGES * PAGE);
  for (size_t i = 0; i < (size_t)PAGES * PAGE; i++) {
    from[i] = (uint8_t)(1 + (i ^ (i >> 12)) % 255);
  }
  memset(to, 0, (size_t)PAGES * PAGE);
  memory_output_init(&m);
}

static void teardown(void) {
  memory_output_done(&m);
  free(from);
  free(to);
}

static sluice_encoder_t *begin(const sluice_encoder_options_t *options,
                               size_t chunk_bytes) {
  sluice_output_t output;
  sluice_encoder_t *e;

  m.chunk_bytes = chunk_bytes;
  output = memory_output_of(&m);
  ck_assert_int_eq(sluice_encoder_new(&e, options, &output, NULL), 0);
  ck_assert_int_eq(sluice_encoder_header(e), 0);
  return e;
}

static sluice_encoder_t *begin_ram(const sluice_encoder_options_t *options,
                                   size_t chunk_bytes, uint32_t page_size) {
  sluice_encoder_t *e = begin(options, chunk_bytes);
  uint32_t region;

  ck_assert_int_eq(sluice_encoder_open(e, SLUICE_ITEM_SECTION, &ram), 0);
  ck_assert_int_eq(sluice_encoder_region(e, "main", (uint64_t)PAGES * PAGE,
                                         page_size, &region),
                   0);
  return e;
}

static void put(sluice_encoder_t *e, size_t at, size_t bytes,
                uint32_t page_size) {
  ck_assert_int_eq(sluice_encoder_pages(e, 0, at, from + at, bytes / page_size),
                   0);
}

static void finish(sluice_encoder_t *e) {
  ck_assert_int_eq(sluice_encoder_close(e), 0);
  ck_assert_int_eq(sluice_encoder_open(e, SLUICE_ITEM_END, &ram), 0);
  ck_assert_int_eq(sluice_encoder_close(e), 0);
  ck_assert_int_eq(sluice_encoder_finish(e), 0);
  sluice_encoder_free(e);
}

static void write_all(size_t chunk_bytes) {
  sluice_encoder_t *e = begin_ram(NULL, chunk_bytes, PAGE);

  put(e, 0, (size_t)PAGES * PAGE, PAGE);
  finish(e);
}

/* Walks over the records. */
typedef struct shape_s {
  unsigned counts[16]; /* by type */
  uint64_t longest[16];
  uint64_t last_pages; /* where the last PAGES record begins */
} shape_t;

static shape_t shape_of(const uint8_t *p, size_t len) {
  size_t at = sluice__get_le32(p + SLUICE__FILE_LENGTH);
  shape_t s = {0};

  while (at < len) {
    sluice__record_t record;

    sluice__record_get(&record, p + at);
    ck_assert_uint_lt(record.type, 16);
    s.counts[record.type]++;
    if (record.length > s.longest[record.type]) {
      s.longest[record.type] = record.length;
    }
    if (record.type == SLUICE__NATIVE_PAGES) {
      s.last_pages = at;
    }
    at += SLUICE__RECORD_BYTES + (size_t)sluice__native_padded(record.length);
  }
  ck_assert_uint_eq(at, len);
  return s;
}

static void take_item(void *ctx, const sluice_item_t *item) {
  const sluice_run_t *run = &item->u.run;

  (void)ctx;
  if (item->kind == SLUICE_ITEM_PAGES) {
    ck_assert_uint_le(run->offset + run->len, (uint64_t)PAGES * PAGE);
    memcpy(to + run->offset, run->data, run->len);
  } else if (item->kind == SLUICE_ITEM_ZEROS) {
    memset(to + run->offset, 0, (size_t)run->count * run->page_size);
  }
}

static int read_all(size_t len, size_t step, size_t max_memory) {
  const sluice_decoder_options_t options = {
      .size = sizeof(options), .max_memory = max_memory, .check_index = 1};
  sluice_error_t err = {0};

  return decode_all(m.data, len, step, &options, NULL, take_item, NULL, &err,
                    NULL);
}

/* ---- how long records are ---- */

START_TEST(pages_fill_a_chunk_with_one_record) {
  size_t chunk = chunk_sizes[_i];
  shape_t s;

  write_all(chunk);
  s = shape_of(m.data, m.len);
  ck_assert_uint_le(s.longest[SLUICE__NATIVE_PAGES],
                    chunk - SLUICE__RECORD_BYTES);
  ck_assert_uint_ge(s.longest[SLUICE__NATIVE_PAGES],
                    chunk - SLUICE__RECORD_BYTES - PAGE);
  /* The first chunk has two: the table of the first is one for short ones. */
  ck_assert_uint_le(s.counts[SLUICE__NATIVE_PAGES],
                    (size_t)PAGES * PAGE / chunk + 3);
}
END_TEST

START_TEST(a_short_record_has_a_short_table) {
  sluice_encoder_t *e = begin_ram(NULL, 4 * MIB, PAGE);
  shape_t s;

  put(e, 0, 3 * PAGE, PAGE);
  finish(e);
  s = shape_of(m.data, m.len);
  ck_assert_uint_eq(s.counts[SLUICE__NATIVE_PAGES], 1);
  ck_assert_uint_lt(s.longest[SLUICE__NATIVE_PAGES], 5 * PAGE);
}
END_TEST

/* Each page is a run of its own: the table is what is full. */
START_TEST(scattered_pages_share_records_as_well) {
  sluice_encoder_t *e = begin_ram(NULL, chunk_sizes[_i], PAGE);
  shape_t s;

  for (size_t i = 0; i < PAGES; i += 2) {
    put(e, i * PAGE, PAGE, PAGE);
  }
  finish(e);
  s = shape_of(m.data, m.len);
  ck_assert_uint_ge(s.longest[SLUICE__NATIVE_PAGES],
                    (size_t)SLUICE__PAGES_TABLE + 168 * PAGE);
  ck_assert_uint_le(s.counts[SLUICE__NATIVE_PAGES], PAGES / 2 / 168 + 4);
  ck_assert_int_eq(read_all(m.len, 0, 0), SLUICE_DONE);
}
END_TEST

START_TEST(no_other_record_is_over_1_mib) {
  static const sluice_decl_t blob = {
      .id = 7, .payload = SLUICE_PAYLOAD_BYTES, .name = "blob", .type = "blob"};
  enum { RUNS = 100 * 1000, SMALL = 256 };
  sluice_encoder_t *e = begin(NULL, 4 * MIB);
  uint32_t region;
  shape_t s;

  ck_assert_int_eq(sluice_encoder_note(e, "note", from, SLUICE_NOTE_MAX), 0);
  ck_assert_int_eq(sluice_encoder_open(e, SLUICE_ITEM_SECTION, &blob), 0);
  ck_assert_int_eq(sluice_encoder_bytes(e, from, 9 * MIB + 3), 0);
  ck_assert_int_eq(sluice_encoder_close(e), 0);
  ck_assert_int_eq(sluice_encoder_open(e, SLUICE_ITEM_SECTION, &ram), 0);
  ck_assert_int_eq(sluice_encoder_region(e, "main", (uint64_t)2 * RUNS * SMALL,
                                         SMALL, &region),
                   0);
  for (size_t i = 0; i < RUNS; i++) {
    ck_assert_int_eq(sluice_encoder_zeros(e, 0, 2 * i * SMALL, 1), 0);
  }
  finish(e);
  s = shape_of(m.data, m.len);
  for (int type = 0; type < 16; type++) {
    ck_assert_uint_le(s.longest[type], MIB);
  }
  ck_assert_uint_eq(s.longest[SLUICE__NATIVE_DATA], MIB);
  ck_assert_uint_gt(s.longest[SLUICE__NATIVE_ZEROS], 0);
  ck_assert_uint_gt(s.longest[SLUICE__NATIVE_INDEX], MIB - 64);
  ck_assert_int_eq(decode_all(m.data, m.len, 0, NULL, NULL, NULL, NULL,
                              &(sluice_error_t){0}, NULL),
                   SLUICE_DONE);
}
END_TEST

START_TEST(only_sizes_that_the_format_allows_are_taken) {
  static const size_t wrong[] = {1, 4096, MIB / 2, MIB + 1, 3 * MIB, 8 * MIB};
  sluice_encoder_t *e;

  for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
    sluice_output_t output;

    m.chunk_bytes = wrong[i];
    output = memory_output_of(&m);
    ck_assert_int_eq(sluice_encoder_new(&e, NULL, &output, NULL), UV_EINVAL);
  }
}
END_TEST

/* Its small writes share a frame as long as the chunk lasts. */
START_TEST(qemus_stream_does_not_change_with_the_chunk) {
  static const sluice_encoder_options_t options = {
      .size = sizeof(options), .format = SLUICE_FORMAT_QEMU3, .host = "test"};
  static const sluice_decl_t blob = {.flags = SLUICE_SECTION_LIVE,
                                     .payload = SLUICE_PAYLOAD_BYTES,
                                     .name = "blob",
                                     .type = "blob"};
  uint8_t *first = NULL;
  size_t len = 0;

  for (size_t i = 0; i < SIZES; i++) {
    sluice_encoder_t *e = begin(&options, chunk_sizes[i]);

    ck_assert_int_eq(sluice_encoder_open(e, SLUICE_ITEM_SECTION, &blob), 0);
    for (size_t at = 0; at < 9 * MIB; at += 1000) {
      ck_assert_int_eq(sluice_encoder_bytes(e, from + at, 1000), 0);
    }
    finish(e);
    if (i == 0) {
      first = m.data;
      len = m.len;
      m.data = NULL;
    } else {
      ck_assert_uint_eq(m.len, len);
      ck_assert(memcmp(m.data, first, len) == 0);
      memory_output_done(&m);
    }
    memory_output_init(&m);
  }
  free(first);
}
END_TEST

/* ---- what is read ---- */

static const struct {
  uint32_t page_size;
  size_t chunk;
} layouts[] = {{256, 4 * MIB},   {1024, 4 * MIB},  {4096, 2 * MIB},
               {4096, 4 * MIB},  {16384, 4 * MIB}, {65536, 2 * MIB},
               {65536, 4 * MIB}, {1024, MIB}};

/* Pieces of any size from anywhere, zeros among them, in several payloads; the
 * last word counts. */
static void write_at_random(size_t chunk, uint32_t page_size, int salt,
                            const sluice_encoder_options_t *options) {
  sluice_encoder_t *e = begin_ram(options, chunk, page_size);
  uint32_t pages = (uint32_t)PAGES * PAGE / page_size;
  seed_t r = seed_open(salt);

  put(e, 0, (size_t)PAGES * PAGE, page_size); /* so that all have a place */
  for (int i = 0; i < 60; i++) {
    uint32_t page = seed_pick(&r, pages);
    uint32_t count = 1 + seed_pick(&r, pages - page);
    size_t at = (size_t)page * page_size;

    count = seed_pick(&r, 3) == 0 ? 1 : count;
    if (seed_pick(&r, 5) == 0) {
      memset(from + at, 0, (size_t)count * page_size);
    } else {
      from[at] = (uint8_t)(1 + seed_pick(&r, 255));
    }
    put(e, at, (size_t)count * page_size, page_size);
    if (seed_pick(&r, 4) == 0) {
      ck_assert_int_eq(sluice_encoder_close(e), 0);
      ck_assert_int_eq(sluice_encoder_open(e, SLUICE_ITEM_PART, &ram), 0);
    }
  }
  finish(e);
}

START_TEST(what_was_written_is_read_whatever_the_chunk) {
  write_at_random(layouts[_i].chunk, layouts[_i].page_size, _i, NULL);
  ck_assert_int_eq(read_all(m.len, 0, 0), SLUICE_DONE);
  ck_assert(memcmp(from, to, (size_t)PAGES * PAGE) == 0);
  (void)shape_of(m.data, m.len);
}
END_TEST

START_TEST(what_was_overwritten_in_place_is_read_whatever_the_chunk) {
  static const sluice_encoder_options_t options = {.size = sizeof(options),
                                                   .keep_last = 1};
  write_at_random(layouts[_i].chunk, layouts[_i].page_size, _i, &options);
  ck_assert_uint_gt(m.patches, 0);
  ck_assert_int_eq(read_all(m.len, 0, 0), SLUICE_DONE);
  ck_assert(memcmp(from, to, (size_t)PAGES * PAGE) == 0);
  ck_assert_uint_lt(m.len, (size_t)PAGES * PAGE + MIB); /* each page once */
}
END_TEST

START_TEST(equal_calls_give_equal_bytes) {
  uint8_t *first;
  size_t len;

  write_all(4 * MIB);
  first = m.data;
  len = m.len;
  m.data = NULL;
  memory_output_done(&m);
  memory_output_init(&m);
  write_all(4 * MIB);
  ck_assert_uint_eq(m.len, len);
  ck_assert(memcmp(m.data, first, len) == 0);
  free(first);
}
END_TEST

/* The table of a record is three pages, its data comes a page at a time. */
START_TEST(a_large_record_needs_little_memory_to_be_read) {
  static const sluice_decoder_options_t options = {.size = sizeof(options),
                                                   .max_memory = 128 * 1024};
  sluice_error_t err = {0};
  counting_alloc_t count;
  sluice_alloc_t alloc;

  write_all(4 * MIB);
  counting_alloc_init(&count);
  alloc = counting_alloc_of(&count);
  ck_assert_int_eq(decode_all(m.data, m.len, _i == 0 ? 0 : 777, &options,
                              &alloc, take_item, NULL, &err, NULL),
                   SLUICE_DONE);
  ck_assert_uint_le(count.peak, options.max_memory);
  ck_assert(memcmp(from, to, (size_t)PAGES * PAGE) == 0);
}
END_TEST

/* ---- damage ---- */

START_TEST(every_truncation_within_a_large_record_is_noticed) {
  seed_t r = seed_open(2);
  shape_t s;

  write_all(4 * MIB);
  s = shape_of(m.data, m.len);
  ck_assert_int_eq(read_all((size_t)s.last_pages, 0, 0), SLUICE_ETRUNCATED);
  for (int i = 0; i < 40; i++) {
    uint32_t most = i < 20 ? 3 * PAGE : (uint32_t)(m.len - s.last_pages);
    size_t len = (size_t)s.last_pages + seed_pick(&r, most);

    ck_assert_int_eq(read_all(len, 0, 0), SLUICE_ETRUNCATED);
  }
}
END_TEST

START_TEST(every_bit_that_is_wrong_in_a_large_record_is_noticed) {
  seed_t r = seed_open(3);
  shape_t s;

  write_all(4 * MIB);
  s = shape_of(m.data, m.len);
  for (int i = 0; i < 60; i++) {
    uint32_t most = i < 30 ? 3 * PAGE : (uint32_t)(m.len - s.last_pages);
    size_t at = (size_t)s.last_pages + seed_pick(&r, most);
    uint8_t bit = (uint8_t)(1u << seed_pick(&r, 8));

    m.data[at] ^= bit;
    ck_assert_int_lt(read_all(m.len, 0, 0), 0);
    m.data[at] ^= bit;
  }
  ck_assert_int_eq(read_all(m.len, 0, 0), SLUICE_DONE);
}
END_TEST

/* ---- memory ---- */

START_TEST(no_allocation_that_fails_does_harm) {
  sluice_alloc_t alloc;
  counting_alloc_t count;
  size_t i = 0;

  do {
    sluice_output_t output;
    sluice_encoder_t *e = NULL;
    uint32_t region;
    int r;

    counting_alloc_init(&count);
    count.fail_at = i++;
    alloc = counting_alloc_of(&count);
    m.chunk_bytes = 4 * MIB;
    output = memory_output_of(&m);
    r = sluice_encoder_new(&e, NULL, &output, &alloc);
    r = r < 0 ? r : sluice_encoder_header(e);
    r = r < 0 ? r : sluice_encoder_open(e, SLUICE_ITEM_SECTION, &ram);
    r = r < 0 ? r : sluice_encoder_region(e, "main", 4 * MIB, PAGE, &region);
    r = r < 0 ? r : sluice_encoder_pages(e, 0, 0, from, MIB / PAGE);
    ck_assert_int_eq(r, count.fired ? UV_ENOMEM : 0);
    sluice_encoder_free(e);
    ck_assert_uint_eq(count.live, 0);
    memory_output_done(&m);
    memory_output_init(&m);
  } while (count.fired);
  ck_assert_uint_gt(i, 4);
}
END_TEST

Suite *native_chunks_suite(void) {
  Suite *s = suite_create("native_chunks");
  TCase *c = tcase_create("chunks");
  int count = (int)(sizeof(layouts) / sizeof(*layouts));

  tcase_add_checked_fixture(c, setup, teardown);
  tcase_add_loop_test(c, pages_fill_a_chunk_with_one_record, 0, SIZES);
  tcase_add_test(c, a_short_record_has_a_short_table);
  tcase_add_loop_test(c, scattered_pages_share_records_as_well, 0, SIZES);
  tcase_add_test(c, no_other_record_is_over_1_mib);
  tcase_add_test(c, only_sizes_that_the_format_allows_are_taken);
  tcase_add_test(c, qemus_stream_does_not_change_with_the_chunk);
  tcase_add_loop_test(c, what_was_written_is_read_whatever_the_chunk, 0, count);
  tcase_add_loop_test(
      c, what_was_overwritten_in_place_is_read_whatever_the_chunk, 0, count);
  tcase_add_test(c, equal_calls_give_equal_bytes);
  tcase_add_loop_test(c, a_large_record_needs_little_memory_to_be_read, 0, 2);
  tcase_add_test(c, every_truncation_within_a_large_record_is_noticed);
  tcase_add_test(c, every_bit_that_is_wrong_in_a_large_record_is_noticed);
  tcase_add_test(c, no_allocation_that_fails_does_harm);
  suite_add_tcase(s, c);
  return s;
}
