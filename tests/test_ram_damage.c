/* test_ram_damage.c - pages from a hostile stream: refused by name, and nothing
 * changed. */
#include "ram_restore_box.h"

#include <uv.h>

START_TEST(nothing_changes_before_the_commit) {
  open_ram(0, ways[_i]);
  declare();
  put_pages(0, PAGES, 5);
  ck_assert_int_eq(fake_restore_and_drop(&box.registry, &box.in, &box.err), 0);
  assert_untouched();
}
END_TEST

START_TEST(a_failed_restore_changes_nothing) {
  open_ram(0, ways[_i]);
  declare();
  put_pages(0, PAGES, 5);
  put_pages(0, 1, 5);
  box.in.items[2].u.run.offset = BYTES;
  ck_assert_int_eq(fake_restore(&box.registry, &box.in, &box.err),
                   SLUICE_ECORRUPT);
  assert_untouched();
}
END_TEST

START_TEST(shadows_over_the_limit_are_refused_before_anything_is_read) {
  open_ram(BYTES - 1, 0);
  ck_assert_int_eq(fake_restore(&box.registry, &box.in, &box.err),
                   SLUICE_ELIMIT);
  ck_assert_ptr_nonnull(strstr(box.err.message, "heap"));
  ck_assert_ptr_nonnull(strstr(box.err.message, "262143"));
}
END_TEST

START_TEST(the_limit_itself_is_within_the_limit) {
  open_ram(BYTES, 0);
  declare();
  assert_restores();
}
END_TEST

START_TEST(regions_in_place_need_no_shadow) {
  open_ram(1, SLUICE_RAM_IN_PLACE);
  declare();
  put_pages(1, 1, 1);
  assert_restores();
}
END_TEST

START_TEST(a_missing_region_is_named) {
  ck_assert_int_eq(fake_restore(&box.registry, &box.in, &box.err),
                   SLUICE_EMISSING);
  ck_assert_ptr_nonnull(strstr(box.err.message, "\"heap\""));
}
END_TEST

/* Each row spoils one declaration. */
static const struct {
  const char *name;
  uint64_t bytes;
  uint32_t page_size;
  int code;
  const char *found;
  const char *expected;
} declarations[] = {
    {"pc.ram", BYTES, PAGE, SLUICE_EUNKNOWN, "pc.ram", "not registered"},
    {"heap", BYTES + PAGE, PAGE, SLUICE_EKIND, "266240", "262144"},
    {"heap", 0, PAGE, SLUICE_EKIND, " 0 bytes", "262144"},
    {"heap", UINT64_MAX, PAGE, SLUICE_EKIND, "18446744073709551615", "262144"},
    {"heap", BYTES, 8192, SLUICE_EKIND, "8192", "4096"},
    {"heap", BYTES, 0, SLUICE_EKIND, "pages of 0", "4096"},
};

START_TEST(a_declaration_that_differs_is_refused_naming_both_sides) {
  fake_stream_region(&box.in, declarations[_i].name, WIRE,
                     declarations[_i].bytes, declarations[_i].page_size);
  ck_assert_int_eq(fake_restore(&box.registry, &box.in, &box.err),
                   declarations[_i].code);
  ck_assert_ptr_nonnull(strstr(box.err.message, declarations[_i].found));
  ck_assert_ptr_nonnull(strstr(box.err.message, declarations[_i].expected));
  assert_untouched();
}
END_TEST

START_TEST(a_region_declared_twice_is_refused) {
  declare();
  declare();
  ck_assert_int_eq(fake_restore(&box.registry, &box.in, &box.err),
                   SLUICE_ECORRUPT);
  ck_assert_ptr_nonnull(strstr(box.err.message, "twice"));
}
END_TEST

/* Each row is a run that no honest decoder would give. */
static const struct {
  sluice_item_kind_t kind;
  uint32_t region;
  uint32_t page_size;
  uint64_t offset;
  uint64_t count;
  size_t len;
} runs[] = {
    {SLUICE_ITEM_PAGES, WIRE + 1, PAGE, 0, 1, PAGE},
    {SLUICE_ITEM_PAGES, UINT32_MAX, PAGE, 0, 1, PAGE},
    {SLUICE_ITEM_PAGES, WIRE, PAGE, BYTES, 1, PAGE},
    {SLUICE_ITEM_PAGES, WIRE, PAGE, BYTES - PAGE, 2, 2 * PAGE},
    {SLUICE_ITEM_PAGES, WIRE, PAGE, 512, 1, PAGE},
    {SLUICE_ITEM_PAGES, WIRE, PAGE, UINT64_MAX - PAGE + 1, 1, PAGE},
    {SLUICE_ITEM_PAGES, WIRE, PAGE, 0, UINT64_MAX, PAGE},
    {SLUICE_ITEM_PAGES, WIRE, PAGE, 0, UINT64_C(1) << 52, 0},
    {SLUICE_ITEM_PAGES, WIRE, PAGE, 0, 2, PAGE},
    {SLUICE_ITEM_PAGES, WIRE, PAGE, 0, 1, 2 * PAGE},
    {SLUICE_ITEM_PAGES, WIRE, 2 * PAGE, 0, 1, PAGE},
    {SLUICE_ITEM_ZEROS, WIRE, PAGE, 0, PAGES + 1, 0},
    {SLUICE_ITEM_ZEROS, WIRE, PAGE, BYTES, UINT64_MAX, 0},
    {SLUICE_ITEM_ZEROS, WIRE + 1, PAGE, 0, 1, 0},
    {SLUICE_ITEM_DELTA, WIRE, PAGE, BYTES, 1, 2},
    {SLUICE_ITEM_DELTA, WIRE, PAGE, 0, 2, 2},
    {SLUICE_ITEM_DELTA, WIRE, PAGE, 0, 0, 2},
    {SLUICE_ITEM_DELTA, WIRE, PAGE, 0, 1, 1},
};

START_TEST(a_run_that_does_not_fit_is_refused) {
  uint8_t data[2 * PAGE] = {0};
  sluice_run_t run = {.region = runs[_i].region,
                      .page_size = runs[_i].page_size,
                      .offset = runs[_i].offset,
                      .count = runs[_i].count,
                      .len = runs[_i].len};

  run.data = run.len > 0 ? data : NULL;
  declare();
  fake_stream_run(&box.in, runs[_i].kind, &run);
  ck_assert_int_eq(fake_restore(&box.registry, &box.in, &box.err),
                   SLUICE_ECORRUPT);
  ck_assert_str_ne(box.err.message, "");
  assert_untouched();
}
END_TEST

START_TEST(a_run_before_its_region_is_refused) {
  put_pages(0, 1, 1);
  declare();
  ck_assert_int_eq(fake_restore(&box.registry, &box.in, &box.err),
                   SLUICE_ECORRUPT);
}
END_TEST

START_TEST(an_item_of_another_kind_is_refused) {
  sluice_run_t run = {.region = WIRE, .page_size = PAGE};

  declare();
  fake_stream_run(&box.in, SLUICE_ITEM_BYTES, &run);
  ck_assert_int_eq(fake_restore(&box.registry, &box.in, &box.err),
                   SLUICE_EKIND);
}
END_TEST

Suite *ram_damage_suite(void);

Suite *ram_damage_suite(void) {
  Suite *s = suite_create("ram_damage");
  TCase *t = tcase_create("damage");

  tcase_add_checked_fixture(t, open_box, close_box);
  tcase_add_loop_test(t, nothing_changes_before_the_commit, 0, WAYS_ASIDE);
  tcase_add_loop_test(t, a_failed_restore_changes_nothing, 0, WAYS_ASIDE);
  tcase_add_test(t, shadows_over_the_limit_are_refused_before_anything_is_read);
  tcase_add_test(t, the_limit_itself_is_within_the_limit);
  tcase_add_test(t, regions_in_place_need_no_shadow);
  tcase_add_test(t, a_missing_region_is_named);
  tcase_add_loop_test(t,
                      a_declaration_that_differs_is_refused_naming_both_sides,
                      0, sizeof(declarations) / sizeof(declarations[0]));
  tcase_add_test(t, a_region_declared_twice_is_refused);
  tcase_add_loop_test(t, a_run_that_does_not_fit_is_refused, 0,
                      sizeof(runs) / sizeof(runs[0]));
  tcase_add_test(t, a_run_before_its_region_is_refused);
  tcase_add_test(t, an_item_of_another_kind_is_refused);
  suite_add_tcase(s, t);
  return s;
}
