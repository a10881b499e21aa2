/* test_tool_fields.c - the tool's inspect --fields, diff and compat: the real
 * program, run on images that tables have made. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/fields.h>

#include "memory_output.h"
#include "suite.h"
#include "tool/made.h"
#include "tool/rig.h"

typedef struct lamp_s {
  uint16_t level;
  uint8_t mode;
  uint8_t used;
  uint8_t ring[4];
  char name[8];
} lamp_t;

static const sluice_field_t v1_fields[] = {
    {SLUICE_U16(lamp_t, level)},
    {SLUICE_U8(lamp_t, used)},
    {SLUICE_COUNTED(U8, lamp_t, ring, used)},
    {SLUICE_TEXT(lamp_t, name)},
    {SLUICE_FIELDS_END}};
static const sluice_table_t v1 = {SLUICE_TABLE(lamp_t, "lamp", 1, 1),
                                  .fields = v1_fields};

static const sluice_field_t v2_fields[] = {
    {SLUICE_U16(lamp_t, level)},
    {SLUICE_U8(lamp_t, used)},
    {SLUICE_COUNTED(U8, lamp_t, ring, used)},
    {SLUICE_TEXT(lamp_t, name)},
    {SLUICE_U8(lamp_t, mode), .since = 2},
    {SLUICE_FIELDS_END}};
static const sluice_table_t v2 = {SLUICE_TABLE(lamp_t, "lamp", 2, 1),
                                  .fields = v2_fields};

/* Somebody forgot to say since when. */
static const sluice_field_t broken_fields[] = {
    {SLUICE_U16(lamp_t, level)}, {SLUICE_U8(lamp_t, mode)},
    {SLUICE_U8(lamp_t, used)},   {SLUICE_COUNTED(U8, lamp_t, ring, used)},
    {SLUICE_TEXT(lamp_t, name)}, {SLUICE_FIELDS_END}};
static const sluice_table_t broken = {SLUICE_TABLE(lamp_t, "lamp", 1, 1),
                                      .fields = broken_fields};

static const lamp_t dim = {
    .level = 10, .used = 2, .ring = {7, 9}, .name = "hall", .mode = 1};
static const lamp_t bright = {
    .level = 250, .used = 2, .ring = {7, 8}, .name = "hall", .mode = 1};

static void write_section(sluice_encoder_t *e, sluice_format_t format,
                          const sluice_table_t *table, lamp_t lamp) {
  sluice_decl_t decl = {
      .id = 1, .version = table->version, .name = "lamp", .type = "fields"};
  uint8_t *schema, *bytes;
  size_t schema_len, len;
  char *json;
  size_t json_len;

  ck_assert_int_eq(sluice_fields_schema(table, &schema, &schema_len, NULL), 0);
  ck_assert_int_eq(
      sluice_fields_encode(table, format, &lamp, &bytes, &len, NULL), 0);
  ck_assert_int_eq(sluice_fields_describe(table, &lamp, &json, &json_len, NULL),
                   0);
  decl.schema = schema;
  decl.schema_len = schema_len;
  ck_assert_int_eq(sluice_encoder_open(e, SLUICE_ITEM_SECTION, &decl), 0);
  ck_assert_int_eq(sluice_encoder_describe(e, json, json_len), 0);
  ck_assert_int_eq(sluice_encoder_bytes(e, bytes, len), 0);
  ck_assert_int_eq(sluice_encoder_close(e), 0);
  free(schema);
  free(bytes);
  free(json);
}

static void make(const char *path, sluice_format_t format,
                 const sluice_table_t *table, lamp_t lamp) {
  const sluice_encoder_options_t o = {
      .size = sizeof(o), .format = format, .host = "host"};
  memory_output_t memory;
  sluice_output_t output;
  sluice_encoder_t *e;

  memory_output_init(&memory);
  output = memory_output_of(&memory);
  ck_assert_int_eq(sluice_encoder_new(&e, &o, &output, NULL), 0);
  ck_assert_int_eq(sluice_encoder_header(e), 0);
  write_section(e, format, table, lamp);
  ck_assert_int_eq(sluice_encoder_finish(e), 0);
  sluice_encoder_free(e);
  rig_write(path, memory.data, memory.len);
  memory_output_done(&memory);
}

static void setup(void) {
  rig_setup();
  make("v1", SLUICE_FORMAT_NATIVE, &v1, dim);
  make("v1-bright", SLUICE_FORMAT_NATIVE, &v1, bright);
  make("v2", SLUICE_FORMAT_NATIVE, &v2, dim);
  make("broken", SLUICE_FORMAT_NATIVE, &broken, dim);
  make("qemu", SLUICE_FORMAT_QEMU3, &v1, dim);
}

/* Done with `r`. */
static void expect_out(ran_t *r, int exit_code, const char *said) {
  ck_assert_ptr_nonnull(r->out);
  ck_assert_msg(strstr(r->out, said) != NULL, "'%s' is not in what it said",
                said);
  ck_assert_int_eq(r->exit_code, exit_code);
  ran_done(r);
}

START_TEST(fields_are_shown_by_name) {
  ran_t r = rig_run("inspect", "--fields", "v2", NULL);

  expect_out(&r, 0,
             "lamp, instance 0, version 2\n"
             "  level = 10\n"
             "  used = 2\n"
             "  ring[0] = 7\n"
             "  ring[1] = 9\n"
             "  name = \"hall\"\n"
             "  mode = 1\n");
}
END_TEST

START_TEST(fields_of_qemus_streams_are_shown_too) {
  ran_t r = rig_run("inspect", "--fields", "qemu", "lamp", NULL);

  expect_out(&r, 0, "  level = 10\n  used = 2\n  ring[0] = 7\n");
}
END_TEST

START_TEST(fields_are_shown_as_json) {
  ran_t r = rig_run("inspect", "--fields", "--json", "v1", NULL);

  expect_out(&r, 0, "{\"name\":\"level\",\"value\":\"10\"}");
}
END_TEST

START_TEST(a_section_that_is_not_there_is_an_error) {
  ran_t r = rig_run("inspect", "--fields", "v1", "moon", NULL);

  rig_expect(&r, 1, "there is no section 'moon'");
}
END_TEST

START_TEST(diff_names_what_changed) {
  ran_t r = rig_run("diff", "v1", "v1-bright", NULL);

  ck_assert(strstr(r.out, "lamp/0: ring[1]: 9 -> 8\n") != NULL);
  ck_assert(strstr(r.out, "name") == NULL);
  expect_out(&r, 1, "lamp/0: level: 10 -> 250\n");
}
END_TEST

START_TEST(diff_of_the_same_is_silent) {
  ran_t r = rig_run("diff", "v1", "v1", NULL);

  ck_assert_str_eq(r.out, "");
  expect_out(&r, 0, "");
}
END_TEST

START_TEST(diff_counts_pages) {
  ran_t r;

  made_sample("a", SLUICE_FORMAT_NATIVE);
  made_large("b", SLUICE_FORMAT_NATIVE, 64 << 20);
  r = rig_run("diff", "a", "a", NULL);
  expect_out(&r, 0, "");
  r = rig_run("diff", "a", "b", NULL);
  expect_out(&r, 1, "timer/0: only in a\n");
}
END_TEST

START_TEST(compat_takes_a_proper_addition) {
  ran_t r = rig_run("compat", "v1", "v2", NULL);

  ck_assert(strstr(r.out, "lamp/0: mode: added: ") != NULL);
  expect_out(&r, 0,
             "old images into the new program: yes\n"
             "new images into the old program: NO\n");
  r = rig_run("compat", "--both", "v1", "v2", NULL);
  expect_out(&r, 1, "");
}
END_TEST

START_TEST(compat_catches_a_forgotten_version) {
  ran_t r = rig_run("compat", "v1", "broken", NULL);

  ck_assert(strstr(r.out, "lamp/0: not raised: ") != NULL);
  expect_out(&r, 1,
             "lamp/0: mode: added: required u8 since version 0  "
             "(breaks both ways)\n");
}
END_TEST

START_TEST(compat_speaks_json) {
  ran_t r = rig_run("compat", "--json", "v1", "v2", NULL);

  ck_assert(strstr(r.out, "\"field\":\"mode\",\"change\":\"added\"") != NULL);
  expect_out(&r, 0, "\"old_images_load\":true,\"new_images_load\":false");
}
END_TEST

START_TEST(a_damaged_image_is_no_verdict) {
  rig_write("bad", "not an image", 12);
  ran_t r = rig_run("compat", "v1", "bad", NULL);

  rig_expect(&r, 1, "bad");
}
END_TEST

Suite *tool_fields_suite(void) {
  Suite *s = suite_create("tool_fields");
  TCase *t = tcase_create("fields");

  tcase_add_checked_fixture(t, setup, rig_teardown);
  tcase_add_test(t, fields_are_shown_by_name);
  tcase_add_test(t, fields_of_qemus_streams_are_shown_too);
  tcase_add_test(t, fields_are_shown_as_json);
  tcase_add_test(t, a_section_that_is_not_there_is_an_error);
  tcase_add_test(t, diff_names_what_changed);
  tcase_add_test(t, diff_of_the_same_is_silent);
  tcase_add_test(t, diff_counts_pages);
  tcase_add_test(t, compat_takes_a_proper_addition);
  tcase_add_test(t, compat_catches_a_forgotten_version);
  tcase_add_test(t, compat_speaks_json);
  tcase_add_test(t, a_damaged_image_is_no_verdict);
  suite_add_tcase(s, t);
  return s;
}
