/* test_fields_sections.c - sections of fields in whole saves and restores, of
 * both formats, through the public interface. */
#include <sluice/fields.h>
#include <sluice/schema.h>
#include <sluice/sluice.h>

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "decode_all.h"
#include "fields_sample.h"
#include "memory_output.h"
#include "rig.h"
#include "suite.h"

enum { DEVICES = 5 };

static rig_t rig;
static sluice_registry_t *other;
static sample_t from[DEVICES], to[DEVICES];
static sluice_fields_t *saved[DEVICES], *restored[DEVICES];
static void *image;
static size_t image_len;

static void add_like(sluice_registry_t *registry, sluice_fields_t **out,
                     sample_t *structures, const sluice_table_t *table) {
  sluice_error_t err = {0};

  for (uint32_t i = 0; i < DEVICES; i++) {
    const sluice_section_options_t o = {.size = sizeof(o), .instance = i};
    int r = i == 0 ? sluice_fields_new(&out[i], registry, "sample", &o, table,
                                       &structures[i], &err)
                   : sluice_fields_new_like(&out[i], out[0], registry, "sample",
                                            &o, &structures[i], &err);

    ck_assert_msg(r == 0, "%s", err.message);
  }
}

static void add(sluice_registry_t *registry, sluice_fields_t **out,
                sample_t *structures) {
  add_like(registry, out, structures, &sample_table);
}

static void setup(void) {
  seed_t seed = seed_open(0);

  rig_init(&rig);
  other = rig_registry(&rig);
  image = NULL;
  for (int i = 0; i < DEVICES; i++) {
    sample_fill(&from[i], &seed);
    sample_fill(&to[i], &seed);
  }
  add(rig.registry, saved, from);
  add(other, restored, to);
}

static void teardown(void) {
  free(image);
  ck_assert_int_eq(sluice_registry_free(other), 0);
  rig_done(&rig);
  for (int i = 0; i < DEVICES; i++) {
    (void)sluice_fields_free(saved[i]);
    (void)sluice_fields_free(restored[i]);
    sample_done(&from[i]);
    sample_done(&to[i]);
  }
}

static void save(sluice_format_t format) {
  const sluice_save_options_t o = {
      .size = sizeof(o), .format = format, .host = "host"};

  ck_assert_msg(rig_save_memory(&rig, &o, &image, &image_len) == 0, "%s",
                rig.error.message);
}

START_TEST(devices_come_back) {
  save(_i == 0 ? SLUICE_FORMAT_NATIVE : SLUICE_FORMAT_QEMU3);
  ck_assert_msg(rig_restore_memory(&rig, other, image, image_len) == 0,
                "%s: %s", rig.error.section, rig.error.message);
  for (int i = 0; i < DEVICES; i++) {
    ck_assert(sample_equal(&from[i], &to[i]));
    ck_assert_uint_eq(to[i].loaded, 1);
  }
}
END_TEST

/* An older program's schema is the same in all of its sections. */
START_TEST(devices_of_an_older_table_come_back) {
  sluice_table_t newer = sample_table;
  sluice_fields_t *grown[DEVICES];
  sluice_registry_t *third = rig_registry(&rig);

  newer.version++;
  add_like(third, grown, to, &newer);
  save(SLUICE_FORMAT_NATIVE);
  ck_assert_msg(rig_restore_memory(&rig, third, image, image_len) == 0,
                "%s: %s", rig.error.section, rig.error.message);
  for (int i = 0; i < DEVICES; i++) {
    ck_assert(sample_equal(&from[i], &to[i]));
  }
  ck_assert_int_lt(rig_restore_memory(&rig, third, image, image_len - 1), 0);
  ck_assert_int_eq(rig_restore_memory(&rig, third, image, image_len), 0);
  ck_assert_int_eq(sluice_registry_free(third), 0);
  for (int i = 0; i < DEVICES; i++) {
    (void)sluice_fields_free(grown[i]);
  }
}
END_TEST

START_TEST(a_bad_last_device_leaves_all_as_they_were) {
  sample_t before[DEVICES];

  from[DEVICES - 1].i8 = 120; /* saved as it is, refused when loaded */
  save(_i == 0 ? SLUICE_FORMAT_NATIVE : SLUICE_FORMAT_QEMU3);
  memcpy(before, to, sizeof(before));
  ck_assert_int_eq(rig_restore_memory(&rig, other, image, image_len),
                   SLUICE_ECORRUPT);
  ck_assert_str_eq(rig.error.section, "sample");
  ck_assert_uint_eq(rig.error.instance, DEVICES - 1);
  ck_assert(strstr(rig.error.message, "'i8' is 120") != NULL);
  ck_assert_int_eq(memcmp(before, to, sizeof(before)), 0);
}
END_TEST

START_TEST(a_stream_that_is_cut_anywhere_restores_nothing) {
  sample_t before[DEVICES];
  size_t step;

  save(SLUICE_FORMAT_NATIVE);
  step = image_len / 97 + 1;
  memcpy(before, to, sizeof(before));
  for (size_t n = 0; n < image_len; n += step) {
    ck_assert_int_lt(rig_restore_memory(&rig, other, image, n), 0);
    ck_assert_int_eq(memcmp(before, to, sizeof(before)), 0);
  }
}
END_TEST

START_TEST(a_section_is_found_by_its_former_name) {
  static const char *const aliases[] = {"older", "sample", NULL};
  sluice_section_options_t o = {.size = sizeof(o), .aliases = aliases};

  for (uint32_t i = 0; i < DEVICES; i++) {
    ck_assert_int_eq(sluice_registry_remove(other, "sample", i), 0);
    (void)sluice_fields_free(restored[i]);
    o.instance = i;
    ck_assert_int_eq(sluice_fields_new(&restored[i], other, "renamed", &o,
                                       &sample_table, &to[i], NULL),
                     0);
  }
  save(SLUICE_FORMAT_NATIVE);
  ck_assert_msg(rig_restore_memory(&rig, other, image, image_len) == 0, "%s",
                rig.error.message);
  ck_assert(sample_equal(&from[DEVICES - 1], &to[DEVICES - 1]));
}
END_TEST

/* ---- large ones ---- */

typedef struct big_s {
  uint32_t count;
  uint64_t *words;
} big_t;

static const sluice_field_t big_fields[] = {
    {SLUICE_U32(big_t, count)},
    {SLUICE_OWNED(U64, big_t, words, count, 1u << 20)},
    {SLUICE_FIELDS_END}};
static const sluice_table_t big_table = {SLUICE_TABLE(big_t, "big", 1, 1),
                                         .fields = big_fields};

START_TEST(a_payload_of_megabytes_goes_in_slices) {
  const uint32_t n = 600000;
  big_t a = {n, calloc(n, sizeof(uint64_t))}, b = {0, NULL};
  sluice_fields_t *fa, *fb;

  for (uint32_t i = 0; i < n; i++) {
    a.words[i] = i * UINT64_C(0x9e3779b97f4a7c15);
  }
  ck_assert_int_eq(
      sluice_fields_new(&fa, rig.registry, "big", NULL, &big_table, &a, NULL),
      0);
  ck_assert_int_eq(
      sluice_fields_new(&fb, other, "big", NULL, &big_table, &b, NULL), 0);
  save(_i == 0 ? SLUICE_FORMAT_NATIVE : SLUICE_FORMAT_QEMU3);
  ck_assert_msg(rig_restore_memory(&rig, other, image, image_len) == 0, "%s",
                rig.error.message);
  ck_assert_uint_eq(b.count, n);
  ck_assert_int_eq(memcmp(a.words, b.words, n * sizeof(uint64_t)), 0);
  ck_assert_int_eq(sluice_registry_remove(rig.registry, "big", 0), 0);
  ck_assert_int_eq(sluice_registry_remove(other, "big", 0), 0);
  (void)sluice_fields_free(fa);
  (void)sluice_fields_free(fb);
  sluice_fields_dispose(&big_table, &a);
  sluice_fields_dispose(&big_table, &b);
}
END_TEST

/* ---- schemas of a registry ---- */

typedef struct told_s {
  unsigned sections;
  uint64_t payload;
} told_t;

static void on_item(void *ctx, const sluice_item_t *item) {
  told_t *told = ctx;
  sluice_schema_t *schema = NULL;

  if (item->kind == SLUICE_ITEM_SECTION) {
    ck_assert_int_eq(sluice_schema_parse(&schema, item->u.decl.schema,
                                         item->u.decl.schema_len, NULL),
                     0);
    ck_assert_str_eq(sluice_schema_name(schema), "sample");
    sluice_schema_free(schema);
    told->sections++;
  } else if (item->kind == SLUICE_ITEM_CLOSE) {
    told->payload += item->u.payload_bytes;
  }
}

START_TEST(a_registry_tells_its_schemas) {
  memory_output_t out;
  sluice_output_t output;
  sluice_error_t err = {0};
  told_t told = {0, 0};

  memory_output_init(&out);
  output = memory_output_of(&out);
  ck_assert_msg(sluice_registry_schema(rig.registry, NULL, &output, &err) == 0,
                "%s", err.message);
  ck_assert_int_eq(
      decode_all(out.data, out.len, 0, NULL, NULL, on_item, &told, &err, NULL),
      SLUICE_DONE);
  ck_assert_uint_eq(told.sections, DEVICES);
  ck_assert_uint_eq(told.payload, 0);
  memory_output_done(&out);
}
END_TEST

Suite *fields_sections_suite(void) {
  Suite *s = suite_create("fields_sections");
  TCase *t = tcase_create("sections");

  tcase_add_checked_fixture(t, setup, teardown);
  tcase_add_loop_test(t, devices_come_back, 0, 2);
  tcase_add_test(t, devices_of_an_older_table_come_back);
  tcase_add_loop_test(t, a_bad_last_device_leaves_all_as_they_were, 0, 2);
  tcase_add_test(t, a_stream_that_is_cut_anywhere_restores_nothing);
  tcase_add_loop_test(t, a_payload_of_megabytes_goes_in_slices, 0, 2);
  tcase_add_test(t, a_section_is_found_by_its_former_name);
  tcase_add_test(t, a_registry_tells_its_schemas);
  suite_add_tcase(s, t);
  return s;
}
