/* test_null_arguments.c - every public call, given NULL: UV_EINVAL where it
 * returns an int and needs the object, nothing where it returns none, 0 or NULL
 * where it is an accessor; freeing nothing succeeds.
 *
 * What an encoder and a reader lack beside themselves: encoder_refuse,
 * section_misuse. null_coverage/run.sh compares the calls here with the public
 * headers. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include <sluice/blob.h>
#include <sluice/descriptors.h>
#include <sluice/fields.h>
#include <sluice/ram.h>
#include <sluice/schema.h>
#include <sluice/sluice.h>

#define REFUSED(call) ck_assert_int_eq((call), UV_EINVAL)

/* ---- objects that are not there ---- */

START_TEST(a_decoder) {
  sluice_item_t item;
  void *space = &item;
  size_t len = 1;

  REFUSED(sluice_decoder_new(NULL, NULL, NULL));
  sluice_decoder_free(NULL);
  sluice_decoder_space(NULL, &space, &len);
  ck_assert_ptr_null(space);
  ck_assert_uint_eq(len, 0);
  sluice_decoder_space(NULL, NULL, NULL);
  sluice_decoder_fill(NULL, 1);
  sluice_decoder_eof(NULL);
  REFUSED(sluice_decoder_next(NULL, &item, NULL));
  sluice_decoder_consume(NULL, 0);
  sluice_decoder_end_payload(NULL);
  ck_assert_uint_eq(sluice_decoder_offset(NULL), 0);
  ck_assert_uint_eq(sluice_decoder_format(NULL), SLUICE_FORMAT_UNKNOWN);
}
END_TEST

START_TEST(an_encoder) {
  const sluice_error_t reason = {.code = UV_EIO};
  const sluice_decl_t decl = {.id = 1, .name = "a"};
  sluice_totals_t totals = {.pages_data = 1};
  uint8_t page[4096];
  uint32_t region;

  REFUSED(sluice_encoder_new(NULL, NULL, NULL, NULL));
  sluice_encoder_free(NULL);
  REFUSED(sluice_encoder_header(NULL));
  REFUSED(sluice_encoder_note(NULL, "a", "b", 1));
  REFUSED(sluice_encoder_open(NULL, SLUICE_ITEM_SECTION, &decl));
  REFUSED(sluice_encoder_region(NULL, "a", 4096, 4096, &region));
  REFUSED(sluice_encoder_pages(NULL, 0, 0, page, 1));
  REFUSED(sluice_encoder_zeros(NULL, 0, 0, 1));
  REFUSED(sluice_encoder_bytes(NULL, "a", 1));
  REFUSED(sluice_encoder_describe(NULL, "{}", 2));
  REFUSED(sluice_encoder_close(NULL));
  REFUSED(sluice_encoder_finish(NULL));
  REFUSED(sluice_encoder_finish_some(NULL, 1));
  REFUSED(sluice_encoder_flush(NULL));
  REFUSED(sluice_encoder_abort(NULL, &reason));
  REFUSED(sluice_encoder_fetch(NULL, 0, 0, page));
  ck_assert_uint_eq(sluice_encoder_offset(NULL), 0);
  sluice_encoder_totals(NULL, &totals, sizeof(totals));
  ck_assert_uint_eq(totals.pages_data, 0);
  ck_assert_ptr_null(sluice_encoder_error(NULL));
}
END_TEST

START_TEST(a_reader) {
  sluice_item_t item;
  uint8_t u8[8];
  uint16_t u16;
  uint32_t u32;
  uint64_t u64;
  size_t got;

  ck_assert_int_ne(sluice_reader_should_yield(NULL), 0);
  REFUSED(sluice_reader_exact(NULL, u8, 8));
  REFUSED(sluice_reader_some(NULL, u8, 8, &got));
  REFUSED(sluice_reader_peek(NULL, u8, 8, &got));
  ck_assert_uint_eq(sluice_reader_format(NULL), SLUICE_FORMAT_UNKNOWN);
  REFUSED(sluice_reader_u8(NULL, u8));
  REFUSED(sluice_reader_u16(NULL, &u16));
  REFUSED(sluice_reader_u32(NULL, &u32));
  REFUSED(sluice_reader_u64(NULL, &u64));
  REFUSED(sluice_reader_next(NULL, &item));
}
END_TEST

START_TEST(an_engine) {
  sluice_engine_stats_t stats;
  const sluice_engine_stats_t zeros = {0};
  sluice_engine_t *engine;
  uv_loop_t loop;

  REFUSED(sluice_engine_new(NULL, &loop, NULL, NULL));
  REFUSED(sluice_engine_new(&engine, NULL, NULL, NULL));
  REFUSED(sluice_engine_close(NULL, NULL, NULL));
  sluice_engine_abandon(NULL);
  ck_assert_ptr_null(sluice_engine_loop(NULL));
  memset(&stats, 1, sizeof(stats));
  sluice_engine_stats(NULL, &stats, sizeof(stats));
  ck_assert_mem_eq(&stats, &zeros, sizeof(stats));
  sluice_job_run(NULL);
}
END_TEST

START_TEST(a_registry) {
  REFUSED(sluice_registry_new(NULL, NULL));
  ck_assert_int_eq(sluice_registry_free(NULL), 0);
  REFUSED(sluice_registry_add(NULL, "a", NULL, NULL, NULL, NULL, NULL));
  REFUSED(sluice_registry_remove(NULL, "a", 0));
  ck_assert_int_eq(sluice_registry_is_busy(NULL), 0);
  ck_assert_uint_eq(sluice_registry_count(NULL), 0);
  REFUSED(sluice_registry_schema(NULL, NULL, NULL, NULL));
}
END_TEST

START_TEST(a_writer) {
  const uint8_t page[1] = {0};
  uint32_t region;

  REFUSED(sluice_writer_status(NULL));
  REFUSED(sluice_writer_describe(NULL, "{}", 2));
  REFUSED(sluice_writer_bytes(NULL, "a", 1));
  REFUSED(sluice_writer_u8(NULL, 1));
  REFUSED(sluice_writer_u16(NULL, 1));
  REFUSED(sluice_writer_u32(NULL, 1));
  REFUSED(sluice_writer_u64(NULL, 1));
  REFUSED(sluice_writer_region(NULL, "a", 4096, 4096, &region));
  REFUSED(sluice_writer_pages(NULL, 0, 0, page, 1));
  REFUSED(sluice_writer_lend_pages(NULL, 0, 0, page, 1));
  REFUSED(sluice_writer_still_pages(NULL, 0, 0, page, 1));
  REFUSED(sluice_writer_zeros(NULL, 0, 0, 1));
  ck_assert_uint_eq(sluice_writer_left(NULL), 0);
  ck_assert_int_ne(sluice_writer_should_yield(NULL), 0);
  ck_assert_int_eq(sluice_writer_format(NULL), SLUICE_FORMAT_NATIVE);
  ck_assert_uint_eq(sluice_writer_returned(NULL), 0);
}
END_TEST

START_TEST(a_section) {
  REFUSED(sluice_section_pass(NULL, "a", 0));
  REFUSED(sluice_section_pass_memory(NULL, "a", 0));
  ck_assert_int_eq(sluice_section_passed(NULL, "a"), -1);
  ck_assert_int_eq(sluice_section_mode(NULL), SLUICE_CONVERGE);
  sluice_section_wake(NULL);
  sluice_section_wake_async(NULL);
  sluice_section_urgent(NULL);
  REFUSED(sluice_section_inherit(NULL, NULL));
  sluice_section_soundness(NULL, NULL, 0);
  ck_assert_ptr_eq(sluice_section_stream_schema(NULL, NULL), NULL);
}
END_TEST

START_TEST(a_save) {
  const sluice_progress_t zeros = {0};
  sluice_progress_t progress;
  sluice_totals_t totals = {.pages_data = 1};
  sluice_save_stats_t stats = {.mode = SLUICE_CUT};

  REFUSED(sluice_save_begin(NULL, NULL, NULL, NULL, NULL, NULL, NULL));
  sluice_save_paused(NULL);
  sluice_save_switch(NULL);
  sluice_save_cancel(NULL);
  ck_assert_int_eq(sluice_save_free(NULL), 0);
  ck_assert_ptr_null(sluice_save_data(NULL));
  memset(&progress, 1, sizeof(progress));
  sluice_save_progress(NULL, &progress, sizeof(progress));
  ck_assert_mem_eq(&progress, &zeros, sizeof(progress));
  ck_assert_ptr_null(sluice_save_error(NULL));
  sluice_save_totals(NULL, &totals, sizeof(totals));
  ck_assert_uint_eq(totals.pages_data, 0);
  sluice_save_stats(NULL, &stats, sizeof(stats));
  ck_assert_int_eq(stats.mode, SLUICE_CONVERGE);
}
END_TEST

START_TEST(a_restore) {
  const sluice_restore_stats_t none = {0};
  const sluice_progress_t zeros = {0};
  sluice_restore_stats_t stats;
  sluice_progress_t progress;

  REFUSED(sluice_restore_begin(NULL, NULL, NULL, NULL, NULL, NULL, NULL));
  sluice_restore_commit(NULL);
  sluice_restore_cancel(NULL);
  ck_assert_int_eq(sluice_restore_free(NULL), 0);
  ck_assert_ptr_null(sluice_restore_data(NULL));
  memset(&progress, 1, sizeof(progress));
  sluice_restore_progress(NULL, &progress, sizeof(progress));
  ck_assert_mem_eq(&progress, &zeros, sizeof(progress));
  memset(&stats, 1, sizeof(stats));
  sluice_restore_stats(NULL, &stats, sizeof(stats));
  ck_assert_mem_eq(&stats, &none, sizeof(stats));
  ck_assert_ptr_null(sluice_restore_error(NULL));
}
END_TEST

START_TEST(a_hand_over) {
  sluice_handover_stats_t stats = {.bytes = 1};

  REFUSED(sluice_handover_begin(NULL, NULL, NULL, -1, NULL, NULL, NULL));
  sluice_handover_paused(NULL);
  sluice_handover_switch(NULL);
  sluice_handover_cancel(NULL);
  ck_assert_int_eq(sluice_handover_free(NULL), 0);
  ck_assert_ptr_null(sluice_handover_data(NULL));
  ck_assert_ptr_null(sluice_handover_error(NULL));
  sluice_handover_stats(NULL, &stats, sizeof(stats));
  ck_assert_uint_eq(stats.bytes, 0);
}
END_TEST

START_TEST(a_takeover) {
  sluice_takeover_stats_t stats = {.bytes = 1};

  REFUSED(sluice_takeover_begin(NULL, NULL, NULL, -1, NULL, NULL, NULL));
  sluice_takeover_cancel(NULL);
  ck_assert_int_eq(sluice_takeover_free(NULL), 0);
  ck_assert_ptr_null(sluice_takeover_data(NULL));
  ck_assert_ptr_null(sluice_takeover_error(NULL));
  sluice_takeover_stats(NULL, &stats, sizeof(stats));
  ck_assert_uint_eq(stats.bytes, 0);
}
END_TEST

START_TEST(a_sink) {
  const sluice_sink_ops_t ops = {.size = sizeof(ops)};
  sluice_sink_t *sink;
  void *data;
  size_t len;

  REFUSED(sluice_sink_custom(NULL, &ops, NULL));
  REFUSED(sluice_sink_custom(&sink, NULL, NULL));
  REFUSED(sluice_sink_file(NULL, "a", NULL));
  REFUSED(sluice_sink_file(&sink, NULL, NULL));
  REFUSED(sluice_sink_file_clean(NULL));
  REFUSED(sluice_sink_stream(NULL, NULL));
  REFUSED(sluice_sink_stream(&sink, NULL));
  REFUSED(sluice_sink_fd(NULL, 0));
  REFUSED(sluice_sink_memory(NULL, 0, &data, &len));
  REFUSED(sluice_sink_memory(&sink, 0, NULL, &len));
  REFUSED(sluice_sink_memory(&sink, 0, &data, NULL));
  ck_assert_int_eq(sluice_sink_free(NULL), 0);
}
END_TEST

START_TEST(a_source) {
  const sluice_source_ops_t ops = {.size = sizeof(ops)};
  sluice_source_t *source;

  REFUSED(sluice_source_custom(NULL, &ops, NULL));
  REFUSED(sluice_source_custom(&source, NULL, NULL));
  REFUSED(sluice_source_file(NULL, "a"));
  REFUSED(sluice_source_file(&source, NULL));
  REFUSED(sluice_source_stream(NULL, NULL));
  REFUSED(sluice_source_stream(&source, NULL));
  REFUSED(sluice_source_fd(NULL, 0));
  REFUSED(sluice_source_memory(NULL, "a", 1));
  REFUSED(sluice_source_memory(&source, NULL, 1));
  ck_assert_int_eq(sluice_source_free(NULL), 0);
}
END_TEST

START_TEST(an_error_and_options) {
  sluice_error_t err = {0};
  sluice_file_options_t out;

  ck_assert_int_eq(sluice_fail(NULL, UV_EIO, "nowhere to say it"), UV_EIO);
  ck_assert_int_eq(sluice_fail(&err, UV_EIO, NULL), UV_EIO);
  ck_assert_str_eq(err.message, "");
  REFUSED(sluice_options_copy(NULL, 8, 4, NULL, "a", "b", NULL));
  REFUSED(sluice_options_copy(&out, sizeof(out), 4, NULL, NULL, "b", NULL));
  REFUSED(sluice_options_copy(&out, sizeof(out), 4, NULL, "a", NULL, NULL));
  sluice_result_copy(NULL, 8, "a", 1);
}
END_TEST

/* What takes a number knows a word for each. */
START_TEST(a_number_of_nothing) {
  ck_assert_str_eq(sluice_strerror(1), "unknown error");
  ck_assert_str_eq(sluice_err_name(1), "UNKNOWN");
  ck_assert_str_eq(sluice_phase_name((sluice_phase_t)99), "unknown");
  ck_assert_ptr_nonnull(sluice_field_type_name((sluice_field_type_t)99));
  ck_assert_ptr_nonnull(sluice_change_name((sluice_change_t)99));
}
END_TEST

/* ---- kinds of sections ---- */

typedef struct lamp_s {
  uint32_t level;
} lamp_t;

static const sluice_field_t lamp_fields[] = {{SLUICE_U32(lamp_t, level)},
                                             {SLUICE_FIELDS_END}};
static const sluice_table_t lamps = {SLUICE_TABLE(lamp_t, "lamp", 1, 1),
                                     .fields = lamp_fields};

START_TEST(a_blob_and_descriptors) {
  sluice_descriptors_t *descriptors;
  sluice_blob_t *blob;

  REFUSED(sluice_blob_new(NULL, NULL, NULL, NULL, NULL, NULL));
  REFUSED(sluice_blob_new(&blob, NULL, "a", NULL, NULL, NULL));
  ck_assert_int_eq(sluice_blob_free(NULL), 0);
  REFUSED(sluice_descriptors_new(NULL, NULL, NULL, NULL, NULL, NULL));
  REFUSED(sluice_descriptors_new(&descriptors, NULL, "a", NULL, NULL, NULL));
  ck_assert_int_eq(sluice_descriptors_free(NULL), 0);
}
END_TEST

START_TEST(fields) {
  sluice_fields_t *made;
  uint8_t *bytes;
  lamp_t lamp = {7};
  char *text;
  size_t len;

  REFUSED(sluice_fields_new(&made, NULL, "a", NULL, &lamps, &lamp, NULL));
  REFUSED(sluice_fields_new_like(&made, NULL, NULL, "a", NULL, &lamp, NULL));
  ck_assert_int_eq(sluice_fields_free(NULL), 0);
  REFUSED(sluice_fields_encode(NULL, SLUICE_FORMAT_NATIVE, &lamp, &bytes, &len,
                               NULL));
  REFUSED(sluice_fields_encode(&lamps, SLUICE_FORMAT_NATIVE, NULL, &bytes, &len,
                               NULL));
  REFUSED(sluice_fields_encode(&lamps, SLUICE_FORMAT_NATIVE, &lamp, NULL, &len,
                               NULL));
  REFUSED(sluice_fields_encode(&lamps, SLUICE_FORMAT_NATIVE, &lamp, &bytes,
                               NULL, NULL));
  REFUSED(sluice_fields_decode(NULL, SLUICE_FORMAT_NATIVE, 1, NULL, 0, "abcd",
                               4, &lamp, NULL));
  REFUSED(sluice_fields_decode(&lamps, SLUICE_FORMAT_NATIVE, 1, NULL, 0, NULL,
                               4, &lamp, NULL));
  REFUSED(sluice_fields_decode(&lamps, SLUICE_FORMAT_NATIVE, 1, NULL, 0, "abcd",
                               4, NULL, NULL));
  REFUSED(sluice_fields_describe(NULL, &lamp, &text, &len, NULL));
  REFUSED(sluice_fields_describe(&lamps, NULL, &text, &len, NULL));
  REFUSED(sluice_fields_describe(&lamps, &lamp, NULL, &len, NULL));
  REFUSED(sluice_fields_describe(&lamps, &lamp, &text, NULL, NULL));
  REFUSED(sluice_fields_schema(NULL, &bytes, &len, NULL));
  REFUSED(sluice_fields_schema(&lamps, NULL, &len, NULL));
  REFUSED(sluice_fields_schema(&lamps, &bytes, NULL, NULL));
  sluice_fields_dispose(NULL, &lamp);
  sluice_fields_dispose(&lamps, NULL);
  ck_assert_uint_eq(lamp.level, 7);
}
END_TEST

START_TEST(a_schema) {
  sluice_schema_t *schema = NULL;
  uint8_t *bytes = NULL;
  size_t len = 0;

  REFUSED(sluice_schema_parse(NULL, "a", 1, NULL));
  REFUSED(sluice_schema_parse(&schema, NULL, 1, NULL));
  sluice_schema_free(NULL);
  ck_assert_ptr_null(sluice_schema_name(NULL));
  ck_assert_uint_eq(sluice_schema_version(NULL), 0);
  ck_assert_uint_eq(sluice_schema_min_version(NULL), 0);
  REFUSED(sluice_schema_walk(NULL, "a", 1, NULL, NULL, NULL));
  ck_assert_int_eq(sluice_fields_schema(&lamps, &bytes, &len, NULL), 0);
  ck_assert_int_eq(sluice_schema_parse(&schema, bytes, len, NULL), 0);
  REFUSED(sluice_schema_walk(schema, NULL, 4, NULL, NULL, NULL));
  ck_assert_int_eq(sluice_schema_walk(schema, "abcd", 4, NULL, NULL, NULL), 0);
  REFUSED(sluice_schema_compare(NULL, schema, NULL, NULL));
  REFUSED(sluice_schema_compare(schema, NULL, NULL, NULL));
  sluice_schema_free(schema);
  free(bytes);
}
END_TEST

START_TEST(ram) {
  sluice_ram_marks_t marks;
  sluice_ram_stats_t stats;
  const sluice_ram_stats_t zeros = {0};
  sluice_ram_t *made;
  uint32_t region;
  uint8_t base[1];

  REFUSED(sluice_ram_new(NULL, NULL, NULL, NULL, NULL, NULL));
  REFUSED(sluice_ram_new(&made, NULL, "a", NULL, NULL, NULL));
  ck_assert_int_eq(sluice_ram_free(NULL), 0);
  REFUSED(sluice_ram_add_region(NULL, "a", base, 4096, 0, &region));
  REFUSED(sluice_ram_blank(NULL, 0, 0));
  REFUSED(sluice_ram_region_memfd(NULL, 0, 0));
  REFUSED(sluice_ram_take_memfd(NULL, 0));
  sluice_ram_dirty(NULL, 0, 0, 1);
  REFUSED(sluice_ram_may_write(NULL, 0, 0, 1));
  REFUSED(sluice_ram_marks(NULL, 0, &marks, sizeof(marks)));
  ck_assert_uint_eq(sluice_ram_dirty_pages(NULL), 0);
  REFUSED(sluice_ram_inherit(NULL, NULL));
  sluice_ram_soundness(NULL, NULL, 0);
  memset(&stats, 1, sizeof(stats));
  sluice_ram_stats(NULL, &stats, sizeof(stats));
  ck_assert_mem_eq(&stats, &zeros, sizeof(stats));
}
END_TEST

/* ---- what an object is given ---- */

START_TEST(a_decoder_goes_on_without_an_item) {
  sluice_error_t err = {0};
  sluice_decoder_t *d;
  sluice_item_t item;
  void *space;

  ck_assert_int_eq(sluice_decoder_new(&d, NULL, NULL), 0);
  REFUSED(sluice_decoder_next(d, NULL, &err));
  ck_assert_str_eq(err.message, "there is no decoder, or no item");
  sluice_decoder_space(d, &space, NULL);
  ck_assert_int_eq(sluice_decoder_next(d, &item, NULL), SLUICE_WAIT);
  sluice_decoder_free(d);
}
END_TEST

START_TEST(a_delta_needs_a_page) {
  uint8_t page[8] = {0};

  REFUSED(sluice_delta_apply(NULL, sizeof(page), page, 2, NULL));
  REFUSED(sluice_delta_apply(page, sizeof(page), NULL, 2, NULL));
  ck_assert_int_eq(sluice_delta_apply(page, sizeof(page), NULL, 0, NULL), 0);
}
END_TEST

Suite *null_arguments_suite(void);
Suite *null_arguments_suite(void) {
  Suite *s = suite_create("null_arguments");
  TCase *nothing = tcase_create("nothing");
  TCase *lacks = tcase_create("lacks");

  tcase_add_test(nothing, a_decoder);
  tcase_add_test(nothing, an_encoder);
  tcase_add_test(nothing, a_reader);
  tcase_add_test(nothing, an_engine);
  tcase_add_test(nothing, a_registry);
  tcase_add_test(nothing, a_section);
  tcase_add_test(nothing, a_writer);
  tcase_add_test(nothing, a_save);
  tcase_add_test(nothing, a_restore);
  tcase_add_test(nothing, a_hand_over);
  tcase_add_test(nothing, a_takeover);
  tcase_add_test(nothing, a_sink);
  tcase_add_test(nothing, a_source);
  tcase_add_test(nothing, an_error_and_options);
  tcase_add_test(nothing, a_number_of_nothing);
  tcase_add_test(nothing, a_blob_and_descriptors);
  tcase_add_test(nothing, fields);
  tcase_add_test(nothing, a_schema);
  tcase_add_test(nothing, ram);
  suite_add_tcase(s, nothing);
  tcase_add_test(lacks, a_decoder_goes_on_without_an_item);
  tcase_add_test(lacks, a_delta_needs_a_page);
  suite_add_tcase(s, lacks);
  return s;
}
