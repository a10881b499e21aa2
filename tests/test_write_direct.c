/* test_write_direct.c - bytes that a sink takes at once, from where they lie.
 */
#include "io/sink.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io_rig.h"
#include "suite.h"

enum { KIB = 1024, MIB = 1024 * 1024 };

static uint8_t bytes[MIB];
static int ends[2]; /* [0] is read, [1] is written */
static sluice_sink_t *sink;
static int told; /* callbacks, */
static int told_status;

static void setup(void) {
  rig_setup();
  rig_fill(bytes, 0, sizeof(bytes));
  told = 0;
}

static void on_told(void *ctx, int status) {
  (void)ctx;
  told++;
  told_status = status;
}

static void run_until_told(int n) {
  while (told < n) {
    (void)uv_run(&rig_loop, UV_RUN_ONCE);
  }
}

static void open_sink(int fd) {
  sluice_error_t err = {0};

  ck_assert_int_eq(sluice_sink_fd(&sink, fd), 0);
  ck_assert_int_eq(sluice__sink_open(sink, &rig_loop, on_told, NULL, &err), 1);
}

static ptrdiff_t put(size_t len, uint64_t offset) {
  const struct iovec pieces[2] = {{bytes, len / 2},
                                  {bytes + len / 2, len - len / 2}};

  return sluice__sink_write_now(sink, pieces, 2, offset);
}

static void close_ends(void) {
  ck_assert_int_eq(close(ends[0]) + close(ends[1]), 0);
}

/* Of what has a reader elsewhere, as a rule: taken without a copy. */
static void make_tcp(void) {
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t len = sizeof(address);
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, len), 0);
  ck_assert_int_eq(listen(listener, 1), 0);
  ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &len), 0);
  ends[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ck_assert_int_eq(connect(ends[1], (struct sockaddr *)&address, len), 0);
  ends[0] = accept(listener, NULL, NULL);
  ck_assert_int_eq(close(listener), 0);
}

static size_t fill_up(void) {
  size_t all = 0;
  ptrdiff_t n;

  while ((n = put(MIB, all)) > 0) {
    all += (size_t)n;
  }
  ck_assert_int_eq(n, 0); /* not now: that is no error */
  return all;
}

START_TEST(a_socket_takes_what_it_has_room_for) {
  size_t all;
  size_t got = 0;

  make_tcp();
  open_sink(ends[1]);
  all = fill_up();
  ck_assert_uint_gt(all, 0);
  while (got < all) {
    ssize_t n = recv(ends[0], bytes, sizeof(bytes), 0);

    ck_assert_int_gt(n, 0);
    got += (size_t)n;
  }
  ck_assert_uint_eq(got, all);
  sluice__sink_close(sink);
  close_ends();
}
END_TEST

START_TEST(nothing_overtakes_what_is_queued) {
  make_tcp();
  open_sink(ends[1]);
  (void)fill_up();
  ck_assert_int_eq(sluice__sink_write(sink, bytes, MIB, 0, on_told, NULL), 0);
  ck_assert_int_gt(recv(ends[0], bytes, sizeof(bytes), MSG_WAITALL), 0);
  ck_assert_int_eq(put(1, 0), 0); /* though there is room now */
  ck_assert_int_eq(sluice__sink_abort(sink, on_told, NULL), 0);
  run_until_told(2);
  ck_assert_int_eq(put(1, 0), UV_ECANCELED);
  ck_assert_int_eq(sluice__sink_write(sink, bytes, 1, 0, on_told, NULL),
                   UV_ECANCELED);
  sluice__sink_close(sink);
  close_ends();
}
END_TEST

START_TEST(a_reader_that_is_gone_is_told_again_and_again) {
  ptrdiff_t n;

  make_tcp();
  open_sink(ends[1]);
  ck_assert_int_eq(close(ends[0]), 0);
  while ((n = put(MIB, 0)) >= 0) {
  }
  ck_assert(n == UV_EPIPE || n == UV_ECONNRESET);
  ck_assert_int_eq(put(1, 0), n);
  sluice__sink_close(sink);
  ck_assert_int_eq(close(ends[1]), 0);
}
END_TEST

static int make_local(int which) {
  return which == 0 ? pipe2(ends, O_CLOEXEC)
                    : socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends);
}

/* A reader beside us is better served by a copy ahead. */
START_TEST(pipes_and_local_sockets_are_copied_to) {
  ck_assert_int_eq(make_local(_i), 0);
  open_sink(ends[1]);
  ck_assert_int_eq(put(1, 0), UV_ENOTSUP);
  sluice__sink_close(sink);
  close_ends();
}
END_TEST

static void on_greeted(uv_write_t *req, int status) {
  (void)req;
  told_status = status;
  told++;
}

/* The host's stream, on which it has queued more than the kernel takes. */
START_TEST(what_the_host_has_queued_goes_first) {
  static uint8_t greeting[16 * MIB];
  uv_buf_t buf = uv_buf_init((char *)greeting, sizeof(greeting));
  uv_tcp_t tcp;
  uv_write_t req;

  make_tcp();
  ck_assert_int_eq(uv_tcp_init(&rig_loop, &tcp), 0);
  ck_assert_int_eq(uv_tcp_open(&tcp, ends[1]), 0);
  ck_assert_int_eq(sluice_sink_stream(&sink, (uv_stream_t *)&tcp), 0);
  ck_assert_int_eq(sluice__sink_open(sink, &rig_loop, on_told, NULL, NULL), 1);
  ck_assert_int_gt(put(10, 0), 0);
  ck_assert_int_eq(uv_write(&req, (uv_stream_t *)&tcp, &buf, 1, on_greeted), 0);
  ck_assert_int_gt(recv(ends[0], bytes, sizeof(bytes), MSG_WAITALL), 0);
  ck_assert_int_eq(put(10, 0), 0);
  sluice__sink_close(sink);
  uv_close((uv_handle_t *)&tcp, NULL);
  run_until_told(1);
  ck_assert_int_eq(close(ends[0]), 0);
}
END_TEST

static int open_file(const char *dir) {
  int fd =
      open(rig_path(dir, "f"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

  ck_assert_int_ge(fd, 0);
  return fd;
}

/* In more pieces than one system call takes. */
START_TEST(a_file_in_memory_takes_all_of_many_pieces) {
  enum { PIECES = 150 };
  struct iovec pieces[PIECES];
  int fd = open_file(rig_shm);

  for (int i = 0; i < PIECES; i++) {
    pieces[i] = (struct iovec){bytes + i * KIB, KIB};
  }
  open_sink(fd);
  ck_assert(sluice__sink_is_random(sink));
  ck_assert_int_eq(sluice__sink_write_now(sink, pieces, PIECES, 0),
                   PIECES * KIB);
  ck_assert_int_eq(sluice__sink_write_now(sink, pieces, 0, PIECES * KIB), 0);
  ck_assert_int_eq(sluice__sink_finish(sink, on_told, NULL), 0);
  run_until_told(1);
  ck_assert_int_eq(told_status, 0);
  ck_assert_int_eq(lseek(fd, 0, SEEK_CUR), PIECES * KIB);
  sluice__sink_close(sink);
  ck_assert(rig_file_matches(rig_path(rig_shm, "f"), PIECES * KIB));
  ck_assert_int_eq(close(fd), 0);
}
END_TEST

START_TEST(a_file_that_is_full_is_told_again_and_again) {
  const struct rlimit limit = {100 * KIB, 100 * KIB};
  int fd = open_file(rig_shm);

  ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
  open_sink(fd);
  ck_assert_int_eq(put(MIB, 0), UV_EFBIG); /* and no SIGXFSZ */
  ck_assert_int_eq(put(1, 0), UV_EFBIG);
  ck_assert_int_eq(sluice__sink_write(sink, bytes, 1, 0, on_told, NULL),
                   UV_EFBIG);
  sluice__sink_close(sink);
  ck_assert_int_eq(close(fd), 0);
}
END_TEST

START_TEST(a_file_on_disk_is_left_to_the_pool) {
  int fd = open_file(rig_dir);

  open_sink(fd);
  if (!sluice__sink_is_random(sink)) { /* else the folder is in memory, too */
    ck_assert_int_eq(put(1, 0), UV_ENOTSUP);
  }
  ck_assert_int_eq(sluice__sink_write(sink, bytes, 0, 0, on_told, NULL), 1);
  sluice__sink_close(sink);
  ck_assert_int_eq(close(fd), 0);
}
END_TEST

START_TEST(a_device_by_name_takes_all) {
  sluice_error_t err = {0};

  ck_assert_int_eq(sluice_sink_file(&sink, "/dev/null", NULL), 0);
  ck_assert_int_eq(sluice__sink_open(sink, &rig_loop, on_told, NULL, &err), 0);
  run_until_told(1);
  ck_assert(!sluice__sink_is_random(sink));
  ck_assert_int_eq(put(MIB, 0), MIB);
  sluice__sink_close(sink);
}
END_TEST

START_TEST(memory_takes_nothing_directly) {
  void *data = NULL;
  size_t len = 0;

  ck_assert_int_eq(sluice_sink_memory(&sink, MIB, &data, &len), 0);
  ck_assert_int_eq(put(1, 0), UV_ENOTSUP);
  ck_assert_int_eq(sluice__sink_write(sink, bytes, 0, 0, on_told, NULL), 1);
  ck_assert_uint_eq(sluice__sink_busy_ns(sink), 0);
  sluice__sink_close(sink);
}
END_TEST

static int write_host(void *self, const void *data, size_t len, uint64_t offset,
                      sluice_sink_cb cb, void *ctx) {
  (void)self;
  (void)data;
  (void)len;
  (void)offset;
  (void)cb;
  (void)ctx;
  return 1;
}

static ptrdiff_t write_host_now(void *self, const struct iovec *pieces,
                                int count, uint64_t offset) {
  (void)pieces;
  (void)count;
  (void)offset;
  return *(ptrdiff_t *)self;
}

START_TEST(a_host_that_took_more_than_it_was_given_is_refused) {
  const sluice_sink_ops_t ops = {
      .size = sizeof(ops), .write = write_host, .write_now = write_host_now};
  ptrdiff_t answer = 10;

  ck_assert_int_eq(sluice_sink_custom(&sink, &ops, &answer), 0);
  ck_assert_int_eq(put(10, 0), 10);
  answer = 0;
  ck_assert_int_eq(put(10, 0), 0);
  answer = 11;
  ck_assert_int_eq(put(10, 0), SLUICE_EHANDLER);
  sluice__sink_close(sink);
}
END_TEST

Suite *write_direct_suite(void) {
  Suite *s = suite_create("write_direct");
  TCase *tc = tcase_create("core");

  tcase_add_checked_fixture(tc, setup, rig_teardown);
  tcase_add_test(tc, a_socket_takes_what_it_has_room_for);
  tcase_add_test(tc, nothing_overtakes_what_is_queued);
  tcase_add_test(tc, a_reader_that_is_gone_is_told_again_and_again);
  tcase_add_loop_test(tc, pipes_and_local_sockets_are_copied_to, 0, 2);
  tcase_add_test(tc, what_the_host_has_queued_goes_first);
  tcase_add_test(tc, a_file_in_memory_takes_all_of_many_pieces);
  tcase_add_test(tc, a_file_that_is_full_is_told_again_and_again);
  tcase_add_test(tc, a_file_on_disk_is_left_to_the_pool);
  tcase_add_test(tc, a_device_by_name_takes_all);
  tcase_add_test(tc, memory_takes_nothing_directly);
  tcase_add_test(tc, a_host_that_took_more_than_it_was_given_is_refused);
  suite_add_tcase(s, tc);
  return s;
}
