/* test_source.c - files, descriptors, memory and the host's own, read back. */
#include "io/source.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io_rig.h"
#include "suite.h"

enum { KIB = 1024, MIB = 1024 * 1024 };

static void put_file(const char *path, uint64_t total) {
  rig_save_t s = {.total = total};

  ck_assert_int_eq(sluice_sink_file(&s.sink, path, NULL), 0);
  ck_assert_int_eq(rig_save_run(&s), 0);
}

static sluice_source_t *file_source(const char *path) {
  sluice_source_t *source;

  ck_assert_int_eq(sluice_source_file(&source, path), 0);
  return source;
}

static const uint64_t sizes[] = {0, 1, 4096, 256 * KIB, 3 * MIB + 7};

START_TEST(a_file_is_read_to_its_end) {
  const char *path = rig_path(rig_dir, "image");
  rig_load_t l = {.step = 100 * KIB};

  put_file(path, sizes[_i]);
  l.source = file_source(path);
  ck_assert_int_eq(rig_load_run(&l), 0);
  ck_assert_uint_eq(l.got, sizes[_i]);
}
END_TEST

static void expect_no_open(const char *path, int code) {
  rig_load_t l = {.source = file_source(path)};

  ck_assert_int_eq(rig_load_run(&l), code);
  ck_assert_int_eq(l.err.code, code);
  ck_assert_ptr_nonnull(strstr(l.err.message, path));
}

START_TEST(a_file_that_is_memory_is_read_at_once) {
  const char *path = rig_path(rig_shm, "image");
  rig_load_t l = {0};

  put_file(path, 3 * MIB + 7);
  l.source = file_source(path);
  ck_assert_int_eq(rig_load_run(&l), 0);
  ck_assert_uint_eq(l.got, 3 * MIB + 7);
  ck_assert_uint_eq(l.waited, 0);
}
END_TEST

/* Nothing of it is cached: written past the cache, or thrown out of it. */
START_TEST(a_file_that_is_not_in_memory_is_read_to_its_end) {
  const char *path = rig_path(rig_dir, "image");
  rig_load_t l = {0};
  int fd;

  put_file(path, 3 * MIB + 7);
  fd = open(path, O_RDONLY | O_CLOEXEC);
  (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  ck_assert_int_eq(close(fd), 0);
  l.source = file_source(path);
  ck_assert_int_eq(rig_load_run(&l), 0);
  ck_assert_uint_eq(l.got, 3 * MIB + 7);
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_named) {
  expect_no_open(rig_path(rig_dir, "nothing"), UV_ENOENT);
  expect_no_open(rig_dir, UV_EISDIR);
}
END_TEST

START_TEST(a_read_of_a_file_that_is_cancelled_still_answers) {
  const char *path = rig_path(rig_dir, "image");
  rig_load_t l = {0};

  put_file(path, MIB);
  l.source = file_source(path);
  rig_load_begin(&l);
  while (!l.is_reading && !l.is_over) { /* over: it was in memory */
    (void)uv_run(&rig_loop, UV_RUN_ONCE);
  }
  if (!l.is_over) {
    sluice__source_cancel(l.source);
    ck_assert(l.is_reading);
  }
  (void)rig_load_finish(&l);
  ck_assert(l.status == UV_ECANCELED || l.got == MIB);
}
END_TEST

START_TEST(a_fifo_is_waited_for_until_a_writer_comes) {
  const char *path = rig_path(rig_dir, "fifo");
  rig_load_t l = {0};
  uint8_t bytes[10];
  int fd;

  ck_assert_int_eq(mkfifo(path, 0600), 0);
  l.source = file_source(path);
  rig_load_begin(&l);
  while (!l.is_reading) {
    (void)uv_run(&rig_loop, UV_RUN_ONCE);
  }
  (void)uv_run(&rig_loop, UV_RUN_NOWAIT);
  ck_assert(!l.is_over);
  fd = open(path, O_WRONLY | O_CLOEXEC);
  rig_fill(bytes, 0, sizeof(bytes));
  ck_assert_int_eq(write(fd, bytes, sizeof(bytes)), sizeof(bytes));
  ck_assert_int_eq(close(fd), 0);
  ck_assert_int_eq(rig_load_finish(&l), 0);
  ck_assert_uint_eq(l.got, sizeof(bytes));
}
END_TEST

START_TEST(a_descriptor_is_read_from_its_position) {
  const char *path = rig_path(rig_dir, "image");
  rig_load_t l = {.expect = 300 * KIB};
  rig_load_t rest = {.expect = 0};
  int fd;

  put_file(path, 300 * KIB);
  fd = open(path, O_RDONLY | O_CLOEXEC);
  ck_assert_int_eq(sluice_source_fd(&l.source, fd), 0);
  ck_assert_int_eq(rig_load_run(&l), 0);
  ck_assert_int_eq(lseek(fd, 0, SEEK_CUR), 300 * KIB);
  ck_assert_int_eq(sluice_source_fd(&rest.source, fd), 0);
  ck_assert_int_eq(rig_load_run(&rest), 0);
  ck_assert_uint_eq(rest.got, 0);
  ck_assert_int_eq(close(fd), 0);
}
END_TEST

/* What follows a stream in a pipe belongs to whoever reads next. */
START_TEST(nothing_behind_the_end_of_a_stream_is_taken) {
  uint8_t bytes[100];
  int ends[2];
  rig_load_t l = {.expect = 60};

  ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
  rig_fill(bytes, 0, sizeof(bytes));
  ck_assert_int_eq(write(ends[1], bytes, sizeof(bytes)), sizeof(bytes));
  ck_assert_int_eq(sluice_source_fd(&l.source, ends[0]), 0);
  ck_assert_int_eq(rig_load_run(&l), 0);
  ck_assert_int_eq(fcntl(ends[0], F_GETFL) & O_NONBLOCK, 0);
  ck_assert_int_eq(read(ends[0], bytes, sizeof(bytes)), 40);
  ck_assert(rig_matches(bytes, 60, 40));
  ck_assert_int_eq(close(ends[0]), 0);
  ck_assert_int_eq(close(ends[1]), 0);
}
END_TEST

START_TEST(a_pipe_that_a_writer_left_is_at_its_end) {
  int ends[2];
  rig_load_t l = {0};

  ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
  ck_assert_int_eq(close(ends[1]), 0);
  ck_assert_int_eq(sluice_source_fd(&l.source, ends[0]), 0);
  ck_assert_int_eq(rig_load_run(&l), 0);
  ck_assert_uint_eq(l.got, 0);
  ck_assert_int_eq(close(ends[0]), 0);
}
END_TEST

START_TEST(a_read_of_a_pipe_that_waits_can_be_cancelled) {
  int ends[2];
  rig_load_t l = {0};

  ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
  ck_assert_int_eq(sluice_source_fd(&l.source, ends[0]), 0);
  rig_load_begin(&l);
  ck_assert(l.is_reading);
  sluice__source_cancel(l.source);
  ck_assert(!l.is_over);
  ck_assert_int_eq(rig_load_finish(&l), UV_ECANCELED);
  ck_assert_int_eq(close(ends[0]), 0);
  ck_assert_int_eq(close(ends[1]), 0);
}
END_TEST

START_TEST(an_instant_device_is_read_at_once) {
  rig_load_t l = {.source = file_source("/dev/null")};

  ck_assert_int_eq(rig_load_run(&l), 0);
  ck_assert_uint_eq(l.got, 0);
  ck_assert_uint_eq(l.waited, 0);
}
END_TEST

START_TEST(descriptors_that_cannot_be_read_are_named) {
  int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
  rig_load_t gone = {0};
  rig_load_t wrong = {0};
  sluice_source_t *source;

  ck_assert_int_eq(sluice_source_fd(&source, -1), UV_EBADF);
  ck_assert_int_eq(sluice_source_fd(&gone.source, 987), 0);
  ck_assert_int_eq(rig_load_run(&gone), UV_EBADF);
  ck_assert_str_eq(gone.err.message, "cannot read from descriptor 987: "
                                     "bad file descriptor");
  ck_assert_int_eq(sluice_source_fd(&wrong.source, fd), 0);
  ck_assert_int_eq(rig_load_run(&wrong), UV_EBADF);
  ck_assert_int_eq(close(fd), 0);
}
END_TEST

START_TEST(memory_is_read_to_its_end) {
  uint8_t bytes[1000];
  rig_load_t l = {.step = 7};

  rig_fill(bytes, 0, sizeof(bytes));
  ck_assert_int_eq(sluice_source_memory(&l.source, bytes, sizeof(bytes)), 0);
  ck_assert_int_eq(rig_load_run(&l), 0);
  ck_assert_uint_eq(l.got, sizeof(bytes));
  ck_assert_uint_eq(l.waited, 0);
}
END_TEST

START_TEST(no_memory_is_an_empty_stream) {
  rig_load_t l = {0};

  ck_assert_int_eq(sluice_source_memory(&l.source, NULL, 0), 0);
  ck_assert_int_eq(rig_load_run(&l), 0);
  ck_assert_uint_eq(l.got, 0);
}
END_TEST

/* --- the host's own --- */

static ptrdiff_t read_three(void *self, void *buf, size_t len,
                            sluice_source_cb cb, void *ctx) {
  int *left = self;

  (void)len;
  (void)cb;
  (void)ctx;
  if (*left == 0) {
    return UV_EOF;
  }
  rig_fill(buf, (uint64_t)(3 - *left), 1);
  (*left)--;
  return 1;
}

START_TEST(hooks_left_out_are_done_at_once) {
  const sluice_source_ops_t ops = {.size = sizeof(ops), .read = read_three};
  int left = 3;
  rig_load_t l = {0};

  ck_assert_int_eq(sluice_source_custom(&l.source, &ops, &left), 0);
  sluice__source_cancel(l.source);
  ck_assert_int_eq(rig_load_run(&l), 0);
  ck_assert_uint_eq(l.got, 3);
}
END_TEST

START_TEST(arguments_that_are_missing_are_refused) {
  const sluice_source_ops_t no_read = {.size = sizeof(no_read)};
  const sluice_source_ops_t no_size = {.read = read_three};
  sluice_source_t *source = NULL;

  ck_assert_int_eq(sluice_source_custom(&source, NULL, NULL), UV_EINVAL);
  ck_assert_int_eq(sluice_source_custom(&source, &no_read, NULL), UV_EINVAL);
  ck_assert_int_eq(sluice_source_custom(&source, &no_size, NULL), UV_EINVAL);
  ck_assert_int_eq(sluice_source_file(&source, NULL), UV_EINVAL);
  ck_assert_int_eq(sluice_source_file(NULL, "x"), UV_EINVAL);
  ck_assert_int_eq(sluice_source_fd(NULL, 1), UV_EINVAL);
  ck_assert_int_eq(sluice_source_stream(&source, NULL), UV_EINVAL);
  ck_assert_int_eq(sluice_source_memory(&source, NULL, 1), UV_EINVAL);
  ck_assert_ptr_null(source);
}
END_TEST

START_TEST(one_that_was_never_opened_can_be_freed) {
  sluice_source_t *source;

  sluice_source_free(file_source("/nowhere"));
  sluice_source_free(NULL);
  ck_assert_int_eq(sluice_source_fd(&source, 0), 0);
  sluice_source_free(source);
}
END_TEST

Suite *source_suite(void) {
  Suite *s = suite_create("source");
  TCase *core = tcase_create("core");

  tcase_add_checked_fixture(core, rig_setup, rig_teardown);
  tcase_add_loop_test(core, a_file_is_read_to_its_end, 0,
                      (int)(sizeof(sizes) / sizeof(sizes[0])));
  tcase_add_test(core, a_file_that_is_memory_is_read_at_once);
  tcase_add_test(core, a_file_that_is_not_in_memory_is_read_to_its_end);
  tcase_add_test(core, a_file_that_cannot_be_read_is_named);
  tcase_add_test(core, a_read_of_a_file_that_is_cancelled_still_answers);
  tcase_add_test(core, a_fifo_is_waited_for_until_a_writer_comes);
  tcase_add_test(core, a_descriptor_is_read_from_its_position);
  tcase_add_test(core, nothing_behind_the_end_of_a_stream_is_taken);
  tcase_add_test(core, a_pipe_that_a_writer_left_is_at_its_end);
  tcase_add_test(core, a_read_of_a_pipe_that_waits_can_be_cancelled);
  tcase_add_test(core, an_instant_device_is_read_at_once);
  tcase_add_test(core, descriptors_that_cannot_be_read_are_named);
  tcase_add_test(core, memory_is_read_to_its_end);
  tcase_add_test(core, no_memory_is_an_empty_stream);
  tcase_add_test(core, hooks_left_out_are_done_at_once);
  tcase_add_test(core, arguments_that_are_missing_are_refused);
  tcase_add_test(core, one_that_was_never_opened_can_be_freed);
  suite_add_tcase(s, core);
  return s;
}
