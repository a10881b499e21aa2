/* test_qemu2.c - QEMU's stream, version 2: images put together as QEMU wrote
 * them before October 2008. None of them can be had any more. */
#include <sluice/decoder.h>

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>
#include <zlib.h>

#include <sluice/handler.h>

#include "suite.h"
#include "trace.h"

static build_t in;
static build_t payload;
static trace_t out;

static void set_up(void) {
  memset(&in, 0, sizeof(in));
  memset(&payload, 0, sizeof(payload));
  memset(&out, 0, sizeof(out));
  build_raw(&in, "QEVM", 4);
  build_be32(&in, 2);
  build_be64(&in, 0); /* end() fills it in */
}

static void tear_down(void) {
  build_done(&in);
  build_done(&payload);
  trace_done(&out);
}

/* What is in `payload`. */
static void record(const char *name, uint32_t instance, uint32_t version) {
  build_str8(&in, name);
  build_be32(&in, instance);
  build_be32(&in, version);
  build_be32(&in, (uint32_t)payload.len);
  build_raw(&in, payload.data, payload.len);
  payload.len = 0;
}

static void end(void) {
  uint64_t total = htobe64(in.len - 16);

  memcpy(in.data + 8, &total, sizeof(total));
}

static const char *run(void) {
  trace_run(&out, in.data, in.len);
  ck_assert_msg(out.result == SLUICE_DONE, "%d %s @%llu %s", out.result,
                out.error.section, (unsigned long long)out.error.offset,
                out.error.message);
  return trace_text(&out);
}

static void fails(int code, const char *text) {
  trace_run(&out, in.data, in.len);
  ck_assert_msg(out.result == code && strstr(out.error.message, text) != NULL,
                "%d @%llu %s", out.result, (unsigned long long)out.error.offset,
                out.error.message);
}

static const size_t chunks[] = {0, 1, 7, 4097};
enum { CHUNKS = sizeof(chunks) / sizeof(*chunks) };

START_TEST(devices_come_with_their_lengths) {
  build_raw(&payload, "abc", 3);
  record("timer", 0, 2);
  record("empty", 1, 1);
  end();
  out.chunk = chunks[_i];
  ck_assert_str_eq(run(), "header 2 ''\n"
                          "section timer@16 id 0 instance 0 v2\n"
                          "close@37 3 bytes 3\n"
                          "section empty@37 id 1 instance 1 v1\n"
                          "close@55 0 bytes 0\n"
                          "trailer 55 records 2 data 0 zero 0\n");
}
END_TEST

static void plain_ram(void) {
  build_be32(&payload, 0x3000);
  build_u8(&payload, 0);
  build_fill(&payload, 0x11, 4096);
  build_u8(&payload, 1);
  build_u8(&payload, 0);
  build_u8(&payload, 1);
  build_u8(&payload, 0xff);
}

START_TEST(memory_of_version_1_is_pages_and_fills) {
  plain_ram();
  record("ram", 0, 1);
  end();
  out.chunk = chunks[_i];
  ck_assert_str_eq(run(), "header 2 ''\n"
                          "section ram@16 id 0 instance 0 v1 pages\n"
                          "region 0 'ram' 12288 of 4096 in 0\n"
                          "pages 0+0x0 x1 len 4096 first 11\n"
                          "zeros 0+0x1000 x1 fill 0\n"
                          "zeros 0+0x2000 x1 fill 255\n"
                          "close@4137 4105 bytes 0\n"
                          "trailer 4137 records 1 data 1 zero 2\n");
}
END_TEST

START_TEST(what_a_record_has_too_much_is_skipped) {
  plain_ram();
  build_fill(&payload, 0x77, 5000);
  record("ram", 0, 1);
  build_raw(&payload, "x", 1);
  record("card", 0, 1);
  end();
  out.chunk = chunks[_i];
  ck_assert_ptr_nonnull(strstr(run(), "close@9137 9105 bytes 0\n"
                                      "section card@9137 "));
}
END_TEST

/* `blocks` of 1 KiB, the n-th filled with n + 1, behind mark `mark`. */
static void compressed_ram(unsigned blocks, uint8_t mark) {
  static uint8_t plain[256 * 1025];
  uLongf len = compressBound(sizeof(plain));
  uint8_t *packed = malloc(len);

  for (unsigned i = 0; i < blocks; i++) {
    plain[i * 1025] = mark;
    memset(plain + i * 1025 + 1, (int)(i + 1), 1024);
    for (unsigned j = 0; j < 16; j++) { /* so that it is not one chunk only */
      plain[i * 1025 + 2 + j * 60] = (uint8_t)(i * 37 + j * 101);
    }
  }
  ck_assert_int_eq(compress(packed, &len, plain, blocks * 1025), Z_OK);
  build_be32(&payload, blocks * 1024);
  for (size_t at = 0; at < len; at += 4096) {
    size_t n = len - at < 4096 ? len - at : 4096;

    build_be16(&payload, 0xfabe);
    build_be16(&payload, (uint16_t)n);
    build_raw(&payload, packed + at, n);
  }
  free(packed);
}

START_TEST(memory_of_version_2_is_compressed) {
  char line[80];

  compressed_ram(256, 0);
  ck_assert_uint_gt(payload.len, 4096 + 8);
  record("ram", 0, 2);
  end();
  out.chunk = chunks[_i];
  ck_assert_ptr_nonnull(strstr(run(), "region 0 'ram' 262144 of 1024 in 0\n"));
  for (unsigned i = 0; i < 256; i++) {
    (void)snprintf(line, sizeof(line), "pages 0+0x%x x1 len 1024 first %02x\n",
                   i * 1024, (i + 1) & 0xff);
    ck_assert_msg(strstr(trace_text(&out), line) != NULL, "no %s", line);
  }
}
END_TEST

START_TEST(blocks_on_a_disk_are_refused) {
  compressed_ram(4, 1);
  record("ram", 0, 2);
  end();
  fails(SLUICE_EFEATURE, "a disk");
}
END_TEST

START_TEST(compressed_memory_that_ends_early_is_refused) {
  uint32_t more = htobe32(64 * 1024);

  compressed_ram(4, 0);
  memcpy(payload.data, &more, 4);
  record("ram", 0, 2);
  end();
  fails(SLUICE_ECORRUPT, "ends too early");
}
END_TEST

START_TEST(damaged_compression_is_refused) {
  compressed_ram(4, 0);
  memset(payload.data + 8, 0xee, 8);
  record("ram", 0, 2);
  end();
  fails(SLUICE_ECORRUPT, "is damaged");
}
END_TEST

START_TEST(chunks_without_their_mark_are_refused) {
  compressed_ram(4, 0);
  payload.data[4] = 0;
  record("ram", 0, 2);
  end();
  fails(SLUICE_ECORRUPT, "compressed chunk");
}
END_TEST

START_TEST(memory_of_version_3_is_items_without_names) {
  build_be64(&payload, 0x3000 | 0x04);
  build_be64(&payload, 0x2000 | 0x08);
  build_fill(&payload, 0x22, 4096);
  build_be64(&payload, 0x1000 | 0x02);
  build_u8(&payload, 0);
  build_be64(&payload, 0x10);
  record("ram", 0, 3);
  end();
  out.chunk = chunks[_i];
  ck_assert_ptr_nonnull(strstr(run(), "region 0 'ram' 12288 of 4096 in 0\n"
                                      "pages 0+0x2000 x1 len 4096 first 22\n"
                                      "zeros 0+0x1000 x1 fill 0\n"
                                      "close@"));
}
END_TEST

START_TEST(other_versions_of_memory_are_refused) {
  record("ram", 0, 4);
  end();
  fails(SLUICE_EVERSION, "version 1, 2 or 3 of 'ram', found 4");
}
END_TEST

START_TEST(pages_before_the_size_are_refused) {
  build_be64(&payload, 0x08);
  build_fill(&payload, 0x22, 4096);
  record("ram", 0, 3);
  end();
  fails(SLUICE_ECORRUPT, "outside of memory");
}
END_TEST

START_TEST(memory_that_goes_over_its_record_is_refused) {
  plain_ram();
  payload.len -= 3;
  record("ram", 0, 1);
  end();
  fails(SLUICE_ECORRUPT, "the record's end after 1");
}
END_TEST

START_TEST(a_record_over_the_streams_length_is_refused) {
  build_raw(&payload, "abc", 3);
  record("timer", 0, 2);
  end();
  in.data[15]--;
  fails(SLUICE_ECORRUPT, "over the stream's length");
}
END_TEST

START_TEST(more_than_the_streams_length_is_refused) {
  build_raw(&payload, "abc", 3);
  record("timer", 0, 2);
  end();
  build_u8(&in, 0);
  fails(SLUICE_ETRAILING, "found more");
}
END_TEST

START_TEST(memory_that_is_sent_twice_is_refused) {
  plain_ram();
  record("ram", 0, 1);
  plain_ram();
  record("ram", 1, 1);
  end();
  fails(SLUICE_EORDER, "a second time");
  ck_assert_str_eq(out.error.section, "ram");
}
END_TEST

START_TEST(memory_whose_size_comes_twice_is_refused) {
  build_be64(&payload, 0x3000 | 0x04);
  build_be64(&payload, 0x3000 | 0x04);
  record("ram", 0, 3);
  end();
  fails(SLUICE_EORDER, "size comes twice");
  ck_assert_uint_eq(out.error.offset, 16 + 4 + 12 + 8);
}
END_TEST

START_TEST(memory_over_the_limit_is_refused) {
  build_be64(&payload, 0x3000 | 0x04);
  record("ram", 0, 3);
  end();
  out.options.max_region_bytes = 0x2000;
  fails(SLUICE_ELIMIT, "memory is over the limit (0x3000)");
  ck_assert_uint_eq(out.error.offset, 16 + 4 + 12);
}
END_TEST

START_TEST(a_page_of_no_known_kind_is_refused) {
  build_be32(&payload, 4096);
  build_u8(&payload, 2);
  record("ram", 0, 1);
  end();
  fails(SLUICE_ECORRUPT, "a page (0) or a fill (1) (0x2)");
  ck_assert_uint_eq(out.error.offset, 16 + 4 + 12 + 4);
}
END_TEST

START_TEST(more_sections_than_allowed_are_refused) {
  record("a", 0, 1);
  record("b", 0, 1);
  record("c", 0, 1);
  end();
  out.options.max_sections = 2;
  fails(SLUICE_ELIMIT, "more than 2 sections");
  ck_assert_str_eq(out.error.section, "c");
  ck_assert_uint_eq(out.error.offset, 16 + 3 * 14);
}
END_TEST

/* Records say their length: cutting does nothing. */
START_TEST(bytes_that_were_not_used_come_again_with_more) {
  sluice_decoder_t *d;
  sluice_error_t err = {0};
  sluice_item_t item;
  void *space;
  size_t len;

  build_raw(&payload, "abcd", 4);
  record("card", 0, 1);
  end();
  ck_assert_int_eq(sluice_decoder_new(&d, NULL, NULL), 0);
  sluice_decoder_space(d, &space, &len);
  memcpy(space, in.data, in.len - 1);
  sluice_decoder_fill(d, in.len - 1);
  do {
    ck_assert_int_eq(sluice_decoder_next(d, &item, &err), SLUICE_MORE);
    sluice_decoder_end_payload(d);
  } while (item.kind != SLUICE_ITEM_BYTES);
  ck_assert_uint_eq(item.u.bytes.len, 3);
  sluice_decoder_consume(d, 1);
  ck_assert_int_eq(sluice_decoder_next(d, &item, &err), SLUICE_MORE);
  ck_assert_mem_eq(item.u.bytes.data, "bc", 2);
  sluice_decoder_consume(d, 0);
  ck_assert_int_eq(sluice_decoder_next(d, &item, &err), SLUICE_WAIT);
  sluice_decoder_space(d, &space, &len);
  memcpy(space, "d", 1);
  sluice_decoder_fill(d, 1);
  ck_assert_int_eq(sluice_decoder_next(d, &item, &err), SLUICE_MORE);
  ck_assert_mem_eq(item.u.bytes.data, "bcd", 3);
  sluice_decoder_consume(d, 0); /* there is no more */
  ck_assert_int_eq(sluice_decoder_next(d, &item, &err), SLUICE_ECORRUPT);
  ck_assert_ptr_nonnull(strstr(err.message, "the record's end after 3"));
  ck_assert_uint_eq(err.offset, 16 + 5 + 12 + 1);
  sluice_decoder_free(d);
}
END_TEST

static void whole(void) {
  plain_ram();
  record("card", 0, 1);
  compressed_ram(64, 0);
  record("ram", 0, 2);
  end();
}

START_TEST(a_stream_cut_anywhere_is_truncated) {
  whole();
  for (size_t at = 0; at < in.len; at += 1 + at / 64) {
    out.text.len = 0;
    memset(&out.error, 0, sizeof(out.error));
    trace_run(&out, in.data, at);
    ck_assert_msg(out.result == SLUICE_ETRUNCATED, "at %zu: %d", at,
                  out.result);
    ck_assert_uint_eq(out.error.offset, at);
  }
}
END_TEST

START_TEST(a_stream_with_any_byte_changed_does_no_harm) {
  whole();
  for (size_t at = 0; at < in.len; at += 1 + at / 512) {
    in.data[at] ^= 0x81;
    out.text.len = 0;
    memset(&out.error, 0, sizeof(out.error));
    trace_run(&out, in.data, in.len);
    in.data[at] ^= 0x81;
  }
}
END_TEST

START_TEST(every_failed_allocation_is_reported) {
  whole();
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
}
END_TEST

Suite *qemu2_suite(void) {
  Suite *s = suite_create("qemu2");
  TCase *tc = tcase_create("core");

  tcase_add_checked_fixture(tc, set_up, tear_down);
  tcase_set_timeout(tc, 300);
  tcase_add_loop_test(tc, devices_come_with_their_lengths, 0, CHUNKS);
  tcase_add_loop_test(tc, memory_of_version_1_is_pages_and_fills, 0, CHUNKS);
  tcase_add_loop_test(tc, what_a_record_has_too_much_is_skipped, 0, CHUNKS);
  tcase_add_loop_test(tc, memory_of_version_2_is_compressed, 0, CHUNKS);
  tcase_add_loop_test(tc, memory_of_version_3_is_items_without_names, 0,
                      CHUNKS);
  tcase_add_test(tc, blocks_on_a_disk_are_refused);
  tcase_add_test(tc, compressed_memory_that_ends_early_is_refused);
  tcase_add_test(tc, damaged_compression_is_refused);
  tcase_add_test(tc, chunks_without_their_mark_are_refused);
  tcase_add_test(tc, other_versions_of_memory_are_refused);
  tcase_add_test(tc, pages_before_the_size_are_refused);
  tcase_add_test(tc, memory_that_goes_over_its_record_is_refused);
  tcase_add_test(tc, a_record_over_the_streams_length_is_refused);
  tcase_add_test(tc, more_than_the_streams_length_is_refused);
  tcase_add_test(tc, memory_that_is_sent_twice_is_refused);
  tcase_add_test(tc, memory_whose_size_comes_twice_is_refused);
  tcase_add_test(tc, memory_over_the_limit_is_refused);
  tcase_add_test(tc, a_page_of_no_known_kind_is_refused);
  tcase_add_test(tc, more_sections_than_allowed_are_refused);
  tcase_add_test(tc, bytes_that_were_not_used_come_again_with_more);
  tcase_add_test(tc, a_stream_cut_anywhere_is_truncated);
  tcase_add_test(tc, a_stream_with_any_byte_changed_does_no_harm);
  tcase_add_test(tc, every_failed_allocation_is_reported);
  suite_add_tcase(s, tc);
  return s;
}
