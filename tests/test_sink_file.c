/* test_sink_file.c - a file appears whole under its name, or not at all. */
#include "io/sink.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io_rig.h"
#include "skip.h"
#include "suite.h"

enum { KIB = 1024, MIB = 1024 * 1024 };

static sluice_sink_t *file_sink(const char *path,
                                const sluice_file_options_t *options) {
  sluice_sink_t *sink;

  ck_assert_int_eq(sluice_sink_file(&sink, path, options), 0);
  return sink;
}

static int save_to(const char *path, uint64_t total, size_t chunk) {
  rig_save_t s = {
      .sink = file_sink(path, NULL), .total = total, .chunk = chunk};

  return rig_save_run(&s);
}

/* An image that must survive what follows. */
static void put_old_image(const char *path) {
  ck_assert_int_eq(save_to(path, 100, 0), 0);
  ck_assert(rig_file_matches(path, 100));
}

/* Sizes around what is aligned, cuts that are not, with and without O_DIRECT,
 * on disk and on tmpfs (which refuses O_DIRECT). */
static const struct {
  uint64_t total;
  size_t chunk;
  int no_direct;
  int no_sync;
  uint32_t in_flight;
} layouts[] = {
    {0, 0, 0, 0, 0},
    {1, 0, 0, 0, 0},
    {4095, 0, 0, 0, 0},
    {4096, 0, 0, 0, 0},
    {4097, 0, 0, 0, 0},
    {3 * MIB, 0, 0, 0, 0},
    {3 * MIB + 5, 0, 0, 0, 1},
    {3 * MIB + 5, 0, 1, 0, 8},
    {2 * MIB, 5000, 0, 1, 0},
    {MIB + 1, 4096, 0, 0, 4},
    {MIB, 12288, 0, 1, 1},
    {MIB / 4, 777, 0, 1, 3},
    {3 * MIB, 4096, 0, 1, UINT32_MAX},
};

static void check_layout(const char *dir, int row) {
  const char *path = rig_path(dir, "image");
  const sluice_file_options_t options = {.size = sizeof(options),
                                         .no_direct = layouts[row].no_direct,
                                         .no_sync = layouts[row].no_sync,
                                         .in_flight = layouts[row].in_flight};
  rig_save_t s = {.sink = file_sink(path, &options),
                  .total = layouts[row].total,
                  .chunk = layouts[row].chunk,
                  .window = 9};

  ck_assert_int_eq(rig_save_run(&s), 0);
  ck_assert(rig_file_matches(path, (size_t)layouts[row].total));
  ck_assert_int_eq(rig_count_files(dir), 1);
}

START_TEST(what_was_written_is_in_the_file_on_disk) {
  check_layout(rig_dir, _i);
}
END_TEST

START_TEST(what_was_written_is_in_the_file_on_tmpfs) {
  check_layout(rig_shm, _i);
}
END_TEST

START_TEST(offsets_beyond_4_gib_land_where_they_belong) {
  const char *path = rig_path(rig_dir, "image");
  const uint64_t start = UINT64_C(5) * KIB * MIB + 4096;
  rig_save_t s = {
      .sink = file_sink(path, NULL), .start = start, .total = 300 * KIB};
  uint8_t *back = malloc(300 * KIB);
  int fd;

  ck_assert_int_eq(rig_save_run(&s), 0);
  fd = open(path, O_RDONLY);
  ck_assert_int_eq(pread(fd, back, 300 * KIB, (off_t)start), 300 * KIB);
  ck_assert(rig_matches(back, start, 300 * KIB));
  ck_assert_int_eq(lseek(fd, 0, SEEK_END), (off_t)start + 300 * KIB);
  ck_assert_int_eq(close(fd), 0);
  free(back);
}
END_TEST

START_TEST(the_name_appears_at_the_end_only) {
  const char *path = rig_path(rig_dir, "image");
  rig_save_t s = {
      .sink = file_sink(path, NULL), .total = 2 * MIB, .hold = true};

  rig_save_begin(&s);
  while (!s.is_held) {
    (void)uv_run(&rig_loop, UV_RUN_ONCE);
  }
  ck_assert_int_ne(access(path, F_OK), 0);
  ck_assert_int_le(rig_count_files(rig_dir), 1); /* 0: one without a name */
  rig_save_go_on(&s);
  ck_assert_int_eq(rig_save_finish(&s), 0);
  ck_assert(rig_file_matches(path, 2 * MIB));
  ck_assert_int_eq(rig_count_files(rig_dir), 1);
}
END_TEST

START_TEST(an_old_image_is_replaced) {
  const char *path = rig_path(rig_dir, "image");

  put_old_image(path);
  ck_assert_int_eq(save_to(path, 3000, 0), 0);
  ck_assert(rig_file_matches(path, 3000));
}
END_TEST

/* _i: how much was given before; both within the window and beyond it. */
START_TEST(an_aborted_save_leaves_the_old_image_and_nothing_else) {
  const char *path = rig_path(rig_dir, "image");
  rig_save_t s = {.total = 8 * MIB, .window = 8};

  put_old_image(path);
  s.sink = file_sink(path, NULL);
  s.cancel_after = (uint64_t)_i * 256 * KIB + 1;
  ck_assert_int_eq(rig_save_run(&s), UV_ECANCELED);
  ck_assert(rig_file_matches(path, 100));
  ck_assert_int_eq(rig_count_files(rig_dir), 1);
}
END_TEST

START_TEST(an_abort_with_nothing_under_way_leaves_nothing) {
  rig_save_t s = {.sink = file_sink(rig_path(rig_dir, "image"), NULL),
                  .total = MIB,
                  .hold = true};

  rig_save_begin(&s);
  while (!s.is_held) {
    (void)uv_run(&rig_loop, UV_RUN_ONCE);
  }
  rig_save_abort(&s);
  ck_assert_int_eq(rig_save_finish(&s), UV_ECANCELED);
  ck_assert_int_eq(rig_count_files(rig_dir), 0);
}
END_TEST

START_TEST(a_limit_on_file_size_fails_the_save_and_spares_the_host) {
  const struct rlimit limit = {MIB + 5, MIB + 5};
  const char *path = rig_path(rig_dir, "image");
  rig_save_t s = {.total = 3 * MIB};

  put_old_image(path);
  ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
  s.sink = file_sink(path, NULL);
  ck_assert_int_eq(rig_save_run(&s), UV_EFBIG); /* and no SIGXFSZ */
  ck_assert(rig_file_matches(path, 100));
  ck_assert_int_eq(rig_count_files(rig_dir), 1);
}
END_TEST

/* With the right to mount: in a mount namespace that goes with this process.
 * Without it /dev/full stands in. */
START_TEST(a_full_disk_fails_the_save_by_name) {
  const char *path = rig_path(rig_dir, "image");

  if (unshare(CLONE_NEWNS) == 0 &&
      mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) == 0 &&
      mount("none", rig_dir, "tmpfs", 0, "size=1m") == 0) {
    ck_assert_int_eq(save_to(path, 3 * MIB, 0), UV_ENOSPC);
    ck_assert_int_eq(rig_count_files(rig_dir), 0);
    ck_assert_int_eq(umount(rig_dir), 0);
  } else {
    ck_assert_int_eq(save_to("/dev/full", 3 * MIB, 0), UV_ENOSPC);
  }
}
END_TEST

static void expect_no_open(const char *path, int code, const char *said) {
  rig_save_t s = {.sink = file_sink(path, NULL), .total = 1};

  ck_assert_int_eq(rig_save_run(&s), code);
  ck_assert_int_eq(s.err.code, code);
  ck_assert_msg(strstr(s.err.message, said) != NULL, "says: %s", s.err.message);
  ck_assert_msg(strstr(s.err.message, path) != NULL, "says: %s", s.err.message);
}

START_TEST(a_missing_folder_is_named) {
  expect_no_open(rig_path(rig_dir, "nowhere/image"), UV_ENOENT,
                 "no such file or directory");
}
END_TEST

START_TEST(a_file_in_the_place_of_a_folder_is_named) {
  put_old_image(rig_path(rig_dir, "file"));
  expect_no_open(rig_path(rig_dir, "file/image"), UV_ENOTDIR,
                 "not a directory");
}
END_TEST

START_TEST(a_folder_in_the_place_of_the_file_is_refused) {
  expect_no_open(rig_dir, UV_EISDIR, "a folder stands at");
  expect_no_open("", UV_ENOENT, "no file name");
  expect_no_open(rig_path(rig_dir, ""), UV_EISDIR, "");
}
END_TEST

START_TEST(a_folder_without_permission_is_named) {
  const bool is_root = geteuid() == 0;

  ck_assert_int_eq(chmod(rig_shm, 0555), 0);
  ck_assert_int_eq(is_root ? seteuid(65534) : 0, 0);
  expect_no_open(rig_path(rig_shm, "image"), UV_EACCES, "temporary file");
  ck_assert_int_eq(is_root ? seteuid(0) : 0, 0);
  ck_assert_int_eq(chmod(rig_shm, 0700), 0);
}
END_TEST

START_TEST(a_name_that_is_too_long_is_refused) {
  char name[300];

  memset(name, 'n', sizeof(name));
  name[299] = '\0';
  ck_assert_int_eq(save_to(rig_path(rig_dir, name), 1, 0), UV_ENAMETOOLONG);
}
END_TEST

START_TEST(the_longest_name_has_room_for_its_temporary_one) {
  char name[256];

  memset(name, 'n', sizeof(name));
  name[255] = '\0';
  ck_assert_int_eq(save_to(rig_path(rig_dir, name), 10, 0), 0);
  ck_assert(rig_file_matches(rig_path(rig_dir, name), 10));
}
END_TEST

START_TEST(permissions_are_those_asked_for) {
  const sluice_file_options_t options = {.size = sizeof(options), .mode = 0640};
  rig_save_t s = {.sink = file_sink(rig_path(rig_dir, "a"), &options)};
  struct stat st;

  (void)umask(022);
  ck_assert_int_eq(rig_save_run(&s), 0);
  ck_assert_int_eq(stat(rig_path(rig_dir, "a"), &st), 0);
  ck_assert_uint_eq(st.st_mode & 07777, 0640);
  ck_assert_int_eq(save_to(rig_path(rig_dir, "b"), 1, 0), 0);
  ck_assert_int_eq(stat(rig_path(rig_dir, "b"), &st), 0);
  ck_assert_uint_eq(st.st_mode & 07777, 0600);
}
END_TEST

START_TEST(a_bare_name_means_the_working_folder) {
  char back[512];

  ck_assert_ptr_nonnull(getcwd(back, sizeof(back)));
  ck_assert_int_eq(chdir(rig_dir), 0);
  ck_assert_int_eq(save_to("image", 10, 0), 0);
  ck_assert_int_eq(chdir(back), 0);
  ck_assert(rig_file_matches(rig_path(rig_dir, "image"), 10));
}
END_TEST

START_TEST(a_path_means_what_it_meant_when_the_sink_was_made) {
  rig_save_t s = {.total = 10};
  rig_load_t l = {0};
  char back[512];

  ck_assert_ptr_nonnull(getcwd(back, sizeof(back)));
  ck_assert_int_eq(chdir(rig_dir), 0);
  s.sink = file_sink("image", NULL);
  ck_assert_int_eq(sluice_source_file(&l.source, "image"), 0);
  ck_assert_int_eq(chdir(back), 0);
  ck_assert_int_eq(rig_save_run(&s), 0);
  ck_assert_int_eq(rig_load_run(&l), 0);
  ck_assert_uint_eq(l.got, 10);
  ck_assert(rig_file_matches(rig_path(rig_dir, "image"), 10));
}
END_TEST

START_TEST(without_a_working_folder_a_relative_path_is_refused) {
  char back[512];
  sluice_sink_t *sink;
  sluice_source_t *source;

  ck_assert_ptr_nonnull(getcwd(back, sizeof(back)));
  ck_assert_int_eq(mkdir(rig_path(rig_dir, "gone"), 0700), 0);
  ck_assert_int_eq(chdir(rig_path(rig_dir, "gone")), 0);
  ck_assert_int_eq(rmdir("../gone"), 0);
  ck_assert_int_eq(sluice_sink_file(&sink, "image", NULL), UV_ENOENT);
  ck_assert_int_eq(sluice_source_file(&source, "image"), UV_ENOENT);
  ck_assert_int_eq(chdir(back), 0);
}
END_TEST

START_TEST(a_folder_renamed_meanwhile_does_no_harm) {
  const char *was = rig_path(rig_dir, "was");
  const char *is = rig_path(rig_dir, "is");
  rig_save_t s = {.total = 1000, .hold = true};

  ck_assert_int_eq(mkdir(was, 0700), 0);
  s.sink = file_sink(rig_path(rig_dir, "was/image"), NULL);
  rig_save_begin(&s);
  while (!s.is_held) {
    (void)uv_run(&rig_loop, UV_RUN_ONCE);
  }
  ck_assert_int_eq(rename(was, is), 0);
  rig_save_go_on(&s);
  ck_assert_int_eq(rig_save_finish(&s), 0);
  ck_assert(rig_file_matches(rig_path(rig_dir, "is/image"), 1000));
  ck_assert_int_eq(rig_count_files(is), 1);
  ck_assert_int_eq(unlink(rig_path(rig_dir, "is/image")), 0);
}
END_TEST

START_TEST(a_symbolic_link_stays_and_its_target_is_replaced) {
  const char *link_path = rig_path(rig_dir, "link");
  struct stat st;

  put_old_image(rig_path(rig_shm, "target"));
  ck_assert_int_eq(symlink(rig_path(rig_shm, "target"), link_path), 0);
  ck_assert_int_eq(save_to(link_path, 5000, 0), 0);
  ck_assert(rig_file_matches(rig_path(rig_shm, "target"), 5000));
  ck_assert_int_eq(lstat(link_path, &st), 0);
  ck_assert(S_ISLNK(st.st_mode));
}
END_TEST

START_TEST(a_link_that_leads_nowhere_is_refused) {
  ck_assert_int_eq(symlink("/nowhere/at/all", rig_path(rig_dir, "link")), 0);
  expect_no_open(rig_path(rig_dir, "link"), UV_ENOENT, "leads nowhere");
}
END_TEST

static bool protects_symlinks(void) {
  FILE *file = fopen("/proc/sys/fs/protected_symlinks", "r");
  bool is_so = file != NULL && fgetc(file) == '1';

  if (file != NULL) {
    (void)fclose(file);
  }
  return is_so;
}

/* As a stranger may do in /tmp, by the name that a host is known to save to. */
static void plant_link(const char *target, const char *path) {
  ck_assert_int_eq(chmod(rig_dir, 01777), 0);
  ck_assert_int_eq(symlink(target, path), 0);
  ck_assert_int_eq(lchown(path, 65534, 65534), 0);
}

START_TEST(a_strangers_link_in_a_sticky_folder_is_not_followed) {
  const char *victim = rig_path(rig_shm, "victim");
  const char *path = rig_path(rig_dir, "planted");

  if (geteuid() != 0 || !protects_symlinks()) {
    skip("needs root and fs.protected_symlinks=1");
    return;
  }
  put_old_image(victim);
  plant_link(victim, path);
  expect_no_open(path, UV_EACCES, "cannot follow the symbolic link");
  ck_assert(rig_file_matches(victim, 100));
}
END_TEST

START_TEST(a_device_is_written_as_it_is) {
  struct stat st;

  ck_assert_int_eq(save_to("/dev/null", 3 * MIB, 0), 0);
  ck_assert_int_eq(stat("/dev/null", &st), 0);
  ck_assert(S_ISCHR(st.st_mode));
  ck_assert_int_eq(save_to("/dev/full", 3 * MIB, 0), UV_ENOSPC);
}
END_TEST

START_TEST(a_fifo_is_written_as_it_is) {
  const char *path = rig_path(rig_dir, "fifo");
  rig_save_t s = {.total = 3 * MIB};
  rig_load_t l = {.expect = 3 * MIB};

  ck_assert_int_eq(mkfifo(path, 0600), 0);
  ck_assert_int_eq(sluice_source_file(&l.source, path), 0);
  rig_load_begin(&l);
  while (l.waited == 0) { /* it has the reading end open now */
    (void)uv_run(&rig_loop, UV_RUN_ONCE);
  }
  s.sink = file_sink(path, NULL);
  rig_save_begin(&s);
  rig_run_both(&s, &l);
  ck_assert_int_eq(s.status, 0);
  ck_assert_int_eq(l.status, 0);
  ck_assert_uint_eq(l.got, 3 * MIB);
}
END_TEST

START_TEST(a_fifo_without_reader_fails_instead_of_waiting) {
  const char *path = rig_path(rig_dir, "fifo");

  ck_assert_int_eq(mkfifo(path, 0600), 0);
  expect_no_open(path, UV_ENXIO, "");
}
END_TEST

START_TEST(a_sink_that_was_never_opened_can_be_freed) {
  sluice_sink_free(file_sink(rig_path(rig_dir, "image"), NULL));
  sluice_sink_free(NULL);
  ck_assert_int_eq(rig_count_files(rig_dir), 0);
}
END_TEST

static TCase *new_case(const char *name) {
  TCase *tc = tcase_create(name);

  tcase_add_checked_fixture(tc, rig_setup, rig_teardown);
  return tc;
}

Suite *sink_file_suite(void) {
  Suite *s = suite_create("sink_file");
  TCase *core = new_case("core");
  TCase *faults = new_case("faults");
  const int rows = (int)(sizeof(layouts) / sizeof(layouts[0]));

  tcase_add_loop_test(core, what_was_written_is_in_the_file_on_disk, 0, rows);
  tcase_add_loop_test(core, what_was_written_is_in_the_file_on_tmpfs, 0, rows);
  tcase_add_test(core, offsets_beyond_4_gib_land_where_they_belong);
  tcase_add_test(core, the_name_appears_at_the_end_only);
  tcase_add_test(core, an_old_image_is_replaced);
  tcase_add_test(core, the_longest_name_has_room_for_its_temporary_one);
  tcase_add_test(core, permissions_are_those_asked_for);
  tcase_add_test(core, a_bare_name_means_the_working_folder);
  tcase_add_test(core, a_path_means_what_it_meant_when_the_sink_was_made);
  tcase_add_test(core, without_a_working_folder_a_relative_path_is_refused);
  tcase_add_test(core, a_folder_renamed_meanwhile_does_no_harm);
  tcase_add_test(core, a_symbolic_link_stays_and_its_target_is_replaced);
  tcase_add_test(core, a_device_is_written_as_it_is);
  tcase_add_test(core, a_fifo_is_written_as_it_is);
  tcase_add_test(core, a_sink_that_was_never_opened_can_be_freed);
  tcase_add_loop_test(
      faults, an_aborted_save_leaves_the_old_image_and_nothing_else, 0, 12);
  tcase_add_test(faults, an_abort_with_nothing_under_way_leaves_nothing);
  tcase_add_test(faults,
                 a_limit_on_file_size_fails_the_save_and_spares_the_host);
  tcase_add_test(faults, a_full_disk_fails_the_save_by_name);
  tcase_add_test(faults, a_missing_folder_is_named);
  tcase_add_test(faults, a_file_in_the_place_of_a_folder_is_named);
  tcase_add_test(faults, a_folder_in_the_place_of_the_file_is_refused);
  tcase_add_test(faults, a_folder_without_permission_is_named);
  tcase_add_test(faults, a_name_that_is_too_long_is_refused);
  tcase_add_test(faults, a_link_that_leads_nowhere_is_refused);
  tcase_add_test(faults, a_strangers_link_in_a_sticky_folder_is_not_followed);
  tcase_add_test(faults, a_fifo_without_reader_fails_instead_of_waiting);
  suite_add_tcase(s, core);
  suite_add_tcase(s, faults);
  return s;
}
