/* test_native_format.c - the bytes of the native stream, version 1.
 *
 * docs/format.md is the norm. golden/native_tiny.h was put together from it by
 * a separate program, not by the encoder; the golden file is what the first
 * encoder wrote and is never made again (see golden/write_native_v1.c). */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include <sluice/decoder.h>
#include <sluice/encoder.h>
#include <sluice/handler.h>

#include "decode_all.h"
#include "golden/native_tiny.h"
#include "memory_output.h"
#include "native_forge.h"
#include "native_sample.h"
#include "suite.h"

#ifndef SLUICE_TESTS_DIR
#define SLUICE_TESTS_DIR "."
#endif

static void write_tiny(memory_output_t *m) {
  sluice_encoder_options_t options = {
      .size = sizeof(options), .host = "host", .host_version = "1.0"};
  sluice_decl_t decl = {
      .id = 5, .instance = 2, .version = 3, .name = "a", .type = "blob"};
  sluice_output_t output;
  sluice_encoder_t *e;

  memory_output_init(m);
  output = memory_output_of(m);
  ck_assert_int_eq(sluice_encoder_new(&e, &options, &output, NULL), 0);
  ck_assert_int_eq(sluice_encoder_header(e), 0);
  ck_assert_int_eq(sluice_encoder_open(e, SLUICE_ITEM_SECTION, &decl), 0);
  ck_assert_int_eq(sluice_encoder_bytes(e, "hello", 5), 0);
  ck_assert_int_eq(sluice_encoder_close(e), 0);
  ck_assert_int_eq(sluice_encoder_finish(e), 0);
  sluice_encoder_free(e);
}

static void on_item(void *ctx, const sluice_item_t *item) {
  describe_item(ctx, item);
}

static int decode(const uint8_t *data, size_t len, char **text,
                  sluice_error_t *err) {
  memset(err, 0, sizeof(*err));
  return decode_all(data, len, 0, NULL, NULL, text == NULL ? NULL : on_item,
                    text, err, NULL);
}

static int decode_forged(const native_forge_t *f, sluice_error_t *err) {
  return decode(f->data, f->len, NULL, err);
}

START_TEST(a_tiny_stream_is_these_bytes) {
  memory_output_t m;

  write_tiny(&m);
  ck_assert_uint_eq(m.len, sizeof(tiny));
  ck_assert_mem_eq(m.data, tiny, sizeof(tiny));
  memory_output_done(&m);
}
END_TEST

START_TEST(the_tiny_stream_reads_as_what_was_written) {
  static const char expected[] =
      "HEADER v1 host 1.0 optional=1\n"
      "SECTION id=5 a#2 v3 flags=0 payload=0 type=blob schema=\n"
      "BYTES 68 65 6c 6c 6f (5)\n"
      "CLOSE 5\n"
      "TRAILER 280 bytes 3 records 0 pages 0 zeros\n";
  sluice_error_t err;
  char *text = NULL;

  ck_assert_int_eq(decode(tiny, sizeof(tiny), &text, &err), SLUICE_DONE);
  ck_assert_str_eq(text, expected);
  free(text);
}
END_TEST

START_TEST(the_hash_of_a_page_depends_on_its_place) {
  uint8_t page[256];

  for (size_t i = 0; i < sizeof(page); i++) {
    page[i] = (uint8_t)(i * 13 + 1);
  }
  ck_assert_uint_eq(sluice__page_hash(page, sizeof(page), 3, 0x12300),
                    UINT64_C(0xee817b0d8409bbd0));
  ck_assert_uint_ne(sluice__page_hash(page, sizeof(page), 2, 0x12300),
                    UINT64_C(0xee817b0d8409bbd0));
  ck_assert_uint_ne(sluice__page_hash(page, sizeof(page), 3, 0x12400),
                    UINT64_C(0xee817b0d8409bbd0));
}
END_TEST

static uint8_t *read_golden(size_t *out_len) {
  FILE *f = fopen(SLUICE_TESTS_DIR "/golden/native-v1.slc", "rb");
  uint8_t *data = malloc(1 << 20);

  ck_assert_ptr_nonnull(f);
  *out_len = fread(data, 1, 1 << 20, f);
  (void)fclose(f);
  return data;
}

START_TEST(the_golden_file_of_version_1_stays_readable) {
  static const char expected[] =
      "HEADER v1 sample 1.0 optional=1\n"
      "made.by: NOTE 61 20 74 65 73 74 (6)\n"
      "SECTION id=7 ram#1 v4 flags=1 payload=1 type=ram schema=\n"
      "REGION 0 low of 7: 1536x256\n"
      "REGION 1 high of 7: 1024x256\n"
      "PAGE 0 0 x256 at 8192 first=00\n"
      "PAGE 0 256 x256 at 8448 first=01\n"
      "PAGE 0 1024 x256 at 8704 first=04\n"
      "PAGE 0 1280 x256 at 8960 first=05\n"
      "ZEROS 0 512+2x256\n"
      "ZEROS 1 512+2x256\n"
      "CLOSE 1024\n"
      "SECTION id=3 log#0 v1 flags=3 payload=0 type=blob schema=\n"
      "BYTES 68 65 6c 6c 6f 20 77 6f 72 6c 64 (11)\n"
      "CLOSE 11\n"
      "PART ram\n"
      "PAGE 1 0 x256 at 16384 first=06\n"
      "PAGE 0 256 x256 at 16640 first=07\n"
      "CLOSE 512\n"
      "PART log\n"
      "BYTES 21 (1)\n"
      "CLOSE 1\n"
      "END log\n"
      "CLOSE 0\n"
      "SECTION id=9 clock#2 v2 flags=0 payload=0 type=fields "
      "schema=ticks:u64\n"
      "BYTES 01 02 03 04 05 06 07 08 (8)\n"
      "CLOSE 8\n"
      "END ram\n"
      "ZEROS 0 1280+1x256\n"
      "CLOSE 0\n"
      "empty: NOTE (0)\n"
      "TRAILER 17568 bytes 19 records 6 pages 5 zeros\n";
  sluice_error_t err;
  char *text = NULL;
  size_t len;
  uint8_t *data = read_golden(&len);

  ck_assert_int_eq(decode(data, len, &text, &err), SLUICE_DONE);
  ck_assert_str_eq(text, expected);
  free(text);
  free(data);
}
END_TEST

/* May one day be wrong without anything being wrong: an encoder is free to lay
 * out its records in another way. Then this test goes; the file stays. */
START_TEST(the_encoder_still_writes_the_golden_file) {
  memory_output_t m;
  sluice_output_t output;
  size_t len;
  uint8_t *data = read_golden(&len);

  memory_output_init(&m);
  output = memory_output_of(&m);
  ck_assert_int_eq(native_sample_write(&output, NULL), 0);
  ck_assert_uint_eq(m.len, len);
  ck_assert_mem_eq(m.data, data, len);
  memory_output_done(&m);
  free(data);
}
END_TEST

/* What future writers may do without breaking this reader. */
START_TEST(padding_and_skippable_records_are_passed_over_anywhere) {
  static const uint8_t zeros[100];
  static const char text[] = "from the future";
  sluice_error_t err;
  native_forge_t f;

  forge_header(&f, 0, 0);
  forge_record(&f, SLUICE__NATIVE_PAD, 0, SLUICE__NATIVE_NO_SECTION, zeros, 99);
  forge_section(&f, SLUICE__NATIVE_FULL, 1, "s", SLUICE_PAYLOAD_BYTES);
  forge_record(&f, 77, SLUICE__NATIVE_SKIPPABLE, 1, text, sizeof(text));
  forge_record(&f, SLUICE__NATIVE_DATA, 0, 1, "x", 1);
  forge_record(&f, SLUICE__NATIVE_PAD, 0, SLUICE__NATIVE_NO_SECTION, NULL, 0);
  forge_record(&f, SLUICE__NATIVE_DATA, 0, 1, "y", 1);
  forge_record(&f, 9, SLUICE__NATIVE_SKIPPABLE, 5, text, 3);
  forge_trailer(&f);
  ck_assert_int_eq(decode_forged(&f, &err), SLUICE_DONE);
  forge_done(&f);
}
END_TEST

START_TEST(an_unknown_record_is_refused_by_its_number) {
  sluice_error_t err;
  native_forge_t f;

  forge_header(&f, 0, 0);
  forge_record(&f, 77, 0, SLUICE__NATIVE_NO_SECTION, "?", 1);
  forge_trailer(&f);
  ck_assert_int_eq(decode_forged(&f, &err), SLUICE_ECORRUPT);
  ck_assert_ptr_nonnull(strstr(err.message, "77"));
  ck_assert_uint_eq(err.offset, 80);
  forge_done(&f);
}
END_TEST

START_TEST(an_unknown_required_feature_is_refused_by_its_bit) {
  sluice_error_t err;
  native_forge_t f;

  forge_header(&f, UINT64_C(1) << 37, 0);
  forge_trailer(&f);
  ck_assert_int_eq(decode_forged(&f, &err), SLUICE_EFEATURE);
  ck_assert_ptr_nonnull(strstr(err.message, "bit 37"));
  forge_done(&f);
}
END_TEST

START_TEST(an_incremental_image_is_refused_by_name) {
  sluice_error_t err;
  native_forge_t f;

  forge_header(&f, SLUICE__NATIVE_INCREMENTAL, 0);
  forge_trailer(&f);
  ck_assert_int_eq(decode_forged(&f, &err), SLUICE_EFEATURE);
  ck_assert_ptr_nonnull(strstr(err.message, "incremental"));
  forge_done(&f);
}
END_TEST

START_TEST(unknown_optional_features_are_ignored) {
  sluice_error_t err;
  native_forge_t f;

  forge_header(&f, 0, UINT64_MAX);
  forge_trailer(&f);
  ck_assert_int_eq(decode_forged(&f, &err), SLUICE_DONE);
  forge_done(&f);
}
END_TEST

/* Everything the encoder has in hand goes: an unfinished record is dropped. */
START_TEST(abort_ends_the_stream_with_the_reason) {
  sluice_decl_t decl = {.name = "ram", .type = "t", .instance = 4};
  sluice_error_t reason = {.code = UV_EIO,
                           .offset = 12345,
                           .instance = 4,
                           .section = "ram",
                           .message = "the disk is gone"};
  memory_output_t m;
  sluice_output_t output;
  sluice_encoder_t *e;
  sluice_error_t err;
  char *text = NULL;

  memory_output_init(&m);
  output = memory_output_of(&m);
  ck_assert_int_eq(sluice_encoder_new(&e, NULL, &output, NULL), 0);
  ck_assert_int_eq(sluice_encoder_header(e), 0);
  ck_assert_int_eq(sluice_encoder_open(e, SLUICE_ITEM_SECTION, &decl), 0);
  ck_assert_int_eq(sluice_encoder_bytes(e, "half", 4), 0);
  ck_assert_int_eq(sluice_encoder_abort(e, &reason), 0);
  sluice_encoder_free(e);
  ck_assert_int_eq(decode(m.data, m.len, &text, &err), SLUICE_EABORTED);
  ck_assert_str_eq(err.message, "the disk is gone");
  ck_assert_str_eq(err.section, "ram");
  ck_assert_ptr_nonnull(strstr(text, "ABORT"));
  ck_assert_ptr_nonnull(strstr(text, "'ram' 'the disk is gone'"));
  ck_assert_ptr_null(strstr(text, "BYTES"));
  free(text);
  memory_output_done(&m);
}
END_TEST

START_TEST(abort_without_a_reason_is_readable_too) {
  memory_output_t m;
  sluice_output_t output;
  sluice_encoder_t *e;
  sluice_error_t err;

  memory_output_init(&m);
  output = memory_output_of(&m);
  ck_assert_int_eq(sluice_encoder_new(&e, NULL, &output, NULL), 0);
  ck_assert_int_eq(sluice_encoder_header(e), 0);
  ck_assert_int_eq(sluice_encoder_abort(e, NULL), 0);
  sluice_encoder_free(e);
  ck_assert_int_eq(decode(m.data, m.len, NULL, &err), SLUICE_EABORTED);
  memory_output_done(&m);
}
END_TEST

START_TEST(abort_works_after_any_other_error) {
  sluice_error_t reason = {.code = UV_EINVAL, .message = "misuse"};
  memory_output_t m;
  sluice_output_t output;
  sluice_encoder_t *e;
  sluice_error_t err;

  memory_output_init(&m);
  output = memory_output_of(&m);
  ck_assert_int_eq(sluice_encoder_new(&e, NULL, &output, NULL), 0);
  ck_assert_int_eq(sluice_encoder_header(e), 0);
  ck_assert_int_eq(sluice_encoder_bytes(e, "x", 1), SLUICE_ESTATE);
  ck_assert_int_eq(sluice_encoder_finish(e), SLUICE_ESTATE);
  ck_assert_int_eq(sluice_encoder_abort(e, &reason), 0);
  sluice_encoder_free(e);
  ck_assert_int_eq(decode(m.data, m.len, NULL, &err), SLUICE_EABORTED);
  ck_assert_str_eq(err.message, "misuse");
  memory_output_done(&m);
}
END_TEST

START_TEST(abort_after_the_trailer_writes_nothing) {
  memory_output_t m;
  sluice_output_t output;
  sluice_encoder_t *e;
  sluice_error_t err;

  memory_output_init(&m);
  output = memory_output_of(&m);
  ck_assert_int_eq(sluice_encoder_new(&e, NULL, &output, NULL), 0);
  ck_assert_int_eq(sluice_encoder_header(e), 0);
  ck_assert_int_eq(sluice_encoder_finish(e), 0);
  ck_assert_int_eq(sluice_encoder_abort(e, NULL), 0);
  sluice_encoder_free(e);
  ck_assert_int_eq(decode(m.data, m.len, NULL, &err), SLUICE_DONE);
  memory_output_done(&m);
}
END_TEST

static sluice_decoder_t *decoder_of_tiny(void) {
  sluice_decoder_t *d;
  void *space;
  size_t len;

  ck_assert_int_eq(sluice_decoder_new(&d, NULL, NULL), 0);
  sluice_decoder_space(d, &space, &len);
  ck_assert_uint_ge(len, sizeof(tiny));
  memcpy(space, tiny, sizeof(tiny));
  sluice_decoder_fill(d, sizeof(tiny));
  sluice_decoder_eof(d);
  return d;
}

/* Where no bytes were lent, none can be given back; and native payloads say
 * themselves where they end. */
START_TEST(consuming_and_cutting_out_of_turn_do_nothing) {
  sluice_decoder_t *d = decoder_of_tiny();
  sluice_item_t item;
  int r;

  while ((r = sluice_decoder_next(d, &item, NULL)) == SLUICE_MORE) {
    sluice_decoder_end_payload(d);
    if (item.kind != SLUICE_ITEM_BYTES) {
      sluice_decoder_consume(d, 1);
    }
  }
  ck_assert_int_eq(r, SLUICE_DONE);
  sluice_decoder_free(d);
}
END_TEST

/* The second call finds nothing lent; the first has said that it is too
 * little. */
START_TEST(bytes_that_were_given_back_are_asked_for_once) {
  sluice_decoder_t *d = decoder_of_tiny();
  sluice_error_t err = {0};
  sluice_item_t item;

  do {
    ck_assert_int_eq(sluice_decoder_next(d, &item, NULL), SLUICE_MORE);
  } while (item.kind != SLUICE_ITEM_BYTES);
  sluice_decoder_consume(d, 0);
  sluice_decoder_consume(d, 1);
  ck_assert_int_eq(sluice_decoder_next(d, &item, &err), SLUICE_ELIMIT);
  ck_assert_ptr_nonnull(strstr(err.message, "a piece longer than the"));
  sluice_decoder_free(d);
}
END_TEST

Suite *native_format_suite(void) {
  Suite *s = suite_create("native_format");
  TCase *core = tcase_create("core");

  tcase_add_test(core, a_tiny_stream_is_these_bytes);
  tcase_add_test(core, the_tiny_stream_reads_as_what_was_written);
  tcase_add_test(core, the_hash_of_a_page_depends_on_its_place);
  tcase_add_test(core, the_golden_file_of_version_1_stays_readable);
  tcase_add_test(core, the_encoder_still_writes_the_golden_file);
  tcase_add_test(core, padding_and_skippable_records_are_passed_over_anywhere);
  tcase_add_test(core, an_unknown_record_is_refused_by_its_number);
  tcase_add_test(core, an_unknown_required_feature_is_refused_by_its_bit);
  tcase_add_test(core, an_incremental_image_is_refused_by_name);
  tcase_add_test(core, unknown_optional_features_are_ignored);
  tcase_add_test(core, abort_ends_the_stream_with_the_reason);
  tcase_add_test(core, abort_without_a_reason_is_readable_too);
  tcase_add_test(core, abort_works_after_any_other_error);
  tcase_add_test(core, abort_after_the_trailer_writes_nothing);
  tcase_add_test(core, consuming_and_cutting_out_of_turn_do_nothing);
  tcase_add_test(core, bytes_that_were_given_back_are_asked_for_once);
  suite_add_tcase(s, core);
  return s;
}
