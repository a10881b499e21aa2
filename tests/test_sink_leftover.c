/* test_sink_leftover.c - what a killed save left goes; what lives stays. */
#include "io/sink.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io_rig.h"
#include "suite.h"

static const char *leave(const char *name) {
  const char *path = rig_path(rig_dir, name);
  int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

  ck_assert_int_ge(fd, 0);
  ck_assert_int_eq(close(fd), 0);
  return path;
}

static int clean(void) {
  return sluice_sink_file_clean(rig_path(rig_dir, "image"));
}

START_TEST(what_nobody_holds_is_removed_and_counted) {
  (void)leave(".image.abcXYZ.tmp");
  (void)leave(".image.012789.tmp");
  ck_assert_int_eq(clean(), 2);
  ck_assert_int_eq(rig_count_files(rig_dir), 0);
  ck_assert_int_eq(clean(), 0);
}
END_TEST

START_TEST(a_later_save_of_the_name_removes_it_too) {
  rig_save_t s = {.total = 10};

  (void)leave(".image.abcXYZ.tmp");
  ck_assert_int_eq(sluice_sink_file(&s.sink, rig_path(rig_dir, "image"), NULL),
                   0);
  ck_assert_int_eq(rig_save_run(&s), 0);
  ck_assert_int_eq(rig_count_files(rig_dir), 1);
  ck_assert(rig_file_matches(rig_path(rig_dir, "image"), 10));
}
END_TEST

START_TEST(what_a_process_holds_stays) {
  int fd = open(leave(".image.abcXYZ.tmp"), O_WRONLY | O_CLOEXEC);

  ck_assert_int_eq(flock(fd, LOCK_EX | LOCK_NB), 0);
  ck_assert_int_eq(clean(), 0);
  ck_assert_int_eq(close(fd), 0);
  ck_assert_int_eq(clean(), 1);
}
END_TEST

static const char *const others[] = {
    "image",               /* the image itself */
    ".image.tmp",          /* no letters */
    ".image.abcde.tmp",    /* five */
    ".image.abcdefg.tmp",  /* seven */
    ".image.abc-ef.tmp",   /* not of the letters */
    ".image.abcdef.tm",    /* another end */
    ".image.abcdef.tmp~",  /* ... and one more */
    ".images.abcdef.tmp",  /* another name's */
    ".image.x.abcdef.tmp", /* that of "image.x" */
    "image.abcdef.tmp",    /* not hidden */
};

START_TEST(another_name_stays) {
  (void)leave(others[_i]);
  ck_assert_int_eq(clean(), 0);
  ck_assert_int_eq(rig_count_files(rig_dir), 1);
}
END_TEST

START_TEST(what_is_no_file_stays) {
  const char *path = rig_path(rig_dir, ".image.abcXYZ.tmp");
  int r = _i == 0   ? mkfifo(path, 0600)
          : _i == 1 ? mkdir(path, 0700)
                    : symlink(leave("target"), path);

  ck_assert_int_eq(r, 0);
  ck_assert_int_eq(clean(), 0);
  ck_assert_int_eq(faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW), 0);
}
END_TEST

START_TEST(a_file_of_two_names_stays) {
  const char *path = leave(".image.abcXYZ.tmp");

  ck_assert_int_eq(link(path, rig_path(rig_dir, "kept")), 0);
  ck_assert_int_eq(clean(), 0);
  ck_assert_int_eq(access(path, F_OK), 0);
}
END_TEST

START_TEST(a_name_cut_short_is_known_again) {
  char name[256];
  char temp[256];

  memset(name, 'n', sizeof(name));
  name[255] = '\0';
  (void)snprintf(temp, sizeof(temp), ".%.243s.abcXYZ.tmp", name);
  (void)leave(temp);
  ck_assert_int_eq(sluice_sink_file_clean(rig_path(rig_dir, name)), 1);
}
END_TEST

START_TEST(behind_a_link_the_folder_of_its_target_is_cleaned) {
  (void)leave("image");
  (void)leave(".image.abcXYZ.tmp");
  ck_assert_int_eq(symlink("image", rig_path(rig_dir, "link")), 0);
  ck_assert_int_eq(sluice_sink_file_clean(rig_path(rig_dir, "link")), 1);
}
END_TEST

START_TEST(what_cannot_be_cleaned_is_named) {
  ck_assert_int_eq(sluice_sink_file_clean(NULL), UV_EINVAL);
  ck_assert_int_eq(sluice_sink_file_clean(rig_path(rig_dir, "no/image")),
                   UV_ENOENT);
  ck_assert_int_eq(sluice_sink_file_clean("/dev/null"), 0);
}
END_TEST

/* What lives in the same folder: a save that is not over yet, held at the point
 * where all but the rename is done. */
START_TEST(a_save_under_way_is_left_alone) {
  rig_save_t s = {.total = 1000, .hold = true};

  ck_assert_int_eq(sluice_sink_file(&s.sink, rig_path(rig_dir, "image"), NULL),
                   0);
  rig_save_begin(&s);
  while (!s.is_held) {
    (void)uv_run(&rig_loop, UV_RUN_ONCE);
  }
  ck_assert_int_eq(clean(), 0);
  rig_save_go_on(&s);
  ck_assert_int_eq(rig_save_finish(&s), 0);
  ck_assert(rig_file_matches(rig_path(rig_dir, "image"), 1000));
}
END_TEST

Suite *sink_leftover_suite(void) {
  Suite *s = suite_create("sink_leftover");
  TCase *tc = tcase_create("core");

  tcase_add_checked_fixture(tc, rig_setup, rig_teardown);
  tcase_add_test(tc, what_nobody_holds_is_removed_and_counted);
  tcase_add_test(tc, a_later_save_of_the_name_removes_it_too);
  tcase_add_test(tc, what_a_process_holds_stays);
  tcase_add_loop_test(tc, another_name_stays, 0,
                      (int)(sizeof(others) / sizeof(others[0])));
  tcase_add_loop_test(tc, what_is_no_file_stays, 0, 3);
  tcase_add_test(tc, a_file_of_two_names_stays);
  tcase_add_test(tc, a_name_cut_short_is_known_again);
  tcase_add_test(tc, behind_a_link_the_folder_of_its_target_is_cleaned);
  tcase_add_test(tc, what_cannot_be_cleaned_is_named);
  tcase_add_test(tc, a_save_under_way_is_left_alone);
  suite_add_tcase(s, tc);
  return s;
}
