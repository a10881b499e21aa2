/* test_qemu3_payloads.c - payloads of bytes in QEMU's stream: a reader that
 * wants more in one piece, and payloads whose end has to be looked for. */
#include <sluice/decoder.h>

#include <stdio.h>
#include <string.h>

#include <sluice/handler.h>

#include "suite.h"
#include "trace.h"

static build_t in;
static trace_t out;
static sluice_decoder_t *d;
static sluice_item_t item;
static sluice_error_t err;
static size_t fed;

static void set_up(void) {
  memset(&in, 0, sizeof(in));
  memset(&out, 0, sizeof(out));
  memset(&err, 0, sizeof(err));
  d = NULL;
  fed = 0;
}

static void tear_down(void) {
  sluice_decoder_free(d);
  build_done(&in);
  trace_done(&out);
}

/* Input up to byte `end`; all of it: and its end. */
static void feed(size_t end) {
  void *space;
  size_t len;

  sluice_decoder_space(d, &space, &len);
  ck_assert_uint_ge(len, end - fed);
  memcpy(space, in.data + fed, end - fed);
  sluice_decoder_fill(d, end - fed);
  fed = end;
  if (end == in.len) {
    sluice_decoder_eof(d);
  }
}

/* The first bytes that are lent, of what comes up to byte `end`. */
static void begin(sluice_payload_ends_t ends, size_t end) {
  const sluice_decoder_options_t options = {.size = sizeof(options),
                                            .payload_ends = ends};
  int r;

  ck_assert_int_eq(sluice_decoder_new(&d, &options, NULL), 0);
  feed(end);
  do {
    r = sluice_decoder_next(d, &item, &err);
    ck_assert_msg(r == SLUICE_MORE, "%d %s", r, err.message);
  } while (item.kind != SLUICE_ITEM_BYTES);
}

static int ask_for_more(void) {
  sluice_decoder_consume(d, 0);
  return sluice_decoder_next(d, &item, &err);
}

static void same_bytes(const char *text) {
  ck_assert_int_eq(item.kind, SLUICE_ITEM_BYTES);
  ck_assert_uint_eq(item.u.bytes.len, strlen(text));
  ck_assert_mem_eq(item.u.bytes.data, text, strlen(text));
}

static void has_failed(int r, int code, const char *section,
                       const char *message, uint64_t offset) {
  ck_assert_int_eq(r, code);
  ck_assert_str_eq(err.section, section);
  ck_assert_msg(strstr(err.message, message) != NULL, "%s", err.message);
  ck_assert_uint_eq(err.offset, offset);
}

/* A device of four bytes at byte 33. */
static void device(void) {
  build_qemu3(&in, "pc");
  build_section(&in, 4, 6, "card", 0, 1);
  build_raw(&in, "abcd", 4);
  build_footer(&in, 6);
  build_u8(&in, 0);
}

START_TEST(more_than_a_scanned_payload_has_is_refused) {
  device();
  begin(SLUICE_ENDS_BY_DESCRIPTION, in.len);
  same_bytes("abcd");
  has_failed(ask_for_more(), SLUICE_ECORRUPT, "card",
             "expected at least 5 more bytes of payload, found its end after 4",
             33);
}
END_TEST

START_TEST(more_of_a_scanned_payload_is_waited_for) {
  device();
  begin(SLUICE_ENDS_BY_DESCRIPTION, 35);
  same_bytes("ab");
  ck_assert_int_eq(ask_for_more(), SLUICE_WAIT);
  feed(36);
  ck_assert_int_eq(sluice_decoder_next(d, &item, &err), SLUICE_MORE);
  same_bytes("abc");
  ck_assert_int_eq(ask_for_more(), SLUICE_WAIT);
  feed(in.len);
  ck_assert_int_eq(sluice_decoder_next(d, &item, &err), SLUICE_MORE);
  same_bytes("abcd");
}
END_TEST

START_TEST(more_than_a_described_payload_has_is_refused) {
  build_qemu3(&in, "pc");
  build_section(&in, 1, 1, "ram", 0, 4);
  build_eos(&in);
  build_footer(&in, 1);
  build_part(&in, 3, 1);
  build_eos(&in);
  build_footer(&in, 1);
  build_section(&in, 4, 6, "card", 0, 1);
  build_raw(&in, "abcd", 4);
  build_footer(&in, 6);
  build_u8(&in, 0);
  build_description(&in, "{\"devices\":[{\"name\":\"card\",\"fields\":["
                         "{\"size\":4}]}]}");
  begin(SLUICE_ENDS_BY_DESCRIPTION, in.len);
  same_bytes("abcd");
  has_failed(ask_for_more(), SLUICE_ECORRUPT, "card",
             "expected at least 5 more bytes of payload, found its end after 4",
             81);
}
END_TEST

START_TEST(more_of_an_open_payload_than_the_stream_has_is_truncated) {
  device();
  begin(SLUICE_ENDS_BY_READER, in.len);
  ck_assert_uint_eq(item.u.bytes.len, 10);
  has_failed(ask_for_more(), SLUICE_ETRUNCATED, "card",
             "expected 11 bytes of payload", in.len);
}
END_TEST

/* Frames of three bytes and two; the second one's length ends at byte 45. */
static void frames(void) {
  build_qemu3(&in, "pc");
  build_section(&in, 1, 5, "queue", 0, 1);
  build_be32(&in, 3);
  build_raw(&in, "abc", 3);
  build_be32(&in, 2);
  build_raw(&in, "de", 2);
}

START_TEST(a_frame_is_waited_for_to_be_joined) {
  frames();
  begin(SLUICE_ENDS_BY_READER, 43);
  same_bytes("abc");
  ck_assert_int_eq(ask_for_more(), SLUICE_WAIT);
  feed(46);
  ck_assert_int_eq(sluice_decoder_next(d, &item, &err), SLUICE_MORE);
  same_bytes("abcd");
}
END_TEST

START_TEST(a_frame_that_does_not_come_is_truncated) {
  frames();
  in.len = 43;
  begin(SLUICE_ENDS_BY_READER, in.len);
  same_bytes("abc");
  has_failed(ask_for_more(), SLUICE_ETRUNCATED, "queue",
             "expected 7 bytes of payload", in.len);
}
END_TEST

/* Goes on to the end of the stream, asking out of turn or not: the kinds of the
 * items that come, and their bytes. */
static void read_on(int is_out_of_turn, build_t *told) {
  int r;

  while ((r = sluice_decoder_next(d, &item, &err)) == SLUICE_MORE) {
    build_u8(told, (uint8_t)item.kind);
    if (is_out_of_turn) {
      sluice_decoder_end_payload(d);
    }
    if (item.kind == SLUICE_ITEM_BYTES) {
      build_raw(told, item.u.bytes.data, item.u.bytes.len);
    } else if (is_out_of_turn) {
      sluice_decoder_consume(d, 1);
    }
  }
  ck_assert_int_eq(r, SLUICE_DONE);
}

static void begin_all(void) {
  fed = 0;
  ck_assert_int_eq(sluice_decoder_new(&d, NULL, NULL), 0);
}

/* Where nothing was lent, nothing can be given back, or ended: what comes is
 * what comes to a reader that keeps to its turn. */
START_TEST(consuming_and_cutting_out_of_turn_do_nothing) {
  build_t kept = {0};
  build_t told = {0};

  frames();
  build_be32(&in, 0);
  build_footer(&in, 5);
  build_part(&in, 3, 5);
  build_be32(&in, 0);
  build_footer(&in, 5);
  build_u8(&in, 0);
  begin_all();
  feed(in.len);
  read_on(0, &kept);
  sluice_decoder_free(d);
  begin_all();
  sluice_decoder_consume(d, 1);
  sluice_decoder_end_payload(d);
  ck_assert_int_eq(sluice_decoder_format(d), SLUICE_FORMAT_UNKNOWN);
  feed(in.len);
  read_on(1, &told);
  sluice_decoder_consume(d, 1);
  ck_assert_int_eq(sluice_decoder_next(d, &item, &err), SLUICE_DONE);
  ck_assert_uint_eq(told.len, kept.len);
  ck_assert_mem_eq(told.data, kept.data, kept.len);
  build_done(&kept);
  build_done(&told);
}
END_TEST

START_TEST(nothing_changes_a_decoder_that_has_failed) {
  device();
  in.data[15] = 0x55;
  ck_assert_int_eq(sluice_decoder_new(&d, NULL, NULL), 0);
  feed(in.len);
  while (sluice_decoder_next(d, &item, &err) > 0) {
  }
  sluice_decoder_consume(d, 0);
  sluice_decoder_end_payload(d);
  ck_assert_int_eq(sluice_decoder_next(d, &item, NULL), SLUICE_ECORRUPT);
  has_failed(err.code, SLUICE_ECORRUPT, "", "found 0x55", 15);
}
END_TEST

/* Footers in the midst of section 5, with something behind that cannot follow;
 * section 3 was live and is over, 4 is a device. */
#define FOOTER "\x7e\0\0\0\5"

static const struct {
  const char *what;
  const char *bytes;
  size_t len;
} lookalikes[] = {
#define ROW(what, bytes)                                                       \
  { what, FOOTER bytes, sizeof(FOOTER bytes) - 1 }
    ROW("a name with a control character", "\1\0\0\0\11\1\n\0\0\0\0\0\0\0\1"),
    ROW("an empty name", "\4\0\0\0\11\0\0\0\0\0\0\0\0\1"),
    ROW("the id of a section that was", "\4\0\0\0\3\1x\0\0\0\0\0\0\0\1"),
    ROW("a section that was", "\4\0\0\0\11\3dev\0\0\0\0\0\0\0\1"),
    ROW("part of a device", "\2\0\0\0\4"),
    ROW("part of what is over", "\2\0\0\0\3"),
    ROW("part of none", "\3\0\0\0\12"),
    ROW("command 0", "\x8\0\0\0\0"),
    ROW("command 12", "\x8\0\xc\0\0"),
    ROW("another footer", FOOTER),
#undef ROW
};

static void run_scan(size_t chunk, const char *line) {
  out.chunk = chunk;
  out.options.payload_ends = SLUICE_ENDS_BY_DESCRIPTION;
  trace_run(&out, in.data, in.len);
  ck_assert_msg(out.result == SLUICE_DONE, "%d @%llu %s", out.result,
                (unsigned long long)out.error.offset, out.error.message);
  ck_assert_msg(strstr(trace_text(&out), line) != NULL, "%s\n%s", line,
                trace_text(&out));
}

static void two_sections(void) {
  build_qemu3(&in, "pc");
  build_section(&in, 4, 4, "dev", 0, 1);
  build_raw(&in, "1", 1);
  build_footer(&in, 4);
  build_section(&in, 1, 3, "live", 0, 1);
  build_raw(&in, "2", 1);
  build_footer(&in, 3);
  build_part(&in, 3, 3);
  build_raw(&in, "3", 1);
  build_footer(&in, 3);
  build_section(&in, 1, 5, "queue", 0, 1);
}

static void end_queue(void) {
  build_footer(&in, 5);
  build_part(&in, 3, 5);
  build_footer(&in, 5);
  build_u8(&in, 0);
}

START_TEST(a_footer_that_nothing_legal_follows_delimits_nothing) {
  char line[64];

  two_sections();
  build_raw(&in, lookalikes[_i / 2].bytes, lookalikes[_i / 2].len);
  end_queue();
  (void)snprintf(line, sizeof(line), " %zu bytes %zu\nend queue",
                 lookalikes[_i / 2].len, lookalikes[_i / 2].len);
  run_scan(_i % 2 == 0 ? 0 : 1, line);
}
END_TEST

START_TEST(a_footer_with_a_command_behind_it_cuts) {
  two_sections();
  build_raw(&in, "ab", 2);
  build_footer(&in, 5);
  build_raw(&in, "\x08\0\x02\0\x04ping", 9);
  build_part(&in, 3, 5);
  build_footer(&in, 5);
  build_u8(&in, 0);
  run_scan((size_t)_i, " 2 bytes 2\ncommand 2 PING len 4\nend queue");
}
END_TEST

START_TEST(a_part_that_nothing_can_delimit_is_named) {
  build_qemu3(&in, NULL);
  build_section(&in, 1, 1, "ram", 0, 4);
  build_eos(&in); /* no footer, so there are none */
  build_section(&in, 1, 5, "queue", 0, 1);
  out.options.payload_ends = SLUICE_ENDS_BY_DESCRIPTION;
  trace_run(&out, in.data, in.len);
  err = out.error;
  has_failed(out.result, SLUICE_EFEATURE, "queue", "cannot be delimited",
             in.len);
}
END_TEST

static TCase *scans(void) {
  TCase *tc = tcase_create("scan");

  tcase_add_checked_fixture(tc, set_up, tear_down);
  tcase_add_loop_test(tc, a_footer_that_nothing_legal_follows_delimits_nothing,
                      0, 2 * (int)(sizeof(lookalikes) / sizeof(*lookalikes)));
  tcase_add_loop_test(tc, a_footer_with_a_command_behind_it_cuts, 0, 3);
  tcase_add_test(tc, a_part_that_nothing_can_delimit_is_named);
  return tc;
}

Suite *qemu3_payloads_suite(void) {
  Suite *s = suite_create("qemu3_payloads");
  TCase *tc = tcase_create("consume");

  tcase_add_checked_fixture(tc, set_up, tear_down);
  tcase_add_test(tc, more_than_a_scanned_payload_has_is_refused);
  tcase_add_test(tc, more_of_a_scanned_payload_is_waited_for);
  tcase_add_test(tc, more_than_a_described_payload_has_is_refused);
  tcase_add_test(tc, more_of_an_open_payload_than_the_stream_has_is_truncated);
  tcase_add_test(tc, a_frame_is_waited_for_to_be_joined);
  tcase_add_test(tc, a_frame_that_does_not_come_is_truncated);
  tcase_add_test(tc, consuming_and_cutting_out_of_turn_do_nothing);
  tcase_add_test(tc, nothing_changes_a_decoder_that_has_failed);
  suite_add_tcase(s, tc);
  suite_add_tcase(s, scans());
  return s;
}
