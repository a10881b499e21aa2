/* test_read_direct.c - bytes that a source puts where they belong. */
#include "io/source.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io_rig.h"
#include "suite.h"

enum { KIB = 1024 };

static uint8_t bytes[64 * KIB];
static uint8_t got[64 * KIB];
static const struct iovec places[2] = {{got, 10}, {got + 10, 64 * KIB - 10}};
static int ends[2]; /* [0] is read, [1] is written */
static uv_pipe_t stream;
static sluice_source_t *source;
static int told;
static ptrdiff_t told_what;

static void setup(void) {
  rig_setup();
  rig_fill(bytes, 0, sizeof(bytes));
  told = 0;
}

static void on_told(void *ctx, ptrdiff_t what) {
  (void)ctx;
  told++;
  told_what = what;
}

static void run_until_told(int n) {
  while (told < n) {
    (void)uv_run(&rig_loop, UV_RUN_ONCE);
  }
}

static void open_source(void) {
  ck_assert_int_eq(sluice__source_open(source, &rig_loop, on_told, NULL, NULL),
                   1);
}

static ptrdiff_t take(void) {
  return sluice__source_read_into(source, places, 2, on_told, NULL);
}

/* By descriptor, or by the host's stream. */
static void open_socket(bool is_stream) {
  ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  if (is_stream) {
    ck_assert_int_eq(uv_pipe_init(&rig_loop, &stream, 0), 0);
    ck_assert_int_eq(uv_pipe_open(&stream, ends[0]), 0);
    ck_assert_int_eq(sluice_source_stream(&source, (uv_stream_t *)&stream), 0);
  } else {
    ck_assert_int_eq(sluice_source_fd(&source, ends[0]), 0);
  }
  open_source();
}

static void close_socket(bool is_stream) {
  sluice__source_close(source);
  if (is_stream) {
    uv_close((uv_handle_t *)&stream, NULL);
  } else {
    ck_assert_int_eq(close(ends[0]), 0);
  }
}

START_TEST(what_has_come_is_put_into_its_places) {
  open_socket(_i == 1);
  ck_assert_int_eq(send(ends[1], bytes, 100, 0), 100);
  ck_assert_int_eq(take(), 100);
  ck_assert(rig_matches(got, 0, 100));
  ck_assert_int_eq(close(ends[1]), 0);
  ck_assert_int_eq(take(), UV_EOF);
  ck_assert_int_eq(told, 0);
  close_socket(_i == 1);
}
END_TEST

START_TEST(what_has_not_come_is_told_of_and_then_asked_for_again) {
  open_socket(_i == 1);
  ck_assert_int_eq(take(), 0);
  ck_assert_int_eq(send(ends[1], bytes, 100, 0), 100);
  run_until_told(1);
  ck_assert_int_eq(told_what, UV_EAGAIN);
  ck_assert_int_eq(take(), 100);
  ck_assert(rig_matches(got, 0, 100));
  ck_assert_int_eq(close(ends[1]), 0);
  close_socket(_i == 1);
}
END_TEST

START_TEST(waiting_for_what_has_not_come_can_be_cancelled) {
  open_socket(_i == 1);
  sluice__source_cancel(source); /* nothing is under way: nothing happens */
  ck_assert_int_eq(take(), 0);
  sluice__source_cancel(source);
  ck_assert_int_eq(told, 0);
  run_until_told(1);
  ck_assert_int_eq(told_what, UV_ECANCELED);
  ck_assert_int_eq(close(ends[1]), 0);
  close_socket(_i == 1);
}
END_TEST

/* Until a writer has come a FIFO reads as if it were at its end. */
START_TEST(a_pipe_is_waited_for_before_it_is_read) {
  ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
  ck_assert_int_eq(sluice_source_fd(&source, ends[0]), 0);
  open_source();
  ck_assert_int_eq(write(ends[1], bytes, 100), 100);
  ck_assert_int_eq(take(), 0);
  run_until_told(1);
  ck_assert_int_eq(told_what, UV_EAGAIN);
  ck_assert_int_eq(take(), 100);
  sluice__source_close(source);
  ck_assert_int_eq(close(ends[0]) + close(ends[1]), 0);
}
END_TEST

START_TEST(an_instant_device_is_at_its_end_at_once) {
  int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

  ck_assert_int_eq(sluice_source_fd(&source, fd), 0);
  open_source();
  ck_assert_int_eq(take(), UV_EOF);
  ck_assert_int_eq(sluice__source_file(source), -1);
  sluice__source_close(source);
  ck_assert_int_eq(close(fd), 0);
}
END_TEST

START_TEST(a_file_in_memory_is_read_into_its_places) {
  int fd = open(rig_path(rig_shm, "f"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);

  ck_assert_int_eq(write(fd, bytes, 100), 100);
  ck_assert_int_eq(lseek(fd, 0, SEEK_SET), 0);
  ck_assert_int_eq(sluice_source_fd(&source, fd), 0);
  open_source();
  ck_assert_int_ge(sluice__source_file(source), 0);
  sluice__source_cancel(source); /* nothing is under way: nothing happens */
  ck_assert_int_eq(take(), 100);
  ck_assert(rig_matches(got, 0, 100));
  ck_assert_int_eq(sluice__source_file(source), -1); /* not at its start */
  ck_assert_int_eq(take(), UV_EOF);
  sluice__source_close(source);
  ck_assert_int_eq(close(fd), 0);
}
END_TEST

/* Files of /proc cannot say what of them is in memory. */
START_TEST(a_file_that_cannot_be_asked_is_read_on_the_pool) {
  int fd = open("/proc/version", O_RDONLY | O_CLOEXEC);
  uint8_t expected[16];

  ck_assert_int_eq(pread(fd, expected, 16, 0), 16);
  ck_assert_int_eq(sluice_source_fd(&source, fd), 0);
  open_source();
  for (int i = 0; i < 2; i++) {
    ck_assert_int_eq(take(), UV_EAGAIN);
    ck_assert_int_eq(sluice__source_read(source, got + i * 8, 8, on_told, NULL),
                     0);
    run_until_told(i + 1);
    ck_assert_int_eq(told_what, 8);
  }
  ck_assert_mem_eq(got, expected, 16);
  sluice__source_close(source);
  ck_assert_int_eq(close(fd), 0);
}
END_TEST

START_TEST(memory_is_put_into_its_places) {
  ck_assert_int_eq(sluice_source_memory(&source, bytes, 100), 0);
  ck_assert_int_eq(take(), 100);
  ck_assert(rig_matches(got, 0, 100));
  ck_assert_int_eq(take(), UV_EOF);
  ck_assert_uint_eq(sluice__source_busy_ns(source), 0);
  sluice__source_close(source);
}
END_TEST

static ptrdiff_t read_host(void *self, void *buf, size_t len,
                           sluice_source_cb cb, void *ctx) {
  (void)self;
  (void)buf;
  (void)len;
  (void)cb;
  (void)ctx;
  return UV_EOF;
}

START_TEST(a_host_that_cannot_is_not_asked) {
  const sluice_source_ops_t ops = {.size = sizeof(ops), .read = read_host};

  ck_assert_int_eq(sluice_source_custom(&source, &ops, NULL), 0);
  ck_assert(!sluice__source_reads_into(source));
  ck_assert_int_eq(take(), UV_EAGAIN);
  sluice__source_close(source);
}
END_TEST

Suite *read_direct_suite(void) {
  Suite *s = suite_create("read_direct");
  TCase *tc = tcase_create("core");

  tcase_add_checked_fixture(tc, setup, rig_teardown);
  tcase_add_loop_test(tc, what_has_come_is_put_into_its_places, 0, 2);
  tcase_add_loop_test(tc, what_has_not_come_is_told_of_and_then_asked_for_again,
                      0, 2);
  tcase_add_loop_test(tc, waiting_for_what_has_not_come_can_be_cancelled, 0, 2);
  tcase_add_test(tc, a_pipe_is_waited_for_before_it_is_read);
  tcase_add_test(tc, an_instant_device_is_at_its_end_at_once);
  tcase_add_test(tc, a_file_in_memory_is_read_into_its_places);
  tcase_add_test(tc, a_file_that_cannot_be_asked_is_read_on_the_pool);
  tcase_add_test(tc, memory_is_put_into_its_places);
  tcase_add_test(tc, a_host_that_cannot_is_not_asked);
  suite_add_tcase(s, tc);
  return s;
}
