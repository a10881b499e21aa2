/* test_native_limits.c - whatever a stream claims, the decoder holds no more
 * memory than it may. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/decoder.h>
#include <sluice/handler.h>

#include "counting_alloc.h"
#include "decode_all.h"
#include "memory_output.h"
#include "native_forge.h"
#include "native_sample.h"
#include "seed.h"
#include "stream/bytes.h"
#include "suite.h"

/* A record that claims any length at all: memory stays small, the record is
 * refused or found incomplete. */
START_TEST(a_claimed_length_costs_no_memory) {
  static const uint64_t lengths[] = {
      UINT64_MAX,      UINT64_MAX - 31, UINT64_C(1) << 63, UINT64_C(1) << 40,
      4 * 1024 * 1024, 1024 * 1024 + 1, 1024 * 1024};
  uint16_t type = (uint16_t)_i;

  for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
    sluice_error_t err = {0};
    counting_alloc_t count;
    sluice_alloc_t alloc;
    native_forge_t f;

    counting_alloc_init(&count);
    alloc = counting_alloc_of(&count);
    forge_header(&f, 0, 0);
    forge_record(&f, type, 0, SLUICE__NATIVE_NO_SECTION, "12345678901234567",
                 16);
    sluice__put_le64(f.data + 80 + SLUICE__RECORD_LENGTH, lengths[i]);
    ck_assert_int_lt(
        decode_all(f.data, f.len, 0, NULL, &alloc, NULL, NULL, &err, NULL), 0);
    ck_assert_uint_le(count.peak, 3 * 1024 * 1024);
    ck_assert_uint_eq(count.live, 0);
    forge_done(&f);
  }
}
END_TEST

/* The fixed part of PAGES is read before its checksum can be. */
START_TEST(a_table_of_random_lengths_costs_no_memory) {
  seed_t random = seed_open(0);

  for (int i = 0; i < 5000; i++) {
    sluice__native_run_t run = {0, 2, 0};
    sluice_error_t err = {0};
    counting_alloc_t count;
    sluice_alloc_t alloc;
    native_forge_t f;
    uint64_t x = seed_next(&random) >> seed_pick(&random, 64);
    size_t at;

    counting_alloc_init(&count);
    alloc = counting_alloc_of(&count);
    forge_header(&f, 0, 0);
    forge_section(&f, SLUICE__NATIVE_START, 1, "ram", SLUICE_PAYLOAD_PAGES);
    forge_region(&f, 1, 0, 1024, 256);
    at = f.len + 4 * seed_pick(&random, SLUICE__PAGES_TABLE / 4 - 1);
    forge_pages(&f, 0, 1, run, 256, 1);
    memcpy(f.data + at, &x, sizeof(x));
    (void)decode_all(f.data, f.len, 0, NULL, &alloc, NULL, NULL, &err, NULL);
    ck_assert_uint_le(count.peak, 3 * 1024 * 1024);
    ck_assert_uint_eq(count.live, 0);
    forge_done(&f);
  }
}
END_TEST

static int decode_within(const native_forge_t *f, size_t max_memory,
                         sluice_error_t *err) {
  sluice_decoder_options_t options = {.size = sizeof(options),
                                      .max_memory = max_memory};
  counting_alloc_t count;
  sluice_alloc_t alloc;
  int r;

  counting_alloc_init(&count);
  alloc = counting_alloc_of(&count);
  r = decode_all(f->data, f->len, 0, &options, &alloc, NULL, NULL, err, NULL);
  ck_assert_uint_le(count.peak, max_memory);
  ck_assert_uint_eq(count.live, 0);
  return r;
}

START_TEST(any_number_of_sections_stays_under_the_cap) {
  native_forge_t f;
  sluice_error_t err = {0};

  forge_header(&f, 0, 0);
  for (uint32_t i = 0; i < 40000; i++) {
    forge_section(&f, SLUICE__NATIVE_FULL, i * 7919,
                  "a section with a long name", SLUICE_PAYLOAD_BYTES);
  }
  forge_trailer(&f);
  ck_assert_int_eq(decode_within(&f, 2 * 1024 * 1024, &err), SLUICE_ELIMIT);
  memset(&err, 0, sizeof(err));
  ck_assert_int_eq(decode_within(&f, 64 * 1024 * 1024, &err), SLUICE_DONE);
  forge_done(&f);
}
END_TEST

START_TEST(more_sections_than_allowed_are_refused) {
  sluice_decoder_options_t options = {.size = sizeof(options),
                                      .max_sections = 2};
  native_forge_t f;
  sluice_error_t err = {0};

  forge_header(&f, 0, 0);
  for (uint32_t i = 0; i < 3; i++) {
    forge_section(&f, SLUICE__NATIVE_FULL, i, "s", SLUICE_PAYLOAD_BYTES);
  }
  forge_trailer(&f);
  ck_assert_int_eq(
      decode_all(f.data, f.len, 0, &options, NULL, NULL, NULL, &err, NULL),
      SLUICE_ELIMIT);
  forge_done(&f);
}
END_TEST

START_TEST(more_regions_than_allowed_are_refused) {
  native_forge_t f;
  sluice_error_t err = {0};

  forge_header(&f, 0, 0);
  forge_section(&f, SLUICE__NATIVE_START, 1, "ram", SLUICE_PAYLOAD_PAGES);
  for (uint32_t i = 0; i < 5000; i++) {
    forge_region(&f, 1, i, 256, 256);
  }
  ck_assert_int_eq(decode_within(&f, 8 * 1024 * 1024, &err), SLUICE_ELIMIT);
  ck_assert_str_eq(err.section, "ram");
  forge_done(&f);
}
END_TEST

START_TEST(a_note_without_end_stays_under_the_cap) {
  uint8_t *piece = calloc(1, 1024 * 1024);
  native_forge_t f;
  sluice_error_t err = {0};

  piece[0] = 1;
  piece[8] = 'n';
  forge_header(&f, 0, 0);
  for (int i = 0; i < 20; i++) {
    forge_record(&f, SLUICE__NATIVE_NOTE, SLUICE__NATIVE_MORE,
                 SLUICE__NATIVE_NO_SECTION, piece, 1024 * 1024);
  }
  ck_assert_int_eq(decode_within(&f, 16 * 1024 * 1024, &err), SLUICE_ELIMIT);
  memset(&err, 0, sizeof(err));
  ck_assert_int_eq(decode_within(&f, 256 * 1024 * 1024, &err), SLUICE_ELIMIT);
  free(piece);
  forge_done(&f);
}
END_TEST

START_TEST(a_record_larger_than_the_cap_is_refused) {
  uint8_t *piece = calloc(1, 1024 * 1024);
  native_forge_t f;
  sluice_error_t err = {0};

  forge_header(&f, 0, 0);
  forge_section(&f, SLUICE__NATIVE_FULL, 1, "s", SLUICE_PAYLOAD_BYTES);
  forge_record(&f, SLUICE__NATIVE_DATA, 0, 1, piece, 1024 * 1024);
  forge_trailer(&f);
  ck_assert_int_eq(decode_within(&f, 1024 * 1024, &err), SLUICE_ELIMIT);
  memset(&err, 0, sizeof(err));
  ck_assert_int_eq(decode_within(&f, 8 * 1024 * 1024, &err), SLUICE_DONE);
  free(piece);
  forge_done(&f);
}
END_TEST

/* The sample with a few bytes changed and all checksums made right again: gets
 * past them, to everything behind. */
typedef struct fuzz_s {
  seed_t random;
  memory_output_t m;
  uint8_t *data; /* the changed copy */
} fuzz_t;

static size_t covered_by(const uint8_t *record, size_t span) {
  uint64_t covered = sluice__get_le64(record + SLUICE__RECORD_LENGTH);

  if (sluice__get_le16(record) == SLUICE__NATIVE_PAGES) {
    covered = SLUICE__PAGES_FIXED_BYTES +
              (uint64_t)sluice__get_le32(record + SLUICE__PAGES_RUNS) *
                  SLUICE__PAGES_RUN_BYTES;
  }
  return covered > span - SLUICE__RECORD_BYTES ? span - SLUICE__RECORD_BYTES
                                               : (size_t)covered;
}

static size_t span_of(const fuzz_t *f, size_t at) {
  return SLUICE__RECORD_BYTES + (size_t)sluice__native_padded(sluice__get_le64(
                                    f->m.data + at + SLUICE__RECORD_LENGTH));
}

static void change(fuzz_t *f, size_t at, size_t span) {
  static const uint8_t likely[] = {0, 1, 2, 5, 7, 127, 128, 255};
  size_t most = span < 160 ? span : 160; /* of PAGES not the data */
  size_t where = at + seed_pick(&f->random, (uint32_t)most);

  f->data[where] = seed_pick(&f->random, 2) == 0
                       ? likely[seed_pick(&f->random, 8)]
                       : (uint8_t)seed_next(&f->random);
}

static void change_and_reseal(fuzz_t *f) {
  size_t at = sluice__get_le32(f->m.data + SLUICE__FILE_LENGTH);
  uint64_t chain = sluice__get_le64(f->m.data + at - 8);

  memcpy(f->data, f->m.data, f->m.len);
  while (at < f->m.len) {
    size_t span = span_of(f, at);

    while (seed_pick(&f->random, 12) == 0) {
      change(f, at, span);
    }
    if (at + span == f->m.len && seed_pick(&f->random, 4) != 0) {
      sluice__put_le64(
          f->data + at + SLUICE__RECORD_BYTES + SLUICE__TRAILER_CHAIN, chain);
    }
    chain = sluice__record_chain(
        chain,
        sluice__record_seal(f->data + at, covered_by(f->data + at, span)));
    at += span;
  }
}

START_TEST(no_sense_at_all_is_refused_in_bounded_memory) {
  fuzz_t f = {.random = seed_open(0)};
  sluice_decoder_options_t options = {.size = sizeof(options),
                                      .max_memory = 4 * 1024 * 1024};
  sluice_output_t output;
  int whole = 0;

  memory_output_init(&f.m);
  output = memory_output_of(&f.m);
  ck_assert_int_eq(native_sample_write(&output, NULL), 0);
  f.data = malloc(f.m.len);
  for (int i = 0; i < 5000; i++) {
    sluice_error_t err = {0};
    counting_alloc_t count;
    sluice_alloc_t alloc;

    counting_alloc_init(&count);
    alloc = counting_alloc_of(&count);
    change_and_reseal(&f);
    whole += decode_all(f.data, f.m.len, 0, &options, &alloc, NULL, NULL, &err,
                        NULL) == SLUICE_DONE;
    ck_assert_uint_le(count.peak, options.max_memory);
    ck_assert_uint_eq(count.live, 0);
  }
  ck_assert_int_gt(whole, 0); /* else nothing got past the checksums */
  free(f.data);
  memory_output_done(&f.m);
}
END_TEST

Suite *native_limits_suite(void) {
  Suite *s = suite_create("native_limits");
  TCase *limits = tcase_create("limits");

  tcase_add_loop_test(limits, a_claimed_length_costs_no_memory, 1, 15);
  tcase_add_test(limits, a_table_of_random_lengths_costs_no_memory);
  tcase_add_test(limits, any_number_of_sections_stays_under_the_cap);
  tcase_add_test(limits, more_sections_than_allowed_are_refused);
  tcase_add_test(limits, more_regions_than_allowed_are_refused);
  tcase_add_test(limits, a_note_without_end_stays_under_the_cap);
  tcase_add_test(limits, a_record_larger_than_the_cap_is_refused);
  tcase_add_test(limits, no_sense_at_all_is_refused_in_bounded_memory);
  suite_add_tcase(s, limits);
  return s;
}
