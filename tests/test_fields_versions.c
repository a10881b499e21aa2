/* test_fields_versions.c - one program's bytes in another program: fields
 * added, removed, moved, widened, renamed; random tables against a model. */
#include <sluice/fields.h>

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "seed.h"
#include "suite.h"

static sluice_error_t err;

static void assert_says(const char *part) {
  ck_assert_msg(strstr(err.message, part) != NULL, "'%s' is not in '%s'", part,
                err.message);
}

/* ---- a device that grew ---- */

typedef struct dev_s {
  uint32_t speed;
  uint16_t level;
  uint64_t wide;
  uint8_t count;
  uint32_t ring[8];
  uint32_t extra;
  uint8_t mode;
} device_t;

/* Encodes `from` by one table and loads it into `to` by the other. */
static int pass(const sluice_table_t *writer, device_t *from,
                const sluice_table_t *reader, device_t *to) {
  uint8_t *bytes = NULL, *schema = NULL;
  size_t len, schema_len;
  int r;

  memset(&err, 0, sizeof(err));
  ck_assert_int_eq(sluice_fields_encode(writer, SLUICE_FORMAT_NATIVE, from,
                                        &bytes, &len, &err),
                   0);
  ck_assert_int_eq(sluice_fields_schema(writer, &schema, &schema_len, &err), 0);
  r = sluice_fields_decode(reader, SLUICE_FORMAT_NATIVE, writer->version,
                           schema, schema_len, bytes, len, to, &err);
  free(bytes);
  free(schema);
  return r;
}

static const sluice_field_t v1_fields[] = {
    {SLUICE_U32(device_t, speed)},
    {SLUICE_U8(device_t, count)},
    {SLUICE_COUNTED(U32, device_t, ring, count)},
    {SLUICE_FIELDS_END}};
static const sluice_table_t v1 = {SLUICE_TABLE(device_t, "dev", 1, 1),
                                  .fields = v1_fields};

static int has_extra(const void *structure) {
  return ((const device_t *)structure)->extra != 0;
}

static const sluice_field_t extra_fields[] = {{SLUICE_U32(device_t, extra)},
                                              {SLUICE_FIELDS_END}};
static const sluice_table_t extra = {SLUICE_TABLE(device_t, "dev/extra", 1, 1),
                                     .fields = extra_fields,
                                     .needed = has_extra};
static const sluice_table_t optional_extra = {
    SLUICE_TABLE(device_t, "dev/extra", 1, 1), .fields = extra_fields,
    .needed = has_extra, .optional = 1};
static const sluice_table_t *const extras[] = {&extra, NULL};
static const sluice_table_t *const optional_extras[] = {&optional_extra, NULL};

static int default_level(void *shadow, sluice_error_t *e) {
  (void)e;
  ((device_t *)shadow)->level = 50;
  return 0;
}

static const sluice_field_t v2_fields[] = {
    {SLUICE_U8(device_t, count)},
    {SLUICE_COUNTED(U32, device_t, ring, count)},
    {SLUICE_U16(device_t, level), .since = 2, SLUICE_RANGE(0, 100)},
    {SLUICE_U32(device_t, speed)},
    {SLUICE_FIELDS_END}};
static const sluice_table_t v2 = {SLUICE_TABLE(device_t, "dev", 2, 1),
                                  .fields = v2_fields, .subsections = extras,
                                  .pre_load = default_level};

static const device_t full = {.speed = 9600,
                              .level = 70,
                              .wide = 5,
                              .count = 2,
                              .ring = {11, 22},
                              .extra = 8};

START_TEST(an_old_image_loads_into_a_new_program) {
  device_t from = full, to = {.level = 1};

  ck_assert_msg(pass(&v1, &from, &v2, &to) == 0, "%s", err.message);
  ck_assert_uint_eq(to.speed, 9600);
  ck_assert_uint_eq(to.ring[1], 22);
  ck_assert_uint_eq(to.level, 50);
}
END_TEST

START_TEST(a_newer_version_is_refused) {
  device_t from = full, to = {0};

  ck_assert_int_eq(pass(&v2, &from, &v1, &to), SLUICE_EVERSION);
}
END_TEST

START_TEST(a_version_that_is_too_old_is_refused) {
  sluice_table_t reader = v2;
  device_t from = full, to = {0};

  reader.min_version = 2;
  ck_assert_int_eq(pass(&v1, &from, &reader, &to), SLUICE_EOLDVERSION);
}
END_TEST

START_TEST(an_unknown_field_is_refused_by_name) {
  const sluice_field_t more[] = {{SLUICE_U32(device_t, speed)},
                                 {SLUICE_U8(device_t, mode)},
                                 {SLUICE_FIELDS_END}};
  const sluice_field_t less[] = {{SLUICE_U32(device_t, speed)},
                                 {SLUICE_FIELDS_END}};
  const sluice_table_t writer = {SLUICE_TABLE(device_t, "dev", 1, 1),
                                 .fields = more};
  const sluice_table_t reader = {SLUICE_TABLE(device_t, "dev", 1, 1),
                                 .fields = less};
  device_t from = full, to = {0};

  ck_assert_int_eq(pass(&writer, &from, &reader, &to), SLUICE_EUNKNOWN);
  assert_says("'mode' of 'dev' is not known");
  ck_assert_int_eq(pass(&reader, &from, &writer, &to), SLUICE_EMISSING);
  assert_says("'mode' of 'dev' is missing");
}
END_TEST

START_TEST(an_unknown_optional_field_is_skipped) {
  const sluice_field_t more[] = {
      {SLUICE_U8(device_t, count)},
      {SLUICE_COUNTED(U32, device_t, ring, count), .optional = 1},
      {SLUICE_U32(device_t, speed)},
      {SLUICE_FIELDS_END}};
  const sluice_field_t less[] = {{SLUICE_U8(device_t, count)},
                                 {SLUICE_U32(device_t, speed)},
                                 {SLUICE_FIELDS_END}};
  const sluice_table_t writer = {SLUICE_TABLE(device_t, "dev", 1, 1),
                                 .fields = more};
  const sluice_table_t reader = {SLUICE_TABLE(device_t, "dev", 1, 1),
                                 .fields = less};
  device_t from = full, to = {0};

  ck_assert_int_eq(pass(&writer, &from, &reader, &to), 0);
  ck_assert_uint_eq(to.speed, 9600);
  ck_assert_uint_eq(to.ring[0], 0);
}
END_TEST

START_TEST(an_unknown_subsection_matters_only_when_it_is_there) {
  sluice_table_t reader = v2;
  device_t from = full, to = {0};

  reader.subsections = NULL;
  ck_assert_int_eq(pass(&v2, &from, &reader, &to), SLUICE_EUNKNOWN);
  assert_says("'dev/extra' is a subsection that is not known");
  from.extra = 0;
  ck_assert_int_eq(pass(&v2, &from, &reader, &to), 0);
}
END_TEST

START_TEST(an_unknown_optional_subsection_is_skipped) {
  sluice_table_t writer = v2, reader = v2;
  device_t from = full, to = {0};

  writer.subsections = optional_extras;
  reader.subsections = NULL;
  ck_assert_int_eq(pass(&writer, &from, &reader, &to), 0);
  ck_assert_uint_eq(to.level, 70);
}
END_TEST

START_TEST(a_wider_field_takes_a_narrow_one) {
  const sluice_field_t narrow[] = {{SLUICE_U16(device_t, level)},
                                   {SLUICE_FIELDS_END}};
  const sluice_field_t wide[] = {{SLUICE_U64(device_t, wide), .alias = "level"},
                                 {SLUICE_FIELDS_END}};
  const sluice_table_t writer = {SLUICE_TABLE(device_t, "dev", 1, 1),
                                 .fields = narrow};
  const sluice_table_t reader = {SLUICE_TABLE(device_t, "dev", 1, 1),
                                 .fields = wide};
  device_t from = full, to = {0};

  ck_assert_msg(pass(&writer, &from, &reader, &to) == 0, "%s", err.message);
  ck_assert_uint_eq(to.wide, 70);
  ck_assert_int_eq(pass(&reader, &from, &writer, &to), SLUICE_EKIND);
  assert_says("of another type");
}
END_TEST

START_TEST(a_kept_array_must_fit_a_loaded_count) {
  typedef struct {
    uint32_t n;
    uint32_t *xs;
  } owner_t;
  const sluice_field_t count_only[] = {{SLUICE_U32(owner_t, n)},
                                       {SLUICE_FIELDS_END}};
  const sluice_field_t both[] = {
      {SLUICE_U32(owner_t, n)},
      {SLUICE_OWNED(U32, owner_t, xs, n, 1000), .since = 2},
      {SLUICE_FIELDS_END}};
  const sluice_table_t old = {SLUICE_TABLE(owner_t, "o", 1, 1),
                              .fields = count_only};
  const sluice_table_t new = {SLUICE_TABLE(owner_t, "o", 2, 1), .fields = both};
  uint32_t two[2] = {1, 2};
  owner_t from = {900, NULL}, to = {2, two};
  uint8_t *bytes, *schema;
  size_t len, schema_len;

  ck_assert_int_eq(sluice_fields_encode(&old, SLUICE_FORMAT_NATIVE, &from,
                                        &bytes, &len, NULL),
                   0);
  ck_assert_int_eq(sluice_fields_schema(&old, &schema, &schema_len, NULL), 0);
  memset(&err, 0, sizeof(err));
  ck_assert_int_eq(sluice_fields_decode(&new, SLUICE_FORMAT_NATIVE, 1, schema,
                                        schema_len, bytes, len, &to, &err),
                   SLUICE_ECORRUPT);
  assert_says("'xs' does not have the 900 elements");
  ck_assert_ptr_eq(to.xs, two);
  free(bytes);
  free(schema);
}
END_TEST

/* ---- random tables ----
 *
 * A model of up to SPECS named values; a table takes some of them in some order
 * at some offsets. What two tables share must pass from one to the other. */

enum { SPECS = 24, ARRAY_MAX = 6, STRUCT_BYTES = 4096, TRIALS = 150 };

typedef struct spec_s {
  char name[16];
  uint8_t type;
  uint8_t shape;
  uint32_t length;
  uint8_t value[ARRAY_MAX * 8]; /* as in memory */
} spec_t;

typedef struct layout_s {
  sluice_field_t fields[SPECS + 1];
  unsigned spec_of[SPECS];
  unsigned count;
  sluice_table_t table;
} layout_t;

static size_t size_of(uint8_t type) {
  static const size_t sizes[] = {0, 1, 2, 4, 8, 1, 2, 4, 8, 1, 4, 8, 1};

  return sizes[type];
}

static void make_spec(spec_t *spec, unsigned number, seed_t *seed) {
  size_t bytes;

  memset(spec, 0, sizeof(*spec));
  (void)snprintf(spec->name, sizeof(spec->name), "f%u", number);
  spec->type = (uint8_t)(SLUICE_FIELD_U8 + seed_below(seed, SLUICE_FIELD_BYTE));
  spec->shape = (uint8_t)seed_below(seed, 2);
  spec->length = spec->shape == SLUICE_SHAPE_ONE
                     ? 1
                     : (uint32_t)(1 + seed_below(seed, ARRAY_MAX));
  bytes = spec->length * size_of(spec->type);
  for (size_t i = 0; i < bytes; i++) {
    spec->value[i] =
        (uint8_t)(spec->type == SLUICE_FIELD_BOOL ? seed_below(seed, 2)
                                                  : seed_next(seed));
  }
}

static void shuffle(unsigned *order, unsigned n, seed_t *seed) {
  for (unsigned i = n - 1; i > 0; i--) {
    unsigned k = (unsigned)seed_below(seed, i + 1);
    unsigned was = order[i];

    order[i] = order[k];
    order[k] = was;
  }
}

/* Every field optional: so any two layouts can talk. */
static void make_layout(layout_t *l, const spec_t *specs, seed_t *seed) {
  unsigned order[SPECS];
  size_t offset = 0;

  memset(l, 0, sizeof(*l));
  for (unsigned i = 0; i < SPECS; i++) {
    order[i] = i;
  }
  shuffle(order, SPECS, seed);
  l->count = 1 + (unsigned)seed_below(seed, SPECS);
  for (unsigned i = 0; i < l->count; i++) {
    const spec_t *spec = &specs[order[i]];

    offset += (size_t)seed_below(seed, 9);
    l->spec_of[i] = order[i];
    l->fields[i] = (sluice_field_t){.name = spec->name,
                                    .type = spec->type,
                                    .shape = spec->shape,
                                    .max = spec->length,
                                    .optional = 1,
                                    .offset = offset,
                                    .size = size_of(spec->type)};
    offset += spec->length * size_of(spec->type);
  }
  ck_assert_uint_lt(offset, STRUCT_BYTES);
  l->table = (sluice_table_t){.size = sizeof(sluice_table_t),
                              .field_size = sizeof(sluice_field_t),
                              .version = 1,
                              .min_version = 1,
                              .name = "random",
                              .structure_size = STRUCT_BYTES,
                              .fields = l->fields};
}

static void assert_passed(const layout_t *from, const layout_t *to,
                          const spec_t *specs, const uint8_t *structure) {
  uint8_t expected[STRUCT_BYTES];

  memset(expected, 0xa5, sizeof(expected));
  for (unsigned i = 0; i < to->count; i++) {
    for (unsigned k = 0; k < from->count; k++) {
      if (to->spec_of[i] == from->spec_of[k]) {
        memcpy(expected + to->fields[i].offset, specs[to->spec_of[i]].value,
               to->fields[i].size * to->fields[i].max);
      }
    }
  }
  ck_assert_int_eq(memcmp(expected, structure, sizeof(expected)), 0);
}

START_TEST(random_tables_exchange_what_they_share) {
  seed_t seed = seed_open(_i);
  static spec_t specs[SPECS];
  static layout_t from, to;
  static uint8_t source[STRUCT_BYTES], target[STRUCT_BYTES];
  uint8_t *bytes, *schema;
  size_t len, schema_len;

  for (unsigned i = 0; i < SPECS; i++) {
    make_spec(&specs[i], i, &seed);
  }
  make_layout(&from, specs, &seed);
  make_layout(&to, specs, &seed);
  for (unsigned i = 0; i < from.count; i++) {
    memcpy(source + from.fields[i].offset, specs[from.spec_of[i]].value,
           from.fields[i].size * from.fields[i].max);
  }
  memset(target, 0xa5, sizeof(target));
  ck_assert_int_eq(sluice_fields_encode(&from.table, SLUICE_FORMAT_NATIVE,
                                        source, &bytes, &len, &err),
                   0);
  ck_assert_int_eq(
      sluice_fields_schema(&from.table, &schema, &schema_len, &err), 0);
  ck_assert_msg(sluice_fields_decode(&to.table, SLUICE_FORMAT_NATIVE, 1, schema,
                                     schema_len, bytes, len, target, &err) == 0,
                "%s", err.message);
  assert_passed(&from, &to, specs, target);
  free(bytes);
  free(schema);
}
END_TEST

START_TEST(a_damaged_schema_never_harms) {
  seed_t seed = seed_open(_i);
  device_t from = full;
  uint8_t *bytes, *schema;
  size_t len, schema_len;

  ck_assert_int_eq(sluice_fields_encode(&v2, SLUICE_FORMAT_NATIVE, &from,
                                        &bytes, &len, &err),
                   0);
  ck_assert_int_eq(sluice_fields_schema(&v2, &schema, &schema_len, &err), 0);
  for (int i = 0; i < 300; i++) {
    size_t at = (size_t)seed_below(&seed, schema_len);
    uint8_t was = schema[at];
    device_t to = {0};

    schema[at] = (uint8_t)seed_next(&seed);
    memset(&err, 0, sizeof(err));
    ck_assert_int_eq(sluice_fields_decode(&v2, SLUICE_FORMAT_NATIVE, 2, schema,
                                          schema_len, bytes, len, &to, &err),
                     err.code);
    schema[at] = was;
  }
  free(bytes);
  free(schema);
}
END_TEST

Suite *fields_versions_suite(void) {
  Suite *s = suite_create("fields_versions");
  TCase *t = tcase_create("versions");

  tcase_add_test(t, an_old_image_loads_into_a_new_program);
  tcase_add_test(t, a_newer_version_is_refused);
  tcase_add_test(t, a_version_that_is_too_old_is_refused);
  tcase_add_test(t, an_unknown_field_is_refused_by_name);
  tcase_add_test(t, an_unknown_optional_field_is_skipped);
  tcase_add_test(t, an_unknown_subsection_matters_only_when_it_is_there);
  tcase_add_test(t, an_unknown_optional_subsection_is_skipped);
  tcase_add_test(t, a_wider_field_takes_a_narrow_one);
  tcase_add_test(t, a_kept_array_must_fit_a_loaded_count);
  tcase_add_loop_test(t, random_tables_exchange_what_they_share, 0, TRIALS);
  tcase_add_loop_test(t, a_damaged_schema_never_harms, 0, 20);
  suite_add_tcase(s, t);
  return s;
}
