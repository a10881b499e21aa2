/* test_ram_blank.c - the part of a region that was never written: not read, not
 * sent, until the host has marked it. */
#include "ram_save_box.h"

#include <uv.h>

enum { USED = 40 };

/* Reading a page that was not given back first would end the test. */
static void close_tail(void) {
  ck_assert_int_eq(sluice_ram_blank(box.ram, 0, USED * PAGE), 0);
  memset(box.memory + USED * PAGE, 0, BYTES - USED * PAGE);
  ck_assert_int_eq(
      mprotect(box.memory + USED * PAGE, BYTES - USED * PAGE, PROT_NONE), 0);
}

static void open_tail(void) {
  ck_assert_int_eq(mprotect(box.memory, BYTES, PROT_READ | PROT_WRITE), 0);
}

START_TEST(blank_pages_are_neither_dirty_nor_read_nor_sent) {
  close_tail();
  ck_assert_uint_eq(sluice_ram_dirty_pages(box.ram), USED);
  save_whole();
  ck_assert_uint_eq(fake_stream_pages(&box.stream, 1), USED);
  open_tail();
  assert_replay_equals_memory();
}
END_TEST

START_TEST(a_blank_page_that_is_marked_is_sent_also_while_saving) {
  close_tail();
  begin();
  (void)step(10 * PAGE);
  open_tail();
  write_page(USED + 5, 1);
  (void)step(PLENTY);
  ck_assert_int_eq(finish(PLENTY), SLUICE_DONE);
  end(0);
  assert_replay_equals_memory();
}
END_TEST

START_TEST(what_was_blank_once_is_saved_by_every_later_save) {
  close_tail();
  open_tail();
  write_page(USED + 3, 1);
  save_whole();
  fake_stream_done(&box.stream);
  save_whole();
  assert_replay_equals_memory();
}
END_TEST

START_TEST(a_blank_part_is_whole_pages_of_a_region) {
  ck_assert_int_eq(sluice_ram_blank(box.ram, 1, 0), UV_EINVAL);
  ck_assert_int_eq(sluice_ram_blank(box.ram, 0, PAGE + 1), UV_EINVAL);
  ck_assert_int_eq(sluice_ram_blank(box.ram, 0, BYTES + PAGE), UV_EINVAL);
  ck_assert_int_eq(sluice_ram_blank(box.ram, 0, BYTES), 0);
  begin();
  ck_assert_int_eq(sluice_ram_blank(box.ram, 0, 0), UV_EBUSY);
  end(UV_EIO);
}
END_TEST

START_TEST(a_tracker_that_is_not_told_knows_no_blank_part) {
  close_box();
  memset(&box, 0, sizeof(box));
  box.w.out = &box.stream;
  open_ram(SLUICE_RAM_STATIC, 0);
  fill_memory();
  add_memory();
  ck_assert_int_eq(sluice_ram_blank(box.ram, 0, 0), UV_EINVAL);
}
END_TEST

Suite *ram_blank_suite(void);

Suite *ram_blank_suite(void) {
  Suite *s = suite_create("ram_blank");
  TCase *core = tcase_create("core");

  tcase_add_checked_fixture(core, open_box, close_box);
  tcase_add_test(core, blank_pages_are_neither_dirty_nor_read_nor_sent);
  tcase_add_test(core, a_blank_page_that_is_marked_is_sent_also_while_saving);
  tcase_add_test(core, what_was_blank_once_is_saved_by_every_later_save);
  tcase_add_test(core, a_blank_part_is_whole_pages_of_a_region);
  tcase_add_test(core, a_tracker_that_is_not_told_knows_no_blank_part);
  suite_add_tcase(s, core);
  return s;
}
