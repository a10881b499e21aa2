/* test_qemu3_memory.c - QEMU's stream where memory is short: whichever table
 * outgrows the limit, whichever allocation fails, reading and writing. */
#include <sluice/decoder.h>
#include <sluice/encoder.h>

#include <stdio.h>
#include <string.h>
#include <uv.h>

#include <sluice/handler.h>

#include "collect.h"
#include "counting_alloc.h"
#include "qemu3_box.h"
#include "suite.h"

enum { MANY = 40, NAME = 100, STEP = 16 };

static const char *name_of(unsigned i) {
  static char name[NAME + 1];

  (void)snprintf(name, sizeof(name), "%0*u", NAME, i);
  return name;
}

/* A live section of nothing. */
static void empty_section(uint32_t id) {
  build_section(&in, 1, id, name_of(id), 0, 1);
  build_be32(&in, 0);
  build_footer(&in, id);
  build_part(&in, 3, id);
  build_be32(&in, 0);
  build_footer(&in, id);
}

static void many_regions(void) {
  build_section(&in, 1, MANY, "ram", 0, 4);
  build_be64(&in, (uint64_t)MANY << 12 | 0x04);
  for (unsigned i = 0; i < MANY; i++) {
    build_str8(&in, name_of(i));
    build_be64(&in, 0x1000);
  }
  build_eos(&in);
  build_footer(&in, MANY);
  build_part(&in, 3, MANY);
  build_eos(&in);
  build_footer(&in, MANY);
}

static void many_tables(void) {
  build_qemu3(&in, "pc");
  for (uint32_t i = 0; i < MANY; i++) {
    empty_section(i);
  }
  many_regions();
  build_u8(&in, 0);
}

static void decode(void) {
  out.text.len = 0;
  out.allocations = 0;
  memset(&out.error, 0, sizeof(out.error));
  trace_run(&out, in.data, in.len);
}

/* The limit rises until it is enough; on its way it is met at every place where
 * the tables grow. */
START_TEST(a_table_that_outgrows_the_limit_is_told_whichever_it_is) {
  size_t regions = 0;
  size_t sections = 0;

  many_tables();
  for (out.options.max_memory = 8 * 1024;; out.options.max_memory += STEP) {
    decode();
    ck_assert_uint_le(out.peak, out.options.max_memory + 4096);
    if (out.result == SLUICE_DONE) {
      break;
    }
    ck_assert_msg(out.result == SLUICE_ELIMIT, "%zu: %d %s",
                  out.options.max_memory, out.result, out.error.message);
    regions += strstr(out.error.message, "table of regions") != NULL;
    sections += strstr(out.error.message, "table of sections") != NULL;
    ck_assert_uint_lt(out.error.offset, in.len);
  }
  ck_assert_uint_gt(regions, 0);
  ck_assert_uint_gt(sections, 0);
}
END_TEST

START_TEST(every_failed_allocation_of_the_reader_is_told) {
  many_tables();
  for (out.fail_at = 1;; out.fail_at++) {
    decode();
    if (out.allocations < out.fail_at) {
      break;
    }
    ck_assert_int_eq(out.result, UV_ENOMEM);
  }
  ck_assert_int_eq(out.result, SLUICE_DONE);
  ck_assert_uint_gt(out.fail_at, 4);
}
END_TEST

/* Everything that the writer keeps in mind. */
static int write_all(sluice_encoder_t *e) {
  const sluice_decl_t ram = {.id = MANY,
                             .flags = SLUICE_SECTION_LIVE,
                             .payload = SLUICE_PAYLOAD_PAGES,
                             .name = "ram"};
  uint32_t index;
  int r = sluice_encoder_header(e);

  r = r < 0 ? r : sluice_encoder_open(e, SLUICE_ITEM_SECTION, &ram);
  for (unsigned i = 0; i < MANY && r == 0; i++) {
    r = sluice_encoder_region(e, name_of(i), 4096, 4096, &index);
  }
  r = r < 0 ? r : sluice_encoder_close(e);
  r = r < 0 ? r : sluice_encoder_open(e, SLUICE_ITEM_END, &ram);
  r = r < 0 ? r : sluice_encoder_close(e);
  for (uint32_t i = 0; i < MANY && r == 0; i++) {
    const sluice_decl_t device = {.id = i, .name = name_of(i)};

    r = sluice_encoder_open(e, SLUICE_ITEM_SECTION, &device);
    r = r < 0 || i % 2 == 0 ? r
                            : sluice_encoder_describe(e, "{\"version\":1}", 13);
    r = r < 0 ? r : sluice_encoder_close(e);
  }
  return r < 0 ? r : sluice_encoder_finish(e);
}

/* Whether the failure was met. */
static bool fail_nth(size_t nth) {
  const sluice_encoder_options_t options = {
      .size = sizeof(options), .format = SLUICE_FORMAT_QEMU3, .host = "pc"};
  collect_t to = {0};
  sluice_output_t output = collect_output(&to);
  counting_alloc_t count;
  sluice_alloc_t alloc;
  sluice_encoder_t *e = NULL;
  int r;

  counting_alloc_init(&count);
  count.fail_at = nth;
  alloc = counting_alloc_of(&count);
  r = sluice_encoder_new(&e, &options, &output, &alloc);
  r = r < 0 ? r : write_all(e);
  ck_assert_int_eq(r, count.fired ? UV_ENOMEM : 0);
  sluice_encoder_free(e);
  collect_done(&to);
  ck_assert_uint_eq(count.live, 0);
  return count.fired;
}

START_TEST(every_failed_allocation_of_the_writer_is_told) {
  size_t nth = 0;

  while (fail_nth(nth)) {
    nth++;
  }
  ck_assert_uint_gt(nth, 6);
}
END_TEST

Suite *qemu3_memory_suite(void) {
  Suite *s = suite_create("qemu3_memory");
  TCase *tc = tcase_create("faults");

  tcase_add_checked_fixture(tc, set_up, tear_down);
  tcase_add_test(tc, a_table_that_outgrows_the_limit_is_told_whichever_it_is);
  tcase_add_test(tc, every_failed_allocation_of_the_reader_is_told);
  tcase_add_test(tc, every_failed_allocation_of_the_writer_is_told);
  suite_add_tcase(s, tc);
  return s;
}
