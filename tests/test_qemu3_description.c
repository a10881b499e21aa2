/* test_qemu3_description.c - the JSON behind QEMU's stream: how long it says
 * the devices are, what is no description, and where it is found. */
#include "stream/qemu/description.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include <sluice/decoder.h>
#include <sluice/handler.h>

#include "suite.h"
#include "trace.h"

enum { PLENTY = 1024 * 1024 };

static sluice__arena_t arena;
static sluice__qemu_sections_t devices;
static sluice_error_t err;
static build_t in;
static trace_t out;

static void set_up(void) {
  memset(&err, 0, sizeof(err));
  memset(&in, 0, sizeof(in));
  memset(&out, 0, sizeof(out));
  sluice__arena_init(&arena, sluice_alloc_libc(), PLENTY);
  sluice__qemu_sections_init(&devices, &arena);
}

static void tear_down(void) {
  sluice__arena_done(&arena);
  build_done(&in);
  trace_done(&out);
}

static int read_text(const char *text, size_t max_memory) {
  return sluice__qemu_description_read(&devices, text, strlen(text), max_memory,
                                       &err);
}

#define ONE(fields)     "{\"devices\":[{\"name\":\"card\"," fields "}]}"
#define FIELDS(list)    ONE("\"fields\":[" list "]")
#define SUB(name, more) "{\"vmsd_name\":" name more "}"
#define SUBS(list)      ONE("\"subsections\":[" list "]")
#define MOST            "9223372036854775807" /* of what JSON's integers hold here */

/* What one device takes. */
static const struct {
  const char *text;
  uint64_t bytes;
} sizes[] = {
    {ONE("\"version\":1"), 0},
    {FIELDS("{}"), 0},
    {FIELDS("{\"size\":3}"), 3},
    {FIELDS("{\"size\":3,\"array_len\":5},{\"size\":4}"), 19},
    {FIELDS("{\"size\":3,\"array_len\":0}"), 0},
    {SUBS(SUB("\"sub\"", "")), 1 + 1 + 3 + 4},
    {SUBS(SUB("\"sub\"", ",\"fields\":[{\"size\":2}],\"subsections\":["
                         "{\"vmsd_name\":\"x\"}]")),
     9 + 2 + 7},
};

START_TEST(a_device_takes_the_sum_of_its_fields_and_subsections) {
  const sluice__qemu_section_t *s;

  ck_assert_int_eq(read_text(sizes[_i].text, PLENTY), 0);
  s = sluice__qemu_sections_named(&devices, "card", 0);
  ck_assert_ptr_nonnull(s);
  ck_assert_uint_eq(s->bytes, sizes[_i].bytes);
}
END_TEST

#define DEVICE(text) "{\"devices\":[" text "]}"
#define MALFORMED    "device 0 of the description is malformed"

static const struct {
  const char *text;
  const char *message;
} refused[] = {
    {"{\"devices\":[", "description is no JSON"},
    {"{}", "no list of devices"},
    {"{\"devices\":{}}", "no list of devices"},
    {"[1]", "no list of devices"},
    {DEVICE("{}"), MALFORMED},
    {DEVICE("{\"name\":\"\"}"), MALFORMED},
    {DEVICE("{\"name\":\"a\\u0001b\"}"), MALFORMED},
    {ONE("\"instance_id\":-1"), MALFORMED},
    {ONE("\"instance_id\":\"1\""), MALFORMED},
    {ONE("\"instance_id\":4294967296"), MALFORMED},
    {FIELDS("{\"size\":-1}"), MALFORMED},
    {FIELDS("{\"size\":1.5}"), MALFORMED},
    {FIELDS("{\"size\":1,\"array_len\":[]}"), MALFORMED},
    {FIELDS("{\"size\":" MOST ",\"array_len\":3}"), MALFORMED},
    {FIELDS("{\"size\":" MOST ",\"array_len\":2},{\"size\":2}"), MALFORMED},
    {SUBS("{}"), MALFORMED},
    {SUBS(SUB("\"s\"", ",\"fields\":[{\"size\":-1}]")), MALFORMED},
    {ONE("\"fields\":[{\"size\":" MOST ",\"array_len\":2}],"
         "\"subsections\":[" SUB("\"s\"", "") "]"),
     MALFORMED},
    {DEVICE("{\"name\":\"a\"},{\"name\":\"b\"},{\"name\":\"a\"}"),
     "has device 'a' twice"},
    {DEVICE("{\"name\":\"a\"},3"), "device 1 of the description is malformed"},
};

START_TEST(what_is_no_description_is_refused_by_name) {
  int r = read_text(refused[_i].text, PLENTY);

  ck_assert_msg(r == SLUICE_ECORRUPT &&
                    strstr(err.message, refused[_i].message) != NULL,
                "%s: %d %s", refused[_i].text, r, err.message);
}
END_TEST

/* Subsections in each other, `depth` deep; names of `name_len` letters. */
static char *nested(int depth, int name_len) {
  char *text = calloc(1, 64 + (size_t)depth * (64 + (size_t)name_len));
  char *to = text + sprintf(text, "{\"devices\":[{\"name\":\"card\"");

  ck_assert_ptr_nonnull(text);
  for (int i = 0; i < depth; i++) {
    to += sprintf(to, ",\"subsections\":[{\"vmsd_name\":\"%0*d\"", name_len, 1);
  }
  for (int i = 0; i < depth; i++) {
    to += sprintf(to, "}]");
  }
  (void)sprintf(to, "}]}");
  return text;
}

static int read_nested(int depth, int name_len) {
  char *text = nested(depth, name_len);
  int r = read_text(text, PLENTY);

  free(text);
  return r;
}

START_TEST(subsections_nest_fifteen_deep_and_no_deeper) {
  ck_assert_int_eq(read_nested(16, 1), SLUICE_ECORRUPT);
  memset(&err, 0, sizeof(err));
  ck_assert_int_eq(read_nested(15, 1), 0);
}
END_TEST

START_TEST(a_subsections_name_is_no_longer_than_names_are) {
  ck_assert_int_eq(read_nested(1, 256), SLUICE_ECORRUPT);
  memset(&err, 0, sizeof(err));
  ck_assert_int_eq(read_nested(1, 255), 0);
}
END_TEST

START_TEST(a_description_that_takes_too_much_memory_to_read_is_refused) {
  static const char text[] = "{\"devices\":[]}          ";
  const size_t enough = (sizeof(text) - 1) * 50;

  ck_assert_int_eq(read_text(text, enough - 1), SLUICE_ELIMIT);
  ck_assert_ptr_nonnull(strstr(err.message, "over the limit"));
  memset(&err, 0, sizeof(err));
  ck_assert_int_eq(read_text(text, enough), 0);
}
END_TEST

START_TEST(devices_that_do_not_fit_under_the_limit_are_refused) {
  arena.max = 300; /* the table of sections alone takes more */
  ck_assert_int_eq(read_text(ONE("\"version\":1"), PLENTY), SLUICE_ELIMIT);
  ck_assert_ptr_nonnull(strstr(err.message, "no memory for the description"));
}
END_TEST

/* In whole streams. */

static void run(void) {
  out.options.payload_ends = SLUICE_ENDS_BY_DESCRIPTION;
  trace_run(&out, in.data, in.len);
}

static void expect(int code, const char *section, const char *text) {
  run();
  ck_assert_msg(out.result == code && strstr(out.error.message, text) != NULL,
                "%d @%llu %s", out.result, (unsigned long long)out.error.offset,
                out.error.message);
  ck_assert_str_eq(out.error.section, section);
}

static void expect_line(const char *line) {
  run();
  ck_assert_msg(out.result == SLUICE_DONE, "%d %s", out.result,
                out.error.message);
  ck_assert_msg(strstr(trace_text(&out), line) != NULL, "%s", trace_text(&out));
}

static void card(const void *bytes, size_t len, bool has_footer) {
  build_section(&in, 4, 6, "card", 0, 1);
  build_raw(&in, bytes, len);
  if (has_footer) {
    build_footer(&in, 6);
  }
}

static void small_ram(uint8_t type, bool has_footer) {
  if (type == 1) {
    build_section(&in, 1, 1, "ram", 0, 4);
    build_be64(&in, 0x1000 | 0x04);
    build_str8(&in, "r");
    build_be64(&in, 0x1000);
  } else {
    build_part(&in, type, 1);
  }
  build_eos(&in);
  if (has_footer) {
    build_footer(&in, 1);
  }
}

static void end(const char *description) {
  build_u8(&in, 0);
  build_description(&in, description);
}

/* The padding is what is too much. */
START_TEST(a_stream_whose_description_is_too_large_is_refused) {
  char *text = calloc(1, 4001);

  memset(text, ' ', 4000);
  memcpy(text, "{", 1);
  text[3999] = '}';
  build_qemu3(&in, "pc");
  small_ram(1, true);
  small_ram(3, true);
  card("1234", 4, true);
  end(text);
  out.options.max_memory = 3999 * 50;
  expect(SLUICE_ELIMIT, "", "description of 4000 bytes is over the limit");
  ck_assert_uint_eq(out.error.offset, 81);
  free(text);
}
END_TEST

START_TEST(a_device_described_as_longer_than_the_stream_is_truncated) {
  build_qemu3(&in, "pc");
  small_ram(1, true);
  small_ram(3, true);
  card("1234", 4, true);
  end(FIELDS("{\"size\":1000}"));
  expect(SLUICE_ETRUNCATED, "card", "expected 1000 bytes of payload");
  ck_assert_uint_eq(out.error.offset, in.len);
}
END_TEST

START_TEST(a_device_that_is_not_described_is_delimited_by_its_footer) {
  build_qemu3(&in, "pc");
  small_ram(1, true);
  small_ram(3, true);
  card("1234", 4, true);
  end("{\"devices\":[{\"name\":\"other\"}]}");
  expect_line(" 4 bytes 4\n");
}
END_TEST

/* Machine types that have no configuration have no footers either. */
START_TEST(a_device_ahead_of_the_memory_is_delimited_without_a_configuration) {
  build_qemu3(&in, NULL);
  card("123456", 6, false);
  small_ram(1, false);
  small_ram(3, false);
  end(FIELDS("{\"size\":6}"));
  expect_line(" 6 bytes 6\nsection ram@");
}
END_TEST

/* The first payload of ram has shown that there are no footers. */
START_TEST(a_device_amid_the_memory_is_delimited_without_footers) {
  build_qemu3(&in, "pc");
  small_ram(1, false);
  card("123456", 6, false);
  small_ram(3, false);
  end(FIELDS("{\"size\":6}"));
  expect_line(" 6 bytes 6\nend ram@");
}
END_TEST

/* Each begins as a description does, or nearly: no brace, no end before it, an
 * end that has passed when the input goes on, one that is still to come. */
#define ALMOST "\0\6\0\0\0\0x\1\6\0\0\0\1{\0\6\0\0\0\2{\0\6\0\0\x70\0{"
enum { ALMOST_BYTES = sizeof(ALMOST) - 1 };

START_TEST(what_looks_like_a_description_does_not_end_an_open_input) {
  static const char text[] = FIELDS("{\"size\":28}");

  _Static_assert(ALMOST_BYTES == 28, "as described");
  build_qemu3(&in, "pc");
  small_ram(1, true);
  small_ram(3, true);
  card(ALMOST, ALMOST_BYTES, true);
  end(text);
  out.chunk = (size_t)_i;
  out.options.may_stay_open = 1;
  expect_line(" 28 bytes 28\nnote qemu.description@");
}
END_TEST

Suite *qemu3_description_suite(void) {
  Suite *s = suite_create("qemu3_description");
  TCase *text = tcase_create("text");
  TCase *stream = tcase_create("stream");

  tcase_add_checked_fixture(text, set_up, tear_down);
  tcase_add_loop_test(text,
                      a_device_takes_the_sum_of_its_fields_and_subsections, 0,
                      sizeof(sizes) / sizeof(*sizes));
  tcase_add_loop_test(text, what_is_no_description_is_refused_by_name, 0,
                      sizeof(refused) / sizeof(*refused));
  tcase_add_test(text, subsections_nest_fifteen_deep_and_no_deeper);
  tcase_add_test(text, a_subsections_name_is_no_longer_than_names_are);
  tcase_add_test(text,
                 a_description_that_takes_too_much_memory_to_read_is_refused);
  tcase_add_test(text, devices_that_do_not_fit_under_the_limit_are_refused);
  suite_add_tcase(s, text);
  tcase_add_checked_fixture(stream, set_up, tear_down);
  tcase_add_test(stream, a_stream_whose_description_is_too_large_is_refused);
  tcase_add_test(stream,
                 a_device_described_as_longer_than_the_stream_is_truncated);
  tcase_add_test(stream,
                 a_device_that_is_not_described_is_delimited_by_its_footer);
  tcase_add_test(
      stream,
      a_device_ahead_of_the_memory_is_delimited_without_a_configuration);
  tcase_add_test(stream, a_device_amid_the_memory_is_delimited_without_footers);
  tcase_add_loop_test(
      stream, what_looks_like_a_description_does_not_end_an_open_input, 0, 9);
  suite_add_tcase(s, stream);
  return s;
}
