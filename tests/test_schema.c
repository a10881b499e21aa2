/* test_schema.c - payloads by schema alone, and whether programs understand
 * each other's images: what is said is tried out. */
#include <sluice/schema.h>

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fields_sample.h"
#include "suite.h"

/* ---- walking ---- */

typedef struct text_s {
  char text[8192];
  size_t len;
} text_t;

static int print_value(void *data, const sluice_value_t *v) {
  text_t *t = data;
  size_t room = sizeof(t->text) - t->len;
  int n = 0;

  switch (v->kind) {
  case SLUICE_VALUE_SCALAR:
    n = snprintf(t->text + t->len, room, "%s=%lld ", v->name,
                 (long long)v->bits);
    break;
  case SLUICE_VALUE_BYTES:
    n = snprintf(t->text + t->len, room, "%s='%.*s' ", v->name, (int)v->len,
                 (const char *)v->data);
    break;
  case SLUICE_VALUE_ABSENT:
    n = snprintf(t->text + t->len, room, "%s=none ", v->name);
    break;
  case SLUICE_VALUE_OPEN:
  case SLUICE_VALUE_SUBSECTION:
    n = snprintf(t->text + t->len, room, "%s{ ", v->name);
    break;
  case SLUICE_VALUE_CLOSE: n = snprintf(t->text + t->len, room, "} "); break;
  }
  t->len += (size_t)n < room ? (size_t)n : 0;
  return 0;
}

static sluice_schema_t *schema_of(const sluice_table_t *table) {
  sluice_schema_t *schema = NULL;
  sluice_error_t err = {0};
  uint8_t *bytes;
  size_t len;

  ck_assert_msg(sluice_fields_schema(table, &bytes, &len, &err) == 0, "%s",
                err.message);
  ck_assert_msg(sluice_schema_parse(&schema, bytes, len, &err) == 0, "%s",
                err.message);
  free(bytes);
  return schema;
}

START_TEST(a_payload_shows_its_values_by_name) {
  char label[] = "abc";
  sample_line_t line = {.level = 7, .delta = -5, .label = label};
  sluice_schema_t *schema = schema_of(&sample_line_table);
  static text_t text;
  uint8_t *bytes;
  size_t len;

  text.len = 0;
  ck_assert_int_eq(sluice_fields_encode(&sample_line_table,
                                        SLUICE_FORMAT_NATIVE, &line, &bytes,
                                        &len, NULL),
                   0);
  ck_assert_int_eq(
      sluice_schema_walk(schema, bytes, len, print_value, &text, NULL), 0);
  ck_assert_str_eq(text.text, "level=7 delta=-5 label='abc' ");
  free(bytes);
  sluice_schema_free(schema);
}
END_TEST

START_TEST(every_kind_of_field_can_be_walked) {
  seed_t seed = seed_open(_i);
  sluice_schema_t *schema = schema_of(&sample_table);
  sluice_error_t err = {0};
  static text_t text;
  sample_t s;
  uint8_t *bytes;
  size_t len;

  sample_fill(&s, &seed);
  text.len = 0;
  ck_assert_int_eq(sluice_fields_encode(&sample_table, SLUICE_FORMAT_NATIVE, &s,
                                        &bytes, &len, &err),
                   0);
  ck_assert_int_eq(
      sluice_schema_walk(schema, bytes, len, print_value, &text, &err), 0);
  ck_assert(strstr(text.text, "line{ level=") != NULL);
  ck_assert_int_eq(
      sluice_schema_walk(schema, bytes, len - 1, print_value, &text, &err),
      SLUICE_ECORRUPT);
  free(bytes);
  sluice_schema_free(schema);
  sample_done(&s);
}
END_TEST

START_TEST(a_damaged_schema_or_payload_is_only_an_error) {
  seed_t seed = seed_open(_i);
  static text_t text;
  uint8_t *schema, *bytes;
  size_t schema_len, len;
  sample_t s;

  sample_fill(&s, &seed);
  ck_assert_int_eq(
      sluice_fields_schema(&sample_table, &schema, &schema_len, NULL), 0);
  ck_assert_int_eq(sluice_fields_encode(&sample_table, SLUICE_FORMAT_NATIVE, &s,
                                        &bytes, &len, NULL),
                   0);
  for (int i = 0; i < 500; i++) {
    size_t at = (size_t)seed_below(&seed, schema_len);
    uint8_t was = schema[at];
    sluice_schema_t *parsed = NULL;

    schema[at] = (uint8_t)seed_next(&seed);
    text.len = 0;
    if (sluice_schema_parse(&parsed, schema, schema_len, NULL) == 0) {
      (void)sluice_schema_walk(parsed, bytes, len, print_value, &text, NULL);
      sluice_schema_free(parsed);
    }
    schema[at] = was;
  }
  free(schema);
  free(bytes);
  sample_done(&s);
}
END_TEST

/* A table that holds itself by value would need no payload to go on for ever.
 */
START_TEST(a_schema_that_holds_itself_is_refused) {
  static const uint8_t loop[] = {
      1,   0,   1, 0, 1, 0, 0, 0,                   /* one table, one field */
      1,   0,   0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, /* versions, counts */
      1,   'a', 0,                                  /* its name */
      15,  0,   0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1,
      'b', 0}; /* struct: table 0 */
  sluice_schema_t *schema = NULL;
  sluice_error_t err = {0};

  ck_assert_int_eq(sluice_schema_parse(&schema, loop, sizeof(loop), &err),
                   SLUICE_ELIMIT);
  ck_assert_str_eq(err.message, "schema: structures are too deep");
}
END_TEST

/* ---- comparing ---- */

typedef struct {
  uint32_t speed;
  uint64_t wide;
  uint16_t level;
  uint8_t count;
  uint8_t ring[8];
  uint8_t mode;
} cmp_t;

static const sluice_field_t base_fields[] = {
    {SLUICE_U32(cmp_t, speed)},
    {SLUICE_U16(cmp_t, level), SLUICE_RANGE(0, 100)},
    {SLUICE_FIELDS_END}};
static const sluice_table_t base = {SLUICE_TABLE(cmp_t, "dev", 1, 1),
                                    .fields = base_fields};

static const sluice_field_t added_fields[] = {
    {SLUICE_U32(cmp_t, speed)},
    {SLUICE_U16(cmp_t, level), SLUICE_RANGE(0, 100)},
    {SLUICE_U8(cmp_t, mode), .since = 2},
    {SLUICE_FIELDS_END}};
static const sluice_table_t added = {SLUICE_TABLE(cmp_t, "dev", 2, 1),
                                     .fields = added_fields};

static const sluice_field_t sneaked_fields[] = {
    {SLUICE_U32(cmp_t, speed)},
    {SLUICE_U16(cmp_t, level), SLUICE_RANGE(0, 100)},
    {SLUICE_U8(cmp_t, mode)},
    {SLUICE_FIELDS_END}};
static const sluice_table_t sneaked = {SLUICE_TABLE(cmp_t, "dev", 1, 1),
                                       .fields = sneaked_fields};

static const sluice_field_t optional_fields[] = {
    {SLUICE_U16(cmp_t, level), SLUICE_RANGE(0, 100)},
    {SLUICE_U32(cmp_t, speed)},
    {SLUICE_U8(cmp_t, mode), .optional = 1},
    {SLUICE_FIELDS_END}};
static const sluice_table_t optional = {SLUICE_TABLE(cmp_t, "dev", 1, 1),
                                        .fields = optional_fields};

static const sluice_field_t widened_fields[] = {
    {SLUICE_U64(cmp_t, wide), .alias = "speed"},
    {SLUICE_U16(cmp_t, level), SLUICE_RANGE(0, 100)},
    {SLUICE_FIELDS_END}};
static const sluice_table_t widened = {SLUICE_TABLE(cmp_t, "dev", 1, 1),
                                       .fields = widened_fields};

static const sluice_field_t ranged_fields[] = {
    {SLUICE_U32(cmp_t, speed)},
    {SLUICE_U16(cmp_t, level), SLUICE_RANGE(0, 50)},
    {SLUICE_FIELDS_END}};
static const sluice_table_t ranged = {SLUICE_TABLE(cmp_t, "dev", 1, 1),
                                      .fields = ranged_fields};

typedef struct case_s {
  const sluice_table_t *before, *after;
  int breaks;
  const char *says; /* in what was found */
} case_t;

static const case_t cases[] = {
    {&base, &base, 0, ""},
    {&base, &added, SLUICE_BREAKS_NEW_IMAGE,
     "mode added required u8 since version 2;"},
    {&added, &base, SLUICE_BREAKS_OLD_IMAGE, "mode removed"},
    {&base, &sneaked, SLUICE_BREAKS_OLD_IMAGE | SLUICE_BREAKS_NEW_IMAGE,
     " not raised fields came or went, the version still is 1;"},
    {&base, &optional, 0, "speed reordered"},
    {&base, &widened, SLUICE_BREAKS_NEW_IMAGE, "wide resized was u32, is u64;"},
    {&base, &ranged, SLUICE_BREAKS_OLD_IMAGE, "level check"},
    {&ranged, &base, SLUICE_BREAKS_NEW_IMAGE, "level check"},
};

static void collect(void *data, const sluice_finding_t *f) {
  text_t *t = data;

  t->len +=
      (size_t)snprintf(t->text + t->len, sizeof(t->text) - t->len, "%s %s %s;",
                       f->path, sluice_change_name(f->change), f->text);
}

/* Does an image of `writer` load, with the highest values that it may hold? */
static int loads(const sluice_table_t *writer, const sluice_table_t *reader) {
  cmp_t from = {.speed = 1, .wide = 1, .level = 50, .mode = 3}, to = {0};
  sluice_schema_t *schema = schema_of(writer);
  uint8_t *bytes, *described;
  size_t len, described_len;
  int r;

  if (writer != &ranged) {
    from.level = 100;
  }
  ck_assert_int_eq(sluice_fields_encode(writer, SLUICE_FORMAT_NATIVE, &from,
                                        &bytes, &len, NULL),
                   0);
  ck_assert_int_eq(
      sluice_fields_schema(writer, &described, &described_len, NULL), 0);
  r = sluice_fields_decode(reader, SLUICE_FORMAT_NATIVE, writer->version,
                           described, described_len, bytes, len, &to, NULL);
  free(bytes);
  free(described);
  sluice_schema_free(schema);
  return r == 0;
}

START_TEST(the_verdict_is_what_happens) {
  const case_t *c = &cases[_i];
  sluice_schema_t *before = schema_of(c->before);
  sluice_schema_t *after = schema_of(c->after);
  static text_t text;
  int breaks;

  memset(&text, 0, sizeof(text));
  breaks = sluice_schema_compare(before, after, collect, &text);
  ck_assert_msg(breaks == c->breaks, "%d: %s", breaks, text.text);
  ck_assert_msg(strstr(text.text, c->says) != NULL, "%s", text.text);
  ck_assert_int_eq(loads(c->before, c->after),
                   (breaks & SLUICE_BREAKS_OLD_IMAGE) == 0);
  ck_assert_int_eq(loads(c->after, c->before),
                   (breaks & SLUICE_BREAKS_NEW_IMAGE) == 0);
  sluice_schema_free(before);
  sluice_schema_free(after);
}
END_TEST

Suite *schema_suite(void) {
  Suite *s = suite_create("schema");
  TCase *t = tcase_create("schema");

  tcase_add_test(t, a_payload_shows_its_values_by_name);
  tcase_add_loop_test(t, every_kind_of_field_can_be_walked, 0, 20);
  tcase_add_loop_test(t, a_damaged_schema_or_payload_is_only_an_error, 0, 20);
  tcase_add_test(t, a_schema_that_holds_itself_is_refused);
  tcase_add_loop_test(t, the_verdict_is_what_happens, 0,
                      (int)(sizeof(cases) / sizeof(cases[0])));
  suite_add_tcase(s, t);
  return s;
}
