/* test_ram_save.c - regions, marks, and what a save writes of them. */
#include "ram_save_box.h"

#include <uv.h>

#include "has_tsan.h"
#include "skip.h"

START_TEST(the_section_is_of_pages_and_has_the_version_of_qemu) {
  ck_assert_str_eq(box.registry.name, "ram");
  ck_assert_str_eq(hooks()->type, "ram");
  ck_assert_int_eq(hooks()->payload, SLUICE_PAYLOAD_PAGES);
  ck_assert_uint_eq(hooks()->version, 4);
  ck_assert_uint_eq(hooks()->size, sizeof(sluice_handler_t));
}
END_TEST

START_TEST(the_registry_s_refusal_is_passed_on) {
  sluice_registry_t full = {.fail = SLUICE_EEXISTS};
  sluice_ram_t *ram = NULL;

  ck_assert_int_eq(sluice_ram_new(&ram, &full, "ram", NULL, NULL, NULL),
                   SLUICE_EEXISTS);
  ck_assert_ptr_null(ram);
}
END_TEST

static const sluice_ram_options_t bad_options[] = {
    {.size = 3},
    {.size = sizeof(sluice_ram_options_t), .page_size = 128},
    {.size = sizeof(sluice_ram_options_t), .page_size = 131072},
    {.size = sizeof(sluice_ram_options_t), .page_size = 5000},
    {.size = sizeof(sluice_ram_options_t), .tracker = (sluice_ram_tracker_t)9},
    {.size = sizeof(sluice_ram_options_t),
     .tracker = SLUICE_RAM_WRITE_PROTECT,
     .page_size = 1024},
};

START_TEST(bad_options_are_refused) {
  sluice_registry_t registry = {0};
  sluice_ram_t *ram = NULL;
  sluice_error_t err = {0};

  ck_assert_int_eq(
      sluice_ram_new(&ram, &registry, "x", NULL, &bad_options[_i], &err),
      UV_EINVAL);
  ck_assert_int_eq(err.code, UV_EINVAL);
  ck_assert_ptr_null(registry.handler);
}
END_TEST

/* Offsets from a page-aligned address, but for the last three. */
static const struct {
  const char *name;
  uintptr_t base;
  uint64_t bytes;
  uint32_t flags;
} bad_regions[] = {
    {"r", 0, 0, 0},
    {"r", 0, PAGE - 1, 0},
    {"r", 0, PAGE + 512, 0},
    {"r", 100, PAGE, 0},
    {"", 0, PAGE, 0},
    {"two words", 0, PAGE, 0},
    {"tab\t", 0, PAGE, 0},
    {"r", 0, PAGE, 1u << 7},
    {"r", 0, UINT64_MAX - PAGE + 1, 0},
    {"r", 0, UINT64_MAX, 0},
};

START_TEST(a_bad_region_is_refused) {
  const void *base = box.memory + bad_regions[_i].base;

  ck_assert_int_eq(sluice_ram_add_region(
                       box.ram, bad_regions[_i].name, (void *)(uintptr_t)base,
                       bad_regions[_i].bytes, bad_regions[_i].flags, NULL),
                   UV_EINVAL);
}
END_TEST

START_TEST(a_region_at_nowhere_is_refused) {
  ck_assert_int_eq(sluice_ram_add_region(box.ram, "r", NULL, PAGE, 0, NULL),
                   UV_EINVAL);
}
END_TEST

START_TEST(a_region_name_is_taken_once) {
  ck_assert_int_eq(
      sluice_ram_add_region(box.ram, "heap", box.memory, PAGE, 0, NULL),
      SLUICE_EEXISTS);
}
END_TEST

START_TEST(a_region_of_small_pages_need_not_lie_on_kernel_pages) {
  fake_remove(&box.registry);
  (void)sluice_ram_free(box.ram);
  open_ram(SLUICE_RAM_COOPERATIVE, 256);
  ck_assert_int_eq(
      sluice_ram_add_region(box.ram, "r", box.memory + 256, 512, 0, NULL), 0);
  ck_assert_int_eq(sluice_ram_add_region(box.ram, "q", box.memory + 256, 512,
                                         SLUICE_RAM_REMAP, NULL),
                   UV_EINVAL);
}
END_TEST

/* Beside the box's region. */
static _Alignas(PAGE) uint8_t more[PAGE];

START_TEST(regions_are_numbered_from_0_in_order) {
  uint32_t n = 99;

  ck_assert_int_eq(sluice_ram_add_region(box.ram, "b", more, PAGE, 0, &n), 0);
  ck_assert_uint_eq(n, 1);
}
END_TEST

START_TEST(no_region_is_added_while_saving) {
  begin();
  ck_assert_int_eq(sluice_ram_add_region(box.ram, "b", more, PAGE, 0, NULL),
                   UV_EBUSY);
  end(UV_ECANCELED);
  ck_assert_int_eq(sluice_ram_add_region(box.ram, "b", more, PAGE, 0, NULL), 0);
}
END_TEST

START_TEST(a_quiet_region_is_sent_once_and_whole) {
  sluice_ram_stats_t stats;

  save_whole();
  ck_assert_uint_eq(fake_stream_pages(&box.stream, 1), PAGES);
  assert_replay_equals_memory();
  sluice_ram_stats(box.ram, &stats, sizeof(stats));
  ck_assert_uint_eq(stats.pages_sent, PAGES);
  ck_assert_uint_eq(stats.pages_again, 0);
}
END_TEST

START_TEST(regions_are_declared_before_the_first_page) {
  const sluice_item_t *first;

  begin();
  first = box.stream.items;
  ck_assert_uint_eq(box.stream.count, 1);
  ck_assert_int_eq(first->kind, SLUICE_ITEM_REGION);
  ck_assert_str_eq(first->u.region.name, "heap");
  ck_assert_uint_eq(first->u.region.bytes, BYTES);
  ck_assert_uint_eq(first->u.region.page_size, PAGE);
  end(UV_ECANCELED);
}
END_TEST

START_TEST(with_nothing_left_one_page_is_still_sent) {
  begin();
  ck_assert_int_eq(step(0), SLUICE_MORE);
  ck_assert_uint_eq(fake_stream_pages(&box.stream, 1), 1);
  end(UV_ECANCELED);
}
END_TEST

/* So many pages that making them all pending takes several turns. */
START_TEST(a_section_of_very_many_pages_is_begun_in_slices) {
  enum { SMALL = 256, MANY = 5 << 19 };
  uint8_t *many = map_pages((size_t)SMALL * MANY);
  uint64_t first = 0;

  fake_remove(&box.registry);
  (void)sluice_ram_free(box.ram);
  open_ram(SLUICE_RAM_COOPERATIVE, SMALL);
  ck_assert_int_eq(sluice_ram_add_region(box.ram, "many", many,
                                         (uint64_t)SMALL * MANY, 0, NULL),
                   0);
  begin();
  sluice_ram_dirty(box.ram, 0, 0, 1);
  sluice_ram_dirty(box.ram, 0, (uint64_t)SMALL * (MANY - 1), 1);
  ck_assert_uint_eq(pending(), (uint64_t)SMALL * MANY);
  while (first == 0) {
    ck_assert_int_eq(step(SMALL), SLUICE_MORE);
    first = fake_stream_pages(&box.stream, 1);
  }
  ck_assert_uint_eq(first, 1);
  /* The page marked behind the slice that begin made is not counted twice. */
  ck_assert_uint_eq(pending(), (uint64_t)SMALL * (MANY - 1));
  ck_assert_int_eq(finish(PLENTY), SLUICE_DONE);
  ck_assert_uint_eq(fake_stream_pages(&box.stream, 1), MANY);
  end(0);
  ck_assert_uint_eq(sluice_ram_dirty_pages(box.ram), 0);
  (void)munmap(many, (size_t)SMALL * MANY);
}
END_TEST

START_TEST(a_run_is_no_longer_than_what_is_left) {
  begin();
  ck_assert_int_eq(step(10 * PAGE + 5), SLUICE_MORE);
  ck_assert_uint_eq(box.stream.items[1].u.run.count, 10);
  end(UV_ECANCELED);
}
END_TEST

START_TEST(a_step_stops_when_told_to_yield) {
  save_whole(); /* leaves single pages to be sent */
  begin();
  (void)step(PLENTY);
  for (uint64_t i = 0; i < PAGES; i += 2) {
    write_page(i, 1);
  }
  box.w.units = 5;
  box.w.asked = 0;
  ck_assert_int_eq(step(PLENTY), SLUICE_MORE);
  ck_assert_uint_eq(box.w.asked, 5);
  end(UV_ECANCELED);
}
END_TEST

START_TEST(a_page_written_after_it_was_sent_is_sent_again) {
  sluice_ram_stats_t stats;

  begin();
  ck_assert_int_eq(step(10 * PAGE), SLUICE_MORE);
  write_page(3, 200);
  ck_assert_int_eq(step(PLENTY), SLUICE_WAIT);
  ck_assert_int_eq(finish(PLENTY), SLUICE_DONE);
  end(0);
  ck_assert_uint_eq(fake_stream_pages(&box.stream, 1), PAGES + 1);
  assert_replay_equals_memory();
  sluice_ram_stats(box.ram, &stats, sizeof(stats));
  ck_assert_uint_eq(stats.pages_again, 1);
}
END_TEST

START_TEST(a_page_written_before_its_turn_is_sent_once) {
  begin();
  ck_assert_int_eq(step(10 * PAGE), SLUICE_MORE);
  write_page(40, 200);
  ck_assert_int_eq(step(PLENTY), SLUICE_WAIT);
  ck_assert_int_eq(finish(PLENTY), SLUICE_DONE);
  end(0);
  ck_assert_uint_eq(fake_stream_pages(&box.stream, 1), PAGES);
  assert_replay_equals_memory();
}
END_TEST

START_TEST(a_clean_section_waits_and_a_mark_wakes_it) {
  begin();
  ck_assert_int_eq(step(PLENTY), SLUICE_WAIT);
  ck_assert_uint_eq(pending(), 0);
  ck_assert_uint_eq(box.registry.section.wakes, 0);
  write_page(5, 9);
  ck_assert_uint_ge(box.registry.section.wakes, 1);
  ck_assert_uint_eq(pending(), PAGE);
  ck_assert_int_eq(step(PLENTY), SLUICE_WAIT);
  ck_assert_uint_eq(pending(), 0);
  end(0);
}
END_TEST

START_TEST(a_section_woken_for_nothing_waits_again) {
  begin();
  ck_assert_int_eq(step(PLENTY), SLUICE_WAIT);
  ck_assert_int_eq(step(PLENTY), SLUICE_WAIT);
  ck_assert_uint_eq(fake_stream_pages(&box.stream, 1), PAGES);
  end(0);
}
END_TEST

START_TEST(marks_outside_a_save_wake_nobody) {
  write_page(5, 9);
  save_whole();
  write_page(5, 9);
  ck_assert_uint_eq(box.registry.section.wakes, 0);
}
END_TEST

START_TEST(pending_falls_as_pages_are_sent) {
  begin();
  ck_assert_uint_eq(pending(), BYTES);
  (void)step(16 * PAGE);
  ck_assert_uint_eq(pending(), BYTES - 16 * PAGE);
  write_page(0, 1);
  ck_assert_uint_eq(pending(), BYTES - 15 * PAGE);
  end(UV_ECANCELED);
  ck_assert_uint_eq(pending(), 0);
}
END_TEST

START_TEST(static_memory_is_done_after_one_pass) {
  fake_remove(&box.registry);
  (void)sluice_ram_free(box.ram);
  open_ram(SLUICE_RAM_STATIC, 0);
  ck_assert_int_eq(
      sluice_ram_add_region(box.ram, "heap", box.memory, BYTES, 0, NULL), 0);
  begin();
  ck_assert_int_eq(step(PLENTY), SLUICE_DONE);
  sluice_ram_dirty(box.ram, 0, 0, PAGE);
  ck_assert_int_eq(finish(PLENTY), SLUICE_DONE);
  end(0);
  ck_assert_uint_eq(fake_stream_pages(&box.stream, 1), PAGES);
}
END_TEST

START_TEST(a_section_without_regions_has_nothing_to_send) {
  fake_remove(&box.registry);
  (void)sluice_ram_free(box.ram);
  open_ram(SLUICE_RAM_COOPERATIVE, 0);
  begin();
  ck_assert_int_eq(step(PLENTY), SLUICE_WAIT);
  ck_assert_int_eq(finish(PLENTY), SLUICE_DONE);
  end(0);
}
END_TEST

START_TEST(finish_sends_all_that_the_live_steps_had_not) {
  int r;

  begin();
  (void)step(7 * PAGE);
  write_page(2, 77);
  write_page(60, 78);
  while ((r = finish(3 * PAGE)) == SLUICE_MORE) {
  }
  ck_assert_int_eq(r, SLUICE_DONE);
  end(0);
  assert_replay_equals_memory();
}
END_TEST

START_TEST(the_writer_s_error_ends_the_step) {
  begin();
  box.w.fail_in = 3;
  box.w.fail = UV_ENOSPC;
  ck_assert_int_eq(step(2 * PAGE), SLUICE_MORE);
  (void)step(2 * PAGE);
  ck_assert_int_eq(step(2 * PAGE), UV_ENOSPC);
  end(UV_ENOSPC);
}
END_TEST

START_TEST(the_last_page_of_6_gib_is_saved_and_told_apart) {
  const uint64_t big = UINT64_C(6) << 30;
  uint8_t *memory = map_pages(big);
  const sluice_run_t *run;

  if (HAS_TSAN) {
    skip(NO_SHADOW);
    (void)munmap(memory, big);
    return;
  }
  fake_remove(&box.registry);
  (void)sluice_ram_free(box.ram);
  open_ram(SLUICE_RAM_COOPERATIVE, 65536);
  ck_assert_int_eq(sluice_ram_add_region(box.ram, "big", memory, big, 0, NULL),
                   0);
  begin();
  ck_assert_int_eq(step(1), SLUICE_MORE);
  memory[big - 1] = 42;
  while (step(64 << 20) == SLUICE_MORE) {
    forget_zeros(memory, big - PAGE);
  }
  end(0);
  ck_assert_uint_eq(fake_stream_pages(&box.stream, 1), big / 65536);
  run = &box.stream.items[box.stream.count - 1].u.run;
  ck_assert_uint_eq(run->offset + run->count * 65536, big);
  ck_assert_uint_eq(run->data[run->len - 1], 42);
  sluice_ram_dirty(box.ram, 0, big - 1, 100);
  ck_assert_uint_eq(sluice_ram_dirty_pages(box.ram), 1);
  (void)munmap(memory, big);
}
END_TEST

static void add_limits(Suite *s) {
  TCase *t = tcase_create("limits");

  tcase_add_checked_fixture(t, open_box, close_box);
  tcase_add_test(t, the_section_is_of_pages_and_has_the_version_of_qemu);
  tcase_add_test(t, the_registry_s_refusal_is_passed_on);
  tcase_add_loop_test(t, bad_options_are_refused, 0,
                      sizeof(bad_options) / sizeof(bad_options[0]));
  tcase_add_loop_test(t, a_bad_region_is_refused, 0,
                      sizeof(bad_regions) / sizeof(bad_regions[0]));
  tcase_add_test(t, a_region_at_nowhere_is_refused);
  tcase_add_test(t, a_region_name_is_taken_once);
  tcase_add_test(t, a_region_of_small_pages_need_not_lie_on_kernel_pages);
  tcase_add_test(t, regions_are_numbered_from_0_in_order);
  tcase_add_test(t, no_region_is_added_while_saving);
  suite_add_tcase(s, t);
}

static void add_large(Suite *s) {
  TCase *t = tcase_create("large");

  tcase_set_tags(t, "large");
  tcase_add_checked_fixture(t, open_box, close_box);
  tcase_add_test(t, the_last_page_of_6_gib_is_saved_and_told_apart);
  suite_add_tcase(s, t);
}

static void add_steps(Suite *s) {
  TCase *t = tcase_create("steps");

  tcase_add_checked_fixture(t, open_box, close_box);
  tcase_add_test(t, a_quiet_region_is_sent_once_and_whole);
  tcase_add_test(t, regions_are_declared_before_the_first_page);
  tcase_add_test(t, with_nothing_left_one_page_is_still_sent);
  tcase_add_test(t, a_section_of_very_many_pages_is_begun_in_slices);
  tcase_add_test(t, a_run_is_no_longer_than_what_is_left);
  tcase_add_test(t, a_step_stops_when_told_to_yield);
  tcase_add_test(t, a_page_written_after_it_was_sent_is_sent_again);
  tcase_add_test(t, a_page_written_before_its_turn_is_sent_once);
  tcase_add_test(t, a_clean_section_waits_and_a_mark_wakes_it);
  tcase_add_test(t, a_section_woken_for_nothing_waits_again);
  tcase_add_test(t, marks_outside_a_save_wake_nobody);
  tcase_add_test(t, pending_falls_as_pages_are_sent);
  tcase_add_test(t, static_memory_is_done_after_one_pass);
  tcase_add_test(t, a_section_without_regions_has_nothing_to_send);
  tcase_add_test(t, finish_sends_all_that_the_live_steps_had_not);
  tcase_add_test(t, the_writer_s_error_ends_the_step);
  suite_add_tcase(s, t);
}

Suite *ram_save_suite(void);

Suite *ram_save_suite(void) {
  Suite *s = suite_create("ram_save");

  add_limits(s);
  add_steps(s);
  add_large(s);
  return s;
}
