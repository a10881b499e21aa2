/* test_sink_fd.c - descriptors of every kind, borrowed and given back. */
#include "io/sink.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "io_rig.h"
#include "suite.h"

enum { KIB = 1024, MIB = 1024 * 1024, TOTAL = 5 * MIB + 3 };

static sluice_sink_t *fd_sink(int fd) {
  sluice_sink_t *sink;

  ck_assert_int_eq(sluice_sink_fd(&sink, fd), 0);
  return sink;
}

static sluice_source_t *fd_source(int fd) {
  sluice_source_t *source;

  ck_assert_int_eq(sluice_source_fd(&source, fd), 0);
  return source;
}

/* Two ends of something: [0] is read, [1] is written. */
static void make_pipe(int ends[2]) {
  ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
}

static void make_socketpair(int ends[2]) {
  ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
}

static void make_pty(int ends[2]) {
  struct termios raw;

  ends[0] = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  ck_assert_int_ge(ends[0], 0);
  ck_assert_int_eq(grantpt(ends[0]), 0);
  ck_assert_int_eq(unlockpt(ends[0]), 0);
  ends[1] = open(ptsname(ends[0]), O_RDWR | O_NOCTTY | O_CLOEXEC);
  ck_assert_int_eq(tcgetattr(ends[1], &raw), 0);
  cfmakeraw(&raw);
  ck_assert_int_eq(tcsetattr(ends[1], TCSANOW, &raw), 0);
}

static void close_both(const int ends[2]) {
  ck_assert_int_eq(close(ends[0]), 0);
  ck_assert_int_eq(close(ends[1]), 0);
}

static const struct {
  const char *what;
  void (*make)(int ends[2]);
  uint64_t total;
} kinds[] = {
    {"pipe", make_pipe, TOTAL},
    {"unix socket", make_socketpair, TOTAL},
    {"terminal", make_pty, 100 * KIB},
};

START_TEST(what_is_written_arrives_in_order) {
  int ends[2];
  rig_save_t s = {.total = kinds[_i].total, .chunk = 100 * KIB};
  rig_load_t l = {.expect = kinds[_i].total, .step = 7 * KIB};

  kinds[_i].make(ends);
  s.sink = fd_sink(ends[1]);
  l.source = fd_source(ends[0]);
  rig_save_begin(&s);
  rig_load_begin(&l);
  rig_run_both(&s, &l);
  ck_assert_int_eq(s.status, 0);
  ck_assert_int_eq(l.status, 0);
  ck_assert_uint_gt(s.waited, 0); /* it was more than the kernel holds */
  close_both(ends);
}
END_TEST

/* Else the engine would take the sink's time for the host's. */
START_TEST(time_in_its_callbacks_is_told) {
  int ends[2];
  rig_save_t s = {.total = TOTAL, .hold = true};
  rig_load_t l = {.expect = TOTAL};

  kinds[_i].make(ends);
  s.sink = fd_sink(ends[1]);
  l.source = fd_source(ends[0]);
  ck_assert_uint_eq(sluice__sink_busy_ns(s.sink), 0);
  rig_save_begin(&s);
  rig_load_begin(&l);
  while (!s.is_held) {
    (void)uv_run(&rig_loop, UV_RUN_ONCE);
  }
  ck_assert_uint_gt(sluice__sink_busy_ns(s.sink), 0);
  rig_save_go_on(&s);
  rig_run_both(&s, &l);
  close_both(ends);
}
END_TEST

START_TEST(the_blocking_mode_is_put_back) {
  int ends[2];
  rig_save_t s = {.total = kinds[_i].total};

  kinds[_i].make(ends);
  s.sink = fd_sink(ends[1]);
  rig_save_begin(&s);
  ck_assert_int_ne(fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0);
  rig_save_abort(&s);
  ck_assert_int_eq(rig_save_finish(&s), UV_ECANCELED);
  ck_assert_int_eq(fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0);
  close_both(ends);
}
END_TEST

START_TEST(a_non_blocking_descriptor_stays_so) {
  int ends[2];
  rig_save_t s = {.total = 10};

  kinds[_i].make(ends);
  ck_assert_int_eq(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
  s.sink = fd_sink(ends[1]);
  ck_assert_int_eq(rig_save_run(&s), 0);
  ck_assert_int_ne(fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0);
  close_both(ends);
}
END_TEST

/* Nobody reads: the answer must come in a turn, not when somebody does. */
START_TEST(an_abort_of_a_stuck_save_is_answered_at_once) {
  int ends[2];
  rig_save_t s = {.total = 64 * MIB};

  kinds[_i].make(ends);
  s.sink = fd_sink(ends[1]);
  rig_save_begin(&s);
  (void)uv_run(&rig_loop, UV_RUN_NOWAIT);
  ck_assert_uint_gt(s.under_way, 0);
  rig_save_abort(&s);
  ck_assert(!s.is_over); /* callbacks do not come from inside */
  (void)uv_run(&rig_loop, UV_RUN_NOWAIT);
  ck_assert(s.is_over);
  ck_assert_int_eq(s.status, UV_ECANCELED);
  close_both(ends);
}
END_TEST

START_TEST(a_reader_that_does_not_read_holds_the_save_up) {
  int ends[2];
  rig_save_t s = {.total = 64 * MIB};
  uint64_t given;
  int i;

  kinds[_i].make(ends);
  s.sink = fd_sink(ends[1]);
  rig_save_begin(&s);
  (void)uv_run(&rig_loop, UV_RUN_NOWAIT);
  given = s.given;
  for (i = 0; i < 10; i++) {
    (void)uv_run(&rig_loop, UV_RUN_NOWAIT);
  }
  ck_assert_uint_eq(s.given, given);
  ck_assert_uint_eq(s.under_way, s.window);
  rig_save_abort(&s);
  (void)rig_save_finish(&s);
  close_both(ends);
}
END_TEST

/* SIGPIPE has its default action here: it would end this process. */
START_TEST(a_reader_gone_before_fails_the_save) {
  int ends[2];
  rig_save_t s = {.total = TOTAL};

  ck_assert(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
  kinds[_i].make(ends);
  s.sink = fd_sink(ends[1]);
  ck_assert_int_eq(close(ends[0]), 0);
  ck_assert_int_eq(rig_save_run(&s), UV_EPIPE);
  ck_assert_int_eq(close(ends[1]), 0);
}
END_TEST

START_TEST(a_signal_that_was_pending_already_stays_so) {
  int ends[2];
  rig_save_t s = {.total = TOTAL};
  sigset_t set;

  (void)sigemptyset(&set);
  (void)sigaddset(&set, SIGPIPE);
  ck_assert_int_eq(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
  ck_assert_int_eq(raise(SIGPIPE), 0);
  make_pipe(ends);
  ck_assert_int_eq(close(ends[0]), 0);
  s.sink = fd_sink(ends[1]);
  ck_assert_int_eq(rig_save_run(&s), UV_EPIPE);
  (void)sigpending(&set);
  ck_assert_int_eq(sigismember(&set, SIGPIPE), 1);
  ck_assert_int_eq(close(ends[1]), 0);
}
END_TEST

START_TEST(a_reader_that_goes_meanwhile_fails_the_save) {
  int ends[2];
  rig_save_t s = {.total = 64 * MIB};

  ck_assert(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
  kinds[_i].make(ends);
  s.sink = fd_sink(ends[1]);
  rig_save_begin(&s);
  (void)uv_run(&rig_loop, UV_RUN_NOWAIT);
  ck_assert_uint_gt(s.under_way, 0);
  ck_assert_int_eq(close(ends[0]), 0);
  ck_assert_int_eq(rig_save_finish(&s), UV_EPIPE);
  ck_assert_int_eq(close(ends[1]), 0);
}
END_TEST

START_TEST(a_small_pipe_is_made_larger) {
  int ends[2];
  rig_save_t s = {.total = 10};

  make_pipe(ends);
  ck_assert_int_eq(fcntl(ends[1], F_SETPIPE_SZ, 4096), 4096);
  s.sink = fd_sink(ends[1]);
  ck_assert_int_eq(rig_save_run(&s), 0);
  ck_assert_int_gt(fcntl(ends[1], F_GETPIPE_SZ), 4096);
  close_both(ends);
}
END_TEST

/* A reader in a thread of its own, as another process would be. */
struct reader {
  int fd;
  uint64_t got;
  bool matches;
};

static void *read_all(void *arg) {
  struct reader *r = arg;
  uint8_t buf[3000];
  ssize_t n;

  r->matches = true;
  while ((n = read(r->fd, buf, sizeof(buf))) > 0) {
    r->matches = r->matches && rig_matches(buf, r->got, (size_t)n);
    r->got += (uint64_t)n;
  }
  return NULL;
}

START_TEST(a_slow_reader_elsewhere_gets_everything) {
  int ends[2];
  rig_save_t s = {.total = TOTAL};
  struct reader r = {0};
  pthread_t thread;

  kinds[_i].make(ends);
  r.fd = ends[0];
  ck_assert_int_eq(pthread_create(&thread, NULL, read_all, &r), 0);
  s.sink = fd_sink(ends[1]);
  ck_assert_int_eq(rig_save_run(&s), 0);
  ck_assert_int_eq(close(ends[1]), 0);
  ck_assert_int_eq(pthread_join(thread, NULL), 0);
  ck_assert_int_eq(close(ends[0]), 0);
  ck_assert(r.matches);
  ck_assert_uint_eq(r.got, TOTAL);
}
END_TEST

/* --- files, devices --- */

/* As `program > file` after a header was written there. */
START_TEST(a_file_is_written_from_its_position) {
  const char *path = rig_path(rig_dir, "image");
  int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  rig_save_t s = {.total = TOTAL, .chunk = 10 * KIB};
  uint8_t *data = malloc(TOTAL + 1);

  ck_assert_int_eq(write(fd, "head\n", 5), 5);
  s.sink = fd_sink(fd);
  ck_assert_int_eq(rig_save_run(&s), 0);
  ck_assert_int_eq(lseek(fd, 0, SEEK_CUR), TOTAL + 5);
  ck_assert_int_eq(pread(fd, data, TOTAL + 1, 5), TOTAL);
  ck_assert(rig_matches(data, 0, TOTAL));
  ck_assert_int_eq(pread(fd, data, 5, 0), 5);
  ck_assert_mem_eq(data, "head\n", 5);
  free(data);
  ck_assert_int_eq(close(fd), 0);
}
END_TEST

START_TEST(a_file_opened_to_append_is_appended_to) {
  const char *path = rig_path(rig_dir, "image");
  int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  rig_save_t s = {.total = 1000};
  rig_save_t t = {.start = 1000, .total = 500};

  s.sink = fd_sink(fd);
  ck_assert_int_eq(rig_save_run(&s), 0);
  t.sink = fd_sink(fd);
  ck_assert_int_eq(rig_save_run(&t), 0);
  ck_assert(rig_file_matches(path, 1500));
  ck_assert_int_eq(close(fd), 0);
}
END_TEST

START_TEST(an_abort_of_a_file_lets_go_of_the_buffers) {
  int fd = open(rig_path(rig_dir, "f"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  rig_save_t s = {.total = 64 * MIB, .cancel_after = 3 * MIB, .window = 12};

  s.sink = fd_sink(fd);
  ck_assert_int_eq(rig_save_run(&s), UV_ECANCELED);
  ck_assert_int_eq(close(fd), 0);
}
END_TEST

START_TEST(a_limit_on_file_size_is_told) {
  const struct rlimit limit = {MIB, MIB};
  int fd = open(rig_path(rig_dir, "f"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  rig_save_t s = {.total = 3 * MIB};

  ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
  s.sink = fd_sink(fd);
  ck_assert_int_eq(rig_save_run(&s), UV_EFBIG);
  ck_assert_int_eq(close(fd), 0);
}
END_TEST

static int save_to_device(const char *path) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  rig_save_t s = {.total = 3 * MIB};

  s.sink = fd_sink(fd);
  (void)rig_save_run(&s);
  ck_assert_uint_eq(s.waited, 0); /* never the pool's business */
  ck_assert_int_eq(close(fd), 0);
  return s.status;
}

START_TEST(devices_that_never_block_answer_at_once) {
  ck_assert_int_eq(save_to_device("/dev/null"), 0);
  ck_assert_int_eq(save_to_device("/dev/full"), UV_ENOSPC);
}
END_TEST

START_TEST(a_descriptor_open_for_reading_only_is_refused_by_the_write) {
  int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  rig_save_t s = {.total = 10};

  s.sink = fd_sink(fd);
  ck_assert_int_eq(rig_save_run(&s), UV_EBADF);
  ck_assert_int_eq(close(fd), 0);
}
END_TEST

START_TEST(a_closed_descriptor_is_named) {
  rig_save_t s = {.sink = fd_sink(987), .total = 10};

  ck_assert_int_eq(rig_save_run(&s), UV_EBADF);
  ck_assert_str_eq(s.err.message, "cannot write to descriptor 987: "
                                  "bad file descriptor");
}
END_TEST

START_TEST(a_negative_descriptor_is_refused) {
  sluice_sink_t *sink;

  ck_assert_int_eq(sluice_sink_fd(&sink, -1), UV_EBADF);
}
END_TEST

START_TEST(one_that_was_never_opened_can_be_freed) {
  int ends[2];

  make_pipe(ends);
  sluice_sink_free(fd_sink(ends[1]));
  close_both(ends);
}
END_TEST

/* Both ends of a session on one socket: the first to end must not make the
 * other block. */
START_TEST(a_sink_and_a_source_share_a_socket) {
  int ends[2];
  rig_save_t there = {.total = TOTAL};
  rig_load_t here = {.expect = TOTAL};
  rig_save_t small = {.total = 10};
  rig_load_t small_load = {.expect = 10};

  make_socketpair(ends);
  there.sink = fd_sink(ends[1]);
  small_load.source = fd_source(ends[1]);
  here.source = fd_source(ends[0]);
  small.sink = fd_sink(ends[0]);
  rig_save_begin(&there);
  rig_load_begin(&small_load);
  rig_save_begin(&small);
  rig_run_both(&small, &small_load);
  rig_load_begin(&here);
  rig_run_both(&there, &here);
  ck_assert_int_eq(there.status, 0);
  ck_assert_uint_eq(here.got, TOTAL);
  close_both(ends);
}
END_TEST

static TCase *new_case(const char *name) {
  TCase *tc = tcase_create(name);

  tcase_add_checked_fixture(tc, rig_setup, rig_teardown);
  return tc;
}

static void add_polled(TCase *tc) {
  const int all = (int)(sizeof(kinds) / sizeof(kinds[0]));
  const int with_epipe = 2; /* a terminal has other ways */

  tcase_add_loop_test(tc, what_is_written_arrives_in_order, 0, all);
  tcase_add_loop_test(tc, time_in_its_callbacks_is_told, 0, 2);
  tcase_add_loop_test(tc, the_blocking_mode_is_put_back, 0, all);
  tcase_add_loop_test(tc, a_non_blocking_descriptor_stays_so, 0, all);
  tcase_add_loop_test(tc, an_abort_of_a_stuck_save_is_answered_at_once, 0, all);
  tcase_add_loop_test(tc, a_reader_that_does_not_read_holds_the_save_up, 0,
                      all);
  tcase_add_loop_test(tc, a_reader_gone_before_fails_the_save, 0, with_epipe);
  tcase_add_loop_test(tc, a_reader_that_goes_meanwhile_fails_the_save, 0,
                      with_epipe);
  tcase_add_loop_test(tc, a_slow_reader_elsewhere_gets_everything, 0,
                      with_epipe);
  tcase_add_test(tc, a_signal_that_was_pending_already_stays_so);
  tcase_add_test(tc, a_small_pipe_is_made_larger);
  tcase_add_test(tc, a_sink_and_a_source_share_a_socket);
}

Suite *sink_fd_suite(void) {
  Suite *s = suite_create("sink_fd");
  TCase *polled = new_case("polled");
  TCase *others = new_case("others");

  add_polled(polled);
  tcase_add_test(others, a_file_is_written_from_its_position);
  tcase_add_test(others, a_file_opened_to_append_is_appended_to);
  tcase_add_test(others, an_abort_of_a_file_lets_go_of_the_buffers);
  tcase_add_test(others, a_limit_on_file_size_is_told);
  tcase_add_test(others, devices_that_never_block_answer_at_once);
  tcase_add_test(others,
                 a_descriptor_open_for_reading_only_is_refused_by_the_write);
  tcase_add_test(others, a_closed_descriptor_is_named);
  tcase_add_test(others, a_negative_descriptor_is_refused);
  tcase_add_test(others, one_that_was_never_opened_can_be_freed);
  suite_add_tcase(s, polled);
  suite_add_tcase(s, others);
  return s;
}
