/* test_tool_convert.c - sluice convert: what arrives, what happens to the file
 * that is replaced, and how much memory it takes. */
#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "suite.h"
#include "tool/made.h"
#include "tool/rig.h"

static void convert(const char *to, const char *in, const char *out) {
  ran_t r = rig_run("convert", "--to", to, in, out, NULL);

  rig_expect(&r, 0, "");
}

static void expect_same(const char *a, const char *b) {
  size_t len_a;
  size_t len_b;
  char *data_a = rig_read(a, &len_a);
  char *data_b = rig_read(b, &len_b);

  ck_assert_msg(len_a == len_b && memcmp(data_a, data_b, len_a) == 0,
                "%s and %s differ", a, b);
  free(data_a);
  free(data_b);
}

static void expect_state(const char *path) {
  unsigned char memory[MADE_PAGES * MADE_PAGE];
  size_t len;
  char *found;
  ran_t r = rig_run("extract", path, "region", "ram", "-o", "state", NULL);

  rig_expect(&r, 0, "");
  made_memory(memory);
  found = rig_read("state", &len);
  ck_assert_uint_eq(len, sizeof(memory));
  ck_assert_int_eq(memcmp(found, memory, len), 0);
  free(found);
  r = rig_run("extract", path, "device", "timer", "0", "-o", "-", NULL);
  ck_assert_str_eq(r.out, "tttttttttttttttttttttttt");
  rig_expect(&r, 0, "");
}

/* What is converted. */

static const sluice_format_t formats[] = {SLUICE_FORMAT_NATIVE,
                                          SLUICE_FORMAT_QEMU3};
static const char *const names[] = {"native", "qemu3"};

START_TEST(state_survives_every_conversion) {
  made_sample("a", formats[_i / 2]);
  convert(names[_i % 2], "a", "b");
  expect_state("b");
  convert(names[_i / 2], "b", "c");
  expect_state("c");
}
END_TEST

START_TEST(there_and_back_again_is_the_same_stream) {
  made_sample("a", SLUICE_FORMAT_QEMU3);
  convert("qemu3", "a", "once"); /* each page once */
  convert("native", "once", "image");
  convert("qemu3", "image", "again");
  expect_same("once", "again");
}
END_TEST

START_TEST(streams_without_footers_stay_without) {
  made_old("a");
  convert("native", "a", "image");
  convert("qemu3", "image", "b");
  convert("qemu3", "a", "c");
  expect_same("b", "c");
  expect_state("b");
}
END_TEST

START_TEST(an_image_has_each_page_once) {
  size_t len;
  char *image;

  made_sample("a", SLUICE_FORMAT_QEMU3);
  convert("native", "a", "image");
  image = rig_read("image", &len);
  ck_assert_ptr_null(memmem(image, len, "bbbbbbbb", 8));
  ck_assert_ptr_nonnull(memmem(image, len, "cccccccc", 8));
  free(image);
}
END_TEST

/* Once: a page that became zeros has its place still. */
START_TEST(converting_an_image_again_and_again_changes_nothing) {
  made_sample("a", SLUICE_FORMAT_QEMU3);
  convert("native", "a", "once");
  convert("native", "once", "twice");
  convert("native", "twice", "thrice");
  expect_same("twice", "thrice");
  expect_state("twice");
}
END_TEST

START_TEST(xbzrle_is_applied_and_commands_are_told_of) {
  size_t len;
  char *x;
  ran_t r;

  made_delta("a");
  r = rig_run("convert", "-v", "--to", names[_i], "a", "b", NULL);
  rig_expect(&r, 0, "command PING is left out");
  r = rig_run("extract", "b", "region", "ram", "-o", "x", NULL);
  rig_expect(&r, 0, "");
  x = rig_read("x", &len);
  ck_assert_int_eq(memcmp(x, "aaaaaxyaa", 9), 0);
  free(x);
  r = rig_run("convert", "--to", names[_i], "a", "b", NULL);
  ck_assert_str_eq(r.err, "");
  rig_expect(&r, 0, "");
}
END_TEST

START_TEST(pipes_on_both_sides_give_what_files_give) {
  const rig_io_t io = {.in = "a", .out = "piped", .is_piped = 1};
  ran_t r;

  made_sample("first", SLUICE_FORMAT_QEMU3);
  convert("native", "first", "a");
  convert(names[_i], "a", "b");
  r = rig_run_io(&io, "convert", "--to", names[_i], "-", "-", NULL);
  rig_expect(&r, 0, "");
  expect_same("b", "piped");
}
END_TEST

START_TEST(what_qemu_could_not_load_is_refused) {
  ran_t r;

  made_rude("a");
  r = rig_run("convert", "--to", "qemu3", "a", "b", NULL);
  rig_expect(&r, 1, "b: ");
  ck_assert_int_ne(access("b", F_OK), 0);
}
END_TEST

/* Where it goes. */

START_TEST(a_failed_conversion_leaves_what_was_there) {
  size_t len;
  char *data;
  ran_t r;

  made_sample("a", SLUICE_FORMAT_QEMU3);
  data = rig_read("a", &len);
  rig_write("a", data, len / 2);
  free(data);
  rig_write("b", "precious", 8);
  r = rig_run("convert", "--to", names[_i], "a", "b", NULL);
  rig_expect(&r, 1, "sluice: a: offset ");
  data = rig_read("b", &len);
  ck_assert_str_eq(data, "precious");
  free(data);
}
END_TEST

START_TEST(a_replaced_file_keeps_its_mode_and_a_link_stays_one) {
  struct stat st;

  made_sample("a", SLUICE_FORMAT_QEMU3);
  rig_write("b", "old", 3);
  ck_assert_int_eq(chmod("b", 0640), 0);
  ck_assert_int_eq(symlink("b", "link"), 0);
  convert("native", "a", "link");
  ck_assert_int_eq(lstat("link", &st), 0);
  ck_assert(S_ISLNK(st.st_mode));
  ck_assert_int_eq(stat("b", &st), 0);
  ck_assert_int_eq(st.st_mode & 0777, 0640);
  expect_state("b");
}
END_TEST

START_TEST(a_file_can_be_converted_into_itself) {
  made_sample("a", SLUICE_FORMAT_QEMU3);
  convert(names[_i], "a", "a");
  expect_state("a");
}
END_TEST

START_TEST(outputs_that_cannot_be_written_are_named) {
  ran_t r;

  made_sample("a", SLUICE_FORMAT_QEMU3);
  r = rig_run("convert", "--to", names[_i], "a", "/dev/full", NULL);
  rig_expect(&r, 1, "sluice: /dev/full: cannot write: no space left on device");
  r = rig_run("convert", "--to", names[_i], "a", "missing/b", NULL);
  rig_expect(&r, 1, "sluice: missing/b: cannot ");
  r = rig_run("convert", "--to", names[_i], "a", ".", NULL);
  rig_expect(&r, 1, "sluice: .: cannot open");
}
END_TEST

/* Does the process have an output, with a temporary name or, as "/...
 * (deleted)", without one? */
static int has_output(pid_t pid) {
  char path[64];
  char target[256];
  DIR *d;
  const struct dirent *e;
  int found = rig_leftovers();

  (void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
  d = opendir(path);
  while (d != NULL && (e = readdir(d)) != NULL) {
    ssize_t n = readlinkat(dirfd(d), e->d_name, target, sizeof(target) - 1);

    target[n < 0 ? 0 : n] = '\0';
    found += strstr(target, "(deleted)") != NULL;
  }
  if (d != NULL) {
    (void)closedir(d);
  }
  return found;
}

/* The tool waits for the rest of its input with its output open; then it is
 * told to go, or not even that. */
START_TEST(a_killed_conversion_leaves_no_temporary_file) {
  static const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGKILL};
  size_t len;
  char *data;
  int ends[2];
  int status;
  pid_t pid;

  made_sample("a", SLUICE_FORMAT_QEMU3);
  data = rig_read("a", &len);
  ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
  ck_assert_int_eq(write(ends[1], data, len / 2), (ssize_t)(len / 2));
  pid = rig_start(ends[0], "convert", "--to", "native", "-", "b", NULL);
  while (has_output(pid) == 0) {
    ck_assert_int_eq(waitpid(pid, &status, WNOHANG), 0);
    (void)sched_yield();
  }
  ck_assert_int_eq(kill(pid, signals[_i]), 0);
  ck_assert_int_eq(waitpid(pid, &status, 0), pid);
  ck_assert(WIFSIGNALED(status));
  ck_assert_int_eq(WTERMSIG(status), signals[_i]);
  ck_assert_int_eq(rig_leftovers(), 0);
  free(data);
}
END_TEST

/* Memory. */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { PEAK_KIB = 1024 * 1024 }; /* shadow memory is most of it */
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
enum { PEAK_KIB = 1024 * 1024 };
#else
enum { PEAK_KIB = 48 * 1024 };
#endif
#else
/* 2 MiB of program, 4 of chunks, 12 of the image's map (8 bytes a page), and
 * room to breathe: far from the region's 6 GiB. */
enum { PEAK_KIB = 48 * 1024 };
#endif

static void run_large(const char *const a[6]) {
  ran_t r = rig_run(a[0], a[1], a[2], a[3], a[4], a[5], NULL);

  ck_assert_msg(r.peak_kib < PEAK_KIB, "%s took %ld KiB", a[0], r.peak_kib);
  rig_expect(&r, 0, "");
}

START_TEST(memory_does_not_grow_with_the_region) {
  static const char *const runs[][6] = {
      {"inspect", "large"},
      {"verify", "large"},
      {"convert", "--to", "native", "large", "image"},
      {"convert", "--to", "qemu3", "image", "back"},
      {"extract", "large", "region", "ram", "-o", "x"},
  };

  made_large("large", formats[_i], UINT64_C(6) << 30);
  for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++) {
    run_large(runs[i]);
  }
}
END_TEST

#define ROWS(table) (int)(sizeof(table) / sizeof((table)[0]))

static void add_state(Suite *s) {
  TCase *t = tcase_create("state");

  tcase_add_checked_fixture(t, rig_setup, rig_teardown);
  tcase_add_loop_test(t, state_survives_every_conversion, 0, 4);
  tcase_add_test(t, there_and_back_again_is_the_same_stream);
  tcase_add_test(t, streams_without_footers_stay_without);
  tcase_add_test(t, an_image_has_each_page_once);
  tcase_add_test(t, converting_an_image_again_and_again_changes_nothing);
  tcase_add_loop_test(t, xbzrle_is_applied_and_commands_are_told_of, 0,
                      ROWS(names));
  tcase_add_loop_test(t, pipes_on_both_sides_give_what_files_give, 0,
                      ROWS(names));
  tcase_add_test(t, what_qemu_could_not_load_is_refused);
  suite_add_tcase(s, t);
}

static void add_outputs(Suite *s) {
  TCase *t = tcase_create("outputs");

  tcase_add_checked_fixture(t, rig_setup, rig_teardown);
  tcase_add_loop_test(t, a_failed_conversion_leaves_what_was_there, 0,
                      ROWS(names));
  tcase_add_test(t, a_replaced_file_keeps_its_mode_and_a_link_stays_one);
  tcase_add_loop_test(t, a_file_can_be_converted_into_itself, 0, ROWS(names));
  tcase_add_loop_test(t, outputs_that_cannot_be_written_are_named, 0,
                      ROWS(names));
  tcase_add_loop_test(t, a_killed_conversion_leaves_no_temporary_file, 0, 4);
  suite_add_tcase(s, t);
}

Suite *tool_convert_suite(void) {
  Suite *s = suite_create("tool_convert");
  TCase *memory = tcase_create("memory");

  add_state(s);
  add_outputs(s);
  tcase_add_checked_fixture(memory, rig_setup, rig_teardown);
  tcase_add_loop_test(memory, memory_does_not_grow_with_the_region, 0,
                      ROWS(formats));
  suite_add_tcase(s, memory);
  return s;
}
