/* test_stretch.c - which bytes a reader needs that wants no pages: a guess out
 * of bytes that nobody has verified. */
#include "stream/native/stretch.h"

#include <check.h>
#include <string.h>

#include <sluice/handler.h>

#include "native_forge.h"
#include "stream/bytes.h"
#include "suite.h"

static native_forge_t f;
static size_t first; /* where the first record begins */

static void setup(void) {
  forge_header(&f, 0, 0);
  first = f.len;
}

static void teardown(void) {
  forge_done(&f);
}

static bool guess(size_t len, sluice__stretch_t *out) {
  memset(out, 0, sizeof(*out));
  return sluice__native_stretch(f.data + first, len, out);
}

static void ram(void) {
  forge_section(&f, SLUICE__NATIVE_START, 1, "ram", SLUICE_PAYLOAD_PAGES);
  forge_region(&f, 1, 0, 1024 * 1024, 256);
}

START_TEST(records_are_needed_up_to_the_first_page) {
  const sluice__native_run_t run = {0, 4, 0};
  sluice__stretch_t out;
  size_t begin, data;

  ram();
  begin = f.len;
  forge_pages(&f, 0, 1, run, 256, 1);
  data = sluice__get_le32(f.data + begin + SLUICE__PAGES_DATA);
  ck_assert(guess(f.len - first, &out));
  ck_assert_uint_eq(out.used, begin - first + data);
  ck_assert_uint_eq(out.skip, 1024);
}
END_TEST

START_TEST(a_record_that_is_not_all_there_is_asked_for) {
  sluice__stretch_t out;

  ram();
  for (size_t len = 0; len < f.len - first; len++) {
    ck_assert(!guess(len, &out));
    ck_assert_uint_gt(out.need, len);
    ck_assert_uint_le(out.used, len);
  }
}
END_TEST

/* Of PAGES: where the data begins, or how long all is. */
static const struct {
  int field;
  uint32_t value;
} lies[] = {
    {SLUICE__PAGES_DATA, 0},
    {SLUICE__PAGES_DATA, SLUICE__PAGES_TABLE - 1},
    {SLUICE__PAGES_DATA, SLUICE__NATIVE_TABLE_MAX + 1},
    {SLUICE__PAGES_DATA, 8192 + 1024},
    {SLUICE__RECORD_LENGTH, 0},
};

START_TEST(a_table_that_cannot_be_is_left_to_the_decoder) {
  const sluice__native_run_t run = {0, 4, 0};
  sluice__stretch_t out;

  forge_pages(&f, 0, 1, run, 256, 1);
  sluice__put_le32(f.data + first + lies[_i].field, lies[_i].value);
  ck_assert(guess(f.len - first, &out));
  ck_assert_uint_eq(out.used, SLUICE__PAGES_TABLE);
  ck_assert_uint_eq(out.skip, lies[_i].field == SLUICE__RECORD_LENGTH
                                  ? 0
                                  : f.len - first - SLUICE__PAGES_TABLE);
}
END_TEST

/* Of PAGES and of any other: one header's worth, and on from there. */
START_TEST(a_length_that_no_record_has_is_left_to_the_decoder) {
  sluice__stretch_t out;
  const uint8_t zeros[64] = {0};

  forge_record(&f, _i == 0 ? SLUICE__NATIVE_PAGES : SLUICE__NATIVE_DATA, 0, 1,
               zeros, 16);
  sluice__put_le64(f.data + first + SLUICE__RECORD_LENGTH, UINT64_MAX - 7);
  ck_assert(!guess(f.len - first, &out));
  ck_assert_uint_eq(out.used, SLUICE__RECORD_BYTES);
  ck_assert_uint_eq(out.need, SLUICE__RECORD_BYTES + SLUICE__PAGES_TABLE);
}
END_TEST

Suite *stretch_suite(void) {
  Suite *s = suite_create("stretch");
  TCase *core = tcase_create("core");

  tcase_add_checked_fixture(core, setup, teardown);
  tcase_add_test(core, records_are_needed_up_to_the_first_page);
  tcase_add_test(core, a_record_that_is_not_all_there_is_asked_for);
  tcase_add_loop_test(core, a_table_that_cannot_be_is_left_to_the_decoder, 0,
                      sizeof(lies) / sizeof(*lies));
  tcase_add_loop_test(core, a_length_that_no_record_has_is_left_to_the_decoder,
                      0, 2);
  suite_add_tcase(s, core);
  return s;
}
