/* test_qemu3_encode.c - QEMU's stream, version 3, as we write it. */
#include <sluice/encoder.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include <sluice/handler.h>

#include "collect.h"
#include "qemu3_sample.h"
#include "suite.h"
#include "trace.h"

static build_t want;
static collect_t out;
static sluice_encoder_options_t options;
static sluice_encoder_t *e;

static const sluice_decl_t ram = {.id = 1,
                                  .version = 77, /* the handler's own */
                                  .flags = SLUICE_SECTION_LIVE,
                                  .payload = SLUICE_PAYLOAD_PAGES,
                                  .name = "ram"};
static const sluice_decl_t card = {
    .id = 2, .instance = 3, .version = 4, .name = "card"};
static const sluice_decl_t queue = {
    .id = 5, .version = 1, .flags = SLUICE_SECTION_LIVE, .name = "queue"};

static void set_up(void) {
  memset(&want, 0, sizeof(want));
  memset(&out, 0, sizeof(out));
  memset(&options, 0, sizeof(options));
  options.size = sizeof(options);
  options.format = SLUICE_FORMAT_QEMU3;
  options.host = "pc";
  e = NULL;
}

static void tear_down(void) {
  sluice_encoder_free(e);
  collect_done(&out);
  build_done(&want);
}

static void begin(void) {
  sluice_output_t o = collect_output(&out);

  ck_assert_int_eq(sluice_encoder_new(&e, &options, &o, NULL), 0);
  ck_assert_int_eq(sluice_encoder_header(e), 0);
}

static void open_payload(sluice_item_kind_t kind, const sluice_decl_t *decl) {
  ck_assert_int_eq(sluice_encoder_open(e, kind, decl), 0);
}

static void close_payload(void) {
  ck_assert_int_eq(sluice_encoder_close(e), 0);
}

static void payload(sluice_item_kind_t kind, const sluice_decl_t *decl,
                    const char *bytes) {
  open_payload(kind, decl);
  ck_assert_int_eq(sluice_encoder_bytes(e, bytes, strlen(bytes)), 0);
  close_payload();
}

static void finish(void) {
  ck_assert_int_eq(sluice_encoder_finish(e), 0);
  ck_assert_uint_eq(sluice_encoder_offset(e), out.out.len);
}

static void same(void) {
  ck_assert_uint_eq(out.out.len, want.len);
  for (size_t i = 0; i < want.len; i++) {
    ck_assert_msg(out.out.data[i] == want.data[i], "byte %zu is %02x not %02x",
                  i, out.out.data[i], want.data[i]);
  }
}

START_TEST(the_smallest_stream_is_written_byte_for_byte) {
  static uint8_t pages[8192];
  sluice_totals_t totals;
  uint32_t index;

  memset(pages, 0x5a, 4096);
  options.host = "none";
  begin();
  open_payload(SLUICE_ITEM_SECTION, &ram);
  ck_assert_int_eq(sluice_encoder_region(e, "ram", 0x400000, 4096, &index), 0);
  close_payload();
  open_payload(SLUICE_ITEM_PART, &ram);
  ck_assert_int_eq(sluice_encoder_pages(e, index, 0, pages, 2), 0);
  close_payload();
  open_payload(SLUICE_ITEM_END, &ram);
  close_payload();
  ck_assert_int_eq(sluice_encoder_note(e, SLUICE_NOTE_QEMU_DESCRIPTION,
                                       "{\"page_size\":4096,\"devices\":[]}",
                                       31),
                   0);
  finish();
  sluice_encoder_totals(e, &totals, sizeof(totals));
  ck_assert_uint_eq(totals.records, 3);
  ck_assert_uint_eq(totals.pages_data, 1);
  ck_assert_uint_eq(totals.pages_zero, 1);
  ck_assert_uint_eq(totals.bytes, out.out.len);
  sample_minimal(&want);
  same();
}
END_TEST

START_TEST(regions_are_told_before_the_first_page_of_their_payload) {
  uint32_t a;
  uint32_t b;

  options.no_footers = 1;
  options.no_configuration = 1;
  begin();
  open_payload(SLUICE_ITEM_SECTION, &ram);
  ck_assert_int_eq(sluice_encoder_region(e, "a", 4096, 4096, &a), 0);
  ck_assert_int_eq(sluice_encoder_region(e, "b", 8192, 4096, &b), 0);
  ck_assert_int_eq(sluice_encoder_zeros(e, b, 0, 2), 0);
  ck_assert_int_eq(sluice_encoder_zeros(e, a, 0, 1), 0);
  close_payload();
  open_payload(SLUICE_ITEM_END, &ram);
  ck_assert_int_eq(sluice_encoder_zeros(e, a, 0, 1), 0);
  close_payload();
  ck_assert_int_eq(sluice_encoder_flush(e), 0);
  build_qemu3(&want, NULL);
  build_section(&want, 1, 1, "ram", 0, 4);
  build_be64(&want, 0x3000 | 0x04);
  build_str8(&want, "a");
  build_be64(&want, 4096);
  build_str8(&want, "b");
  build_be64(&want, 8192);
  build_zero(&want, 0, "b");
  build_zero(&want, 0x1000, NULL);
  build_zero(&want, 0, "a");
  build_eos(&want);
  build_part(&want, 3, 1);
  build_zero(&want, 0, "a"); /* named anew in every payload */
  build_eos(&want);
  same();
}
END_TEST

START_TEST(devices_are_described_for_qemus_analyser) {
  begin();
  payload(SLUICE_ITEM_SECTION, &card, "abcd");
  finish();
  build_qemu3(&want, "pc");
  build_section(&want, 4, 2, "card", 3, 4);
  build_raw(&want, "abcd", 4);
  build_footer(&want, 2);
  build_u8(&want, 0);
  build_description(
      &want, "{\"page_size\":4096,\"devices\":[{\"name\":\"card\","
             "\"instance_id\":3,\"vmsd_name\":\"card\",\"version\":4,"
             "\"fields\":[{\"name\":\"data\",\"type\":\"buffer\",\"size\":4}]}"
             "]}");
  same();
}
END_TEST

START_TEST(live_sections_of_bytes_are_framed) {
  begin();
  open_payload(SLUICE_ITEM_SECTION, &queue);
  ck_assert_int_eq(sluice_encoder_bytes(e, "ab", 2), 0);
  ck_assert_int_eq(sluice_encoder_bytes(e, "c", 1), 0); /* the same frame */
  ck_assert_int_eq(sluice_encoder_flush(e), 0);
  ck_assert_int_eq(sluice_encoder_bytes(e, "de", 2), 0); /* another */
  close_payload();
  open_payload(SLUICE_ITEM_END, &queue);
  close_payload();
  finish();
  build_qemu3(&want, "pc");
  build_section(&want, 1, 5, "queue", 0, 1);
  build_be32(&want, 3);
  build_raw(&want, "abc", 3);
  build_be32(&want, 2);
  build_raw(&want, "de", 2);
  build_be32(&want, 0);
  build_footer(&want, 5);
  build_part(&want, 3, 5);
  build_be32(&want, 0);
  build_footer(&want, 5);
  build_u8(&want, 0);
  build_description(&want, "{\"page_size\":4096,\"devices\":[]}");
  same();
}
END_TEST

START_TEST(no_frames_leaves_live_sections_as_they_are) {
  options.no_frames = 1;
  begin();
  payload(SLUICE_ITEM_SECTION, &queue, "ab");
  ck_assert_int_eq(sluice_encoder_flush(e), 0);
  build_qemu3(&want, "pc");
  build_section(&want, 1, 5, "queue", 0, 1);
  build_raw(&want, "ab", 2);
  build_footer(&want, 5);
  same();
}
END_TEST

/* Frames of all sizes, across chunks: what comes out is what went in. */
START_TEST(frames_survive_chunks_and_come_back) {
  static uint8_t data[3000];
  trace_t trace = {.chunk = 5000};
  char line[64];
  size_t total = 0;

  begin();
  open_payload(SLUICE_ITEM_SECTION, &queue);
  for (size_t n = 1; n < sizeof(data); n += 3) {
    ck_assert_int_eq(sluice_encoder_bytes(e, data, n), 0);
    total += n;
  }
  close_payload();
  open_payload(SLUICE_ITEM_END, &queue);
  close_payload();
  finish();
  trace_run(&trace, out.out.data, out.out.len);
  ck_assert_int_eq(trace.result, SLUICE_DONE);
  (void)snprintf(line, sizeof(line), " %zu bytes %zu\n", total, total);
  ck_assert_ptr_nonnull(strstr(trace_text(&trace), line));
  trace_done(&trace);
}
END_TEST

START_TEST(notes_of_qemu_come_out_verbatim) {
  static const char configuration[] = "\0\0\0\x04virt\x05\x1e"
                                      "configuration/target-page-bits"
                                      "\0\0\0\x01\0\0\0\x0c";

  options.host = "other";
  begin();
  ck_assert_int_eq(sluice_encoder_note(e, SLUICE_NOTE_QEMU_CONFIGURATION,
                                       configuration,
                                       sizeof(configuration) - 1),
                   0);
  ck_assert_int_eq(sluice_encoder_note(e, SLUICE_NOTE_QEMU_FOOTERS, "\0", 1),
                   0);
  ck_assert_int_eq(sluice_encoder_note(e, "something.else", "x", 1), 0);
  payload(SLUICE_ITEM_SECTION, &card, "abcd");
  ck_assert_int_eq(
      sluice_encoder_note(e, SLUICE_NOTE_QEMU_DESCRIPTION, "{}", 2), 0);
  finish();
  build_qemu3(&want, NULL);
  build_u8(&want, 7);
  build_raw(&want, configuration, sizeof(configuration) - 1);
  build_section(&want, 4, 2, "card", 3, 4);
  build_raw(&want, "abcd", 4);
  build_u8(&want, 0);
  build_description(&want, "{}");
  same();
}
END_TEST

START_TEST(a_configuration_that_is_not_wanted_is_left_out) {
  options.no_configuration = 1;
  begin();
  ck_assert_int_eq(
      sluice_encoder_note(e, SLUICE_NOTE_QEMU_CONFIGURATION, "\0\0\0\x02pc", 6),
      0);
  finish();
  build_qemu3(&want, NULL);
  ck_assert_mem_eq(out.out.data, want.data, want.len);
  ck_assert_uint_eq(out.out.data[want.len], 0);
}
END_TEST

/* Each description is as long as one can be: two are more than a note may be,
 * and QEMU does without. */
START_TEST(descriptions_that_are_too_long_are_left_out) {
  size_t len = SLUICE_NOTE_MAX / 2;
  char *text = malloc(len);

  memset(text, ' ', len);
  memcpy(text, "{ ", 2);
  text[len - 1] = '}';
  begin();
  for (uint32_t i = 0; i < 2; i++) {
    const sluice_decl_t decl = {.id = i, .instance = i, .name = "card"};

    open_payload(SLUICE_ITEM_SECTION, &decl);
    ck_assert_int_eq(sluice_encoder_describe(e, text, len), 0);
    close_payload();
  }
  free(text);
  finish();
  ck_assert_uint_eq(out.out.data[out.out.len - 1], 0);
}
END_TEST

/* Refusals. */

static int pages_of_another_section(void) {
  const sluice_decl_t other = {.id = 9, .name = "bytes"};
  static const uint8_t page[4096];
  uint32_t index;

  open_payload(SLUICE_ITEM_SECTION, &ram);
  ck_assert_int_eq(sluice_encoder_region(e, "r", 4096, 4096, &index), 0);
  close_payload();
  open_payload(SLUICE_ITEM_SECTION, &other);
  return sluice_encoder_pages(e, index, 0, page, 1);
}

static int late_configuration(void) {
  payload(SLUICE_ITEM_SECTION, &card, "abcd");
  return sluice_encoder_note(e, SLUICE_NOTE_QEMU_CONFIGURATION, "\0\0\0\x02pc",
                             6);
}

static int long_configuration(void) {
  return sluice_encoder_note(e, SLUICE_NOTE_QEMU_CONFIGURATION, "\0\0\0\x02pc!",
                             7);
}

static int short_configuration(void) {
  return sluice_encoder_note(e, SLUICE_NOTE_QEMU_CONFIGURATION, "\0\0\0\x09pc",
                             6);
}

static int pages_elsewhere(void) {
  sluice_decl_t decl = ram;

  decl.name = "heap";
  return sluice_encoder_open(e, SLUICE_ITEM_SECTION, &decl);
}

static int bytes_called_ram(void) {
  sluice_decl_t decl = ram;

  decl.payload = SLUICE_PAYLOAD_BYTES;
  return sluice_encoder_open(e, SLUICE_ITEM_SECTION, &decl);
}

static int second_ram(void) {
  sluice_decl_t decl = ram;

  decl.instance = 1;
  return sluice_encoder_open(e, SLUICE_ITEM_SECTION, &decl);
}

static int same_section(void) {
  payload(SLUICE_ITEM_SECTION, &card, "abcd");
  return sluice_encoder_open(e, SLUICE_ITEM_SECTION, &card);
}

static int part_of_none(void) {
  return sluice_encoder_open(e, SLUICE_ITEM_PART, &queue);
}

static int part_of_device(void) {
  payload(SLUICE_ITEM_SECTION, &card, "abcd");
  return sluice_encoder_open(e, SLUICE_ITEM_PART, &card);
}

static int never_ended(void) {
  payload(SLUICE_ITEM_SECTION, &queue, "abcd");
  return sluice_encoder_finish(e);
}

static int small_pages(void) {
  uint32_t index;

  open_payload(SLUICE_ITEM_SECTION, &ram);
  return sluice_encoder_region(e, "r", 4096, 512, &index);
}

static int mixed_pages(void) {
  uint32_t index;

  open_payload(SLUICE_ITEM_SECTION, &ram);
  ck_assert_int_eq(sluice_encoder_region(e, "r", 4096, 4096, &index), 0);
  return sluice_encoder_region(e, "s", 8192, 8192, &index);
}

static int region_twice(void) {
  uint32_t index;

  open_payload(SLUICE_ITEM_SECTION, &ram);
  ck_assert_int_eq(sluice_encoder_region(e, "r", 4096, 4096, &index), 0);
  return sluice_encoder_region(e, "r", 4096, 4096, &index);
}

static int region_in_bytes(void) {
  uint32_t index;

  open_payload(SLUICE_ITEM_SECTION, &card);
  return sluice_encoder_region(e, "r", 4096, 4096, &index);
}

static int bytes_in_pages(void) {
  open_payload(SLUICE_ITEM_SECTION, &ram);
  return sluice_encoder_bytes(e, "a", 1);
}

#define ROW(name, code, text)                                                  \
  { #name, name, code, text }

static const struct {
  const char *what;
  int (*call)(void);
  int code;
  const char *text;
} refused[] = {
    ROW(late_configuration, SLUICE_ESTATE, "must follow the header"),
    ROW(long_configuration, SLUICE_ECORRUPT, "1 bytes too many"),
    ROW(short_configuration, SLUICE_ETRUNCATED, "too early"),
    ROW(pages_elsewhere, UV_EINVAL, "'heap'"),
    ROW(bytes_called_ram, UV_EINVAL, "'ram'"),
    ROW(second_ram, UV_EINVAL, "instance 0 of 'ram'"),
    ROW(same_section, SLUICE_EORDER, "'card', instance 3"),
    ROW(part_of_none, SLUICE_EORDER, "section 5"),
    ROW(part_of_device, SLUICE_EORDER, "section 2"),
    ROW(never_ended, SLUICE_EORDER, "1 live"),
    ROW(small_pages, UV_EINVAL, "1024"),
    ROW(mixed_pages, UV_EINVAL, "'s'"),
    ROW(region_twice, UV_EINVAL, "twice"),
    ROW(region_in_bytes, UV_EINVAL, "section of bytes"),
    ROW(pages_of_another_section, UV_EINVAL, "not of the open section"),
    ROW(bytes_in_pages, UV_EINVAL, "not of bytes"),
};

START_TEST(what_the_stream_cannot_hold_is_refused_by_name) {
  int r;

  begin();
  r = refused[_i].call();
  ck_assert_msg(
      r == refused[_i].code &&
          strstr(sluice_encoder_error(e)->message, refused[_i].text) != NULL,
      "%s: %d %s", refused[_i].what, r, sluice_encoder_error(e)->message);
}
END_TEST

START_TEST(errors_of_the_output_come_back) {
  begin();
  out.fail_with = UV_ENOSPC;
  payload(SLUICE_ITEM_SECTION, &card, "abcd");
  ck_assert_int_eq(sluice_encoder_finish(e), UV_ENOSPC);
}
END_TEST

START_TEST(an_aborted_stream_just_ends) {
  sluice_error_t reason = {.code = UV_EIO};

  begin();
  payload(SLUICE_ITEM_SECTION, &card, "abcd");
  ck_assert_int_eq(sluice_encoder_abort(e, &reason), 0);
  build_qemu3(&want, "pc");
  build_section(&want, 4, 2, "card", 3, 4);
  build_raw(&want, "abcd", 4);
  build_footer(&want, 2);
  same();
}
END_TEST

Suite *qemu3_encode_suite(void) {
  Suite *s = suite_create("qemu3_encode");
  TCase *tc = tcase_create("core");

  tcase_add_checked_fixture(tc, set_up, tear_down);
  tcase_add_test(tc, the_smallest_stream_is_written_byte_for_byte);
  tcase_add_test(tc, regions_are_told_before_the_first_page_of_their_payload);
  tcase_add_test(tc, devices_are_described_for_qemus_analyser);
  tcase_add_test(tc, live_sections_of_bytes_are_framed);
  tcase_add_test(tc, no_frames_leaves_live_sections_as_they_are);
  tcase_add_test(tc, frames_survive_chunks_and_come_back);
  tcase_add_test(tc, notes_of_qemu_come_out_verbatim);
  tcase_add_test(tc, a_configuration_that_is_not_wanted_is_left_out);
  tcase_add_test(tc, descriptions_that_are_too_long_are_left_out);
  tcase_add_loop_test(tc, what_the_stream_cannot_hold_is_refused_by_name, 0,
                      sizeof(refused) / sizeof(*refused));
  tcase_add_test(tc, errors_of_the_output_come_back);
  tcase_add_test(tc, an_aborted_stream_just_ends);
  suite_add_tcase(s, tc);
  return s;
}
