/* test_fields.c - a structure to bytes and back: values, bounds, names of what
 * is wrong, and that a failed load leaves everything as it was. */
#include <sluice/fields.h>

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "fields_sample.h"
#include "suite.h"

static const sluice_format_t formats[] = {SLUICE_FORMAT_NATIVE,
                                          SLUICE_FORMAT_QEMU3};
enum { RUNS = 60 };

static sample_t from, to;
static uint8_t *bytes;
static size_t len;
static sluice_error_t err;

static void setup(void) {
  memset(&from, 0, sizeof(from));
  memset(&to, 0, sizeof(to));
  memset(&err, 0, sizeof(err));
  bytes = NULL;
  len = 0;
}

static void teardown(void) {
  sample_done(&from);
  sample_done(&to);
  free(bytes);
}

static void encode(sluice_format_t format) {
  free(bytes);
  bytes = NULL;
  ck_assert_int_eq(
      sluice_fields_encode(&sample_table, format, &from, &bytes, &len, &err),
      0);
}

static int decode(sluice_format_t format) {
  memset(&err, 0, sizeof(err));
  return sluice_fields_decode(&sample_table, format, 3, NULL, 0, bytes, len,
                              &to, &err);
}

static void assert_says(const char *part) {
  ck_assert_msg(strstr(err.message, part) != NULL, "'%s' is not in '%s'", part,
                err.message);
}

START_TEST(every_kind_of_field_comes_back) {
  seed_t seed = seed_open(_i);
  sluice_format_t format = formats[_i % 2];

  sample_fill(&from, &seed);
  sample_fill(&to, &seed); /* something to replace */
  encode(format);
  ck_assert_msg(decode(format) == 0, "%s", err.message);
  ck_assert(sample_equal(&from, &to));
  ck_assert_uint_eq(to.loaded, 1);
}
END_TEST

START_TEST(a_cut_payload_changes_nothing) {
  seed_t seed = seed_open(_i);
  sluice_format_t format = formats[_i % 2];
  sample_t before;
  size_t whole;

  sample_fill(&from, &seed);
  sample_fill(&to, &seed);
  encode(format);
  whole = len;
  memcpy(&before, &to, sizeof(before));
  for (len = 0; len < whole; len += 1 + len / 8) {
    /* Without its last subsection a QEMU payload is a sound one. */
    if (decode(format) == 0) {
      ck_assert_int_eq(format, SLUICE_FORMAT_QEMU3);
      break;
    }
    if (err.code != SLUICE_EUNKNOWN) { /* QEMU's, cut in a subsection's name */
      ck_assert_int_eq(err.code, SLUICE_ECORRUPT);
    }
    ck_assert_int_eq(memcmp(&before, &to, sizeof(before)), 0);
  }
}
END_TEST

START_TEST(damage_never_harms) {
  seed_t seed = seed_open(_i);
  sluice_format_t format = formats[_i % 2];

  sample_fill(&from, &seed);
  encode(format);
  for (int i = 0; i < 400; i++) {
    size_t at = (size_t)seed_below(&seed, len);
    uint8_t was = bytes[at];
    int r;

    bytes[at] = (uint8_t)seed_next(&seed);
    r = decode(format);
    ck_assert_int_eq(r, err.code);
    bytes[at] = was;
  }
}
END_TEST

START_TEST(members_outside_of_the_table_stay) {
  seed_t seed = seed_open(_i);

  sample_fill(&from, &seed);
  encode(SLUICE_FORMAT_NATIVE);
  to.untouched = &to;
  ck_assert_int_eq(decode(SLUICE_FORMAT_NATIVE), 0);
  ck_assert_ptr_eq(to.untouched, &to);
}
END_TEST

START_TEST(a_structure_behind_a_pointer_keeps_its_address) {
  sample_line_t *was = calloc(1, sizeof(*was));

  from.maybe = calloc(1, sizeof(*from.maybe));
  from.maybe->level = 7;
  to.maybe = was;
  encode(SLUICE_FORMAT_NATIVE);
  ck_assert_int_eq(decode(SLUICE_FORMAT_NATIVE), 0);
  ck_assert_ptr_eq(to.maybe, was);
  ck_assert_uint_eq(was->level, 7);
}
END_TEST

START_TEST(a_value_out_of_range_is_named) {
  encode(SLUICE_FORMAT_NATIVE);
  bytes[15] = 101; /* i8, behind 1 + 2 + 4 + 8 bytes */
  ck_assert_int_eq(decode(SLUICE_FORMAT_NATIVE), SLUICE_ECORRUPT);
  assert_says("'i8' is 101, expected -100 to 100");
}
END_TEST

START_TEST(a_bool_is_zero_or_one) {
  encode(SLUICE_FORMAT_NATIVE);
  bytes[30] = 2;
  ck_assert_int_eq(decode(SLUICE_FORMAT_NATIVE), SLUICE_ECORRUPT);
  assert_says("'flag' is 2");
}
END_TEST

START_TEST(a_count_over_its_bound_is_named) {
  for (int i = 0; i < 2; i++) {
    encode(formats[i]);
    bytes[59] = 17; /* used, behind 43 bytes and lanes */
    bytes[60] = i == 0 ? 0 : 17;
    ck_assert_int_eq(decode(formats[i]), SLUICE_ECORRUPT);
    assert_says("'fifo' has");
    assert_says("at most 16");
  }
}
END_TEST

START_TEST(a_count_that_disagrees_is_named) {
  encode(SLUICE_FORMAT_NATIVE);
  bytes[59] = 3; /* but 0 elements follow */
  ck_assert_int_eq(decode(SLUICE_FORMAT_NATIVE), SLUICE_ECORRUPT);
  assert_says("'fifo' has 0 elements, its count is 3");
}
END_TEST

START_TEST(a_nested_field_is_named_by_its_path) {
  from.more_count = 2;
  from.more = calloc(2, sizeof(from.more[0]));
  from.more[1].label = malloc(SAMPLE_STRING_MAX + 2);
  memset(from.more[1].label, 'x', SAMPLE_STRING_MAX + 1);
  from.more[1].label[SAMPLE_STRING_MAX + 1] = '\0';
  ck_assert_int_eq(sluice_fields_encode(&sample_table, SLUICE_FORMAT_NATIVE,
                                        &from, &bytes, &len, &err),
                   SLUICE_ELIMIT);
  assert_says("'more[1].label' is longer than 60 bytes");
}
END_TEST

START_TEST(what_is_left_over_is_an_error) {
  encode(SLUICE_FORMAT_NATIVE);
  bytes = realloc(bytes, len + 1);
  bytes[len++] = 0;
  ck_assert_int_eq(decode(SLUICE_FORMAT_NATIVE), SLUICE_ECORRUPT);
  assert_says("1 bytes are left over");
}
END_TEST

START_TEST(saving_more_than_the_bound_is_refused) {
  from.used = SAMPLE_FIFO + 1;
  ck_assert_int_eq(sluice_fields_encode(&sample_table, SLUICE_FORMAT_NATIVE,
                                        &from, &bytes, &len, &err),
                   SLUICE_ELIMIT);
  assert_says("'fifo' has 17 elements, at most 16");
}
END_TEST

START_TEST(an_unknown_subsection_of_qemus_is_refused) {
  static const uint8_t sub[] = {5, 8, 's', 'a', 'm', 'p', 'l', 'e', '/', 'x'};

  encode(SLUICE_FORMAT_QEMU3);
  bytes = realloc(bytes, len + sizeof(sub));
  memcpy(bytes + len, sub, sizeof(sub));
  len += sizeof(sub);
  ck_assert_int_eq(decode(SLUICE_FORMAT_QEMU3), SLUICE_EUNKNOWN);
  assert_says("subsection");
}
END_TEST

/* ---- hooks ---- */

static int hook_calls[4];

static int fail_pre_save(void *structure, sluice_error_t *e) {
  (void)structure;
  hook_calls[0]++;
  return sluice_fail(e, UV_EPERM, "not now");
}

static int count_post_save(void *structure, sluice_error_t *e) {
  (void)structure;
  (void)e;
  hook_calls[1]++;
  return 0;
}

static int refuse_post_load(void *shadow, uint32_t version, sluice_error_t *e) {
  (void)e;
  ck_assert_uint_eq(version, 3);
  ck_assert_ptr_ne(shadow, &to);
  return UV_ERANGE;
}

START_TEST(a_pre_save_that_fails_ends_it) {
  sluice_table_t table = sample_table;

  table.pre_save = fail_pre_save;
  table.post_save = count_post_save;
  ck_assert_int_eq(sluice_fields_encode(&table, SLUICE_FORMAT_NATIVE, &from,
                                        &bytes, &len, &err),
                   UV_EPERM);
  assert_says("not now");
  ck_assert_int_eq(hook_calls[0], 1);
  ck_assert_int_eq(hook_calls[1], 0);
}
END_TEST

START_TEST(a_post_save_follows_even_a_failure) {
  sluice_table_t table = sample_table;

  table.post_save = count_post_save;
  from.used = SAMPLE_FIFO + 1;
  ck_assert_int_eq(sluice_fields_encode(&table, SLUICE_FORMAT_NATIVE, &from,
                                        &bytes, &len, &err),
                   SLUICE_ELIMIT);
  ck_assert_int_eq(hook_calls[1], 1);
}
END_TEST

START_TEST(a_post_load_that_fails_changes_nothing) {
  seed_t seed = seed_open(_i);
  sluice_table_t table = sample_table;
  sample_t before;

  sample_fill(&from, &seed);
  sample_fill(&to, &seed);
  encode(SLUICE_FORMAT_NATIVE);
  memcpy(&before, &to, sizeof(before));
  table.post_load = refuse_post_load;
  ck_assert_int_eq(sluice_fields_decode(&table, SLUICE_FORMAT_NATIVE, 3, NULL,
                                        0, bytes, len, &to, &err),
                   UV_ERANGE);
  assert_says("the structure was refused by its post_load");
  ck_assert_int_eq(memcmp(&before, &to, sizeof(before)), 0);
}
END_TEST

/* ---- tables ---- */

static int check_table(const sluice_field_t *fields) {
  const sluice_table_t table = {SLUICE_TABLE(sample_t, "bad", 1, 1),
                                .fields = fields};
  uint8_t *schema = NULL;
  size_t schema_len;
  int r;

  memset(&err, 0, sizeof(err));
  r = sluice_fields_schema(&table, &schema, &schema_len, &err);
  free(schema);
  return r;
}

START_TEST(a_table_with_fields_of_another_size_is_refused) {
  const sluice_field_t fields[] = {{SLUICE_U8(sample_t, u8)},
                                   {SLUICE_FIELDS_END}};
  sluice_table_t table = {SLUICE_TABLE(sample_t, "odd", 1, 1),
                          .fields = fields};
  uint8_t *schema = NULL;
  size_t schema_len = 0;

  table.field_size -= 8;
  memset(&err, 0, sizeof(err));
  ck_assert_int_eq(sluice_fields_schema(&table, &schema, &schema_len, &err),
                   UV_EINVAL);
  assert_says("a table lacks its sizes");
}
END_TEST

START_TEST(an_unsound_table_is_refused) {
  const sluice_field_t count_comes_late[] = {
      {SLUICE_COUNTED(BYTE, sample_t, fifo, used)},
      {SLUICE_U16(sample_t, used)},
      {SLUICE_FIELDS_END}};
  const sluice_field_t twice[] = {{SLUICE_U8(sample_t, u8)},
                                  {SLUICE_U8(sample_t, u8)},
                                  {SLUICE_FIELDS_END}};
  const sluice_field_t from_the_future[] = {
      {SLUICE_U8(sample_t, u8), .since = 2}, {SLUICE_FIELDS_END}};
  const sluice_field_t none[] = {{SLUICE_FIELDS_END}};

  ck_assert_int_eq(check_table(count_comes_late), UV_EINVAL);
  assert_says("'fifo': its count is no field before it");
  ck_assert_int_eq(check_table(twice), UV_EINVAL);
  assert_says("its name is taken");
  ck_assert_int_eq(check_table(from_the_future), UV_EINVAL);
  assert_says("since a version");
  ck_assert_int_eq(check_table(none), UV_EINVAL);
}
END_TEST

Suite *fields_suite(void) {
  Suite *s = suite_create("fields");
  TCase *t = tcase_create("fields");

  tcase_add_checked_fixture(t, setup, teardown);
  tcase_add_loop_test(t, every_kind_of_field_comes_back, 0, RUNS);
  tcase_add_loop_test(t, a_cut_payload_changes_nothing, 0, RUNS / 2);
  tcase_add_loop_test(t, damage_never_harms, 0, RUNS / 2);
  tcase_add_test(t, members_outside_of_the_table_stay);
  tcase_add_test(t, a_structure_behind_a_pointer_keeps_its_address);
  tcase_add_test(t, a_value_out_of_range_is_named);
  tcase_add_test(t, a_bool_is_zero_or_one);
  tcase_add_test(t, a_count_over_its_bound_is_named);
  tcase_add_test(t, a_count_that_disagrees_is_named);
  tcase_add_test(t, a_nested_field_is_named_by_its_path);
  tcase_add_test(t, what_is_left_over_is_an_error);
  tcase_add_test(t, saving_more_than_the_bound_is_refused);
  tcase_add_test(t, an_unknown_subsection_of_qemus_is_refused);
  tcase_add_test(t, a_pre_save_that_fails_ends_it);
  tcase_add_test(t, a_post_save_follows_even_a_failure);
  tcase_add_test(t, a_post_load_that_fails_changes_nothing);
  tcase_add_test(t, a_table_with_fields_of_another_size_is_refused);
  tcase_add_test(t, an_unsound_table_is_refused);
  suite_add_tcase(s, t);
  return s;
}
