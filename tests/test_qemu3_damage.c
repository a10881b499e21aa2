/* test_qemu3_damage.c - QEMU's stream, version 3, cut short, changed, endless,
 * and read without memory: never a crash, never over the limits. */
#include <sluice/decoder.h>

#include <string.h>
#include <uv.h>

#include <sluice/handler.h>

#include "qemu3_sample.h"
#include "suite.h"
#include "trace.h"

static build_t in;
static trace_t out;

static void set_up(void) {
  memset(&in, 0, sizeof(in));
  memset(&out, 0, sizeof(out));
}

static void tear_down(void) {
  build_done(&in);
  trace_done(&out);
}

/* Damage. `_i`: how devices are delimited. */

static void whole_sample(int ends) {
  const sample_options_t o = {"pc", true, true};

  sample_machine(&in, &o);
  out.device_bytes = sample_device_bytes;
  out.options.payload_ends =
      ends == 0 ? SLUICE_ENDS_BY_READER : SLUICE_ENDS_BY_DESCRIPTION;
}

/* Inside of pages nothing can tell; so cuts there are thinned out. */
static size_t next_cut(size_t at) {
  return at + (at % 4096 > 200 && at % 4096 < 3900 && at < 16000 ? 97 : 1);
}

START_TEST(a_stream_cut_anywhere_is_truncated) {
  const size_t end = 16673 - 1; /* the mark of the end; the rest is optional */

  whole_sample(_i);
  for (size_t at = 0; at < in.len; at = next_cut(at)) {
    out.text.len = 0;
    memset(&out.error, 0, sizeof(out.error));
    trace_run(&out, in.data, at);
    if (at == end + 1) {
      ck_assert_int_eq(out.result, SLUICE_DONE);
      continue;
    }
    ck_assert_msg(out.result == SLUICE_ETRUNCATED, "at %zu: %d %s", at,
                  out.result, out.error.message);
    ck_assert_uint_eq(out.error.offset, at);
  }
}
END_TEST

/* Nothing can be said of the result but that there is one, within bounds. */
START_TEST(a_stream_with_any_byte_changed_does_no_harm) {
  static const uint8_t masks[] = {0x01, 0x80, 0xff, 0x20};

  whole_sample(_i);
  out.options.max_memory = 1024 * 1024;
  for (size_t at = 0; at < in.len; at = next_cut(at)) {
    for (size_t m = 0; m < sizeof(masks); m++) {
      in.data[at] ^= masks[m];
      out.text.len = 0;
      memset(&out.error, 0, sizeof(out.error));
      trace_run(&out, in.data, in.len);
      in.data[at] ^= masks[m];
      ck_assert_uint_le(out.peak, out.options.max_memory + 8192);
    }
  }
}
END_TEST

START_TEST(every_failed_allocation_is_reported) {
  whole_sample(_i);
  for (size_t n = 1;; n++) {
    out.fail_at = n;
    out.allocations = 0;
    out.text.len = 0;
    memset(&out.error, 0, sizeof(out.error));
    trace_run(&out, in.data, in.len);
    if (out.allocations < n) {
      ck_assert_int_eq(out.result, SLUICE_DONE);
      break;
    }
    ck_assert_int_eq(out.result, UV_ENOMEM);
  }
  ck_assert_uint_gt(out.allocations, 3);
}
END_TEST

/* Limits. */

START_TEST(sections_over_the_limit_are_refused) {
  build_qemu3(&in, "pc");
  for (uint32_t i = 0; i < 4; i++) {
    build_section(&in, 4, i, "card", i, 1);
    build_raw(&in, "1234", 4);
    build_footer(&in, i);
  }
  out.options.max_sections = 3;
  trace_run(&out, in.data, in.len);
  ck_assert_int_eq(out.result, SLUICE_ELIMIT);
}
END_TEST

START_TEST(many_sections_stay_under_the_memory_limit) {
  build_qemu3(&in, "pc");
  for (uint32_t i = 0; i < 20000; i++) {
    build_section(&in, 4, i, "a card of quite a long name", i, 1);
    build_raw(&in, "1234", 4);
    build_footer(&in, i);
  }
  out.options.max_memory = 1024 * 1024;
  trace_run(&out, in.data, in.len);
  ck_assert_int_eq(out.result, SLUICE_ELIMIT);
  ck_assert_uint_le(out.peak, out.options.max_memory + 8192);
}
END_TEST

START_TEST(regions_over_the_limit_are_refused) {
  build_qemu3(&in, "pc");
  build_section(&in, 1, 1, "ram", 0, 4);
  build_be64(&in, 0x2000 | 0x04);
  build_str8(&in, "a");
  build_be64(&in, 0x1000);
  build_str8(&in, "b");
  build_be64(&in, 0x1000);
  out.options.max_regions = 1;
  trace_run(&out, in.data, in.len);
  ck_assert_int_eq(out.result, SLUICE_ELIMIT);
}
END_TEST

START_TEST(a_tail_larger_than_memory_is_refused) {
  const sample_options_t o = {"pc", true, false};

  sample_machine(&in, &o);
  in.len -= 1 + 5; /* the last device goes on and on */
  build_fill(&in, 0x77, 1024 * 1024);
  out.options.payload_ends = SLUICE_ENDS_BY_DESCRIPTION;
  out.options.max_memory = 512 * 1024;
  trace_run(&out, in.data, in.len);
  ck_assert_int_eq(out.result, SLUICE_ELIMIT);
  ck_assert_uint_le(out.peak, out.options.max_memory + 8192);
}
END_TEST

static TCase *damage(void) {
  TCase *tc = tcase_create("damage");

  tcase_add_checked_fixture(tc, set_up, tear_down);
  tcase_set_timeout(tc, 300);
  tcase_add_loop_test(tc, a_stream_cut_anywhere_is_truncated, 0, 2);
  tcase_add_loop_test(tc, a_stream_with_any_byte_changed_does_no_harm, 0, 2);
  tcase_add_loop_test(tc, every_failed_allocation_is_reported, 0, 2);
  return tc;
}

static TCase *limits(void) {
  TCase *tc = tcase_create("limits");

  tcase_add_checked_fixture(tc, set_up, tear_down);
  tcase_add_test(tc, sections_over_the_limit_are_refused);
  tcase_add_test(tc, many_sections_stay_under_the_memory_limit);
  tcase_add_test(tc, regions_over_the_limit_are_refused);
  tcase_add_test(tc, a_tail_larger_than_memory_is_refused);
  return tc;
}

Suite *qemu3_damage_suite(void) {
  Suite *s = suite_create("qemu3_damage");

  suite_add_tcase(s, damage());
  suite_add_tcase(s, limits());
  return s;
}
