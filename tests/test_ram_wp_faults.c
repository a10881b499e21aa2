/* test_ram_wp_faults.c - a kernel that cannot track, and memory that goes away.
 *
 * Where the kernel has nothing of it, its own refusal is all that is tested. */
#include "ram_wp_box.h"
#include "skip.h"

#include <errno.h>
#include <sys/syscall.h>
#include <uv.h>

#include "deny.h"

/* Each row is one thing the kernel may not have. */
static const struct {
  int call;
  unsigned arg1;
  int error;
  const char *what;
} lacks[] = {
    {SYS_userfaultfd, 0, ENOSYS, "userfaultfd"},
    {SYS_userfaultfd, 0, EPERM, "userfaultfd"},
    {SYS_ioctl, 0xc018aa3f, EINVAL, "UFFDIO_API"},
    {SYS_openat, 0, ENOENT, "/proc/self/pagemap"},
    {SYS_ioctl, (unsigned)SLUICE__PM_SCAN, ENOTTY, "PAGEMAP_SCAN"},
};

START_TEST(a_kernel_that_lacks_something_is_refused_naming_it) {
  unsigned files = count_open_files();

  memset(&box, 0, sizeof(box));
  ck_assert_int_eq(deny_call(lacks[_i].call, lacks[_i].arg1, lacks[_i].error),
                   0);
  ck_assert_int_eq(new_tracked_ram(0), UV_ENOTSUP);
  ck_assert_ptr_null(box.ram);
  ck_assert_ptr_null(box.registry.handler);
  ck_assert_ptr_nonnull(strstr(box.err.message, lacks[_i].what));
  ck_assert_uint_eq(count_open_files(), files);
}
END_TEST

START_TEST(this_kernel_is_refused_by_name) {
  memset(&box, 0, sizeof(box));
  ck_assert_int_eq(new_tracked_ram(0), UV_ENOTSUP);
  ck_assert_ptr_nonnull(strstr(box.err.message, "6.7"));
}
END_TEST

START_TEST(a_save_that_cannot_arm_fails_and_leaves_nothing) {
  unsigned files = count_open_files();
  uint8_t *hole = map_pages(PAGE);

  ck_assert_int_eq(sluice_ram_add_region(box.ram, "gone", hole, PAGE, 0, NULL),
                   0);
  (void)munmap(hole, PAGE);
  ck_assert_int_lt(
      hooks()->save_begin(box.ram, &box.registry.section, &box.err), 0);
  ck_assert_str_ne(box.err.message, "");
  ck_assert_uint_eq(count_open_files(), files);
}
END_TEST

START_TEST(memory_unmapped_under_a_save_is_an_error_not_a_crash) {
  begin();
  (void)munmap(box.memory, BYTES);
  ck_assert_int_eq(mmap(box.memory, BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
                        0) == box.memory,
                   1);
  ck_assert_int_eq(step(PLENTY), UV_EPERM);
  ck_assert_ptr_nonnull(strstr(box.err.message, "PAGEMAP_SCAN"));
  end(UV_EPERM);
}
END_TEST

START_TEST(memory_that_is_no_whole_kernel_pages_is_refused) {
  ck_assert_int_eq(
      sluice_ram_add_region(box.ram, "r", box.memory + 512, PAGE, 0, NULL),
      UV_EINVAL);
}
END_TEST

static void add_faults(Suite *s) {
  TCase *t = tcase_create("faults");

  tcase_add_checked_fixture(t, open_box, close_box);
  tcase_add_test(t, a_save_that_cannot_arm_fails_and_leaves_nothing);
  tcase_add_test(t, memory_unmapped_under_a_save_is_an_error_not_a_crash);
  tcase_add_test(t, memory_that_is_no_whole_kernel_pages_is_refused);
  suite_add_tcase(s, t);
}

Suite *ram_wp_faults_suite(void);

Suite *ram_wp_faults_suite(void) {
  Suite *s = suite_create("ram_wp_faults");
  TCase *refusals = tcase_create("refusals");

  if (new_tracked_ram(0) == 0) {
    fake_remove(&box.registry);
    (void)sluice_ram_free(box.ram);
    add_faults(s);
    tcase_add_loop_test(refusals,
                        a_kernel_that_lacks_something_is_refused_naming_it, 0,
                        sizeof(lacks) / sizeof(lacks[0]));
  } else {
    skip_rows("faults", NO_GUARD);
    tcase_add_test(refusals, this_kernel_is_refused_by_name);
  }
  suite_add_tcase(s, refusals);
  return s;
}
