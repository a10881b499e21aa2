/* test_native_refuse.c - a header and records that are malformed within, their
 * checksums right: what is wrong is named, with section and offset. */
#include <check.h>
#include <string.h>
#include <uv.h>

#include <sluice/decoder.h>
#include <sluice/handler.h>

#include "decode_all.h"
#include "native_forge.h"
#include "stream/bytes.h"
#include "stream/hash.h"
#include "suite.h"

enum { NO_SECTION = -1 };

static native_forge_t f;
static sluice_decoder_options_t options;
static uint64_t bad_at; /* where what is refused begins */

static void set_up(void) {
  memset(&f, 0, sizeof(f));
  memset(&options, 0, sizeof(options));
  options.size = sizeof(options);
  bad_at = 0;
}

static void tear_down(void) {
  forge_done(&f);
}

/* The file header. */

static void seal_header(void) {
  size_t covered = f.len - SLUICE__FILE_CHECKSUM_BYTES;

  sluice__put_le64(f.data + covered, sluice__hash(f.data, covered));
}

static void header_with(int field, uint32_t value) {
  forge_header(&f, 0, 0);
  sluice__put_le32(f.data + field, value);
  seal_header();
}

/* With eight bytes of strings, which the forge has room for. */
static void header_of(const char strings[8], uint16_t host_len) {
  forge_header(&f, 0, 0);
  f.len += 8;
  ck_assert_uint_le(f.len, f.cap);
  sluice__put_le32(f.data + SLUICE__FILE_LENGTH, (uint32_t)f.len);
  sluice__put_le16(f.data + SLUICE__FILE_HOST_LENGTH, host_len);
  memcpy(f.data + SLUICE__FILE_STRINGS, strings, 8);
  seal_header();
}

static void version_2(void) {
  header_with(SLUICE__FILE_VERSION, 2);
}

static void another_alignment(void) {
  header_with(SLUICE__FILE_ALIGN, 8192);
}

static void header_that_is_too_short(void) {
  header_with(SLUICE__FILE_LENGTH, SLUICE__FILE_STRINGS);
}

static void strings_over_the_header(void) {
  header_with(SLUICE__FILE_HOST_LENGTH, 9);
}

static void bytes_behind_the_strings(void) {
  header_of("host\0\0\0x", 4);
}

static void host_name_with_a_zero(void) {
  header_of("ho\0t\0\0\0", 4);
}

/* Records. */

static void bad(uint16_t type, int section, const void *payload, size_t len) {
  bad_at = f.len;
  forge_record(&f, type, 0,
               section == NO_SECTION ? SLUICE__NATIVE_NO_SECTION
                                     : (uint32_t)section,
               payload, len);
}

static void note(uint16_t flags, const char *name, uint16_t name_len) {
  uint8_t d[SLUICE__NOTE_STRINGS + 400] = {0};
  size_t len = SLUICE__NOTE_STRINGS + strlen(name);

  sluice__put_le16(d, name_len);
  memcpy(d + SLUICE__NOTE_STRINGS, name, strlen(name));
  bad_at = f.len;
  forge_record(&f, SLUICE__NATIVE_NOTE, flags, SLUICE__NATIVE_NO_SECTION, d,
               len);
}

static const char *long_name(void) {
  static char name[301];

  memset(name, 'n', 300);
  return name;
}

static void note_of_a_long_name(void) {
  forge_header(&f, 0, 0);
  note(0, long_name(), 300);
}

static void note_without_a_name(void) {
  forge_header(&f, 0, 0);
  note(0, "n", 0);
}

static void note_shorter_than_its_name(void) {
  forge_header(&f, 0, 0);
  note(0, "n", 2);
}

static void note_of_half_a_head(void) {
  forge_header(&f, 0, 0);
  bad(SLUICE__NATIVE_NOTE, NO_SECTION, "\1\0\0\0", 4);
}

static void note_without_its_zeros(void) {
  forge_header(&f, 0, 0);
  bad(SLUICE__NATIVE_NOTE, NO_SECTION, "\1\0\1\0\0\0\0\0n", 9);
}

static void note_that_goes_on_as_another(void) {
  forge_header(&f, 0, 0);
  note(SLUICE__NATIVE_MORE, "first", 5);
  note(0, "other", 5);
}

/* A declaration of `len` bytes, name and type each of one, with one byte of it
 * changed. */
static void declaration(size_t len, int field, uint8_t value) {
  uint8_t d[SLUICE__DECL_STRINGS + 2] = {0};

  forge_header(&f, 0, 0);
  d[SLUICE__DECL_NAME_LENGTH] = 1;
  d[SLUICE__DECL_TYPE_LENGTH] = 1;
  memcpy(d + SLUICE__DECL_STRINGS, "st", 2);
  d[field] = value;
  bad(SLUICE__NATIVE_FULL, 7, d, len);
}

enum { DECL = SLUICE__DECL_STRINGS + 2 };

static void half_a_declaration(void) {
  declaration(SLUICE__DECL_STRINGS - 1, SLUICE__DECL_PAYLOAD, 0);
}

static void declaration_longer_than_its_strings(void) {
  declaration(DECL, SLUICE__DECL_TYPE_LENGTH, 0);
}

static void declaration_of_unknown_flags(void) {
  declaration(DECL, SLUICE__DECL_FLAGS, 2);
}

static void declaration_without_its_zeros(void) {
  declaration(DECL, SLUICE__DECL_ZERO, 1);
}

static void declaration_without_its_other_zeros(void) {
  declaration(DECL, SLUICE__DECL_ZERO_TOO + 3, 1);
}

static void type_with_a_zero(void) {
  declaration(DECL, SLUICE__DECL_STRINGS + 1, 0);
}

static void name_with_a_zero(void) {
  declaration(DECL, SLUICE__DECL_STRINGS, 0);
}

static void schema_over_its_limit(void) {
  static uint8_t d[SLUICE__DECL_STRINGS + 1 + SLUICE__NATIVE_SCHEMA_MAX + 1];

  forge_header(&f, 0, 0);
  d[SLUICE__DECL_NAME_LENGTH] = 1;
  d[SLUICE__DECL_STRINGS] = 's';
  sluice__put_le32(d + SLUICE__DECL_SCHEMA_LENGTH,
                   SLUICE__NATIVE_SCHEMA_MAX + 1);
  bad(SLUICE__NATIVE_FULL, 7, d, sizeof(d));
}

static void section_over_the_most(void) {
  options.max_sections = 1;
  forge_header(&f, 0, 0);
  forge_section(&f, SLUICE__NATIVE_FULL, 1, "one", SLUICE_PAYLOAD_BYTES);
  bad_at = f.len;
  forge_section(&f, SLUICE__NATIVE_FULL, 2, "two", SLUICE_PAYLOAD_BYTES);
}

static void ram_section(void) {
  forge_header(&f, 0, 0);
  forge_section(&f, SLUICE__NATIVE_START, 1, "ram", SLUICE_PAYLOAD_PAGES);
}

static void region(uint64_t bytes, const char *name, size_t name_len) {
  uint8_t d[SLUICE__REGION_NAME + 8] = {0};

  sluice__put_le32(d + SLUICE__REGION_PAGE_SIZE, 256);
  sluice__put_le64(d + SLUICE__REGION_SIZE, bytes);
  memcpy(d + SLUICE__REGION_NAME, name, name_len);
  bad(SLUICE__NATIVE_REGION, 1, d, SLUICE__REGION_NAME + name_len);
}

static void region_without_a_name(void) {
  ram_section();
  region(256, "", 0);
}

static void region_name_with_a_zero(void) {
  ram_section();
  region(256, "a\0b", 3);
}

static void region_of_nothing(void) {
  ram_section();
  region(0, "r", 1);
}

static void region_over_the_most(void) {
  options.max_regions = 1;
  ram_section();
  forge_region(&f, 1, 0, 256, 256);
  bad_at = f.len;
  forge_region(&f, 1, 1, 256, 256);
}

static void ram_region(void) {
  ram_section();
  forge_region(&f, 1, 0, 1024 * 1024, 256);
}

enum { COVERED = SLUICE__PAGES_FIXED_BYTES + SLUICE__PAGES_RUN_BYTES };

/* One run of two pages, with a number of the table changed. */
static void pages(int field, uint32_t value) {
  const sluice__native_run_t run = {0, 2, 0};

  ram_region();
  bad_at = f.len;
  forge_pages(&f, 0, 1, run, 256, 1);
  sluice__put_le32(f.data + bad_at + field, value);
  (void)sluice__record_seal(f.data + bad_at, COVERED);
}

static void run_of_no_pages(void) {
  pages(SLUICE__PAGES_TABLE + 4, 0);
}

static void runs_of_too_few_pages(void) {
  pages(SLUICE__PAGES_TABLE + 4, 1);
}

static void more_pages_than_the_record_has(void) {
  pages(SLUICE__PAGES_PAGES, 3);
}

static void pages_of_a_size_that_is_none(void) {
  pages(SLUICE__PAGES_PAGE_SIZE, 300);
}

static void pages_without_runs(void) {
  pages(SLUICE__PAGES_RUNS, 0);
}

/* The first byte behind the table. */
static void pages_behind_other_than_zeros(void) {
  pages(SLUICE__PAGES_TABLE + SLUICE__PAGES_RUN_BYTES +
            2 * SLUICE__PAGES_HASH_BYTES,
        1);
}

/* Eight of the zeros before the data are left out. */
static void pages_off_the_streams_grid(void) {
  const sluice__native_run_t run = {0, 2, 0};
  uint8_t *at;
  uint32_t data;

  ram_region();
  bad_at = f.len;
  forge_pages(&f, 0, 1, run, 256, 1);
  at = f.data + bad_at;
  data = sluice__get_le32(at + SLUICE__PAGES_DATA);
  memmove(at + data - 8, at + data, 512);
  f.len -= 8;
  sluice__put_le32(at + SLUICE__PAGES_DATA, data - 8);
  sluice__put_le64(at + SLUICE__RECORD_LENGTH,
                   f.len - bad_at - SLUICE__RECORD_BYTES);
  (void)sluice__record_seal(at, COVERED);
}

static void zeros_of_part_runs(void) {
  ram_region();
  bad(SLUICE__NATIVE_ZEROS, 1, "12345678", 8);
}

static void zeros_of_no_runs(void) {
  ram_region();
  bad(SLUICE__NATIVE_ZEROS, 1, "", 0);
}

static void zeros_of_another_fill(void) {
  uint8_t d[SLUICE__ZEROS_RUN_BYTES] = {0};

  ram_region();
  d[4] = 5;
  d[16] = 1;
  bad(SLUICE__NATIVE_ZEROS, 1, d, sizeof(d));
}

static void index_of_part_runs(void) {
  ram_region();
  bad(SLUICE__NATIVE_INDEX, NO_SECTION, "12345678", 8);
}

/* An ABORT of section "s" and message "m", with one byte changed. */
static void abort_with(size_t len, int field, uint8_t value) {
  uint8_t d[SLUICE__ABORT_STRINGS + 2] = {0};

  forge_header(&f, 0, 0);
  sluice__put_le32(d + SLUICE__ABORT_CODE, (uint32_t)UV_EIO);
  d[SLUICE__ABORT_SECTION_LENGTH] = 1;
  d[SLUICE__ABORT_MESSAGE_LENGTH] = 1;
  memcpy(d + SLUICE__ABORT_STRINGS, "sm", 2);
  d[field] = value;
  bad(SLUICE__NATIVE_ABORT, NO_SECTION, d, len);
}

enum { ABORT = SLUICE__ABORT_STRINGS + 2 };

static void half_an_abort(void) {
  abort_with(SLUICE__ABORT_STRINGS - 1, SLUICE__ABORT_ZERO, 0);
}

static void abort_longer_than_its_strings(void) {
  abort_with(ABORT, SLUICE__ABORT_MESSAGE_LENGTH, 0);
}

static void abort_without_its_zeros(void) {
  abort_with(ABORT, SLUICE__ABORT_ZERO, 1);
}

static void abort_by_a_section_with_a_zero(void) {
  abort_with(ABORT, SLUICE__ABORT_STRINGS, 0);
}

static void abort_whose_message_has_a_zero(void) {
  abort_with(ABORT, SLUICE__ABORT_STRINGS + 1, 0);
}

static void trailer_without_its_mark(void) {
  static const uint8_t zeros[SLUICE__TRAILER_BYTES];

  forge_header(&f, 0, 0);
  bad(SLUICE__NATIVE_TRAILER, NO_SECTION, zeros, sizeof(zeros));
}

#define ROW(make, code, section, text)                                         \
  { #make, make, code, section, text }

static const struct {
  const char *what;
  void (*make)(void);
  int code;
  const char *section;
  const char *text;
} rows[] = {
    ROW(version_2, SLUICE_EFORMAT, "", "version 1 of the native format, found"),
    ROW(another_alignment, SLUICE_EFEATURE, "", "aligned to 4096, found 8192"),
    ROW(header_that_is_too_short, SLUICE_ECORRUPT, "", "header of 72 bytes"),
    ROW(strings_over_the_header, SLUICE_ECORRUPT, "", "9 and 0 bytes to fill"),
    ROW(bytes_behind_the_strings, SLUICE_ECORRUPT, "", "4 and 0 bytes to fill"),
    ROW(host_name_with_a_zero, SLUICE_ECORRUPT, "", "host name has a zero"),
    ROW(note_of_a_long_name, SLUICE_ECORRUPT, "", "has 300 bytes, expected at"),
    ROW(note_without_a_name, SLUICE_ECORRUPT, "", "a note is malformed"),
    ROW(note_shorter_than_its_name, SLUICE_ECORRUPT, "", "a note is malformed"),
    ROW(note_of_half_a_head, SLUICE_ECORRUPT, "", "a note is malformed"),
    ROW(note_without_its_zeros, SLUICE_ECORRUPT, "", "a note is malformed"),
    ROW(note_that_goes_on_as_another, SLUICE_EORDER, "", "'first', found 'oth"),
    ROW(half_a_declaration, SLUICE_ECORRUPT, "", "declaration of a section is"),
    ROW(declaration_longer_than_its_strings, SLUICE_ECORRUPT, "",
        "declaration of a section is malformed"),
    ROW(declaration_of_unknown_flags, SLUICE_ECORRUPT, "", "is malformed"),
    ROW(declaration_without_its_zeros, SLUICE_ECORRUPT, "", "is malformed"),
    ROW(declaration_without_its_other_zeros, SLUICE_ECORRUPT, "",
        "is malformed"),
    ROW(type_with_a_zero, SLUICE_ECORRUPT, "", "section type has a zero byte"),
    ROW(name_with_a_zero, SLUICE_ECORRUPT, "", "section name has a zero byte"),
    ROW(schema_over_its_limit, SLUICE_ECORRUPT, "", "is malformed"),
    ROW(section_over_the_most, SLUICE_ELIMIT, "", "more than 1 sections"),
    ROW(region_without_a_name, SLUICE_ECORRUPT, "ram", "without a name"),
    ROW(region_name_with_a_zero, SLUICE_ECORRUPT, "ram", "name has a zero"),
    ROW(region_of_nothing, SLUICE_ECORRUPT, "ram", "region 0 of 0 bytes"),
    ROW(region_over_the_most, SLUICE_ELIMIT, "ram", "more than 1 regions"),
    ROW(run_of_no_pages, SLUICE_ECORRUPT, "ram", "0 pages at 0 are not in"),
    ROW(runs_of_too_few_pages, SLUICE_ECORRUPT, "ram", "1 pages, expected 2"),
    ROW(more_pages_than_the_record_has, SLUICE_ECORRUPT, "", "do not agree"),
    ROW(pages_of_a_size_that_is_none, SLUICE_ECORRUPT, "", "do not agree"),
    ROW(pages_without_runs, SLUICE_ECORRUPT, "", "do not agree"),
    ROW(pages_behind_other_than_zeros, SLUICE_ECORRUPT, "",
        "zeros before the pages of record 2"),
    ROW(pages_off_the_streams_grid, SLUICE_ECORRUPT, "ram", "multiple of 4096"),
    ROW(zeros_of_part_runs, SLUICE_ECORRUPT, "ram", "ZEROS of 8 bytes"),
    ROW(zeros_of_no_runs, SLUICE_ECORRUPT, "ram", "ZEROS of 0 bytes"),
    ROW(zeros_of_another_fill, SLUICE_ECORRUPT, "ram", "fill of 0, found 5"),
    ROW(index_of_part_runs, SLUICE_ECORRUPT, "", "INDEX of 8 bytes"),
    ROW(half_an_abort, SLUICE_ECORRUPT, "", "ABORT is malformed"),
    ROW(abort_longer_than_its_strings, SLUICE_ECORRUPT, "", "is malformed"),
    ROW(abort_without_its_zeros, SLUICE_ECORRUPT, "", "ABORT is malformed"),
    ROW(abort_by_a_section_with_a_zero, SLUICE_ECORRUPT, "",
        "section of ABORT has a zero byte"),
    ROW(abort_whose_message_has_a_zero, SLUICE_ECORRUPT, "",
        "message of ABORT has a zero byte"),
    ROW(trailer_without_its_mark, SLUICE_ECORRUPT, "", "the end mark"),
};

START_TEST(what_is_malformed_is_named_and_located) {
  sluice_error_t err = {0};
  int r;

  rows[_i].make();
  r = decode_all(f.data, f.len, 0, &options, NULL, NULL, NULL, &err, NULL);
  ck_assert_msg(r == rows[_i].code &&
                    strstr(err.message, rows[_i].text) != NULL,
                "%s: %d, %s", rows[_i].what, r, err.message);
  ck_assert_str_eq(err.section, rows[_i].section);
  ck_assert_uint_eq(err.offset, bad_at);
}
END_TEST

/* What the rows have wrong is all that is wrong with them. */
START_TEST(the_same_without_the_mistake_is_taken) {
  sluice_error_t err = {0};
  sluice__native_run_t run = {0, 2, 0};

  header_of("host\0\0\0", 4);
  f.chain = sluice__get_le64(f.data + f.len - SLUICE__FILE_CHECKSUM_BYTES);
  note(SLUICE__NATIVE_MORE, "first", 5);
  note(0, "first", 5);
  forge_section(&f, SLUICE__NATIVE_START, 1, "ram", SLUICE_PAYLOAD_PAGES);
  region(1024, "r", 1);
  forge_pages(&f, 0, 1, run, 256, 1);
  forge_record(&f, SLUICE__NATIVE_END, 0, 1, NULL, 0);
  forge_trailer(&f);
  ck_assert_msg(decode_all(f.data, f.len, 0, &options, NULL, NULL, NULL, &err,
                           NULL) == SLUICE_DONE,
                "%s", err.message);
}
END_TEST

Suite *native_refuse_suite(void) {
  Suite *s = suite_create("native_refuse");
  TCase *tc = tcase_create("refused");

  tcase_add_checked_fixture(tc, set_up, tear_down);
  tcase_add_loop_test(tc, what_is_malformed_is_named_and_located, 0,
                      sizeof(rows) / sizeof(*rows));
  tcase_add_test(tc, the_same_without_the_mistake_is_taken);
  suite_add_tcase(s, tc);
  return s;
}
