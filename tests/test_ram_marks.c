/* test_ram_marks.c - what a host has written, and what is forgotten when. */
#include "ram_save_box.h"

#include <uv.h>

#include "seed.h"

START_TEST(all_pages_are_dirty_before_the_first_save) {
  ck_assert_uint_eq(sluice_ram_dirty_pages(box.ram), PAGES);
}
END_TEST

START_TEST(after_a_save_only_later_writes_are_dirty) {
  save_whole();
  ck_assert_uint_eq(sluice_ram_dirty_pages(box.ram), 0);
  write_page(1, 1);
  write_page(1, 2);
  write_page(9, 2);
  ck_assert_uint_eq(sluice_ram_dirty_pages(box.ram), 2);
}
END_TEST

START_TEST(writes_between_finish_and_end_stay_dirty) {
  begin();
  ck_assert_int_eq(finish(PLENTY), SLUICE_DONE);
  write_page(33, 1);
  end(0);
  ck_assert_uint_eq(sluice_ram_dirty_pages(box.ram), 1);
}
END_TEST

START_TEST(a_failed_first_save_leaves_all_dirty) {
  begin();
  (void)step(PLENTY);
  end(UV_EIO);
  ck_assert_uint_eq(sluice_ram_dirty_pages(box.ram), PAGES);
}
END_TEST

START_TEST(a_failed_save_forgets_no_write_before_or_during_it) {
  save_whole();
  write_page(1, 1);
  begin();
  (void)step(10 * PAGE);
  write_page(2, 1);
  (void)step(PLENTY);
  write_page(3, 1);
  end(UV_EIO);
  ck_assert_uint_eq(sluice_ram_dirty_pages(box.ram), 3);
}
END_TEST

START_TEST(a_save_after_a_failed_one_is_whole) {
  begin();
  (void)step(10 * PAGE);
  write_page(1, 9);
  end(UV_EIO);
  fake_stream_done(&box.stream);
  save_whole();
  ck_assert_uint_eq(fake_stream_pages(&box.stream, 1), PAGES);
  assert_replay_equals_memory();
}
END_TEST

/* Ranges to mark, and how many pages that makes. */
static const struct {
  uint32_t region;
  uint64_t offset;
  uint64_t len;
  uint64_t pages;
} marks[] = {
    {0, 0, 1, 1},
    {0, PAGE - 1, 2, 2},
    {0, PAGE, PAGE, 1},
    {0, 0, 0, 0},
    {0, BYTES - 1, 1, 1},
    {0, BYTES - 1, UINT64_MAX, 1},
    {0, BYTES, 1, 0},
    {0, UINT64_MAX, 1, 0},
    {0, UINT64_MAX, UINT64_MAX, 0},
    {0, 0, UINT64_MAX, PAGES},
    {1, 0, 1, 0},
    {UINT32_MAX, 0, 1, 0},
};

START_TEST(marked_ranges_are_cut_to_the_region) {
  save_whole();
  sluice_ram_dirty(box.ram, marks[_i].region, marks[_i].offset, marks[_i].len);
  ck_assert_uint_eq(sluice_ram_dirty_pages(box.ram), marks[_i].pages);
}
END_TEST

START_TEST(the_inline_mark_does_what_the_call_does) {
  sluice_ram_marks_t m;

  if (marks[_i].region != 0) {
    ck_assert_int_eq(sluice_ram_marks(box.ram, marks[_i].region, &m, sizeof(m)),
                     UV_EINVAL);
    return;
  }
  save_whole();
  ck_assert_int_eq(sluice_ram_marks(box.ram, 0, &m, sizeof(m)), 0);
  sluice_ram_mark(&m, marks[_i].offset, marks[_i].len);
  sluice_ram_mark(&m, marks[_i].offset, marks[_i].len);
  ck_assert_uint_eq(sluice_ram_dirty_pages(box.ram), marks[_i].pages);
}
END_TEST

START_TEST(an_inline_mark_over_a_marked_and_a_clean_page_marks_both) {
  sluice_ram_marks_t m;

  save_whole();
  ck_assert_int_eq(sluice_ram_marks(box.ram, 0, &m, sizeof(m)), 0);
  sluice_ram_mark(&m, 0, 1);
  sluice_ram_mark(&m, PAGE - 1, 2);
  ck_assert_uint_eq(sluice_ram_dirty_pages(box.ram), 2);
}
END_TEST

/* Writes of a host that marks, at random; as many as `n`. */
static void scribble(seed_t *s, const sluice_ram_marks_t *m, uint64_t n) {
  for (uint64_t i = 0; i < n; i++) {
    uint64_t at = seed_below(s, BYTES);
    uint64_t len = 1 + seed_below(s, 3 * PAGE);

    len = len > BYTES - at ? BYTES - at : len;
    sluice_ram_mark(m, at, len);
    memset(box.memory + at, (int)seed_below(s, 4), len);
  }
}

static int random_save(seed_t *s, const sluice_ram_marks_t *m) {
  int r;

  begin();
  for (uint64_t i = seed_below(s, 40); i > 0; i--) {
    box.w.units = (unsigned)seed_below(s, 6);
    r = step(seed_below(s, 20 * PAGE));
    ck_assert_int_ge(r, 0);
    ck_assert_int_eq(r == SLUICE_WAIT, pending() == 0);
    scribble(s, m, seed_below(s, 4));
  }
  if (seed_below(s, 4) == 0) {
    end(UV_ECANCELED);
    return 0;
  }
  while ((r = finish(1 + seed_below(s, 20 * PAGE))) == SLUICE_MORE) {
  }
  ck_assert_int_eq(r, SLUICE_DONE);
  end(0);
  return 1;
}

START_TEST(random_writes_and_steps_end_in_an_equal_image) {
  seed_t s = seed_open(_i);
  sluice_ram_marks_t m;

  ck_assert_int_eq(sluice_ram_marks(box.ram, 0, &m, sizeof(m)), 0);
  for (int i = 0; i < 200; i++) {
    scribble(&s, &m, seed_below(&s, 3));
    if (random_save(&s, &m)) {
      assert_replay_equals_memory();
      ck_assert_uint_eq(sluice_ram_dirty_pages(box.ram), 0);
    }
    fake_stream_done(&box.stream);
  }
}
END_TEST

Suite *ram_marks_suite(void);

Suite *ram_marks_suite(void) {
  Suite *s = suite_create("ram_marks");
  TCase *t = tcase_create("marks");
  int n = sizeof(marks) / sizeof(marks[0]);

  tcase_add_checked_fixture(t, open_box, close_box);
  tcase_add_test(t, all_pages_are_dirty_before_the_first_save);
  tcase_add_test(t, after_a_save_only_later_writes_are_dirty);
  tcase_add_test(t, writes_between_finish_and_end_stay_dirty);
  tcase_add_test(t, a_failed_first_save_leaves_all_dirty);
  tcase_add_test(t, a_failed_save_forgets_no_write_before_or_during_it);
  tcase_add_test(t, a_save_after_a_failed_one_is_whole);
  tcase_add_loop_test(t, marked_ranges_are_cut_to_the_region, 0, n);
  tcase_add_loop_test(t, the_inline_mark_does_what_the_call_does, 0, n);
  tcase_add_test(t, an_inline_mark_over_a_marked_and_a_clean_page_marks_both);
  tcase_add_loop_test(t, random_writes_and_steps_end_in_an_equal_image, 0, 4);
  suite_add_tcase(s, t);
  return s;
}
