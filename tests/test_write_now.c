/* test_write_now.c - pages that a sink takes from where the host has them: the
 * image is right whatever the sink takes of them, and however it ends, nothing
 * of the host's is read once the save has let go of it. */
#include "cut_box.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <uv.h>

#include "sample.h"
#include "slow.h"
#include "suite.h"

enum { IMAGE_MAX = 16 * BYTES, SEEDS = 3 };

/* How much a sink takes at once. */
typedef enum greed_e {
  GREED_NOTHING,
  GREED_REFUSES, /* and says so */
  GREED_A_BYTE,
  GREED_ODD, /* any part, another each time */
  GREED_MOST,
  GREED_ALL,
  GREED_RANDOM, /* all, in any order */
  GREEDS
} greed_t;

static struct {
  greed_t greed;
  uint8_t *data;
  size_t end; /* of what was written */
  unsigned takes;
  unsigned fail_at; /* take that fails; 0: none */
  bool is_late;     /* writes answer from the loop */
  uv_idle_t idle;
  sluice_sink_cb cb[64];
  void *ctx[64];
  unsigned waiting;
  uint64_t taken;
  bool is_host_still; /* changes nothing during the save */
} sink;

static void answer(uv_idle_t *idle) {
  unsigned n = sink.waiting;

  (void)uv_idle_stop(idle);
  sink.waiting = 0;
  for (unsigned i = 0; i < n; i++) {
    sink.cb[i](sink.ctx[i], 0);
  }
}

static int open_sink(void *self, uv_loop_t *loop, sluice_sink_cb cb, void *ctx,
                     sluice_error_t *err) {
  (void)self;
  (void)cb;
  (void)ctx;
  (void)err;
  ck_assert_int_eq(uv_idle_init(loop, &sink.idle), 0);
  return 1;
}

static void put(const void *data, size_t len, uint64_t offset) {
  ck_assert_uint_le(offset + len, IMAGE_MAX);
  memcpy(sink.data + offset, data, len);
  sink.end = offset + len > sink.end ? offset + len : sink.end;
}

static int write_sink(void *self, const void *data, size_t len, uint64_t offset,
                      sluice_sink_cb cb, void *ctx) {
  (void)self;
  if (sink.greed != GREED_RANDOM) {
    ck_assert_uint_eq(offset, sink.end); /* no gap in the stream */
  }
  put(data, len, offset);
  if (!sink.is_late) {
    return 1;
  }
  ck_assert_uint_lt(sink.waiting, 64);
  sink.cb[sink.waiting] = cb;
  sink.ctx[sink.waiting++] = ctx;
  ck_assert_int_eq(uv_idle_start(&sink.idle, answer), 0);
  return 0;
}

static size_t appetite(size_t len) {
  switch (sink.greed) {
  case GREED_NOTHING:
  case GREED_REFUSES: return 0;
  case GREED_A_BYTE: return 1;
  case GREED_ODD: return seed_below(&box.seed, len + 1);
  case GREED_MOST: return len - 1;
  case GREED_ALL:
  case GREED_RANDOM:
  case GREEDS: return len;
  }
  return 0;
}

static ptrdiff_t take(void *self, const struct iovec *pieces, int count,
                      uint64_t offset) {
  size_t len = 0;
  size_t left;

  (void)self;
  ck_assert_uint_eq(sink.waiting, 0); /* as sink.h promises */
  if (++sink.takes == sink.fail_at) {
    return UV_EPIPE;
  }
  if (sink.greed == GREED_REFUSES) {
    ck_assert_uint_eq(sink.takes, 1);
    return UV_ENOTSUP;
  }
  if (sink.greed != GREED_RANDOM) {
    ck_assert_uint_eq(offset, sink.end);
  }
  for (int i = 0; i < count; i++) {
    ck_assert_uint_gt(pieces[i].iov_len, 0);
    len += pieces[i].iov_len;
  }
  left = len = appetite(len);
  for (int i = 0; i < count && left > 0; i++) {
    size_t n = pieces[i].iov_len < left ? pieces[i].iov_len : left;

    put(pieces[i].iov_base, n, offset);
    offset += n;
    left -= n;
  }
  sink.taken += len;
  return (ptrdiff_t)len;
}

static int is_random(const void *self) {
  (void)self;
  return sink.greed == GREED_RANDOM;
}

static void close_sink(void *self) {
  (void)self;
  ck_assert_uint_eq(sink.waiting, 0);
  uv_close((uv_handle_t *)&sink.idle, NULL);
}

static int abort_sink(void *self, sluice_sink_cb cb, void *ctx) {
  (void)self;
  if (sink.waiting == 0) {
    return 1;
  }
  sink.cb[sink.waiting] = cb; /* behind the writes that are under way */
  sink.ctx[sink.waiting++] = ctx;
  return 0;
}

static const sluice_sink_ops_t ops = {.size = sizeof(ops),
                                      .open = open_sink,
                                      .write = write_sink,
                                      .abort = abort_sink,
                                      .close = close_sink,
                                      .write_now = take,
                                      .is_random = is_random};

/* Compiled before there was a write_now. */
static const sluice_sink_ops_t old_ops = {
    .size = offsetof(sluice_sink_ops_t, write_now),
    .open = open_sink,
    .write = write_sink,
    .abort = abort_sink,
    .close = close_sink};

static sluice_sink_t *new_sink(void) {
  sluice_sink_t *s;

  sink.end = 0;
  sink.takes = 0;
  sink.taken = 0;
  ck_assert_int_eq(sluice_sink_custom(&s, &ops, &sink), 0);
  return s;
}

/* Rows: every greed, in time and late, by both modes. */
enum { ROWS = GREEDS * 4 };

static const sluice_executor_t nobody = {.size = sizeof(nobody)};

static void open_row(int row) {
  memset(&sink, 0, sizeof(sink));
  rig_executor = &nobody;
  open_box();
  sink.greed = (greed_t)(row % GREEDS);
  sink.is_late = row / GREEDS % 2 != 0;
  sink.data = calloc(1, IMAGE_MAX);
  ck_assert_ptr_nonnull(sink.data);
  box.options.tracker = SLUICE_RAM_COOPERATIVE;
  box.options.max_preimage = BYTES;
  box.seed = seed_open(row);
  make_sections();
}

static void close_row(void) {
  free(sink.data);
  close_box();
}

static void on_pause(sluice_save_t *save) {
  memcpy(box.at_cut, box.memory, BYTES);
  (void)uv_idle_stop(&box.writer);
  sluice_save_paused(save);
}

/* The memory goes away with the callback: who still reads it crashes. */
static void on_over_unmap(sluice_save_t *save, int status) {
  (void)mprotect(box.memory, BYTES, PROT_NONE);
  on_over(save, status);
}

/* The host goes on at once, and with everything. */
static void on_resume(sluice_save_t *save) {
  (void)save;
  sluice_ram_dirty(box.from, 0, 0, BYTES);
  fill(box.memory, 99, BYTES);
}

static sluice_save_t *begin(int row, sluice_sink_t *to) {
  sluice_save_options_t o = {.size = sizeof(o),
                             .mode = row / GREEDS / 2 != 0 ? SLUICE_CUT
                                                           : SLUICE_CONVERGE,
                             .max_rounds = 3,
                             .downtime_us = 1,
                             .cut = on_cut,
                             .pause = on_pause,
                             .resume = on_resume};
  sluice_save_t *save;

  start_writing();
  if (sink.is_host_still) {
    (void)uv_idle_stop(&box.writer);
  }
  ck_assert_int_eq(sluice_save_begin(&save, box.rig.engine, box.rig.registry,
                                     to, &o, on_over_unmap, NULL),
                   0);
  return save;
}

static int run(int row, sluice_sink_t *to) {
  (void)begin(row, to);
  rig_run(&box.rig);
  ck_assert_int_eq(mprotect(box.memory, BYTES, PROT_READ | PROT_WRITE), 0);
  return box.rig.status;
}

static void assert_image(const void *data, size_t len) {
  int r = rig_restore_memory(&box.rig, box.other, data, len);

  ck_assert_msg(r == 0, "%s", box.rig.error.message);
  ck_assert(memcmp(box.copy, box.at_cut, BYTES) == 0);
}

START_TEST(the_image_is_right_whatever_the_sink_takes) {
  open_row(_i);
  for (int i = 0; i < SEEDS; i += slow_step(SEEDS)) {
    ck_assert_int_eq(run(_i, new_sink()), 0);
    assert_image(sink.data, sink.end);
  }
  close_row();
}
END_TEST

/* Of a host that writes all the time it may be that all pages are copies. */
START_TEST(pages_of_a_host_that_is_still_are_offered) {
  open_row(_i);
  sink.is_host_still = true;
  ck_assert_int_eq(run(_i, new_sink()), 0);
  assert_image(sink.data, sink.end);
  ck_assert_uint_gt(sink.takes, 0);
  if (sink.greed >= GREED_ALL) { /* how much is a matter of slices */
    ck_assert_uint_gt(sink.taken, 0);
  }
  close_row();
}
END_TEST

START_TEST(a_take_that_fails_ends_the_save) {
  unsigned step = sample_step() * (unsigned)slow_step(9);

  open_row(_i);
  for (sink.fail_at = 1 + sample_first("takes");; sink.fail_at += step) {
    int r = run(_i, new_sink());

    if (sink.takes < sink.fail_at) {
      ck_assert_int_eq(r, 0);
      break;
    }
    ck_assert_int_eq(r, UV_EPIPE);
    ck_assert_uint_eq(sink.takes, sink.fail_at); /* it was the last */
  }
  assert_image(sink.data, sink.end);
  close_row();
}
END_TEST

/* What was taken of a record is followed by its rest and by ABORT. A sink that
 * takes things in any order is undone anyway. */
START_TEST(a_cancelled_stream_says_so) {
  int step = (int)sample_step() * slow_step(19);
  int is_through = 0;

  open_row(_i);
  for (int n = 1 + (int)sample_first("turns"); !is_through; n += step) {
    unsigned before = box.rig.callbacks;
    sluice_save_t *save = begin(_i, new_sink());

    for (int i = 0; i < n && box.rig.callbacks == before; i++) {
      (void)uv_run(&box.rig.loop, UV_RUN_NOWAIT);
    }
    is_through = box.rig.callbacks != before;
    if (!is_through) {
      sluice_save_cancel(save);
    }
    rig_run(&box.rig);
    ck_assert_int_eq(mprotect(box.memory, BYTES, PROT_READ | PROT_WRITE), 0);
    if (!is_through && box.rig.status != 0 && sink.end > PAGE &&
        sink.greed != GREED_RANDOM) {
      int r = rig_restore_memory(&box.rig, box.other, sink.data, sink.end);

      ck_assert(r == SLUICE_EABORTED || r == 0); /* all of it was written */
    }
  }
  close_row();
}
END_TEST

START_TEST(a_sink_of_before_write_now_works_on) {
  sluice_sink_t *s;

  open_row(GREED_NOTHING);
  ck_assert_int_eq(sluice_sink_custom(&s, &old_ops, &sink), 0);
  ck_assert_int_eq(run(0, s), 0);
  assert_image(sink.data, sink.end);
  ck_assert_uint_eq(sink.takes, 0);
  close_row();
}
END_TEST

/* Sockets, pipes and files in memory, by threads that read what there is. */
static struct {
  uv_thread_t thread;
  int fd;
  size_t len;
} reader;

static void read_all(void *arg) {
  ssize_t n;

  (void)arg;
  while ((n = read(reader.fd, sink.data + reader.len, IMAGE_MAX - reader.len)) >
         0) {
    reader.len += (size_t)n;
  }
}

START_TEST(a_descriptor_gets_the_image) {
  int fd[2];
  sluice_sink_t *s;

  open_row(0);
  if (_i % 2 == 0) {
    ck_assert_int_eq(pipe(fd), 0);
  } else {
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
  }
  reader.fd = fd[0];
  reader.len = 0;
  ck_assert_int_eq(uv_thread_create(&reader.thread, read_all, NULL), 0);
  ck_assert_int_eq(sluice_sink_fd(&s, fd[1]), 0);
  ck_assert_int_eq(run(_i / 2 * GREEDS * 2, s), 0);
  (void)close(fd[1]);
  ck_assert_int_eq(uv_thread_join(&reader.thread), 0);
  (void)close(fd[0]);
  assert_image(sink.data, reader.len);
  close_row();
}
END_TEST

static size_t read_file(const char *path, size_t skip) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t n = pread(fd, sink.data, IMAGE_MAX, (off_t)skip);

  ck_assert_int_ge(n, 0);
  (void)close(fd);
  return (size_t)n;
}

START_TEST(a_file_in_memory_gets_the_image) {
  char path[] = "/dev/shm/sluice-test-now.XXXXXX";
  int fd = mkstemp(path);
  sluice_sink_t *s;

  ck_assert_int_ge(fd, 0);
  open_row(0);
  (void)close(fd);
  ck_assert_int_eq(sluice_sink_file(&s, path, NULL), 0);
  ck_assert_int_eq(run(_i * GREEDS * 2, s), 0);
  assert_image(sink.data, read_file(path, 0));
  (void)unlink(path);
  close_row();
}
END_TEST

/* `program > file` and `program >> file`, with something before and behind. */
START_TEST(a_descriptor_of_a_file_in_memory_is_written_where_it_stands) {
  char path[] = "/dev/shm/sluice-test-now.XXXXXX";
  int is_append = _i;
  int fd = mkstemp(path);
  sluice_sink_t *s;
  size_t len;

  ck_assert_int_ge(fd, 0);
  open_row(0);
  ck_assert_int_eq(write(fd, "before", 6), 6);
  if (is_append) {
    ck_assert_int_eq(fcntl(fd, F_SETFL, O_APPEND), 0);
  }
  ck_assert_int_eq(sluice_sink_fd(&s, fd), 0);
  ck_assert_int_eq(run(0, s), 0);
  ck_assert_int_eq(write(fd, "after", 5), 5);
  len = read_file(path, 0);
  ck_assert_int_eq(memcmp(sink.data, "before", 6), 0);
  ck_assert_int_eq(memcmp(sink.data + len - 5, "after", 5), 0);
  assert_image(sink.data + 6, len - 6 - 5);
  (void)unlink(path);
  (void)close(fd);
  close_row();
}
END_TEST

Suite *write_now_suite(void) {
  Suite *s = suite_create("write_now");
  TCase *t = tcase_create("core");

  tcase_add_loop_test(t, the_image_is_right_whatever_the_sink_takes, 0, ROWS);
  tcase_add_loop_test(t, pages_of_a_host_that_is_still_are_offered, 0, ROWS);
  tcase_add_loop_test(t, a_take_that_fails_ends_the_save, 0, ROWS);
  tcase_add_loop_test(t, a_cancelled_stream_says_so, 0, ROWS);
  tcase_add_test(t, a_sink_of_before_write_now_works_on);
  tcase_add_loop_test(t, a_descriptor_gets_the_image, 0, 4);
  tcase_add_loop_test(t, a_file_in_memory_gets_the_image, 0, 2);
  tcase_add_loop_test(
      t, a_descriptor_of_a_file_in_memory_is_written_where_it_stands, 0, 2);
  suite_add_tcase(s, t);
  return s;
}
