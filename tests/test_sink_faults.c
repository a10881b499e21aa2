/* test_sink_faults.c - every system call and every allocation of the sinks
 * fails once, and for ever, at every place.
 *
 * The linker puts the functions below in front of the C library's (--wrap), for
 * the library under test and this program. The failing call moves on until a
 * save runs through untouched. Whatever fails: one whole image stands under the
 * name, the old or the new one, nothing else in the folder; no leak. */
#include "io/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "io/quiet_write.h"
#include "io_faults.h"
#include "io_rig.h"
#include "slow.h"
#include "suite.h"

enum { KIB = 1024, MIB = 1024 * 1024, OLD = 5000, NEW = 2 * MIB + 77 };

static const struct {
  enum call call;
  int error;
} sweeps[] = {
    {CALL_OPENAT, EMFILE}, {CALL_PWRITEV, ENOSPC},  {CALL_PWRITEV, EIO},
    {CALL_FSYNC, EIO},     {CALL_RENAMEAT, EACCES}, {CALL_CLOSE, EDQUOT},
    {CALL_LINKAT, EMLINK}, {CALL_MEMORY, ENOMEM},
};

static int save_file(const char *path, uint64_t total) {
  rig_save_t s = {.total = total, .chunk = 300 * KIB};
  int r = sluice_sink_file(&s.sink, path, NULL);

  return r < 0 ? r : rig_save_run(&s);
}

/* One run; returns whether the fault was met. */
static bool fail_nth(const char *path, int row, int nth, bool is_sticky) {
  int status;
  int fired;

  ck_assert_int_eq(save_file(path, OLD), 0);
  arm(sweeps[row].call, sweeps[row].error, nth, is_sticky);
  status = save_file(path, NEW);
  fired = disarm();
  ck_assert_msg(rig_file_matches(path, status < 0 ? OLD : NEW) ||
                    (sweeps[row].call == CALL_FSYNC &&
                     rig_file_matches(path, NEW)), /* of the folder */
                "row %d, call %d: status %d", row, nth, status);
  ck_assert_int_eq(rig_count_files(rig_dir), 1);
  ck_assert(fired > 0 || status == 0);
  return fired > 0;
}

static void sweep(int row, bool is_sticky) {
  const char *path = rig_path(rig_dir, "image");
  int nth = 0;

  if (fault.refuse_nameless && sweeps[row].call == CALL_LINKAT) {
    return; /* a file with a name needs no link */
  }
  while (fail_nth(path, row, nth, is_sticky)) {
    nth += slow_step(5);
  }
  ck_assert_int_gt(nth, 0); /* else the fault was never in the way */
}

START_TEST(a_file_is_whole_whatever_fails_once) {
  sweep(_i, false);
}
END_TEST

START_TEST(a_file_is_whole_whatever_fails_for_ever) {
  sweep(_i, true);
}
END_TEST

START_TEST(a_file_with_a_name_is_whole_whatever_fails_once) {
  fault.refuse_nameless = true;
  sweep(_i, false);
}
END_TEST

START_TEST(a_file_without_a_name_is_of_the_mode_asked_for_as_one_with_it) {
  const sluice_file_options_t options = {.size = sizeof(options), .mode = 0666};
  rig_save_t s = {.total = 1};
  struct stat st;

  fault.refuse_nameless = _i == 1;
  (void)umask(027);
  ck_assert_int_eq(
      sluice_sink_file(&s.sink, rig_path(rig_dir, "image"), &options), 0);
  ck_assert_int_eq(rig_save_run(&s), 0);
  ck_assert_int_eq(stat(rig_path(rig_dir, "image"), &st), 0);
  ck_assert_uint_eq(st.st_mode & 07777, 0640);
}
END_TEST

START_TEST(a_link_that_the_system_does_not_follow_is_not_followed) {
  const char *target = rig_path(rig_shm, "target");
  rig_save_t s = {.total = NEW};

  ck_assert_int_eq(save_file(target, OLD), 0);
  ck_assert_int_eq(symlink(target, rig_path(rig_dir, "link")), 0);
  ck_assert_int_eq(sluice_sink_file(&s.sink, rig_path(rig_dir, "link"), NULL),
                   0);
  arm(CALL_OPEN_LINK, EACCES, 0, true);
  ck_assert_int_eq(rig_save_run(&s), UV_EACCES);
  ck_assert_int_eq(disarm(), 1);
  ck_assert_ptr_nonnull(strstr(s.err.message, "cannot follow the symbolic"));
  ck_assert(rig_file_matches(rig_path(rig_shm, "target"), OLD));
}
END_TEST

static const struct {
  enum call call;
  int error;
  const char *said;
} words[] = {
    {CALL_PWRITEV, EDQUOT, "cannot write '"},
    {CALL_FSYNC, ESTALE, "cannot sync '"},
    {CALL_LINKAT, EMLINK, "cannot link a temporary file beside '"},
    {CALL_RENAMEAT, EACCES, "cannot rename the temporary file to '"},
};

START_TEST(what_fails_is_told_with_its_path_and_its_reason) {
  rig_save_t s = {.total = NEW};
  char said[512];

  (void)snprintf(said, sizeof(said), "%s%s/image", words[_i].said, rig_dir);
  ck_assert_int_eq(sluice_sink_file(&s.sink, rig_path(rig_dir, "image"), NULL),
                   0);
  arm(words[_i].call, words[_i].error, 0, true);
  ck_assert_int_eq(rig_save_run(&s), -words[_i].error);
  (void)disarm();
  ck_assert_int_eq(s.err.code, -words[_i].error);
  ck_assert_msg(strstr(s.err.message, said) == s.err.message, "says: %s",
                s.err.message);
  ck_assert_ptr_nonnull(
      strstr(s.err.message, sluice_strerror(-words[_i].error)));
}
END_TEST

START_TEST(a_failed_sync_is_a_failed_save) {
  arm(CALL_FSYNC, EIO, 0, false);
  ck_assert_int_eq(save_file(rig_path(rig_dir, "image"), NEW), UV_EIO);
  ck_assert_int_eq(disarm(), 1);
  ck_assert_int_eq(rig_count_files(rig_dir), 0);
}
END_TEST

/* Some network file systems tell of a full disk only then. */
START_TEST(a_failed_close_is_a_failed_save) {
  const sluice_file_options_t options = {.size = sizeof(options),
                                         .no_direct = 1};
  rig_save_t s = {.total = NEW};

  ck_assert_int_eq(
      sluice_sink_file(&s.sink, rig_path(rig_dir, "image"), &options), 0);
  arm(CALL_CLOSE, EDQUOT, 0, false);
  ck_assert_int_lt(rig_save_run(&s), 0);
  ck_assert_int_ge(disarm(), 1);
  ck_assert_int_eq(rig_count_files(rig_dir), 0);
}
END_TEST

static int sink_of_memory(sluice_sink_t **sink, int fd) {
  static void *data;
  static size_t len;

  (void)fd;
  free(data);
  data = NULL;
  return sluice_sink_memory(sink, SIZE_MAX, &data, &len);
}

static int (*const makers[])(sluice_sink_t **, int) = {sluice_sink_fd,
                                                       sink_of_memory};

static bool save_without_memory(int row, int fd, int nth) {
  rig_save_t s = {.total = NEW};
  int status;
  int fired;

  arm(CALL_MEMORY, ENOMEM, nth, true);
  status = makers[row](&s.sink, fd);
  status = status < 0 ? status : rig_save_run(&s);
  fired = disarm();
  /* The last allocation of a sink in memory only trims it. */
  ck_assert(fired == 0 || status == UV_ENOMEM || status == 0);
  return fired > 0;
}

START_TEST(a_sink_survives_every_failed_allocation) {
  int fd = open(rig_path(rig_dir, "f"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  int nth = 0;

  while (save_without_memory(_i, fd, nth)) {
    nth++;
  }
  ck_assert_int_gt(nth, 2);
  ck_assert_int_eq(close(fd), 0);
  if (makers[_i] == sink_of_memory) {
    sluice_sink_t *last;

    ck_assert_int_eq(sink_of_memory(&last, -1), 0); /* frees the last block */
    sluice_sink_free(last);
  }
}
END_TEST

static uv_stream_t *const some_stream = (uv_stream_t *)&rig_loop;

static int new_sink_stream(void) {
  sluice_sink_t *sink = NULL;
  int r = sluice_sink_stream(&sink, some_stream);

  sluice_sink_free(sink);
  return r;
}

static int new_source(int which) {
  sluice_source_t *source = NULL;
  int r = which == 0   ? sluice_source_fd(&source, 0)
          : which == 1 ? sluice_source_file(&source, "name")
          : which == 2 ? sluice_source_memory(&source, "x", 1)
                       : sluice_source_stream(&source, some_stream);

  sluice_source_free(source);
  return r;
}

START_TEST(what_cannot_be_made_for_lack_of_memory_is_told) {
  int nth = 0;
  int r;

  for (;; nth++) {
    arm(CALL_MEMORY, ENOMEM, nth, false);
    r = _i == 4 ? new_sink_stream() : new_source(_i);
    if (disarm() == 0) {
      break;
    }
    ck_assert_int_eq(r, UV_ENOMEM);
  }
  ck_assert_int_eq(r, 0);
  ck_assert_int_gt(nth, 1);
}
END_TEST

/* A pipe's end is opened, with the descriptor's copy and no memory for more. */
START_TEST(an_end_of_a_pipe_that_cannot_be_opened_is_given_back) {
  int ends[2];
  rig_save_t s = {.total = 10};
  rig_load_t l = {.expect = 10};

  ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
  ck_assert_int_eq(sluice_sink_fd(&s.sink, ends[1]), 0);
  ck_assert_int_eq(sluice_source_fd(&l.source, ends[0]), 0);
  arm(_i == 0 ? CALL_MEMORY : CALL_STATX, _i == 0 ? ENOMEM : EIO, 0, true);
  rig_save_begin(&s);
  rig_load_begin(&l);
  (void)disarm();
  ck_assert_int_eq(rig_save_finish(&s), _i == 0 ? UV_ENOMEM : UV_EIO);
  ck_assert_ptr_nonnull(strstr(s.err.message, "cannot write to descriptor"));
  ck_assert_int_eq(rig_load_finish(&l), _i == 0 ? UV_ENOMEM : UV_EIO);
  ck_assert_ptr_nonnull(strstr(l.err.message, "cannot read from descriptor"));
  ck_assert_int_eq(close(ends[0]) + close(ends[1]), 0);
}
END_TEST

static const struct {
  size_t short_bytes;
  bool refuse_direct;
  bool interrupt_often;
} oddities[] = {
    {4096, false, false}, {5000, false, true}, {511, false, false},
    {0, true, false},     {70000, true, true}, {0, false, true},
};

static void set_oddity(int row) {
  fault.short_bytes = oddities[row].short_bytes;
  fault.refuse_direct = oddities[row].refuse_direct;
  fault.interrupt_often = oddities[row].interrupt_often;
}

START_TEST(short_and_interrupted_writes_to_a_file_are_made_up_for) {
  const char *path = rig_path(rig_dir, "image");

  set_oddity(_i);
  ck_assert_int_eq(save_file(path, NEW), 0);
  ck_assert(rig_file_matches(path, NEW));
}
END_TEST

START_TEST(short_and_interrupted_writes_to_a_descriptor_are_made_up_for) {
  const char *path = rig_path(rig_dir, "image");
  int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  rig_save_t s = {.total = NEW, .chunk = 10 * KIB, .window = 20};

  set_oddity(_i);
  ck_assert_int_eq(sluice_sink_fd(&s.sink, fd), 0);
  ck_assert_int_eq(rig_save_run(&s), 0);
  ck_assert(rig_file_matches(path, NEW));
  ck_assert_int_eq(close(fd), 0);
}
END_TEST

START_TEST(short_and_interrupted_writes_to_a_pipe_are_made_up_for) {
  int ends[2];
  rig_save_t s = {.total = NEW, .chunk = 10 * KIB, .window = 20};
  rig_load_t l = {.expect = NEW};

  set_oddity(_i);
  ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
  ck_assert_int_eq(sluice_sink_fd(&s.sink, ends[1]), 0);
  ck_assert_int_eq(sluice_source_fd(&l.source, ends[0]), 0);
  rig_save_begin(&s);
  rig_load_begin(&l);
  rig_run_both(&s, &l);
  ck_assert_int_eq(s.status, 0);
  ck_assert_uint_eq(l.got, NEW);
  ck_assert_int_eq(close(ends[0]) + close(ends[1]), 0);
}
END_TEST

/* Where the disk takes it at all; tmpfs does not. */
START_TEST(aligned_chunks_go_past_the_page_cache_where_that_is_taken) {
  int probe = open(rig_path(rig_dir, "probe"),
                   O_WRONLY | O_CREAT | O_DIRECT | O_CLOEXEC, 0600);
  const bool is_taken = probe >= 0;

  ck_assert_int_eq(is_taken ? close(probe) : 0, 0);
  ck_assert_int_eq(save_file(rig_path(rig_dir, "image"), NEW), 0);
  ck_assert(is_taken == (atomic_load(&fault.direct_calls) > 0));
  ck_assert_int_eq(atomic_load(&fault.direct_refusals), 0);
}
END_TEST

/* Once for each of the two jobs that may be under way when it is found out. */
START_TEST(a_refusal_of_direct_writes_is_remembered) {
  fault.refuse_direct = true;
  ck_assert_int_eq(save_file(rig_path(rig_dir, "image"), NEW), 0);
  ck_assert_int_le(atomic_load(&fault.direct_refusals), 2);
}
END_TEST

START_TEST(nothing_is_written_after_a_failed_write) {
  const sluice_file_options_t options = {
      .size = sizeof(options), .no_direct = 1, .in_flight = 1};
  rig_save_t s = {.total = NEW, .chunk = 100 * KIB, .window = 12};

  ck_assert_int_eq(
      sluice_sink_file(&s.sink, rig_path(rig_dir, "image"), &options), 0);
  arm(CALL_PWRITEV, EIO, 0, false);
  ck_assert_int_eq(rig_save_run(&s), UV_EIO);
  ck_assert_int_eq(atomic_load(&fault.calls), 1);
  (void)disarm();
}
END_TEST

START_TEST(an_offset_beyond_what_files_can_hold_is_refused) {
  int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
  struct iovec iov = {&fd, sizeof(fd)};

  ck_assert_int_eq(sluice__quiet_write(fd, &iov, 1), sizeof(fd));
  ck_assert_int_eq(sluice__quiet_pwrite(fd, &iov, 1, UINT64_MAX), UV_EFBIG);
  ck_assert_int_eq(close(fd), 0);
}
END_TEST

Suite *sink_faults_suite(void) {
  Suite *s = suite_create("sink_faults");
  TCase *tc = tcase_create("faults");
  const int rows = (int)(sizeof(sweeps) / sizeof(sweeps[0]));
  const int odd = (int)(sizeof(oddities) / sizeof(oddities[0]));

  tcase_add_checked_fixture(tc, rig_setup, rig_teardown);
  tcase_add_loop_test(tc, a_file_is_whole_whatever_fails_once, 0, rows);
  tcase_add_loop_test(tc, a_file_is_whole_whatever_fails_for_ever, 0, rows);
  tcase_add_loop_test(tc, a_file_with_a_name_is_whole_whatever_fails_once, 0,
                      rows);
  tcase_add_loop_test(
      tc, a_file_without_a_name_is_of_the_mode_asked_for_as_one_with_it, 0, 2);
  tcase_add_loop_test(tc, what_fails_is_told_with_its_path_and_its_reason, 0,
                      (int)(sizeof(words) / sizeof(words[0])));
  tcase_add_test(tc, a_link_that_the_system_does_not_follow_is_not_followed);
  tcase_add_test(tc, a_failed_sync_is_a_failed_save);
  tcase_add_test(tc, a_failed_close_is_a_failed_save);
  tcase_add_loop_test(tc, a_sink_survives_every_failed_allocation, 0, 2);
  tcase_add_loop_test(tc, what_cannot_be_made_for_lack_of_memory_is_told, 0, 5);
  tcase_add_loop_test(tc, an_end_of_a_pipe_that_cannot_be_opened_is_given_back,
                      0, 2);
  tcase_add_loop_test(
      tc, short_and_interrupted_writes_to_a_file_are_made_up_for, 0, odd);
  tcase_add_loop_test(
      tc, short_and_interrupted_writes_to_a_descriptor_are_made_up_for, 0, odd);
  tcase_add_loop_test(
      tc, short_and_interrupted_writes_to_a_pipe_are_made_up_for, 0, odd);
  tcase_add_test(tc, aligned_chunks_go_past_the_page_cache_where_that_is_taken);
  tcase_add_test(tc, a_refusal_of_direct_writes_is_remembered);
  tcase_add_test(tc, nothing_is_written_after_a_failed_write);
  tcase_add_test(tc, an_offset_beyond_what_files_can_hold_is_refused);
  suite_add_tcase(s, tc);
  return s;
}
