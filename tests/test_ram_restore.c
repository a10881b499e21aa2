/* test_ram_restore.c - pages from a hostile stream into memory, or not at all.
 *
 * Streams are made by hand with the fake engine. */
#include <sluice/ram.h>

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <uv.h>

#include "deny.h"
#include "fake_engine.h"
#include "seed.h"

enum { PAGE = 4096, PAGES = 64, BYTES = PAGE * PAGES, OLD = 0xee };

/* One region of old content, and the stream that is to replace it. The index
 * of the region in the stream is 7. */
enum { WIRE = 7 };

static struct {
  sluice_registry_t registry;
  sluice_ram_t *ram;
  uint8_t *memory;
  uint8_t *expected; /* BYTES, zero at first */
  fake_stream_t in;
  sluice_error_t err;
} box;

static uint8_t *map_pages(size_t bytes) {
  uint8_t *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

  ck_assert_ptr_ne(p, MAP_FAILED);
  return p;
}

static void open_ram(uint64_t max_shadow, uint32_t flags) {
  sluice_ram_options_t o = {.size = sizeof(o), .max_shadow = max_shadow};

  sluice_ram_free(box.ram);
  ck_assert_int_eq(
      sluice_ram_new(&box.ram, &box.registry, "ram", NULL, &o, &box.err), 0);
  ck_assert_int_eq(
      sluice_ram_add_region(box.ram, "heap", box.memory, BYTES, flags, NULL),
      0);
}

/* The ways to restore, for loop tests. */
static const uint32_t ways[] = {0, SLUICE_RAM_REMAP, SLUICE_RAM_IN_PLACE,
                                SLUICE_RAM_IN_PLACE | SLUICE_RAM_REMAP};
enum { WAYS = 4, WAYS_ASIDE = 2 };

static void open_box(void) {
  memset(&box, 0, sizeof(box));
  box.memory = map_pages(BYTES);
  memset(box.memory, OLD, BYTES);
  box.expected = calloc(1, BYTES);
  open_ram(0, 0);
}

static void close_box(void) {
  sluice_ram_free(box.ram);
  fake_stream_done(&box.in);
  free(box.expected);
  (void)munmap(box.memory, BYTES);
}

static void declare(void) {
  fake_stream_region(&box.in, "heap", WIRE, BYTES, PAGE);
}

static void put_pages(uint64_t page, uint64_t count, uint8_t value) {
  size_t len = (size_t)count * PAGE;
  uint8_t *data = malloc(len);
  sluice_run_t run = {.region = WIRE, .page_size = PAGE};

  memset(data, value, len);
  run.offset = page * PAGE;
  run.count = count;
  run.data = data;
  run.len = len;
  fake_stream_run(&box.in, SLUICE_ITEM_PAGES, &run);
  memset(box.expected + page * PAGE, value, len);
  free(data);
}

static void put_fill(uint64_t page, uint64_t count, uint8_t value) {
  sluice_run_t run = {.region = WIRE, .page_size = PAGE};

  run.offset = page * PAGE;
  run.count = count;
  run.fill = value;
  fake_stream_run(&box.in, SLUICE_ITEM_ZEROS, &run);
  memset(box.expected + page * PAGE, value, (size_t)count * PAGE);
}

/* Sets byte `at` (below 256) of a page. */
static void put_delta(uint64_t page, uint8_t at, uint8_t value) {
  uint8_t delta[2] = {at, value};
  sluice_run_t run = {.region = WIRE, .page_size = PAGE, .count = 1};

  run.offset = page * PAGE;
  run.data = delta;
  run.len = sizeof(delta);
  fake_stream_run(&box.in, SLUICE_ITEM_DELTA, &run);
  box.expected[page * PAGE + at] = value;
}

static void assert_restores(void) {
  int r = fake_restore(&box.registry, &box.in, &box.err);

  ck_assert_msg(r == 0, "%d: %s", r, box.err.message);
  ck_assert_mem_eq(box.memory, box.expected, BYTES);
}

static void assert_untouched(void) {
  ck_assert_uint_eq(box.memory[0], OLD);
  ck_assert_mem_eq(box.memory, box.memory + 1, BYTES - 1);
}

START_TEST(pages_become_the_memory) {
  open_ram(0, ways[_i]);
  declare();
  put_pages(0, PAGES, 5);
  put_pages(3, 2, 6);
  assert_restores();
}
END_TEST

START_TEST(pages_that_never_came_are_zero) {
  open_ram(0, ways[_i]);
  declare();
  put_pages(5, 1, 9);
  assert_restores();
}
END_TEST

START_TEST(zeros_replace_old_content) {
  open_ram(0, ways[_i]);
  declare();
  put_fill(0, PAGES, 0);
  assert_restores();
}
END_TEST

START_TEST(zeros_replace_pages_that_came_before) {
  open_ram(0, ways[_i]);
  declare();
  put_pages(2, 10, 9);
  put_fill(4, 3, 0);
  assert_restores();
}
END_TEST

START_TEST(a_fill_byte_other_than_zero_fills) {
  open_ram(0, ways[_i]);
  declare();
  put_fill(0, 20, 0xaa);
  put_fill(3, 2, 0);
  assert_restores();
}
END_TEST

START_TEST(a_delta_changes_a_page_that_came) {
  open_ram(0, ways[_i]);
  declare();
  put_pages(8, 1, 3);
  put_delta(8, 100, 4);
  put_delta(8, 101, 5);
  assert_restores();
}
END_TEST

START_TEST(a_delta_to_a_page_that_never_came_starts_from_zeros) {
  open_ram(0, ways[_i]);
  declare();
  put_delta(8, 100, 4);
  assert_restores();
}
END_TEST

START_TEST(zeros_after_a_delta_are_zeros) {
  open_ram(0, ways[_i]);
  declare();
  put_delta(8, 100, 4);
  put_fill(8, 1, 0);
  assert_restores();
}
END_TEST

START_TEST(memory_is_writable_after_the_restore) {
  open_ram(0, ways[_i]);
  declare();
  put_pages(0, 2, 1);
  assert_restores();
  memset(box.memory, 1, BYTES);
  sluice_ram_dirty(box.ram, 0, 0, BYTES);
}
END_TEST

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

START_TEST(a_restore_can_follow_a_failed_one) {
  open_ram(0, ways[_i]);
  declare();
  put_pages(0, PAGES, 5);
  ck_assert_int_eq(fake_restore_and_drop(&box.registry, &box.in, &box.err), 0);
  assert_restores();
  assert_restores();
}
END_TEST

START_TEST(all_is_dirty_after_a_restore) {
  fake_stream_t out = {0};

  open_ram(0, ways[_i]);
  ck_assert_int_eq(fake_save(&box.registry, &out, 1 << 20, &box.err), 0);
  ck_assert_uint_eq(sluice_ram_dirty_pages(box.ram), 0);
  declare();
  assert_restores();
  ck_assert_uint_eq(sluice_ram_dirty_pages(box.ram), PAGES);
  fake_stream_done(&out);
}
END_TEST

START_TEST(a_dropped_restore_dirties_only_what_it_touched_in_place) {
  fake_stream_t out = {0};
  int is_in_place = (ways[_i] & SLUICE_RAM_IN_PLACE) != 0;

  open_ram(0, ways[_i]);
  ck_assert_int_eq(fake_save(&box.registry, &out, 1 << 20, &box.err), 0);
  declare();
  ck_assert_int_eq(fake_restore_and_drop(&box.registry, &box.in, &box.err), 0);
  ck_assert_uint_eq(sluice_ram_dirty_pages(box.ram), is_in_place ? PAGES : 0);
  fake_stream_done(&out);
}
END_TEST

START_TEST(the_neighbours_of_a_region_keep_their_bytes) {
  uint8_t *memory = map_pages(BYTES + 2 * PAGE);

  memset(memory, 1, BYTES + 2 * PAGE);
  sluice_ram_free(box.ram);
  ck_assert_int_eq(
      sluice_ram_new(&box.ram, &box.registry, "ram", NULL, NULL, NULL), 0);
  ck_assert_int_eq(sluice_ram_add_region(box.ram, "heap", memory + PAGE, BYTES,
                                         ways[_i], NULL),
                   0);
  declare();
  put_pages(0, PAGES, 77);
  ck_assert_int_eq(fake_restore(&box.registry, &box.in, &box.err), 0);
  for (size_t i = 0; i < PAGE; i++) {
    ck_assert_uint_eq(memory[i], 1);
    ck_assert_uint_eq(memory[PAGE + BYTES + i], 1);
  }
  ck_assert_mem_eq(memory + PAGE, box.expected, BYTES);
  (void)munmap(memory, BYTES + 2 * PAGE);
}
END_TEST

START_TEST(a_commit_that_may_not_move_pages_copies_them) {
  open_ram(0, SLUICE_RAM_REMAP);
  declare();
  put_pages(3, 20, 7);
  ck_assert_int_eq(deny_call(SYS_mremap, 0, EPERM), 0);
  assert_restores();
}
END_TEST

START_TEST(memory_that_cannot_be_discarded_is_zeroed) {
  open_ram(0, SLUICE_RAM_REMAP | SLUICE_RAM_IN_PLACE);
  declare();
  put_pages(3, 20, 7);
  ck_assert_int_eq(deny_call(SYS_madvise, 0, EINVAL), 0);
  assert_restores();
}
END_TEST

START_TEST(two_regions_get_each_its_own_pages) {
  uint8_t other[2 * 256] = {1, 2, 3};
  uint8_t page[256];
  sluice_run_t run = {.page_size = 256, .count = 1, .data = page, .len = 256};
  sluice_ram_options_t o = {.size = sizeof(o), .page_size = 256};
  uint8_t *memory = map_pages(PAGE);

  memset(page, 9, sizeof(page));
  sluice_ram_free(box.ram);
  ck_assert_int_eq(
      sluice_ram_new(&box.ram, &box.registry, "ram", NULL, &o, NULL), 0);
  ck_assert_int_eq(sluice_ram_add_region(box.ram, "a", memory, 512, 0, NULL),
                   0);
  ck_assert_int_eq(
      sluice_ram_add_region(box.ram, "b", memory + 1024, 512, 0, NULL), 0);
  fake_stream_region(&box.in, "b", 3, 512, 256);
  fake_stream_region(&box.in, "a", 8, 512, 256);
  run.region = 3;
  fake_stream_run(&box.in, SLUICE_ITEM_PAGES, &run);
  run.region = 8;
  run.offset = 256;
  fake_stream_run(&box.in, SLUICE_ITEM_PAGES, &run);
  ck_assert_int_eq(fake_restore(&box.registry, &box.in, &box.err), 0);
  memset(other, 0, sizeof(other));
  memset(other + 256, 9, 256);
  ck_assert_mem_eq(memory, other, 512);
  memset(other, 0, sizeof(other));
  memset(other, 9, 256);
  ck_assert_mem_eq(memory + 1024, other, 512);
  (void)munmap(memory, PAGE);
}
END_TEST

START_TEST(a_sparse_region_of_6_gib_is_restored_without_touching_it_all) {
  const uint64_t big = UINT64_C(6) << 30;
  uint32_t flags = SLUICE_RAM_REMAP | (_i > 0 ? SLUICE_RAM_IN_PLACE : 0u);
  uint8_t *memory = map_pages(big);
  uint8_t page[PAGE];
  sluice_run_t run = {.page_size = PAGE, .count = 1, .data = page, .len = PAGE};

  memset(page, 7, PAGE);
  sluice_ram_free(box.ram);
  ck_assert_int_eq(
      sluice_ram_new(&box.ram, &box.registry, "ram", NULL, NULL, NULL), 0);
  ck_assert_int_eq(
      sluice_ram_add_region(box.ram, "big", memory, big, flags, NULL), 0);
  fake_stream_region(&box.in, "big", 0, big, PAGE);
  run.offset = big - PAGE;
  fake_stream_run(&box.in, SLUICE_ITEM_PAGES, &run);
  run = (sluice_run_t){.page_size = PAGE, .count = big / PAGE - 1};
  fake_stream_run(&box.in, SLUICE_ITEM_ZEROS, &run);
  ck_assert_int_eq(fake_restore(&box.registry, &box.in, &box.err), 0);
  ck_assert_mem_eq(memory + big - PAGE, page, PAGE);
  ck_assert_uint_eq(memory[big - PAGE - 1], 0);
  (void)munmap(memory, big);
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

START_TEST(a_run_of_no_pages_is_nothing) {
  sluice_run_t run = {.region = WIRE, .page_size = PAGE, .offset = BYTES};

  declare();
  fake_stream_run(&box.in, SLUICE_ITEM_PAGES, &run);
  fake_stream_run(&box.in, SLUICE_ITEM_ZEROS, &run);
  assert_restores();
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

static void put_anything(seed_t *s) {
  uint64_t page = seed_below(s, PAGES);
  uint64_t count = 1 + seed_below(s, PAGES - page);

  switch (seed_below(s, 4)) {
  case 0: put_pages(page, count, (uint8_t)seed_below(s, 3)); break;
  case 1: put_fill(page, count, 0); break;
  case 2: put_fill(page, count, (uint8_t)seed_below(s, 256)); break;
  default:
    put_delta(page, (uint8_t)seed_below(s, 256), (uint8_t)seed_below(s, 256));
    break;
  }
}

START_TEST(random_items_end_in_the_memory_of_a_model) {
  seed_t s = seed_open(_i);

  for (int i = 0; i < 100; i++) {
    open_ram(0, ways[seed_below(&s, WAYS)]);
    memset(box.memory, OLD, BYTES);
    memset(box.expected, 0, BYTES);
    declare();
    for (uint64_t n = seed_below(&s, 30); n > 0; n--) {
      put_anything(&s);
    }
    assert_restores();
    fake_stream_done(&box.in);
  }
}
END_TEST

static void add_core(Suite *s) {
  TCase *t = tcase_create("core");

  tcase_add_checked_fixture(t, open_box, close_box);
  tcase_add_loop_test(t, pages_become_the_memory, 0, WAYS);
  tcase_add_loop_test(t, pages_that_never_came_are_zero, 0, WAYS);
  tcase_add_loop_test(t, zeros_replace_old_content, 0, WAYS);
  tcase_add_loop_test(t, zeros_replace_pages_that_came_before, 0, WAYS);
  tcase_add_loop_test(t, a_fill_byte_other_than_zero_fills, 0, WAYS);
  tcase_add_loop_test(t, a_delta_changes_a_page_that_came, 0, WAYS);
  tcase_add_loop_test(t, a_delta_to_a_page_that_never_came_starts_from_zeros, 0,
                      WAYS);
  tcase_add_loop_test(t, zeros_after_a_delta_are_zeros, 0, WAYS);
  tcase_add_loop_test(t, memory_is_writable_after_the_restore, 0, WAYS);
  tcase_add_loop_test(t, a_restore_can_follow_a_failed_one, 0, WAYS);
  tcase_add_loop_test(t, all_is_dirty_after_a_restore, 0, WAYS);
  tcase_add_loop_test(
      t, a_dropped_restore_dirties_only_what_it_touched_in_place, 0, WAYS);
  tcase_add_loop_test(t, the_neighbours_of_a_region_keep_their_bytes, 0, WAYS);
  tcase_add_test(t, a_commit_that_may_not_move_pages_copies_them);
  tcase_add_test(t, memory_that_cannot_be_discarded_is_zeroed);
  tcase_add_test(t, two_regions_get_each_its_own_pages);
  tcase_add_test(t, a_run_of_no_pages_is_nothing);
  tcase_add_loop_test(t, random_items_end_in_the_memory_of_a_model, 0, 4);
  tcase_set_timeout(t, 120);
  suite_add_tcase(s, t);
}

static void add_damage(Suite *s) {
  TCase *t = tcase_create("damage");

  tcase_add_checked_fixture(t, open_box, close_box);
  tcase_add_loop_test(t, nothing_changes_before_the_commit, 0, WAYS_ASIDE);
  tcase_add_loop_test(t, a_failed_restore_changes_nothing, 0, WAYS_ASIDE);
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
}

static void add_limits(Suite *s) {
  TCase *t = tcase_create("limits");

  tcase_add_checked_fixture(t, open_box, close_box);
  tcase_add_loop_test(
      t, a_sparse_region_of_6_gib_is_restored_without_touching_it_all, 0, 2);
  tcase_add_test(t, shadows_over_the_limit_are_refused_before_anything_is_read);
  tcase_add_test(t, the_limit_itself_is_within_the_limit);
  tcase_add_test(t, regions_in_place_need_no_shadow);
  tcase_set_timeout(t, 120);
  suite_add_tcase(s, t);
}

Suite *ram_restore_suite(void);

Suite *ram_restore_suite(void) {
  Suite *s = suite_create("ram_restore");

  add_core(s);
  add_damage(s);
  add_limits(s);
  return s;
}
