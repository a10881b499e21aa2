/* test_sink_stream.c - libuv streams of the host's, borrowed at both ends. */
#include "io/sink.h"

#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io_rig.h"
#include "suite.h"

enum { KIB = 1024, MIB = 1024 * 1024, TOTAL = 5 * MIB + 3 };

/* Two connected streams of the loop. */
static union {
  uv_stream_t stream;
  uv_pipe_t pipe;
  uv_tcp_t tcp;
} ends[2];

static void open_unix(void) {
  uv_os_sock_t fds[2];
  int i;

  ck_assert_int_eq(
      uv_socketpair(SOCK_STREAM, 0, fds, UV_NONBLOCK_PIPE, UV_NONBLOCK_PIPE),
      0);
  for (i = 0; i < 2; i++) {
    ck_assert_int_eq(uv_pipe_init(&rig_loop, &ends[i].pipe, 0), 0);
    ck_assert_int_eq(uv_pipe_open(&ends[i].pipe, fds[i]), 0);
  }
}

static void open_tcp(void) {
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t len = sizeof(address);
  int fds[2];
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  int i;

  ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, len), 0);
  ck_assert_int_eq(listen(listener, 1), 0);
  ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &len), 0);
  fds[0] = socket(AF_INET, SOCK_STREAM, 0);
  ck_assert_int_eq(connect(fds[0], (struct sockaddr *)&address, len), 0);
  fds[1] = accept(listener, NULL, NULL);
  ck_assert_int_eq(close(listener), 0);
  for (i = 0; i < 2; i++) {
    ck_assert_int_eq(uv_tcp_init(&rig_loop, &ends[i].tcp), 0);
    ck_assert_int_eq(uv_tcp_open(&ends[i].tcp, fds[i]), 0);
  }
}

static void open_pipe(void) {
  uv_file fds[2];

  ck_assert_int_eq(uv_pipe(fds, UV_NONBLOCK_PIPE, UV_NONBLOCK_PIPE), 0);
  ck_assert_int_eq(uv_pipe_init(&rig_loop, &ends[0].pipe, 0), 0);
  ck_assert_int_eq(uv_pipe_open(&ends[0].pipe, fds[0]), 0);
  ck_assert_int_eq(uv_pipe_init(&rig_loop, &ends[1].pipe, 0), 0);
  ck_assert_int_eq(uv_pipe_open(&ends[1].pipe, fds[1]), 0);
}

static void (*const open_kind[])(void) = {open_unix, open_tcp, open_pipe};

static void close_end(int i) {
  uv_close((uv_handle_t *)&ends[i].stream, NULL);
}

static sluice_sink_t *stream_sink(int i) {
  sluice_sink_t *sink;

  ck_assert_int_eq(sluice_sink_stream(&sink, &ends[i].stream), 0);
  return sink;
}

static sluice_source_t *stream_source(int i) {
  sluice_source_t *source;

  ck_assert_int_eq(sluice_source_stream(&source, &ends[i].stream), 0);
  return source;
}

static void transfer(uint64_t start, uint64_t total) {
  rig_save_t s = {.sink = stream_sink(1), .start = start, .total = total};
  rig_load_t l = {
      .source = stream_source(0), .expect = total + start, .step = 9 * KIB};

  rig_save_begin(&s);
  rig_load_begin(&l);
  rig_run_both(&s, &l);
  ck_assert_int_eq(s.status, 0);
  ck_assert_int_eq(l.status, 0);
  ck_assert_uint_eq(l.got, total + start);
}

START_TEST(what_is_written_arrives_in_order) {
  open_kind[_i]();
  transfer(0, TOTAL);
  close_end(0);
  close_end(1);
}
END_TEST

/* A clock that only we wind: each look at it takes a microsecond. */
static uint64_t looks;
uint64_t __wrap_uv_hrtime(void);

uint64_t __wrap_uv_hrtime(void) {
  return 1000 * ++looks;
}

/* Else the engine would take their time for the host's. A callback looks at the
 * clock when it begins and when it ends: so it has taken a microsecond. */
START_TEST(time_in_its_callbacks_is_told) {
  rig_save_t s = {.total = TOTAL, .hold = true};
  rig_load_t l = {.expect = 2 * TOTAL};

  open_kind[_i]();
  s.sink = stream_sink(1);
  l.source = stream_source(0);
  rig_save_begin(&s);
  rig_load_begin(&l);
  while (!s.is_held || l.got < TOTAL) {
    (void)uv_run(&rig_loop, UV_RUN_ONCE);
  }
  ck_assert_uint_gt(sluice__sink_busy_ns(s.sink), 0);
  ck_assert_uint_gt(sluice__source_busy_ns(l.source), 0);
  ck_assert_uint_eq(sluice__sink_busy_ns(s.sink) +
                        sluice__source_busy_ns(l.source),
                    1000 * (looks / 2));
  rig_save_go_on(&s);
  ck_assert_int_eq(rig_save_finish(&s), 0);
  close_end(1);
  (void)rig_load_finish(&l);
  close_end(0);
}
END_TEST

START_TEST(a_stream_can_be_used_again_and_again) {
  open_kind[_i]();
  transfer(0, TOTAL);
  transfer(0, 1);
  ck_assert_int_eq(uv_is_closing((uv_handle_t *)&ends[1].stream), 0);
  ck_assert_int_ne(uv_is_writable(&ends[1].stream), 0);
  transfer(0, 2 * MIB);
  close_end(0);
  close_end(1);
}
END_TEST

static void on_greeted(uv_write_t *req, int status) {
  ck_assert_int_eq(status, 0);
  free(req->data);
}

/* More than the kernel takes, so that libuv has to queue it. */
START_TEST(what_the_host_had_queued_goes_first) {
  uint8_t *greeting = malloc(8 * MIB);
  uv_buf_t buf = uv_buf_init((char *)greeting, 8 * MIB);
  uv_write_t req = {.data = greeting};

  open_kind[_i]();
  rig_fill(greeting, 0, 8 * MIB);
  ck_assert_int_eq(uv_write(&req, &ends[1].stream, &buf, 1, on_greeted), 0);
  ck_assert_uint_gt(uv_stream_get_write_queue_size(&ends[1].stream), 0);
  transfer(8 * MIB, TOTAL);
  close_end(0);
  close_end(1);
}
END_TEST

START_TEST(an_abort_of_a_stuck_save_is_answered_at_once) {
  rig_save_t s = {.total = 64 * MIB};

  open_kind[_i]();
  s.sink = stream_sink(1);
  rig_save_begin(&s);
  while (s.given == 0 || s.under_way < s.window) {
    (void)uv_run(&rig_loop, UV_RUN_NOWAIT);
  }
  rig_save_abort(&s);
  ck_assert(!s.is_over);
  (void)uv_run(&rig_loop, UV_RUN_NOWAIT);
  ck_assert(s.is_over); /* and every buffer has been freed by now */
  close_end(0);
  close_end(1);
}
END_TEST

/* SIGPIPE has its default action here: it would end this process. */
START_TEST(a_peer_that_goes_away_fails_the_save) {
  rig_save_t s = {.total = 64 * MIB};

  ck_assert(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
  open_kind[_i]();
  s.sink = stream_sink(1);
  rig_save_begin(&s);
  (void)uv_run(&rig_loop, UV_RUN_NOWAIT);
  close_end(0);
  (void)rig_save_finish(&s);
  ck_assert(s.status == UV_EPIPE || s.status == UV_ECONNRESET);
  close_end(1);
}
END_TEST

START_TEST(the_end_of_a_stream_is_told) {
  rig_save_t s = {.total = 100 * KIB};
  rig_load_t l = {0};

  open_kind[_i]();
  s.sink = stream_sink(1);
  ck_assert_int_eq(rig_save_run(&s), 0);
  close_end(1);
  l.source = stream_source(0);
  ck_assert_int_eq(rig_load_run(&l), 0);
  ck_assert_uint_eq(l.got, 100 * KIB);
  close_end(0);
}
END_TEST

START_TEST(a_read_that_waits_can_be_cancelled) {
  rig_load_t l = {0};

  open_kind[_i]();
  l.source = stream_source(0);
  rig_load_begin(&l);
  (void)uv_run(&rig_loop, UV_RUN_NOWAIT);
  ck_assert(l.is_reading);
  sluice__source_cancel(l.source);
  ck_assert(l.is_reading); /* the answer does not come from inside */
  (void)uv_run(&rig_loop, UV_RUN_NOWAIT);
  ck_assert(l.is_over);
  ck_assert_int_eq(l.status, UV_ECANCELED);
  close_end(0);
  close_end(1);
}
END_TEST

START_TEST(a_stream_without_a_descriptor_is_named) {
  rig_save_t s = {.total = 1};
  rig_load_t l = {0};

  ck_assert_int_eq(uv_pipe_init(&rig_loop, &ends[0].pipe, 0), 0);
  s.sink = stream_sink(0);
  ck_assert_int_eq(rig_save_run(&s), UV_EBADF);
  ck_assert_str_eq(s.err.message,
                   "cannot write to the stream: bad file descriptor");
  l.source = stream_source(0);
  ck_assert_int_eq(rig_load_run(&l), UV_EBADF);
  ck_assert_str_eq(l.err.message,
                   "cannot read from the stream: bad file descriptor");
  close_end(0);
}
END_TEST

Suite *sink_stream_suite(void) {
  Suite *s = suite_create("sink_stream");
  TCase *core = tcase_create("core");
  const int kinds = (int)(sizeof(open_kind) / sizeof(open_kind[0]));

  tcase_add_checked_fixture(core, rig_setup, rig_teardown);
  tcase_add_loop_test(core, what_is_written_arrives_in_order, 0, kinds);
  tcase_add_loop_test(core, time_in_its_callbacks_is_told, 0, kinds);
  tcase_add_loop_test(core, a_stream_can_be_used_again_and_again, 0, kinds);
  tcase_add_loop_test(core, what_the_host_had_queued_goes_first, 0, kinds);
  tcase_add_loop_test(core, an_abort_of_a_stuck_save_is_answered_at_once, 0,
                      kinds);
  tcase_add_loop_test(core, a_peer_that_goes_away_fails_the_save, 0, kinds);
  tcase_add_loop_test(core, the_end_of_a_stream_is_told, 0, kinds);
  tcase_add_loop_test(core, a_read_that_waits_can_be_cancelled, 0, kinds);
  tcase_add_test(core, a_stream_without_a_descriptor_is_named);
  suite_add_tcase(s, core);
  return s;
}
