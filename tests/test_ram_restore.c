/* test_ram_restore.c - pages from a stream into memory, each way there is. */
#include "ram_restore_box.h"

#include <errno.h>
#include <sys/syscall.h>

#include "deny.h"
#include "seed.h"

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
  fake_remove(&box.registry);
  (void)sluice_ram_free(box.ram);
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
  ck_assert_int_eq(deny_call(SYS_mmap, BYTES, EINVAL), 0);
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
  fake_remove(&box.registry);
  (void)sluice_ram_free(box.ram);
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
  fake_remove(&box.registry);
  (void)sluice_ram_free(box.ram);
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

START_TEST(a_run_of_no_pages_is_nothing) {
  sluice_run_t run = {.region = WIRE, .page_size = PAGE, .offset = BYTES};

  declare();
  fake_stream_run(&box.in, SLUICE_ITEM_PAGES, &run);
  fake_stream_run(&box.in, SLUICE_ITEM_ZEROS, &run);
  assert_restores();
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
  suite_add_tcase(s, t);
}

static void add_limits(Suite *s) {
  TCase *t = tcase_create("limits");

  tcase_add_checked_fixture(t, open_box, close_box);
  tcase_add_loop_test(
      t, a_sparse_region_of_6_gib_is_restored_without_touching_it_all, 0, 2);
  suite_add_tcase(s, t);
}

Suite *ram_restore_suite(void);

Suite *ram_restore_suite(void) {
  Suite *s = suite_create("ram_restore");

  add_core(s);
  add_limits(s);
  return s;
}
