/* test_encoder_refuse.c - what an encoder does not take from its caller: each
 * mistake is named, latched, and nothing is written after it. */
#include <sluice/encoder.h>

#include <check.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <uv.h>

#include "memory_output.h"
#include "suite.h"

enum { PAGE = 4096 };

static const sluice_decl_t live_pages = {.id = 1,
                                         .flags = SLUICE_SECTION_LIVE,
                                         .payload = SLUICE_PAYLOAD_PAGES,
                                         .name = "ram"};
static const sluice_decl_t other_pages = {
    .id = 2, .payload = SLUICE_PAYLOAD_PAGES, .name = "vram"};
static const sluice_decl_t bytes = {.id = 3, .name = "card"};

static memory_output_t out;
static sluice_encoder_t *e;
static char long_text[1024];
static const uint8_t page[PAGE] = {1};
static uint32_t region;

static void set_up(void) {
  memory_output_init(&out);
  memset(long_text, 'x', sizeof(long_text) - 1);
}

static void tear_down(void) {
  sluice_encoder_free(e);
  e = NULL;
  memory_output_done(&out);
}

/* Everything up to the mistake must be taken. */
static void need(int status) {
  ck_assert_int_eq(status, 0);
}

static void begin(sluice_format_t format) {
  const sluice_encoder_options_t options = {
      .size = sizeof(options), .format = format, .host = "pc"};
  sluice_output_t o = memory_output_of(&out);

  need(sluice_encoder_new(&e, &options, &o, NULL));
  need(sluice_encoder_header(e));
}

static int open_section(const sluice_decl_t *decl) {
  return sluice_encoder_open(e, SLUICE_ITEM_SECTION, decl);
}

static int add_region(const char *name, uint64_t size, uint32_t page_size) {
  return sluice_encoder_region(e, name, size, page_size, &region);
}

/* A region of ten pages in a section of its own, which is open. */
static void open_region(void) {
  need(open_section(&live_pages));
  need(add_region("pc.ram", 10 * PAGE, PAGE));
}

/* ---- the mistakes ---- */

static int note_too_long(void) {
  return sluice_encoder_note(e, "n", page, SLUICE_NOTE_MAX + 1);
}

static int note_of_long_name(void) {
  return sluice_encoder_note(e, long_text, page, 1);
}

static int note_without_name(void) {
  return sluice_encoder_note(e, "", page, 1);
}

static int section_without_name(void) {
  const sluice_decl_t decl = {.id = 9, .name = ""};

  return open_section(&decl);
}

static int section_of_long_name(void) {
  const sluice_decl_t decl = {.id = 9, .name = long_text};

  return open_section(&decl);
}

static int section_of_long_type(void) {
  const sluice_decl_t decl = {.id = 9, .name = "s", .type = long_text};

  return open_section(&decl);
}

static int section_that_is_none(void) {
  const sluice_decl_t decl = {.id = UINT32_MAX, .name = "s"};

  return open_section(&decl);
}

static int schema_too_long(void) {
  const sluice_decl_t decl = {
      .id = 9, .name = "s", .schema = page, .schema_len = UINT32_MAX};

  return open_section(&decl);
}

static int kind_that_opens_nothing(void) {
  return sluice_encoder_open(e, SLUICE_ITEM_PAGES, &bytes);
}

static int region_among_bytes(void) {
  need(open_section(&bytes));
  return add_region("pc.ram", PAGE, PAGE);
}

static int region_after_pages(void) {
  open_region();
  need(sluice_encoder_pages(e, region, 0, page, 1));
  return add_region("late", PAGE, PAGE);
}

static int region_without_name(void) {
  need(open_section(&live_pages));
  return add_region("", PAGE, PAGE);
}

static int region_of_long_name(void) {
  need(open_section(&live_pages));
  return add_region(long_text, PAGE, PAGE);
}

static int region_of_nothing(void) {
  need(open_section(&live_pages));
  return add_region("r", 0, PAGE);
}

static int region_of_part_pages(void) {
  need(open_section(&live_pages));
  return add_region("r", PAGE + 1, PAGE);
}

static int region_of_odd_pages(void) {
  need(open_section(&live_pages));
  return add_region("r", 3000, 3000);
}

static int region_of_tiny_pages(void) {
  need(open_section(&live_pages));
  return add_region("r", PAGE, SLUICE_PAGE_MIN / 2);
}

static int region_of_huge_pages(void) {
  need(open_section(&live_pages));
  return add_region("r", UINT64_C(4) * SLUICE_PAGE_MAX, SLUICE_PAGE_MAX * 2);
}

static int pages_of_no_region(void) {
  open_region();
  return sluice_encoder_pages(e, region + 1, 0, page, 1);
}

static int pages_from_the_middle(void) {
  open_region();
  return sluice_encoder_pages(e, region, 1, page, 1);
}

static int pages_behind_the_end(void) {
  open_region();
  return sluice_encoder_pages(e, region, 11 * PAGE, page, 1);
}

static int pages_over_the_end(void) {
  open_region();
  return sluice_encoder_zeros(e, region, 9 * PAGE, 2);
}

static void go_elsewhere(void) {
  open_region();
  need(sluice_encoder_close(e));
  need(open_section(&other_pages));
}

static int pages_of_another_section(void) {
  go_elsewhere();
  return sluice_encoder_pages(e, region, 0, page, 1);
}

static int zeros_of_another_section(void) {
  go_elsewhere();
  return sluice_encoder_zeros(e, region, 0, 1);
}

static int region_with_control_characters(void) {
  need(open_section(&live_pages));
  return add_region("pc\n", PAGE, PAGE);
}

static int regions_of_too_much(void) {
  const uint64_t most = ~(uint64_t)(PAGE - 1);

  need(open_section(&live_pages));
  need(add_region("a", most, PAGE));
  need(add_region("b", most, PAGE));
  return sluice_encoder_close(e);
}

static int description_that_is_text(void) {
  need(open_section(&bytes));
  return sluice_encoder_describe(e, "text", 4);
}

static int description_that_is_empty(void) {
  need(open_section(&bytes));
  return sluice_encoder_describe(e, "{}", 2);
}

static int description_that_does_not_end(void) {
  need(open_section(&bytes));
  return sluice_encoder_describe(e, "{\"a\":1", 6);
}

static int part_of_nothing(void) {
  return sluice_encoder_open(e, SLUICE_ITEM_PART, &bytes);
}

static int configuration_after_a_section(void) {
  need(open_section(&bytes));
  need(sluice_encoder_close(e));
  return sluice_encoder_note(e, SLUICE_NOTE_QEMU_CONFIGURATION, "\0\0\0\1q", 5);
}

static int configuration_that_goes_on(void) {
  return sluice_encoder_note(e, SLUICE_NOTE_QEMU_CONFIGURATION, "\0\0\0\1q!",
                             6);
}

/* ---- what is NULL ---- */

static int note_of_no_name(void) {
  return sluice_encoder_note(e, NULL, page, 1);
}

static int note_of_no_bytes(void) {
  return sluice_encoder_note(e, "n", NULL, 1);
}

static int section_of_no_declaration(void) {
  return open_section(NULL);
}

static int section_of_no_name(void) {
  const sluice_decl_t decl = {.id = 9};

  return open_section(&decl);
}

static int section_of_no_schema(void) {
  const sluice_decl_t decl = {.id = 9, .name = "s", .schema_len = 1};

  return open_section(&decl);
}

static int region_of_no_name(void) {
  need(open_section(&live_pages));
  return add_region(NULL, PAGE, PAGE);
}

static int region_of_no_index(void) {
  need(open_section(&live_pages));
  return sluice_encoder_region(e, "r", PAGE, PAGE, NULL);
}

static int pages_of_no_data(void) {
  open_region();
  return sluice_encoder_pages(e, region, 0, NULL, 1);
}

static int no_bytes_at_all(void) {
  need(open_section(&bytes));
  return sluice_encoder_bytes(e, NULL, 1);
}

static int description_of_no_text(void) {
  need(open_section(&bytes));
  return sluice_encoder_describe(e, NULL, 2);
}

#define NATIVE SLUICE_FORMAT_NATIVE
#define QEMU3  SLUICE_FORMAT_QEMU3

static const struct {
  sluice_format_t format;
  int (*make)(void);
  int code;
  const char *says;
} mistakes[] = {
    {NATIVE, note_too_long, SLUICE_ELIMIT, "over the limit"},
    {NATIVE, note_of_long_name, SLUICE_ELIMIT, "over the limit"},
    {NATIVE, note_without_name, UV_EINVAL, "needs a name"},
    {NATIVE, section_without_name, UV_EINVAL, "malformed"},
    {NATIVE, section_of_long_name, UV_EINVAL, "section 'x"},
    {NATIVE, section_of_long_type, UV_EINVAL, "malformed"},
    {NATIVE, section_that_is_none, UV_EINVAL, "malformed"},
    {NATIVE, schema_too_long, SLUICE_ELIMIT, "schema"},
    {NATIVE, kind_that_opens_nothing, UV_EINVAL, "opens no payload"},
    {NATIVE, region_among_bytes, SLUICE_ESTATE, "not one of pages"},
    {NATIVE, region_after_pages, SLUICE_ESTATE, "after data"},
    {NATIVE, region_without_name, UV_EINVAL, "malformed"},
    {NATIVE, region_of_long_name, UV_EINVAL, "region 'x"},
    {NATIVE, region_of_nothing, UV_EINVAL, "malformed"},
    {NATIVE, region_of_part_pages, UV_EINVAL, "malformed"},
    {NATIVE, region_of_odd_pages, UV_EINVAL, "malformed"},
    {NATIVE, region_of_tiny_pages, UV_EINVAL, "malformed"},
    {NATIVE, region_of_huge_pages, UV_EINVAL, "malformed"},
    {NATIVE, pages_of_no_region, UV_EINVAL, "no region"},
    {NATIVE, pages_from_the_middle, UV_EINVAL, "outside"},
    {NATIVE, pages_behind_the_end, UV_EINVAL, "outside"},
    {NATIVE, pages_over_the_end, UV_EINVAL, "outside"},
    {NATIVE, pages_of_another_section, UV_EINVAL, "pc.ram"},
    {NATIVE, zeros_of_another_section, UV_EINVAL, "pc.ram"},
    {NATIVE, note_of_no_name, UV_EINVAL, "lacks an argument"},
    {NATIVE, note_of_no_bytes, UV_EINVAL, "lacks an argument"},
    {NATIVE, section_of_no_declaration, UV_EINVAL, "lacks an argument"},
    {NATIVE, section_of_no_name, UV_EINVAL, "lacks an argument"},
    {NATIVE, section_of_no_schema, UV_EINVAL, "lacks an argument"},
    {NATIVE, region_of_no_name, UV_EINVAL, "lacks an argument"},
    {NATIVE, region_of_no_index, UV_EINVAL, "lacks an argument"},
    {NATIVE, pages_of_no_data, UV_EINVAL, "lacks an argument"},
    {NATIVE, no_bytes_at_all, UV_EINVAL, "lacks an argument"},
    {NATIVE, description_of_no_text, UV_EINVAL, "lacks an argument"},
    {QEMU3, description_of_no_text, UV_EINVAL, "lacks an argument"},
    {QEMU3, section_without_name, UV_EINVAL, "malformed"},
    {QEMU3, kind_that_opens_nothing, UV_EINVAL, "cannot be opened"},
    {QEMU3, part_of_nothing, SLUICE_EORDER, "not a live one"},
    {QEMU3, region_among_bytes, UV_EINVAL, "section of bytes"},
    {QEMU3, region_after_pages, SLUICE_EORDER, "after pages"},
    {QEMU3, region_with_control_characters, UV_EINVAL, "control characters"},
    {QEMU3, regions_of_too_much, SLUICE_ELIMIT, "too large"},
    {QEMU3, description_that_is_text, UV_EINVAL, "no JSON object"},
    {QEMU3, description_that_is_empty, UV_EINVAL, "no JSON object"},
    {QEMU3, description_that_does_not_end, UV_EINVAL, "no JSON object"},
    {QEMU3, configuration_after_a_section, SLUICE_ESTATE, "follow the header"},
    {QEMU3, configuration_that_goes_on, SLUICE_ECORRUPT, "too many"},
};

enum { MISTAKES = sizeof(mistakes) / sizeof(mistakes[0]) };

START_TEST(a_mistake_is_named) {
  begin(mistakes[_i].format);
  ck_assert_int_eq(mistakes[_i].make(), mistakes[_i].code);
  ck_assert_int_eq(sluice_encoder_error(e)->code, mistakes[_i].code);
  ck_assert_msg(strstr(sluice_encoder_error(e)->message, mistakes[_i].says) !=
                    NULL,
                "%d: %s", _i, sluice_encoder_error(e)->message);
}
END_TEST

START_TEST(nothing_is_taken_after_a_mistake) {
  begin(mistakes[_i].format);
  ck_assert_int_eq(mistakes[_i].make(), mistakes[_i].code);
  ck_assert_int_eq(sluice_encoder_note(e, "n", page, 1), mistakes[_i].code);
  ck_assert_int_eq(sluice_encoder_close(e), mistakes[_i].code);
  ck_assert_int_eq(sluice_encoder_finish(e), mistakes[_i].code);
}
END_TEST

static int new_encoder(const sluice_encoder_options_t *options,
                       bool is_readable) {
  sluice_output_t o = memory_output_of(&out);

  if (!is_readable) {
    o.fetch = NULL;
  }
  return sluice_encoder_new(&e, options, &o, NULL);
}

START_TEST(streams_that_are_not_written_are_refused) {
  const sluice_encoder_options_t old = {.size = sizeof(old),
                                        .format = SLUICE_FORMAT_QEMU2};
  const sluice_encoder_options_t unknown = {.size = sizeof(unknown),
                                            .format = (sluice_format_t)99};

  ck_assert_int_eq(new_encoder(&old, true), UV_EINVAL);
  ck_assert_int_eq(new_encoder(&unknown, true), UV_EINVAL);
}
END_TEST

START_TEST(the_last_page_counts_only_where_it_can_be_read_back) {
  const sluice_encoder_options_t options = {.size = sizeof(options),
                                            .keep_last = 1};

  ck_assert_int_eq(new_encoder(&options, false), UV_EINVAL);
  ck_assert_int_eq(new_encoder(&options, true), 0);
}
END_TEST

START_TEST(no_page_is_fetched_that_is_not_kept) {
  uint8_t copy[PAGE];

  begin(NATIVE);
  open_region();
  need(sluice_encoder_pages(e, region, 0, page, 1));
  ck_assert_int_eq(sluice_encoder_fetch(e, region, 0, copy), UV_EINVAL);
}
END_TEST

START_TEST(nothing_needs_no_place) {
  const sluice_encoder_options_t options = {.size = sizeof(options),
                                            .keep_last = 1};

  need(new_encoder(&options, true));
  need(sluice_encoder_header(e));
  open_region();
  need(sluice_encoder_pages(e, region, 0, NULL, 0));
  ck_assert_int_eq(sluice_encoder_fetch(e, region, 0, NULL), UV_EINVAL);
  need(sluice_encoder_close(e)); /* that was not latched */
}
END_TEST

Suite *encoder_refuse_suite(void) {
  Suite *s = suite_create("encoder_refuse");
  TCase *tc = tcase_create("core");

  tcase_add_checked_fixture(tc, set_up, tear_down);
  tcase_add_loop_test(tc, a_mistake_is_named, 0, MISTAKES);
  tcase_add_loop_test(tc, nothing_is_taken_after_a_mistake, 0, MISTAKES);
  tcase_add_test(tc, streams_that_are_not_written_are_refused);
  tcase_add_test(tc, the_last_page_counts_only_where_it_can_be_read_back);
  tcase_add_test(tc, no_page_is_fetched_that_is_not_kept);
  tcase_add_test(tc, nothing_needs_no_place);
  suite_add_tcase(s, tc);
  return s;
}
