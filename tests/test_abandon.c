/* test_abandon.c - a host is forked while it saves: the child abandons the
 * engine, of which nothing is left there, and the parent's save is what it
 * would have been. Restores and hand-overs: test_abandon_restore.c. */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folder.h"
#include "forked.h"
#include "forked_state.h"
#include "odd_executor.h"
#include "suite.h"

enum { IMAGE_MAX = 4 * STATE_BYTES, DRAIN = 144 * 1024 };

typedef enum kind_e {
  TO_FILE,
  TO_DEVICE, /* a FIFO, by name */
  TO_OPEN_FILE,
  TO_PIPE,
  TO_SOCKET,
  TO_STREAM,
  TO_MEMORY,
  TO_CUSTOM,
  KINDS
} kind_t;

static struct {
  forked_state_t from, to;
  kind_t kind;
  char path[256];
  int in;  /* the other end, where there is one */
  int out; /* the host's */
  uv_pipe_t stream;
  uv_idle_t later; /* of the custom sink */
  sluice_sink_cb cb;
  void *ctx;
  size_t owed;
  uint8_t image[IMAGE_MAX];
  size_t len;
  void *data; /* of the memory sink */
  size_t data_len;
  unsigned saved, restored;
  int status;
} box;

/* ---- where it goes ---- */

static void drain(void) {
  ssize_t n;

  if (box.in >= 0 && box.len + DRAIN <= IMAGE_MAX) {
    n = read(box.in, box.image + box.len, DRAIN);
    box.len += n > 0 ? (size_t)n : 0;
  }
}

static int write_custom(void *self, const void *data, size_t len,
                        uint64_t offset, sluice_sink_cb cb, void *ctx) {
  (void)self;
  ck_assert_uint_le(offset + len, IMAGE_MAX);
  memcpy(box.image + offset, data, len);
  box.len = offset + len > box.len ? (size_t)(offset + len) : box.len;
  forked_call();
  if (box.cb != NULL) {
    return 1; /* one that waits is enough */
  }
  box.cb = cb;
  box.ctx = ctx;
  return 0;
}

static void on_later(uv_idle_t *later) {
  sluice_sink_cb cb = box.cb;

  (void)later;
  if (cb != NULL && ++box.owed % 5 == 0) {
    box.cb = NULL;
    cb(box.ctx, 0);
  }
}

static void close_custom(void *self) {
  (void)self;
  forked_call();
}

static const sluice_sink_ops_t custom_ops = {
    .size = sizeof(custom_ops), .write = write_custom, .close = close_custom};

static void open_pair(int is_pipe) {
  int ends[2];

  ck_assert_int_eq(
      is_pipe ? pipe2(ends, O_CLOEXEC)
              : socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends),
      0);
  box.in = ends[0];
  box.out = ends[1];
  ck_assert_int_eq(fcntl(box.in, F_SETFL, O_NONBLOCK), 0);
}

static void open_path(int flags) {
  test_template(box.path, sizeof(box.path), "abandon");
  box.out = mkstemp(box.path);
  ck_assert_int_ge(box.out, 0);
  if ((flags & O_CREAT) == 0) {
    (void)close(box.out);
    box.out = -1;
  }
}

/* What the host has open before there is an engine. */
static void open_ends(void) {
  box.in = box.out = -1;
  switch (box.kind) {
  case TO_FILE: open_path(0); break;
  case TO_DEVICE:
    open_path(0);
    ck_assert_int_eq(unlink(box.path), 0);
    ck_assert_int_eq(mkfifo(box.path, 0600), 0);
    box.in = open(box.path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    ck_assert_int_ge(box.in, 0);
    break;
  case TO_OPEN_FILE: open_path(O_CREAT); break;
  case TO_PIPE: open_pair(1); break;
  case TO_SOCKET: open_pair(0); break;
  case TO_STREAM:
    open_pair(0);
    ck_assert_int_eq(uv_pipe_init(&forked.loop, &box.stream, 0), 0);
    ck_assert_int_eq(uv_pipe_open(&box.stream, box.out), 0);
    box.out = -1;
    break;
  case TO_CUSTOM:
    ck_assert_int_eq(uv_idle_init(&forked.loop, &box.later), 0);
    ck_assert_int_eq(uv_idle_start(&box.later, on_later), 0);
    uv_unref((uv_handle_t *)&box.later);
    break;
  case TO_MEMORY:
  case KINDS: break;
  }
}

static int make_sink(sluice_sink_t **out) {
  switch (box.kind) {
  case TO_FILE:
  case TO_DEVICE: return sluice_sink_file(out, box.path, NULL);
  case TO_OPEN_FILE:
  case TO_PIPE:
  case TO_SOCKET: return sluice_sink_fd(out, box.out);
  case TO_STREAM: return sluice_sink_stream(out, (uv_stream_t *)&box.stream);
  case TO_MEMORY:
    return sluice_sink_memory(out, IMAGE_MAX, &box.data, &box.data_len);
  case TO_CUSTOM: return sluice_sink_custom(out, &custom_ops, NULL);
  case KINDS: break;
  }
  return UV_EINVAL;
}

static void read_file(void) {
  int fd = open(box.path, O_RDONLY | O_CLOEXEC);
  ssize_t n;

  ck_assert_int_ge(fd, 0);
  n = read(fd, box.image, IMAGE_MAX);
  ck_assert_int_gt((int)n, 0);
  box.len = (size_t)n;
  (void)close(fd);
}

/* The image, wherever it is. */
static void collect(void) {
  size_t before;

  if (box.kind == TO_FILE || box.kind == TO_OPEN_FILE) {
    read_file();
  }
  if (box.kind == TO_MEMORY) {
    memcpy(box.image, box.data, box.data_len);
    box.len = box.data_len;
  }
  do {
    before = box.len;
    drain();
  } while (box.len > before);
}

static void close_ends(void) {
  if (box.in >= 0) {
    (void)close(box.in);
  }
  if (box.out >= 0) {
    (void)close(box.out);
  }
  if (box.path[0] != '\0') {
    ck_assert_int_eq(unlink(box.path), 0);
  }
  if (box.kind == TO_STREAM) {
    uv_close((uv_handle_t *)&box.stream, NULL);
  }
  if (box.kind == TO_CUSTOM) {
    uv_close((uv_handle_t *)&box.later, NULL);
  }
}

/* ---- a save ---- */

static unsigned count_data(void) {
  return box.data != NULL;
}

static void open_box(kind_t kind, const sluice_executor_t *executor) {
  memset(&box, 0, sizeof(box));
  box.kind = kind;
  forked_init();
  forked.turn = drain;
  forked.of_host = count_data;
  state_open(&box.from, 1);
  state_open(&box.to, 0);
  open_ends();
  forked_begin(executor);
}

static void close_box(void (*before_end)(void)) {
  close_ends();
  forked_end(before_end);
  free(box.data);
  state_close(&box.from);
  state_close(&box.to);
}

/* What was polled is being closed then: that memory is the loop's. */
static int has_handles(void) {
  return box.kind != TO_FILE && box.kind != TO_OPEN_FILE &&
         box.kind != TO_MEMORY && box.kind != TO_CUSTOM;
}

static void on_saved(sluice_save_t *save, int status) {
  box.saved++;
  box.status = status;
  ck_assert_int_eq(sluice_save_free(save), 0);
  if (!has_handles()) {
    forked_call();
  }
}

static void on_told(sluice_save_t *save) {
  (void)save;
  forked_call();
}

static void on_pause(sluice_save_t *save) {
  forked_call();
  sluice_save_paused(save);
}

static sluice_save_t *begin_save(sluice_save_mode_t mode) {
  const sluice_save_options_t o = {.size = sizeof(o),
                                   .mode = mode,
                                   .pause = on_pause,
                                   .resume = on_told,
                                   .cut = on_told};
  sluice_sink_t *sink;
  sluice_save_t *save;

  ck_assert_int_eq(make_sink(&sink), 0);
  ck_assert_int_eq(sluice_save_begin(&save, forked.engine, box.from.registry,
                                     sink, &o, on_saved, NULL),
                   0);
  return save;
}

static void on_restored(sluice_restore_t *restore, int status) {
  box.restored++;
  ck_assert_msg(status == 0, "%s", sluice_restore_error(restore)->message);
  ck_assert_int_eq(sluice_restore_free(restore), 0);
}

static void assert_saved(void) {
  sluice_source_t *source;
  sluice_restore_t *restore;

  ck_assert_uint_eq(box.saved, 1);
  ck_assert_int_eq(box.status, 0);
  ck_assert_uint_gt(forked.forks, 5);
  forked.turns = forked.hooks = 0;
  collect();
  ck_assert_int_eq(sluice_source_memory(&source, box.image, box.len), 0);
  ck_assert_int_eq(sluice_restore_begin(&restore, forked.engine,
                                        box.to.registry, source, NULL,
                                        on_restored, NULL),
                   0);
  forked_run();
  ck_assert_uint_eq(box.restored, 1);
  ck_assert(state_equal(&box.from, &box.to));
}

static void save(sluice_save_mode_t mode) {
  (void)begin_save(mode);
  forked_run();
  assert_saved();
}

/* ---- cases ---- */

START_TEST(an_idle_engine_is_gone) {
  open_box(TO_MEMORY, NULL);
  forked_fork();
  sluice_engine_abandon(NULL);
  close_box(NULL);
}
END_TEST

START_TEST(an_engine_that_closes_is_gone) {
  open_box(TO_SOCKET, NULL);
  (void)begin_save(SLUICE_CONVERGE);
  forked.hooks = 1;
  forked.turns = 1;
  close_ends();
  box.in = box.out = -1;
  forked_end(NULL);
  ck_assert_int_eq(box.status, UV_ECANCELED);
  state_close(&box.from);
  state_close(&box.to);
}
END_TEST

/* Rows: kinds of sinks, by mode. */
START_TEST(a_save_is_gone_in_every_turn) {
  open_box((kind_t)(_i / 2), NULL);
  forked.turns = _i % 2 == 0 ? 1 : 2;
  save(_i % 2 == 0 ? SLUICE_CONVERGE : SLUICE_CUT);
  close_box(NULL);
}
END_TEST

START_TEST(a_save_is_gone_inside_of_every_call) {
  open_box((kind_t)(_i / 2), NULL);
  forked.hooks = 2;
  forked.calls = (unsigned)_i / 2 % 2;
  save(_i % 2 == 0 ? SLUICE_CONVERGE : SLUICE_CUT);
  close_box(NULL);
}
END_TEST

START_TEST(a_save_is_gone_while_threads_write) {
  open_box(TO_FILE, NULL);
  forked.is_busy = 1;
  forked.turns = 1;
  save(_i == 0 ? SLUICE_CONVERGE : SLUICE_CUT);
  close_box(NULL);
}
END_TEST

static void end_executor(void) {
  odd_executor_close();
}

/* Rows: ways of executors, by what libuv's threads do meanwhile. */
START_TEST(a_save_is_gone_with_its_copy_jobs) {
  open_box(_i % 2 == 0 ? TO_FILE : TO_PIPE,
           odd_executor_open((odd_way_t)(_i / 2), 1));
  forked.is_busy = _i % 2;
  forked.turns = 3;
  forked.hooks = 2;
  save(SLUICE_CUT);
  close_box(end_executor);
}
END_TEST

START_TEST(a_save_that_fails_is_gone_all_along) {
  sluice_save_t *s;

  open_box((kind_t)_i, NULL);
  s = begin_save(SLUICE_CONVERGE);
  for (int i = 0; i < 10; i++) {
    (void)uv_run(&forked.loop, UV_RUN_NOWAIT);
  }
  if (box.saved == 0) {
    sluice_save_cancel(s);
    forked.turns = 1;
    forked.hooks = 1;
    forked_run();
    ck_assert_int_eq(box.status, UV_ECANCELED);
    ck_assert_uint_gt(forked.forks, 0);
  }
  close_box(NULL);
}
END_TEST

Suite *SLUICE_TEST_SUITE(void) {
  Suite *s = suite_create("abandon");
  TCase *tc = tcase_create("core");

  tcase_add_test(tc, an_idle_engine_is_gone);
  tcase_add_test(tc, an_engine_that_closes_is_gone);
  tcase_add_loop_test(tc, a_save_is_gone_in_every_turn, 0, 2 * KINDS);
  tcase_add_loop_test(tc, a_save_is_gone_inside_of_every_call, 0, 2 * KINDS);
  tcase_add_loop_test(tc, a_save_is_gone_while_threads_write, 0, 2);
  tcase_add_loop_test(tc, a_save_is_gone_with_its_copy_jobs, 0, 2 * ODD_WAYS);
  tcase_add_loop_test(tc, a_save_that_fails_is_gone_all_along, 0, KINDS);
  suite_add_tcase(s, tc);
  return s;
}
