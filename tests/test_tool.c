/* test_tool.c - the tool's inspect, verify and extract, and how it treats its
 * arguments: the real program, run on small streams. */
#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sluice/error.h>

#include "suite.h"
#include "tool/made.h"
#include "tool/rig.h"

static json_t *parse(const ran_t *r) {
  json_error_t error;
  json_t *json = json_loads(r->out, 0, &error);

  ck_assert_msg(json != NULL, "line %d: %s in: %s", error.line, error.text,
                r->out);
  return json;
}

/* Arguments. */

static const struct {
  const char *arguments[4];
  const char *said;
} misuses[] = {
    {{NULL}, "expected a command"},
    {{"frobnicate"}, "no command 'frobnicate'"},
    {{"--frobnicate"}, "no option '--frobnicate'"},
    {{"inspect"}, "expected at least 1 operand"},
    {{"inspect", "a", "b"}, "'b' is one operand too many"},
    {{"inspect", "--frobnicate", "a"}, "usage: sluice inspect"},
    {{"inspect", "--page-size=5000", "a"}, "'5000' is no page size"},
    {{"verify", "--page-size=x", "a"}, "'x' is no page size"},
    {{"verify"}, "expected 1 operand"},
    {{"convert", "a", "b"}, "expected --to"},
    {{"convert", "--to=qemu2", "a", "b"}, "cannot convert to 'qemu2'"},
    {{"convert", "--to=native", "a"}, "expected 2 operands"},
    {{"extract", "a", "region", "b"}, "expected -o"},
    {{"extract", "a", "-ob", "region"}, "at least 3 operands"},
};

START_TEST(misuse_exits_with_2_and_says_why) {
  const char *const *a = misuses[_i].arguments;
  ran_t r = rig_run(a[0], a[1], a[2], a[3], NULL);

  ck_assert_str_eq(r.out, "");
  rig_expect(&r, 2, misuses[_i].said);
}
END_TEST

START_TEST(extract_checks_its_operands) {
  ran_t r = rig_run("extract", "a", "device", "timer", "-o", "x", NULL);

  rig_expect(&r, 2, "expected the device's instance");
  r = rig_run("extract", "a", "region", "ram", "0", "-o", "x", NULL);
  rig_expect(&r, 2, "a region has no instance");
  r = rig_run("extract", "a", "device", "timer", "-1", "-o", "x", NULL);
  rig_expect(&r, 2, "");
  r = rig_run("extract", "a", "thing", "timer", "-o", "x", NULL);
  rig_expect(&r, 2, "found 'thing'");
}
END_TEST

static const char *const subcommands[] = {"inspect", "verify", "convert",
                                          "extract"};

START_TEST(every_subcommand_has_help_with_examples) {
  ran_t r = rig_run(subcommands[_i], "--help", NULL);

  ck_assert_ptr_nonnull(strstr(r.out, "examples:\n  sluice "));
  ck_assert_ptr_nonnull(strstr(r.out, "--help"));
  rig_expect(&r, 0, "");
  r = rig_run("--help", NULL);
  ck_assert_ptr_nonnull(strstr(r.out, subcommands[_i]));
  rig_expect(&r, 0, "");
}
END_TEST

START_TEST(version_is_printed) {
  ran_t r = rig_run("--version", NULL);

  ck_assert_int_eq(strncmp(r.out, "sluice ", 7), 0);
  rig_expect(&r, 0, "");
}
END_TEST

/* Inspect. */

static const sluice_format_t formats[] = {SLUICE_FORMAT_NATIVE,
                                          SLUICE_FORMAT_QEMU3};
static const char *const format_names[] = {"native", "qemu3"};

static void check_sections(const json_t *sections) {
  static const char *const kinds[] = {"start", "part", "end", "full", "full"};
  size_t i;
  json_t *s;

  ck_assert_uint_eq(json_array_size(sections), 5);
  json_array_foreach(sections, i, s) {
    ck_assert_str_eq(json_string_value(json_object_get(s, "kind")), kinds[i]);
    ck_assert_str_eq(json_string_value(json_object_get(s, "name")),
                     i < 3 ? "ram" : "timer");
    ck_assert_int_eq(json_integer_value(json_object_get(s, "instance")),
                     i == 4);
    ck_assert_int_gt(json_integer_value(json_object_get(s, "offset")), 0);
  }
  ck_assert_int_eq(json_integer_value(json_object_get(
                       json_array_get(sections, 3), "payload_bytes")),
                   MADE_DEVICE);
}

static void check_equal(const json_t *object, const char *key,
                        const char *text) {
  json_t *expected = json_loads(text, JSON_DECODE_ANY, NULL);
  json_t *found = json_object_get(object, key);

  ck_assert_ptr_nonnull(expected);
  ck_assert_msg(json_equal(found, expected), "%s is not %s", key, text);
  json_decref(expected);
}

START_TEST(inspect_json_has_everything) {
  char format[16];
  json_t *json;
  ran_t r;

  made_sample("s", formats[_i]);
  r = rig_run("inspect", "--json", "s", NULL);
  json = parse(&r);
  (void)snprintf(format, sizeof(format), "\"%s\"", format_names[_i]);
  check_equal(json, "format", format);
  check_equal(json, "version", _i == 0 ? "1" : "3");
  check_equal(json, "host", "\"none\"");
  check_equal(json, "complete", "true");
  check_sections(json_object_get(json, "sections"));
  check_equal(json, "regions",
              "[{\"name\":\"ram\",\"bytes\":262144,\"page_size\":4096,"
              "\"pages_data\":2,\"pages_zero\":62}]");
  check_equal(json, "devices",
              "[{\"name\":\"timer\",\"instance\":0,\"version\":2,\"bytes\":24},"
              "{\"name\":\"timer\",\"instance\":1,\"version\":2,\"bytes\":1}]");
  ck_assert_ptr_null(json_object_get(json, "error"));
  json_decref(json);
  rig_expect(&r, 0, "");
}
END_TEST

START_TEST(inspect_reads_a_pipe_like_a_file) {
  const rig_io_t io = {.in = "s", .is_piped = 1};
  ran_t from_file;
  ran_t from_pipe;

  made_sample("s", formats[_i]);
  from_file = rig_run("inspect", "s", NULL);
  from_pipe = rig_run_io(&io, "inspect", "-", NULL);
  ck_assert_str_eq(from_pipe.out, from_file.out);
  rig_expect(&from_pipe, 0, "");
  rig_expect(&from_file, 0, "");
}
END_TEST

START_TEST(inspect_text_is_readable) {
  ran_t r;

  made_sample("s", SLUICE_FORMAT_QEMU3);
  r = rig_run("inspect", "s", NULL);
  ck_assert_ptr_nonnull(strstr(r.out, "format    qemu3, version 3\n"));
  ck_assert_ptr_nonnull(strstr(r.out, "machine   none\n"));
  ck_assert_ptr_nonnull(strstr(r.out, "  ram\n"));
  ck_assert_ptr_nonnull(strstr(r.out, "complete  yes\n"));
  rig_expect(&r, 0, "");
}
END_TEST

START_TEST(inspect_escapes_what_a_terminal_would_act_upon) {
  json_t *json;
  ran_t r;

  made_rude("s");
  r = rig_run("inspect", "s", NULL);
  ck_assert_ptr_null(strchr(r.out, '\x1b'));
  ck_assert_ptr_nonnull(strstr(r.out, "a\\x1b[2Jb"));
  rig_expect(&r, 0, "");
  r = rig_run("inspect", "--json", "s", NULL);
  ck_assert_ptr_null(strchr(r.out, '\x1b'));
  json = parse(&r);
  json_decref(json);
  rig_expect(&r, 0, "");
}
END_TEST

/* Wherever a stream is cut off, what comes out is an object, and the error. */
START_TEST(inspect_of_a_cut_stream_is_one_object_with_the_error) {
  size_t len;
  char *data;

  made_sample("s", formats[_i]);
  data = rig_read("s", &len);
  for (size_t cut = 0; cut < len; cut += 1 + len / 23) {
    json_t *json;
    json_t *error;
    ran_t r;

    rig_write("cut", data, cut);
    r = rig_run("inspect", "--json", "cut", NULL);
    json = parse(&r);
    check_equal(json, "complete", "false");
    error = json_object_get(json, "error");
    ck_assert_int_eq(json_integer_value(json_object_get(error, "code")),
                     SLUICE_ETRUNCATED);
    check_equal(error, "name", "\"ETRUNCATED\"");
    ck_assert_ptr_nonnull(json_object_get(error, "message"));
    ck_assert_ptr_nonnull(json_object_get(error, "section"));
    json_decref(json);
    rig_expect(&r, 1, "(ETRUNCATED)");
  }
  free(data);
}
END_TEST

START_TEST(inspect_tells_why_a_sender_gave_up) {
  json_t *json;
  ran_t r;

  made_aborted("s");
  r = rig_run("inspect", "--json", "s", NULL);
  json = parse(&r);
  check_equal(json_object_get(json, "error"), "name", "\"EABORTED\"");
  json_decref(json);
  rig_expect(
      &r, 1,
      "section 'ram': the sender gave up: too many writes (ENOCONVERGE)");
}
END_TEST

static const struct {
  const char *path;
  const char *said;
} unreadable[] = {
    {"missing", "missing: cannot open: no such file"},
    {"/", "cannot read"},
    {"/etc/hostname", "(E"},
};

START_TEST(what_cannot_be_read_is_told_in_one_line) {
  ran_t r = rig_run(subcommands[_i % 2], unreadable[_i].path, NULL);

  ck_assert_ptr_eq(strchr(r.err, '\n'), r.err + strlen(r.err) - 1);
  rig_expect(&r, 1, unreadable[_i].said);
}
END_TEST

START_TEST(output_that_does_not_fit_is_an_error) {
  const rig_io_t full = {.out = "/dev/full"};
  ran_t r;

  made_sample("s", SLUICE_FORMAT_NATIVE);
  r = rig_run_io(&full, "inspect", "s", NULL);
  rig_expect(&r, 1, "standard output: cannot write: no space left");
  r = rig_run_io(&full, "inspect", "--json", "s", NULL);
  rig_expect(&r, 1, "standard output: cannot write: no space left");
  r = rig_run_io(&full, "verify", "s", NULL);
  rig_expect(&r, 1, "standard output: cannot write: no space left");
}
END_TEST

/* Verify. */

START_TEST(verify_says_what_was_checked) {
  ran_t r;

  made_sample("s", formats[_i]);
  r = rig_run("verify", "s", NULL);
  ck_assert_ptr_nonnull(strstr(r.out, "s: whole: "));
  ck_assert_ptr_nonnull(strstr(r.out, "pages 64 (data 2, zeros 62)"));
  ck_assert_ptr_nonnull(strstr(r.out, _i == 0 ? "checksums, sequence, index"
                                              : "structure, footers"));
  ck_assert_ptr_eq(strchr(r.out, '\n'), r.out + strlen(r.out) - 1);
  rig_expect(&r, 0, "");
}
END_TEST

START_TEST(verify_finds_a_changed_byte_anywhere_in_an_image) {
  size_t len;
  char *data;

  made_sample("s", SLUICE_FORMAT_NATIVE);
  data = rig_read("s", &len);
  for (size_t at = 0; at < len; at += 1 + len / 61) {
    ran_t r;

    data[at] = (char)(data[at] ^ 0x40);
    rig_write("s", data, len);
    data[at] = (char)(data[at] ^ 0x40);
    r = rig_run("verify", "s", NULL);
    ck_assert_msg(r.exit_code == 1, "byte %zu: exit %d", at, r.exit_code);
    ck_assert_str_eq(r.out, "");
    rig_expect(&r, 1, "sluice: s: offset ");
  }
  free(data);
}
END_TEST

START_TEST(verify_names_section_and_offset_of_the_fault) {
  size_t len;
  char *data;
  char *page;
  char said[64];
  ran_t r;

  made_sample("s", SLUICE_FORMAT_NATIVE);
  data = rig_read("s", &len);
  page = memmem(data, len, "bbbbbbbb", 8);
  ck_assert_ptr_nonnull(page);
  page[100] = 'B';
  rig_write("s", data, len);
  (void)snprintf(said, sizeof(said),
                 "offset %zu: section 'ram': ", (size_t)(page - data));
  r = rig_run("verify", "s", NULL);
  rig_expect(&r, 1, said);
  free(data);
}
END_TEST

/* Extract. */

static void expect_file(const char *path, const void *data, size_t len) {
  size_t found;
  char *file = rig_read(path, &found);

  ck_assert_uint_eq(found, len);
  ck_assert_int_eq(memcmp(file, data, len), 0);
  free(file);
}

START_TEST(extract_region_gives_its_final_content) {
  unsigned char memory[MADE_PAGES * MADE_PAGE];
  struct stat st;
  ran_t r;

  made_memory(memory);
  made_sample("s", formats[_i]);
  r = rig_run("extract", "s", "region", "ram", "-o", "x", NULL);
  rig_expect(&r, 0, "");
  expect_file("x", memory, sizeof(memory));
  ck_assert_int_eq(stat("x", &st), 0);
  ck_assert_int_le(st.st_blocks * 512, 4 * MADE_PAGE);
}
END_TEST

START_TEST(extract_device_gives_its_payload) {
  const rig_io_t piped = {.in = "s", .is_piped = 1};
  ran_t r;

  made_sample("s", formats[_i]);
  r = rig_run_io(&piped, "extract", "-", "device", "timer", "1", "-o", "-",
                 NULL);
  ck_assert_str_eq(r.out, "u");
  rig_expect(&r, 0, "");
  r = rig_run("extract", "s", "device", "timer", "0", "-o", "x", NULL);
  rig_expect(&r, 0, "");
  expect_file("x", "tttttttttttttttttttttttt", MADE_DEVICE);
}
END_TEST

START_TEST(extract_applies_xbzrle) {
  size_t len;
  char *x;
  ran_t r;

  made_delta("s");
  r = rig_run("extract", "s", "region", "ram", "-o", "x", NULL);
  rig_expect(&r, 0, "");
  x = rig_read("x", &len);
  ck_assert_uint_eq(len, MADE_PAGES * MADE_PAGE);
  ck_assert_int_eq(memcmp(x, "aaaaaxyaa", 9), 0);
  free(x);
}
END_TEST

START_TEST(extract_of_what_is_not_there_names_what_is) {
  ran_t r;

  made_sample("s", formats[_i]);
  r = rig_run("extract", "s", "region", "vram", "-o", "x", NULL);
  rig_expect(&r, 1, "there is no region 'vram'; there are: ram");
  r = rig_run("extract", "s", "device", "timer", "7", "-o", "x", NULL);
  rig_expect(&r, 1, "there is no device 'timer', instance 7");
  ck_assert_int_ne(access("x", F_OK), 0);
}
END_TEST

START_TEST(extract_from_a_damaged_stream_gives_nothing) {
  size_t len;
  char *data;
  ran_t r;

  made_sample("s", formats[_i]);
  data = rig_read("s", &len);
  rig_write("s", data, len - 1);
  r = rig_run("extract", "s", "device", "timer", "0", "-o", "-", NULL);
  ck_assert_str_eq(r.out, "");
  rig_expect(&r, 1, "(ETRUNCATED)");
  r = rig_run("extract", "s", "region", "ram", "-o", "x", NULL);
  rig_expect(&r, 1, "(ETRUNCATED)");
  ck_assert_int_ne(access("x", F_OK), 0);
  free(data);
}
END_TEST

#define ROWS(table) (int)(sizeof(table) / sizeof((table)[0]))

static void add_arguments(Suite *s) {
  TCase *t = tcase_create("arguments");

  tcase_add_checked_fixture(t, rig_setup, rig_teardown);
  tcase_add_loop_test(t, misuse_exits_with_2_and_says_why, 0, ROWS(misuses));
  tcase_add_test(t, extract_checks_its_operands);
  tcase_add_loop_test(t, every_subcommand_has_help_with_examples, 0,
                      ROWS(subcommands));
  tcase_add_test(t, version_is_printed);
  suite_add_tcase(s, t);
}

static void add_inspect(Suite *s) {
  TCase *t = tcase_create("inspect");

  tcase_add_checked_fixture(t, rig_setup, rig_teardown);
  tcase_add_loop_test(t, inspect_json_has_everything, 0, ROWS(formats));
  tcase_add_loop_test(t, inspect_reads_a_pipe_like_a_file, 0, ROWS(formats));
  tcase_add_test(t, inspect_text_is_readable);
  tcase_add_test(t, inspect_escapes_what_a_terminal_would_act_upon);
  tcase_add_loop_test(t, inspect_of_a_cut_stream_is_one_object_with_the_error,
                      0, ROWS(formats));
  tcase_add_test(t, inspect_tells_why_a_sender_gave_up);
  tcase_add_loop_test(t, what_cannot_be_read_is_told_in_one_line, 0,
                      ROWS(unreadable));
  tcase_add_test(t, output_that_does_not_fit_is_an_error);
  suite_add_tcase(s, t);
}

static void add_verify(Suite *s) {
  TCase *t = tcase_create("verify");

  tcase_add_checked_fixture(t, rig_setup, rig_teardown);
  tcase_add_loop_test(t, verify_says_what_was_checked, 0, ROWS(formats));
  tcase_add_test(t, verify_finds_a_changed_byte_anywhere_in_an_image);
  tcase_add_test(t, verify_names_section_and_offset_of_the_fault);
  suite_add_tcase(s, t);
}

static void add_extract(Suite *s) {
  TCase *t = tcase_create("extract");

  tcase_add_checked_fixture(t, rig_setup, rig_teardown);
  tcase_add_loop_test(t, extract_region_gives_its_final_content, 0,
                      ROWS(formats));
  tcase_add_loop_test(t, extract_device_gives_its_payload, 0, ROWS(formats));
  tcase_add_test(t, extract_applies_xbzrle);
  tcase_add_loop_test(t, extract_of_what_is_not_there_names_what_is, 0,
                      ROWS(formats));
  tcase_add_loop_test(t, extract_from_a_damaged_stream_gives_nothing, 0,
                      ROWS(formats));
  suite_add_tcase(s, t);
}

Suite *tool_suite(void) {
  Suite *s = suite_create("tool");

  add_arguments(s);
  add_inspect(s);
  add_verify(s);
  add_extract(s);
  return s;
}
