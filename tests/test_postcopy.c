/* test_postcopy.c - restoring by mapping an image that is too scattered:
 * what is not mapped comes after the commit, when it is touched or one page
 * behind the other. */
#include "postcopy_box.h"

#include <errno.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include "deny.h"
#include "lost_pages.h"
#include "seed.h"
#include "skip.h"
#include "suite.h"

START_TEST(what_is_not_mapped_comes_after_the_commit) {
  ck_assert_int_eq(restore_late(1), 0);
  assert_filled();
}
END_TEST

static void touch_at_random(void) {
  seed_t r = seed_open(0);

  for (int i = 0; i < 3000; i++) {
    size_t page = seed_pick(&r, LOW_PAGES);

    ck_assert_mem_eq(box.to.low + page * KERNEL_PAGE,
                     box.from.low + page * KERNEL_PAGE, KERNEL_PAGE);
  }
  assert_same();
}

START_TEST(every_page_is_right_whenever_it_is_touched) {
  late.touch = touch_at_random;
  ck_assert_int_eq(restore_late(1), 0);
  assert_filled();
}
END_TEST

static void write_everywhere(void) {
  for (size_t i = 0; i < LOW_PAGES; i++) {
    box.to.low[i * KERNEL_PAGE + 99] = 99;
    box.from.low[i * KERNEL_PAGE + 99] = 99;
  }
}

START_TEST(what_the_host_writes_meanwhile_stays) {
  late.touch = write_everywhere;
  ck_assert_int_eq(restore_late(1), 0);
  assert_filled();
}
END_TEST

START_TEST(nothing_is_late_where_all_can_be_mapped) {
  ck_assert_int_eq(restore_late(2000), 0);
  ck_assert_int_eq(late.status, 0);
  ck_assert_uint_eq(box.stats.late_bytes, 0);
  ck_assert_uint_eq(box.stats.read_bytes, 0);
  assert_same();
}
END_TEST

START_TEST(a_region_restored_beside_is_read_before_the_commit) {
  host_close(&box.to);
  host_open(&box.to, SLUICE_RAM_REMAP, SLUICE_RAM_COOPERATIVE, 2);
  ck_assert_int_eq(restore_late(1), 0);
  ck_assert_uint_eq(box.stats.late_bytes, 0);
  ck_assert_uint_gt(box.stats.read_bytes, 0);
  assert_same();
}
END_TEST

/* Above the region in place lies one that is restored beside. */
START_TEST(only_what_is_in_place_comes_late) {
  const sluice_ram_options_t o = {.size = sizeof(o),
                                  .tracker = SLUICE_RAM_COOPERATIVE,
                                  .page_size = KERNEL_PAGE};

  host_close(&box.to);
  ck_assert_int_eq(
      sluice_ram_new(&box.to.ram, box.to.registry, "ram", NULL, &o, NULL), 0);
  box.to.low = map_pages(low_bytes());
  box.to.high = map_pages(high_bytes());
  ck_assert_int_eq(sluice_ram_add_region(box.to.ram, "low", box.to.low,
                                         low_bytes(), SLUICE_RAM_REMAP, NULL),
                   0);
  ck_assert_int_eq(
      sluice_ram_add_region(box.to.ram, "high", box.to.high, high_bytes(),
                            SLUICE_RAM_REMAP | SLUICE_RAM_IN_PLACE, NULL),
      0);
  toy_init(&box.to.toy, box.to.registry, "toy", 5000, 2);
  ck_assert_int_eq(restore_late(1), 0);
  ck_assert_int_eq(late.status, 0);
  ck_assert_uint_gt(box.stats.read_bytes, 0);
  if (can_fill()) {
    ck_assert_uint_eq(box.stats.late_bytes, high_bytes());
  }
  assert_same();
}
END_TEST

static const struct {
  int call;
  unsigned argument;
  int error;
  const char *reason;
} denied[] = {
    {SYS_userfaultfd, 0, EPERM, "userfaultfd is not allowed"},
    {SYS_userfaultfd, 0, EACCES, "userfaultfd is not allowed"},
    {SYS_userfaultfd, 0, ENOSYS,
     "the kernel has no userfaultfd with poison (Linux 6.6)"},
    {SYS_ioctl, (unsigned)UFFDIO_API, EINVAL,
     "the kernel has no userfaultfd with poison (Linux 6.6)"},
    {SYS_ioctl, (unsigned)UFFDIO_REGISTER, ENOMEM, "no memory"},
    {SYS_eventfd2, 0, ENOMEM, "no memory"},
    {SYS_clone3, 0, EAGAIN, "no thread is to be had"},
};

START_TEST(where_the_kernel_will_not_all_is_read_before_the_commit) {
  if (!can_fill() ||
      deny_call(denied[_i].call, denied[_i].argument, denied[_i].error) != 0) {
    skip(NO_FILL " or " NO_DENYING);
    return;
  }
  ck_assert_int_eq(restore_late(1), 0);
  ck_assert_int_eq(late.status, 0);
  ck_assert_ptr_nonnull(box.stats.late_reason);
  ck_assert_str_eq(box.stats.late_reason, denied[_i].reason);
  ck_assert_uint_eq(box.stats.late_bytes, 0);
  ck_assert_uint_gt(box.stats.read_bytes, 0);
  assert_same();
}
END_TEST

START_TEST(a_restore_that_fails_before_the_commit_leaves_nothing_behind) {
  late.does_fail = 1;
  ck_assert_int_eq(restore_late(1), UV_ECANCELED);
  late.does_fail = 0;
  box.restored = 0;
  ck_assert_int_eq(restore_late(1), 0);
  assert_filled();
}
END_TEST

static void close_engine(void) {
  ck_assert_int_eq(sluice_engine_close(box.rig.engine, NULL, NULL), 0);
}

START_TEST(an_engine_that_closes_waits_until_all_is_there) {
  late.touch = close_engine;
  ck_assert_int_eq(restore_late(1), 0);
  assert_filled();
  ck_assert_int_eq(
      sluice_engine_new(&box.rig.engine, &box.rig.loop, NULL, NULL), 0);
}
END_TEST

static void *read_low(void *arg) {
  (void)arg;
  return memcmp(box.to.low, box.from.low, low_bytes()) == 0 ? arg : NULL;
}

static void read_from_threads(void) {
  pthread_t threads[3];
  int token;

  for (int i = 0; i < 3; i++) {
    ck_assert_int_eq(pthread_create(&threads[i], NULL, read_low, &token), 0);
  }
  for (int i = 0; i < 3; i++) {
    void *got;

    ck_assert_int_eq(pthread_join(threads[i], &got), 0);
    ck_assert_ptr_eq(got, &token);
  }
}

START_TEST(several_threads_may_wait) {
  late.touch = read_from_threads;
  ck_assert_int_eq(restore_late(1), 0);
  assert_filled();
}
END_TEST

static void cut_file(void) {
  ck_assert_int_eq(truncate(box.path, 40960), 0);
}

START_TEST(pages_that_cannot_be_read_are_told_and_raise_a_signal) {
  if (!can_fill()) {
    skip(NO_FILL);
    return;
  }
  late.touch = cut_file;
  ck_assert_int_eq(restore_late(1), 0);
  if (late.status == 0) {
    skip("the thread was faster than the file was cut");
    return;
  }
  ck_assert_int_eq(late.status, SLUICE_ETRUNCATED);
  ck_assert_uint_gt(box.stats.late_lost, 0);
  ck_assert_uint_eq(count_lost(), box.stats.late_lost);
}
END_TEST

START_TEST(pages_that_there_is_no_memory_for_are_lost_not_zero) {
  if (!can_fill() || deny_call(SYS_ioctl, (unsigned)UFFDIO_COPY, ENOMEM) != 0) {
    skip(NO_FILL " or " NO_DENYING);
    return;
  }
  ck_assert_int_eq(restore_late(1), 0);
  ck_assert_int_eq(late.status, UV_ENOMEM);
  ck_assert_uint_eq(box.stats.late_lost, box.stats.late_bytes);
  ck_assert_uint_eq(count_lost(), box.stats.late_lost);
}
END_TEST

Suite *postcopy_suite(void) {
  Suite *s = suite_create("postcopy");
  TCase *t = tcase_create("late");

  tcase_add_checked_fixture(t, setup, box_close);
  tcase_add_test(t, what_is_not_mapped_comes_after_the_commit);
  tcase_add_test(t, every_page_is_right_whenever_it_is_touched);
  tcase_add_test(t, what_the_host_writes_meanwhile_stays);
  tcase_add_test(t, nothing_is_late_where_all_can_be_mapped);
  tcase_add_test(t, a_region_restored_beside_is_read_before_the_commit);
  tcase_add_test(t, only_what_is_in_place_comes_late);
  tcase_add_loop_test(t,
                      where_the_kernel_will_not_all_is_read_before_the_commit,
                      0, sizeof(denied) / sizeof(denied[0]));
  tcase_add_test(t,
                 a_restore_that_fails_before_the_commit_leaves_nothing_behind);
  tcase_add_test(t, an_engine_that_closes_waits_until_all_is_there);
  tcase_add_test(t, several_threads_may_wait);
  tcase_add_test(t, pages_that_cannot_be_read_are_told_and_raise_a_signal);
  tcase_add_test(t, pages_that_there_is_no_memory_for_are_lost_not_zero);
  suite_add_tcase(s, t);
  return s;
}
