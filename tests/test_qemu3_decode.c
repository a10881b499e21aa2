/* test_qemu3_decode.c - QEMU's stream, version 3, as it should be. */
#include <sluice/decoder.h>

#include <string.h>

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

static const char *run(void) {
  trace_run(&out, in.data, in.len);
  ck_assert_msg(out.result == SLUICE_DONE, "%d %s @%llu %s", out.result,
                out.error.section, (unsigned long long)out.error.offset,
                out.error.message);
  return trace_text(&out);
}

static const char minimal_trace[] =
    "header 3 'none'\n"
    "note qemu.configuration@8 len 8 first 00\n"
    "section ram@17 id 1 instance 0 v4 live pages\n"
    "region 0 'ram' 4194304 of 4096 in 1\n"
    "close@62 28 bytes 0\n"
    "part ram@67 id 1 instance 0 v4 live pages\n"
    "pages 0+0x0 x1 len 4096 first 5a\n"
    "zeros 0+0x1000 x1 fill 0\n"
    "close@4197 4125 bytes 0\n"
    "end ram@4202 id 1 instance 0 v4 live pages\n"
    "close@4215 8 bytes 0\n"
    "note qemu.description@4221 len 31 first 7b\n"
    "note qemu.footers@4257 len 1 first 01\n"
    "trailer 4257 records 3 data 1 zero 1\n";

START_TEST(the_smallest_stream_of_qemu_is_read) {
  sample_minimal(&in);
  ck_assert_str_eq(run(), minimal_trace);
}
END_TEST

/* Sizes of a feed: whole, tiny, across pages. */
static const size_t chunks[] = {0, 1, 2, 7, 4095, 4097};
enum { CHUNKS = sizeof(chunks) / sizeof(*chunks) };

START_TEST(a_reader_cuts_devices_whatever_the_feed) {
  const sample_options_t o = {"pc", true, true};

  sample_machine(&in, &o);
  out.chunk = chunks[_i];
  out.device_bytes = sample_device_bytes;
  ck_assert_str_eq(run(), sample_machine_trace);
}
END_TEST

START_TEST(the_description_cuts_devices_whatever_the_feed) {
  const sample_options_t o = {"pc", true, true};

  sample_machine(&in, &o);
  out.chunk = chunks[_i];
  out.options.payload_ends = SLUICE_ENDS_BY_DESCRIPTION;
  ck_assert_str_eq(run(), sample_machine_trace);
}
END_TEST

START_TEST(footers_delimit_devices_where_nothing_describes_them) {
  const sample_options_t o = {"pc", true, false};

  sample_machine(&in, &o);
  out.chunk = chunks[_i];
  out.options.payload_ends = SLUICE_ENDS_BY_DESCRIPTION;
  ck_assert_ptr_nonnull(strstr(run(), "close@16631 4 bytes 4\n"));
  ck_assert_ptr_nonnull(strstr(trace_text(&out), "close@16667 9 bytes 9\n"));
  ck_assert_ptr_null(strstr(trace_text(&out), "qemu.description"));
}
END_TEST

START_TEST(old_machines_have_neither_configuration_nor_footers) {
  const sample_options_t o = {NULL, false, true};

  sample_machine(&in, &o);
  out.options.payload_ends = SLUICE_ENDS_BY_DESCRIPTION;
  ck_assert_ptr_nonnull(strstr(run(), "header 3 ''\nsection ram@8 "));
  ck_assert_ptr_nonnull(strstr(trace_text(&out), " 4 bytes 4\n"));
  ck_assert_ptr_nonnull(strstr(trace_text(&out), " 9 bytes 9\n"));
  ck_assert_ptr_nonnull(strstr(trace_text(&out), "len 1 first 00\n"));
}
END_TEST

START_TEST(a_reader_cuts_devices_without_footers) {
  const sample_options_t o = {NULL, false, false};

  sample_machine(&in, &o);
  out.device_bytes = sample_device_bytes;
  ck_assert_ptr_nonnull(strstr(run(), " 9 bytes 9\n"));
}
END_TEST

START_TEST(a_description_is_found_where_the_input_stays_open) {
  const sample_options_t o = {"pc", true, true};
  sluice_decoder_t *d;
  sluice_item_t item;
  void *space;
  size_t len;
  int r;

  sample_machine(&in, &o);
  out.options.size = sizeof(out.options);
  out.options.payload_ends = SLUICE_ENDS_BY_DESCRIPTION;
  out.options.may_stay_open = 1;
  ck_assert_int_eq(sluice_decoder_new(&d, &out.options, NULL), 0);
  sluice_decoder_space(d, &space, &len);
  memcpy(space, in.data, in.len);
  sluice_decoder_fill(d, in.len);
  do {
    r = sluice_decoder_next(d, &item, NULL);
  } while (r == SLUICE_MORE);
  ck_assert_int_eq(r, SLUICE_DONE);
  ck_assert_int_eq(item.kind, 0);
  ck_assert_uint_eq(sluice_decoder_offset(d), in.len);
  sluice_decoder_free(d);
}
END_TEST

/* Configuration. */

static void configuration(const char *subsection, size_t fields_len,
                          const void *fields) {
  build_qemu3(&in, "virt");
  build_u8(&in, 5);
  build_str8(&in, subsection);
  build_be32(&in, 1);
  build_raw(&in, fields, fields_len);
}

static void tiny_ram(uint64_t bytes) {
  build_section(&in, 1, 1, "ram", 0, 4);
  build_be64(&in, bytes | 0x04);
  build_str8(&in, "r");
  build_be64(&in, bytes);
  build_eos(&in);
  build_footer(&in, 1);
  build_part(&in, 3, 1);
  build_eos(&in);
  build_footer(&in, 1);
  build_u8(&in, 0);
}

START_TEST(target_page_bits_set_the_page_size) {
  configuration("configuration/target-page-bits", 4, "\0\0\0\x0e");
  tiny_ram(0x8000);
  out.chunk = 1;
  ck_assert_ptr_nonnull(strstr(run(), "region 0 'r' 32768 of 16384 in 1\n"));
  ck_assert_ptr_nonnull(
      strstr(trace_text(&out), "note qemu.configuration@8 len 48 "));
}
END_TEST

START_TEST(a_uuid_in_the_configuration_is_fine) {
  configuration("configuration/uuid", 16, "0123456789abcdef");
  tiny_ram(0x1000);
  out.chunk = 1;
  (void)run();
}
END_TEST

START_TEST(no_capabilities_in_the_configuration_are_fine) {
  configuration("configuration/capabilities", 4, "\0\0\0\0");
  tiny_ram(0x1000);
  out.chunk = 1;
  (void)run();
}
END_TEST

/* Commands. */

START_TEST(harmless_commands_are_delivered) {
  build_qemu3(&in, "pc");
  build_raw(&in, "\x08\0\x01\0\0", 5);
  build_raw(&in, "\x08\0\x02\0\x04ping", 9);
  build_raw(&in, "\x08\0\x0b\0\0", 5);
  build_u8(&in, 0);
  out.chunk = 1;
  ck_assert_ptr_nonnull(strstr(run(), "command 1 OPEN_RETURN_PATH len 0\n"
                                      "command 2 PING len 4\n"
                                      "command 11 SWITCHOVER_START len 0\n"));
}
END_TEST

START_TEST(multifd_flush_is_passed_over) {
  build_qemu3(&in, "pc");
  build_section(&in, 1, 1, "ram", 0, 4);
  build_be64(&in, 0x1000 | 0x04);
  build_str8(&in, "r");
  build_be64(&in, 0x1000);
  build_be64(&in, 0x200);
  build_eos(&in);
  build_footer(&in, 1);
  build_part(&in, 3, 1);
  build_eos(&in);
  build_footer(&in, 1);
  build_u8(&in, 0);
  (void)run();
}
END_TEST

START_TEST(fill_bytes_other_than_zero_are_told) {
  build_qemu3(&in, "pc");
  build_section(&in, 4, 1, "ram", 0, 4);
  build_be64(&in, 0x3000 | 0x04);
  build_str8(&in, "r");
  build_be64(&in, 0x3000);
  build_zero(&in, 0, "r");
  build_be64(&in, 0x1000 | 0x22);
  build_u8(&in, 7);
  build_be64(&in, 0x2000 | 0x22);
  build_u8(&in, 7);
  build_eos(&in);
  build_footer(&in, 1);
  build_u8(&in, 0);
  ck_assert_ptr_nonnull(
      strstr(run(), "zeros 0+0x0 x1 fill 0\nzeros 0+0x1000 x2 fill 7\n"));
}
END_TEST

/* Live sections other than ram. */

static void live_section(void) {
  build_qemu3(&in, "pc");
  build_section(&in, 1, 5, "queue", 0, 1);
  build_be32(&in, 3);
  build_raw(&in, "abc", 3);
  build_be32(&in, 2);
  build_raw(&in, "de", 2);
  build_be32(&in, 0);
  build_footer(&in, 5);
  build_part(&in, 3, 5);
  build_be32(&in, 0);
  build_footer(&in, 5);
  build_u8(&in, 0);
}

START_TEST(our_own_live_sections_are_framed) {
  live_section();
  out.chunk = chunks[_i];
  ck_assert_ptr_nonnull(strstr(run(), "close@51 5 bytes 5\n"
                                      "end queue@56 id 5 instance 0 v1 live\n"
                                      "close@65 0 bytes 0\n"));
}
END_TEST

START_TEST(unknown_live_sections_are_delimited_by_their_footers) {
  live_section();
  out.chunk = chunks[_i];
  out.options.payload_ends = SLUICE_ENDS_BY_DESCRIPTION;
  ck_assert_ptr_nonnull(strstr(run(), "close@51 17 bytes 17\n"));
  ck_assert_ptr_nonnull(strstr(trace_text(&out), "close@65 4 bytes 4\n"));
}
END_TEST

START_TEST(something_like_a_footer_delimits_nothing) {
  build_qemu3(&in, "pc");
  build_section(&in, 1, 5, "dirty-bitmap", 0, 1);
  build_raw(&in, "\x7e\x7e\0\0\0\x05\x09", 7);      /* no such record */
  build_raw(&in, "\x7e\0\0\0\x05\x02\0\0\0\7", 10); /* part of none */
  build_raw(&in, "\x7e\0\0\0\x05\0\0", 7);          /* end, but no more */
  build_raw(&in, "\x7e\0\0\0\x05\x08\0\x09", 8);    /* a refused command */
  build_footer(&in, 5);
  build_part(&in, 3, 5);
  build_footer(&in, 5);
  build_u8(&in, 0);
  out.chunk = chunks[_i];
  out.options.payload_ends = SLUICE_ENDS_BY_DESCRIPTION;
  ck_assert_ptr_nonnull(strstr(run(), " 32 bytes 32\n"));
}
END_TEST

START_TEST(devices_sent_before_the_memory_are_delimited_by_their_footers) {
  build_qemu3(&in, "pc");
  build_section(&in, 4, 7, "virtio-mem-early", 0, 1);
  build_raw(&in, "abcdef", 6);
  build_footer(&in, 7);
  tiny_ram(0x1000);
  out.chunk = chunks[_i];
  out.options.payload_ends = SLUICE_ENDS_BY_DESCRIPTION;
  ck_assert_ptr_nonnull(strstr(run(), " 6 bytes 6\nsection ram@"));
}
END_TEST

/* Consuming. */

START_TEST(bytes_that_were_not_used_come_again_longer) {
  sluice_decoder_t *d;
  sluice_item_t item;
  void *space;
  size_t len;

  live_section();
  ck_assert_int_eq(sluice_decoder_new(&d, NULL, NULL), 0);
  sluice_decoder_space(d, &space, &len);
  memcpy(space, in.data, in.len);
  sluice_decoder_fill(d, in.len);
  do {
    ck_assert_int_eq(sluice_decoder_next(d, &item, NULL), SLUICE_MORE);
  } while (item.kind != SLUICE_ITEM_BYTES);
  ck_assert_uint_eq(item.u.bytes.len, 3);
  sluice_decoder_consume(d, 1);
  ck_assert_int_eq(sluice_decoder_next(d, &item, NULL), SLUICE_MORE);
  ck_assert_mem_eq(item.u.bytes.data, "bc", 2);
  sluice_decoder_consume(d, 0); /* across two frames */
  ck_assert_int_eq(sluice_decoder_next(d, &item, NULL), SLUICE_MORE);
  ck_assert_uint_eq(item.u.bytes.len, 4);
  ck_assert_mem_eq(item.u.bytes.data, "bcde", 4);
  sluice_decoder_consume(d, 0); /* there is no more */
  ck_assert_int_eq(sluice_decoder_next(d, &item, NULL), SLUICE_ECORRUPT);
  sluice_decoder_free(d);
}
END_TEST

static TCase *feeds(void) {
  TCase *tc = tcase_create("feeds");

  tcase_add_checked_fixture(tc, set_up, tear_down);
  tcase_add_loop_test(tc, a_reader_cuts_devices_whatever_the_feed, 0, CHUNKS);
  tcase_add_loop_test(tc, the_description_cuts_devices_whatever_the_feed, 0,
                      CHUNKS);
  tcase_add_loop_test(tc, footers_delimit_devices_where_nothing_describes_them,
                      0, CHUNKS);
  tcase_add_loop_test(tc, our_own_live_sections_are_framed, 0, CHUNKS);
  tcase_add_loop_test(tc, unknown_live_sections_are_delimited_by_their_footers,
                      0, CHUNKS);
  tcase_add_loop_test(tc, something_like_a_footer_delimits_nothing, 0, CHUNKS);
  tcase_add_loop_test(
      tc, devices_sent_before_the_memory_are_delimited_by_their_footers, 0,
      CHUNKS);
  return tc;
}

Suite *qemu3_decode_suite(void) {
  Suite *s = suite_create("qemu3_decode");
  TCase *tc = tcase_create("core");

  tcase_add_checked_fixture(tc, set_up, tear_down);
  tcase_add_test(tc, the_smallest_stream_of_qemu_is_read);
  tcase_add_test(tc, old_machines_have_neither_configuration_nor_footers);
  tcase_add_test(tc, a_reader_cuts_devices_without_footers);
  tcase_add_test(tc, a_description_is_found_where_the_input_stays_open);
  tcase_add_test(tc, target_page_bits_set_the_page_size);
  tcase_add_test(tc, a_uuid_in_the_configuration_is_fine);
  tcase_add_test(tc, no_capabilities_in_the_configuration_are_fine);
  tcase_add_test(tc, harmless_commands_are_delivered);
  tcase_add_test(tc, multifd_flush_is_passed_over);
  tcase_add_test(tc, fill_bytes_other_than_zero_are_told);
  tcase_add_test(tc, bytes_that_were_not_used_come_again_longer);
  suite_add_tcase(s, tc);
  suite_add_tcase(s, feeds());
  return s;
}
