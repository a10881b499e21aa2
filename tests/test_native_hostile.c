/* test_native_hostile.c - streams whose checksums are right and whose sense is
 * not: refused by name. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include <sluice/decoder.h>
#include <sluice/handler.h>

#include "decode_all.h"
#include "native_forge.h"
#include "stream/bytes.h"
#include "suite.h"

static int decode(const uint8_t *data, size_t len, sluice_error_t *err) {
  memset(err, 0, sizeof(*err));
  return decode_all(data, len, 0, NULL, NULL, NULL, NULL, err, NULL);
}

/* Forged streams: what each is, and what must be said. Checksums are right. */
enum { LIVE = SLUICE__NATIVE_START, WHOLE = SLUICE__NATIVE_FULL };

static void forge_ram(native_forge_t *f) {
  forge_header(f, 0, 0);
  forge_section(f, LIVE, 1, "ram", SLUICE_PAYLOAD_PAGES);
  forge_region(f, 1, 0, 1024 * 1024, 256);
}

static void forge_end(native_forge_t *f) {
  forge_record(f, SLUICE__NATIVE_END, 0, 1, NULL, 0);
  forge_trailer(f);
}

static void part_before_start(native_forge_t *f) {
  forge_header(f, 0, 0);
  forge_record(f, SLUICE__NATIVE_DATA, SLUICE__NATIVE_OPENS, 1, "x", 1);
}

static void part_of_a_full_section(native_forge_t *f) {
  forge_header(f, 0, 0);
  forge_section(f, WHOLE, 1, "s", SLUICE_PAYLOAD_BYTES);
  forge_record(f, SLUICE__NATIVE_DATA, SLUICE__NATIVE_OPENS, 1, "x", 1);
}

static void end_twice(native_forge_t *f) {
  forge_ram(f);
  forge_record(f, SLUICE__NATIVE_END, 0, 1, NULL, 0);
  forge_end(f);
}

static void end_of_an_unknown_section(native_forge_t *f) {
  forge_header(f, 0, 0);
  forge_end(f);
}

static void no_end(native_forge_t *f) {
  forge_ram(f);
  forge_trailer(f);
}

static void declared_twice(native_forge_t *f) {
  forge_ram(f);
  forge_section(f, WHOLE, 1, "other", SLUICE_PAYLOAD_BYTES);
}

static void region_after_data(native_forge_t *f) {
  forge_ram(f);
  forge_zeros(f, 1, 0, 0, 1);
  forge_region(f, 1, 1, 256, 256);
}

static void region_in_a_part(native_forge_t *f) {
  forge_ram(f);
  forge_record(f, SLUICE__NATIVE_END, 0, 1, NULL, 0);
  forge_region(f, 1, 1, 256, 256);
}

static void region_in_a_section_of_bytes(native_forge_t *f) {
  forge_header(f, 0, 0);
  forge_section(f, WHOLE, 1, "s", SLUICE_PAYLOAD_BYTES);
  forge_region(f, 1, 0, 256, 256);
}

static void data_outside_of_a_payload(native_forge_t *f) {
  forge_ram(f);
  forge_section(f, WHOLE, 2, "s", SLUICE_PAYLOAD_BYTES);
  forge_record(f, SLUICE__NATIVE_DATA, 0, 1, "x", 1);
}

static void data_behind_a_note(native_forge_t *f) {
  static const uint8_t note[] = {1, 0, 0, 0, 0, 0, 0, 0, 'n'};

  forge_ram(f);
  forge_record(f, SLUICE__NATIVE_NOTE, 0, SLUICE__NATIVE_NO_SECTION, note, 9);
  forge_record(f, SLUICE__NATIVE_DATA, 0, 1, "x", 1);
}

static void half_a_note(native_forge_t *f) {
  static const uint8_t note[] = {1, 0, 0, 0, 0, 0, 0, 0, 'n'};

  forge_header(f, 0, 0);
  forge_record(f, SLUICE__NATIVE_NOTE, SLUICE__NATIVE_MORE,
               SLUICE__NATIVE_NO_SECTION, note, 9);
  forge_trailer(f);
}

static void data_behind_the_index(native_forge_t *f) {
  forge_ram(f);
  forge_record(f, SLUICE__NATIVE_INDEX, 0, SLUICE__NATIVE_NO_SECTION, NULL, 0);
  forge_end(f);
}

static void zeros_outside_of_the_region(native_forge_t *f) {
  forge_ram(f);
  forge_zeros(f, 1, 0, 256, 4096);
}

static void zeros_that_wrap_around(native_forge_t *f) {
  forge_ram(f);
  forge_zeros(f, 1, 0, 256, UINT64_MAX / 256 + 1);
}

static void zeros_of_an_unknown_region(native_forge_t *f) {
  forge_ram(f);
  forge_zeros(f, 1, 1, 0, 1);
}

static void pages_outside_of_the_region(native_forge_t *f) {
  sluice__native_run_t run = {0, 2, 1024 * 1024 - 256};

  forge_ram(f);
  forge_pages(f, 0, 1, run, 256, 1);
}

static void pages_off_their_grid(native_forge_t *f) {
  sluice__native_run_t run = {0, 2, 128};

  forge_ram(f);
  forge_pages(f, 0, 1, run, 256, 1);
}

static void pages_of_another_size(native_forge_t *f) {
  sluice__native_run_t run = {0, 2, 0};

  forge_ram(f);
  forge_pages(f, 0, 1, run, 512, 1);
}

static void pages_of_another_section(native_forge_t *f) {
  sluice__native_run_t run = {0, 2, 0};

  forge_ram(f);
  forge_section(f, WHOLE, 2, "other", SLUICE_PAYLOAD_PAGES);
  forge_pages(f, 0, 2, run, 256, 1);
}

static void pages_in_a_section_of_bytes(native_forge_t *f) {
  sluice__native_run_t run = {0, 2, 0};

  forge_ram(f);
  forge_section(f, WHOLE, 2, "other", SLUICE_PAYLOAD_BYTES);
  forge_pages(f, 0, 2, run, 256, 1);
}

static void region_of_no_whole_pages(native_forge_t *f) {
  forge_header(f, 0, 0);
  forge_section(f, LIVE, 1, "ram", SLUICE_PAYLOAD_PAGES);
  forge_region(f, 1, 0, 1000, 256);
}

static void region_of_odd_pages(native_forge_t *f) {
  forge_header(f, 0, 0);
  forge_section(f, LIVE, 1, "ram", SLUICE_PAYLOAD_PAGES);
  forge_region(f, 1, 0, 768, 384);
}

static void region_of_too_many_bytes(native_forge_t *f) {
  forge_header(f, 0, 0);
  forge_section(f, LIVE, 1, "ram", SLUICE_PAYLOAD_PAGES);
  forge_region(f, 1, 0, UINT64_MAX - 255, 256);
}

static void region_out_of_turn(native_forge_t *f) {
  forge_header(f, 0, 0);
  forge_section(f, LIVE, 1, "ram", SLUICE_PAYLOAD_PAGES);
  forge_region(f, 1, 5, 256, 256);
}

static void index_of(native_forge_t *f, uint32_t region, uint32_t count,
                     uint64_t offset, uint64_t data, uint64_t hashes) {
  uint8_t d[SLUICE__INDEX_RUN_BYTES];

  sluice__put_le32(d, region);
  sluice__put_le32(d + 4, count);
  sluice__put_le64(d + 8, offset);
  sluice__put_le64(d + 16, data);
  sluice__put_le64(d + 24, hashes);
  forge_record(f, SLUICE__NATIVE_INDEX, 0, SLUICE__NATIVE_NO_SECTION, d,
               sizeof(d));
}

static void index_to_nowhere(native_forge_t *f) {
  forge_ram(f);
  index_of(f, 0, 1, 0, UINT64_MAX - 100, 100);
}

static void index_over_its_own_record(native_forge_t *f) {
  forge_ram(f);
  index_of(f, 0, 4096, 0, 80, 80);
}

static void index_out_of_order(native_forge_t *f) {
  forge_ram(f);
  index_of(f, 0, 2, 256, 0, 0);
  index_of(f, 0, 1, 512, 0, 0);
}

static void index_outside_of_the_region(native_forge_t *f) {
  forge_ram(f);
  index_of(f, 0, UINT32_MAX, 256, 0, 0);
}

static void trailer_of_too_few_pages(native_forge_t *f) {
  forge_ram(f);
  forge_zeros(f, 1, 0, 0, 1);
  f->zeros = 0;
  forge_end(f);
}

static void trailer_with_an_index_that_is_not(native_forge_t *f) {
  forge_ram(f);
  f->index = 80;
  forge_end(f);
}

static void trailer_of_another_stream(native_forge_t *f) {
  forge_ram(f);
  f->chain++;
  forge_end(f);
}

static void trailer_that_is_short(native_forge_t *f) {
  static const uint8_t zeros[48];

  forge_header(f, 0, 0);
  forge_record(f, SLUICE__NATIVE_TRAILER, 0, SLUICE__NATIVE_NO_SECTION, zeros,
               48);
}

static void section_without_a_name(native_forge_t *f) {
  forge_header(f, 0, 0);
  forge_section(f, WHOLE, 1, "", SLUICE_PAYLOAD_BYTES);
}

static void section_of_an_unknown_kind(native_forge_t *f) {
  forge_header(f, 0, 0);
  forge_section(f, WHOLE, 1, "s", 7);
}

static void section_id_that_means_none(native_forge_t *f) {
  forge_header(f, 0, 0);
  forge_section(f, WHOLE, SLUICE__NATIVE_NO_SECTION, "s", SLUICE_PAYLOAD_BYTES);
}

static void name_with_a_zero_byte(native_forge_t *f) {
  static const uint8_t note[] = {3, 0, 0, 0, 0, 0, 0, 0, 'a', 0, 'b'};

  forge_header(f, 0, 0);
  forge_record(f, SLUICE__NATIVE_NOTE, 0, SLUICE__NATIVE_NO_SECTION, note, 11);
}

static void pad_of_something(native_forge_t *f) {
  forge_header(f, 0, 0);
  forge_record(f, SLUICE__NATIVE_PAD, 0, SLUICE__NATIVE_NO_SECTION, "x", 1);
}

static void unknown_flags(native_forge_t *f) {
  forge_ram(f);
  forge_record(f, SLUICE__NATIVE_DATA, 4, 1, "x", 1);
}

static void skippable_flag_on_a_known_type(native_forge_t *f) {
  forge_ram(f);
  forge_record(f, SLUICE__NATIVE_DATA, SLUICE__NATIVE_SKIPPABLE, 1, "x", 1);
}

static void abort_of_success(native_forge_t *f) {
  static const uint8_t zeros[SLUICE__ABORT_STRINGS];

  forge_header(f, 0, 0);
  forge_record(f, SLUICE__NATIVE_ABORT, 0, SLUICE__NATIVE_NO_SECTION, zeros,
               sizeof(zeros));
}

#define ROW(make, code, section)                                               \
  { #make, make, code, section }

static const struct {
  const char *what;
  void (*make)(native_forge_t *f);
  int code;
  const char *section;
} forged[] = {
    ROW(part_before_start, SLUICE_EORDER, ""),
    ROW(part_of_a_full_section, SLUICE_EORDER, "s"),
    ROW(end_twice, SLUICE_EORDER, "ram"),
    ROW(end_of_an_unknown_section, SLUICE_EORDER, ""),
    ROW(no_end, SLUICE_EORDER, "ram"),
    ROW(declared_twice, SLUICE_EORDER, "ram"),
    ROW(region_after_data, SLUICE_EORDER, "ram"),
    ROW(region_in_a_part, SLUICE_EORDER, "ram"),
    ROW(region_in_a_section_of_bytes, SLUICE_EORDER, "s"),
    ROW(data_outside_of_a_payload, SLUICE_EORDER, "ram"),
    ROW(data_behind_a_note, SLUICE_EORDER, "ram"),
    ROW(half_a_note, SLUICE_EORDER, ""),
    ROW(data_behind_the_index, SLUICE_EORDER, "ram"),
    ROW(zeros_outside_of_the_region, SLUICE_ECORRUPT, "ram"),
    ROW(zeros_that_wrap_around, SLUICE_ECORRUPT, "ram"),
    ROW(zeros_of_an_unknown_region, SLUICE_ECORRUPT, "ram"),
    ROW(pages_outside_of_the_region, SLUICE_ECORRUPT, "ram"),
    ROW(pages_off_their_grid, SLUICE_ECORRUPT, "ram"),
    ROW(pages_of_another_size, SLUICE_ECORRUPT, "ram"),
    ROW(pages_of_another_section, SLUICE_ECORRUPT, "other"),
    ROW(pages_in_a_section_of_bytes, SLUICE_ECORRUPT, "other"),
    ROW(region_of_no_whole_pages, SLUICE_ECORRUPT, "ram"),
    ROW(region_of_odd_pages, SLUICE_ECORRUPT, "ram"),
    ROW(region_of_too_many_bytes, SLUICE_ELIMIT, "ram"),
    ROW(region_out_of_turn, SLUICE_ECORRUPT, "ram"),
    ROW(index_to_nowhere, SLUICE_ECORRUPT, ""),
    ROW(index_over_its_own_record, SLUICE_ECORRUPT, ""),
    ROW(index_out_of_order, SLUICE_ECORRUPT, ""),
    ROW(index_outside_of_the_region, SLUICE_ECORRUPT, ""),
    ROW(trailer_of_too_few_pages, SLUICE_ECORRUPT, ""),
    ROW(trailer_with_an_index_that_is_not, SLUICE_ECORRUPT, ""),
    ROW(trailer_of_another_stream, SLUICE_ECORRUPT, ""),
    ROW(trailer_that_is_short, SLUICE_ECORRUPT, ""),
    ROW(section_without_a_name, SLUICE_ECORRUPT, ""),
    ROW(section_of_an_unknown_kind, SLUICE_ECORRUPT, ""),
    ROW(section_id_that_means_none, SLUICE_ECORRUPT, ""),
    ROW(name_with_a_zero_byte, SLUICE_ECORRUPT, ""),
    ROW(pad_of_something, SLUICE_ECORRUPT, ""),
    ROW(unknown_flags, SLUICE_ECORRUPT, ""),
    ROW(skippable_flag_on_a_known_type, SLUICE_ECORRUPT, ""),
    ROW(abort_of_success, SLUICE_ECORRUPT, ""),
};

START_TEST(what_makes_no_sense_is_refused_by_name) {
  native_forge_t f;
  sluice_error_t err;
  int r;

  forged[_i].make(&f);
  r = decode(f.data, f.len, &err);
  ck_assert_msg(r == forged[_i].code, "%s: %d, %s", forged[_i].what, r,
                err.message);
  ck_assert_str_eq(err.section, forged[_i].section);
  ck_assert_uint_lt(err.offset, f.len);
  forge_done(&f);
}
END_TEST

/* The forge itself makes good streams, or the rows above would prove little. */
START_TEST(a_forged_stream_of_good_sense_is_taken) {
  sluice__native_run_t run = {0, 3, 512};
  native_forge_t f;
  sluice_error_t err;

  forge_ram(&f);
  forge_pages(&f, 0, 1, run, 256, 5);
  forge_zeros(&f, 1, 0, 1024, 7);
  forge_pages(&f, SLUICE__NATIVE_OPENS, 1, run, 256, 6);
  forge_record(&f, SLUICE__NATIVE_END, 0, 1, NULL, 0);
  f.index = f.len;
  index_of(&f, 0, 1, 0, 0, 0);
  index_of(&f, 0, 1, 256, 4096, 1024);
  forge_trailer(&f);
  ck_assert_int_eq(decode(f.data, f.len, &err), SLUICE_DONE);
  forge_done(&f);
}
END_TEST

Suite *native_hostile_suite(void) {
  Suite *s = suite_create("native_hostile");
  TCase *damage = tcase_create("damage");

  tcase_add_test(damage, a_forged_stream_of_good_sense_is_taken);
  tcase_add_loop_test(damage, what_makes_no_sense_is_refused_by_name, 0,
                      sizeof(forged) / sizeof(forged[0]));
  suite_add_tcase(s, damage);
  return s;
}
