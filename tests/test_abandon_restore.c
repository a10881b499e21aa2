/* test_abandon_restore.c - a host is forked while it restores, or is handed
 * over: the child abandons the engine, of which nothing is left there, and the
 * parent's operation ends as it would have. Saves: test_abandon.c. */
#include <check.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "folder.h"
#include "forked.h"
#include "forked_state.h"
#include "skip.h"
#include "suite.h"

enum { IMAGE_MAX = 4 * STATE_BYTES, FEED = 144 * 1024 };

static struct {
  forked_state_t from, to;
  char path[256];
  uint8_t image[IMAGE_MAX];
  size_t len;
  size_t fed;
  int ends[2];
  unsigned over, filled, verified, told;
  unsigned turn;
  int has_handles; /* when it is over they are the loop's, which closes them */
  int status, last_status;
  sluice_restore_stats_t stats;
} box;

/* ---- an image ---- */

static void on_saved(sluice_save_t *save, int status) {
  ck_assert_int_eq(status, 0);
  ck_assert_int_eq(sluice_save_free(save), 0);
}

static void save_image(void) {
  sluice_sink_t *sink;
  sluice_save_t *save;
  void *data = NULL;
  int fd = mkstemp(box.path);

  ck_assert_int_ge(fd, 0);
  ck_assert_int_eq(sluice_sink_memory(&sink, IMAGE_MAX, &data, &box.len), 0);
  ck_assert_int_eq(sluice_save_begin(&save, forked.engine, box.from.registry,
                                     sink, NULL, on_saved, NULL),
                   0);
  forked_run();
  memcpy(box.image, data, box.len);
  free(data);
  ck_assert_int_eq((int)write(fd, box.image, box.len), (int)box.len);
  (void)close(fd);
}

static unsigned files_of_section(void) {
  return state_is_unverified(&box.to);
}

static unsigned blocks_of_section(void) {
  return 4 * files_of_section();
}

/* Of two engines the second is forked. */
static void open_box(size_t scatter) {
  memset(&box, 0, sizeof(box));
  box.ends[0] = box.ends[1] = -1;
  test_template(box.path, sizeof(box.path), "abandon");
  forked_init();
  state_open(&box.from, scatter);
  state_open(&box.to, 0);
  forked_begin(NULL);
  save_image();
  forked_end(NULL);
  forked_init();
  forked.of_host = blocks_of_section;
  forked.files_of_host = files_of_section;
}

static void close_box(void) {
  ck_assert_uint_gt(forked.forks, 5);
  forked_end(NULL);
  for (int i = 0; i < 2; i++) {
    if (box.ends[i] >= 0) {
      (void)close(box.ends[i]);
    }
  }
  ck_assert_int_eq(unlink(box.path), 0);
  state_close(&box.from);
  state_close(&box.to);
}

/* ---- a restore ---- */

static void on_progress(sluice_restore_t *restore, const sluice_progress_t *p) {
  (void)restore;
  (void)p;
  forked_call();
}

static void on_damaged(sluice_restore_t *restore, const sluice_damage_t *d) {
  (void)restore;
  (void)d;
  ck_abort_msg("nothing is damaged");
}

static void on_checked(sluice_restore_t *restore) {
  forked_call();
  sluice_restore_commit(restore);
}

static void on_restored(sluice_restore_t *restore, int status) {
  box.over++;
  box.status = status;
  sluice_restore_stats(restore, &box.stats, sizeof(box.stats));
  ck_assert_int_eq(sluice_restore_free(restore),
                   box.told > 0 && status == 0 ? UV_EBUSY : 0);
  if (!box.has_handles) {
    forked_call();
  }
}

static void note_end(sluice_restore_t *restore, int status) {
  box.last_status = status;
  sluice_restore_stats(restore, &box.stats, sizeof(box.stats));
  if (--box.told == 0) {
    ck_assert_int_eq(sluice_restore_free(restore), 0);
  }
}

static void on_filled(sluice_restore_t *restore, int status) {
  box.filled++;
  note_end(restore, status);
  forked_call();
}

static void on_verified(sluice_restore_t *restore, int status) {
  box.verified++;
  note_end(restore, status);
  forked_call();
}

static void begin_restore(sluice_source_t *source,
                          const sluice_restore_options_t *options) {
  sluice_restore_options_t o = *options;
  sluice_restore_t *restore;

  o.size = sizeof(o);
  o.progress = on_progress;
  o.damaged = on_damaged;
  o.checked = on_checked;
  o.verified = on_verified;
  box.told = (o.way == SLUICE_RESTORE_MAPPED_VERIFY ? 1u : 0u) +
             (o.filled != NULL ? 1u : 0u);
  ck_assert_int_eq(sluice_restore_begin(&restore, forked.engine,
                                        box.to.registry, source, &o,
                                        on_restored, NULL),
                   0);
}

static void assert_restored(void) {
  ck_assert_uint_eq(box.over, 1);
  ck_assert_int_eq(box.status, 0);
  ck_assert_uint_eq(box.told, 0);
  ck_assert_int_eq(box.last_status, 0);
  ck_assert(state_equal(&box.from, &box.to));
}

static void restore(sluice_source_t *source,
                    const sluice_restore_options_t *o) {
  begin_restore(source, o);
  forked_run();
  assert_restored();
}

/* ---- from a pipe or socket, fed in every turn ---- */

static void feed(void) {
  size_t left = box.len - box.fed;
  ssize_t n;

  if (box.ends[1] < 0) {
    return;
  }
  n = write(box.ends[1], box.image + box.fed, left < FEED ? left : FEED);
  box.fed += n > 0 ? (size_t)n : 0;
  if (box.fed == box.len) {
    (void)close(box.ends[1]);
    box.ends[1] = -1;
  }
}

static void open_feed(int is_pipe) {
  ck_assert_int_eq(
      is_pipe ? pipe2(box.ends, O_CLOEXEC)
              : socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, box.ends),
      0);
  ck_assert_int_eq(fcntl(box.ends[1], F_SETFL, O_NONBLOCK), 0);
  forked.turn = feed;
  box.has_handles = 1;
}

/* Rows: turns, calls. */
static void choose(int row) {
  if (row % 2 == 0) {
    forked.turns = 1;
  } else {
    forked.hooks = 2;
    forked.turns = 5;
  }
}

/* ---- cases ---- */

START_TEST(a_restore_from_a_pipe_is_gone) {
  const sluice_restore_options_t o = {.way = SLUICE_RESTORE_EAGER};
  sluice_source_t *source;
  uv_pipe_t stream;

  open_box(1);
  open_feed(_i / 2 == 0);
  if (_i / 2 == 2) {
    ck_assert_int_eq(uv_pipe_init(&forked.loop, &stream, 0), 0);
    ck_assert_int_eq(uv_pipe_open(&stream, box.ends[0]), 0);
  }
  forked_begin(NULL);
  ck_assert_int_eq(_i / 2 == 2
                       ? sluice_source_stream(&source, (uv_stream_t *)&stream)
                       : sluice_source_fd(&source, box.ends[0]),
                   0);
  choose(_i);
  restore(source, &o);
  if (_i / 2 == 2) {
    uv_close((uv_handle_t *)&stream, NULL);
    box.ends[0] = -1;
  }
  close_box();
}
END_TEST

static sluice_source_t *open_file(void) {
  sluice_source_t *source;

  ck_assert_int_eq(sluice_source_file(&source, box.path), 0);
  return source;
}

START_TEST(a_restore_from_a_file_is_gone) {
  static const sluice_restore_way_t ways[] = {
      SLUICE_RESTORE_EAGER, SLUICE_RESTORE_MAPPED, SLUICE_RESTORE_VERIFY_MAPPED,
      SLUICE_RESTORE_MAPPED_VERIFY};
  const sluice_restore_options_t o = {.way = ways[_i / 2]};

  open_box(1);
  forked_begin(NULL);
  choose(_i);
  restore(open_file(), &o);
  ck_assert_int_eq(_i / 2 != 0, box.stats.mapped_bytes > 0);
  close_box();
}
END_TEST

static ptrdiff_t read_custom(void *self, void *buf, size_t len,
                             sluice_source_cb cb, void *ctx) {
  size_t n = box.len - box.fed < len ? box.len - box.fed : len;

  (void)self;
  (void)cb;
  (void)ctx;
  forked_call();
  n = n < 4096 ? n : 4096;
  memcpy(buf, box.image + box.fed, n);
  box.fed += n;
  return n > 0 ? (ptrdiff_t)n : UV_EOF;
}

static void close_custom(void *self) {
  (void)self;
  forked_call();
}

START_TEST(a_restore_from_memory_is_gone) {
  static const sluice_source_ops_t ops = {
      .size = sizeof(ops), .read = read_custom, .close = close_custom};
  const sluice_restore_options_t o = {.way = SLUICE_RESTORE_EAGER};
  sluice_source_t *source;

  open_box(1);
  forked_begin(NULL);
  if (_i / 2 == 0) {
    ck_assert_int_eq(sluice_source_memory(&source, box.image, box.len), 0);
  } else {
    ck_assert_int_eq(sluice_source_custom(&source, &ops, NULL), 0);
  }
  choose(_i);
  restore(source, &o);
  close_box();
}
END_TEST

START_TEST(a_restore_that_fails_is_gone_all_along) {
  const sluice_restore_options_t o = {.way = SLUICE_RESTORE_MAPPED};

  open_box(1);
  ck_assert_int_eq(truncate(box.path, (off_t)box.len / 2), 0);
  forked_begin(NULL);
  forked.turns = 1;
  forked.hooks = 2;
  begin_restore(open_file(), &o);
  forked_run();
  ck_assert_uint_eq(box.over, 1);
  ck_assert_int_lt(box.status, 0);
  close_box();
}
END_TEST

/* ---- pages that come after the commit ---- */

ssize_t __real_pread(int fd, void *buf, size_t len, off_t at);
ssize_t __wrap_pread(int fd, void *buf, size_t len, off_t at);

static atomic_bool is_shut; /* for all threads but the loop's */
static pid_t loop_thread;

static pid_t thread(void) {
  return (pid_t)syscall(SYS_gettid);
}

ssize_t __wrap_pread(int fd, void *buf, size_t len, off_t at) {
  while (atomic_load(&is_shut) && thread() != loop_thread) {
    (void)usleep(1000);
  }
  return __real_pread(fd, buf, len, at);
}

static void shut(void) {
  atomic_store(&is_shut, true);
}

/* From the commit on the pages are missing for so many turns. */
static void open_later(void) {
  if (box.over > 0 && ++box.turn > 8) {
    atomic_store(&is_shut, false);
  }
}

/* Between two turns nothing else wakes the loop. */
static void on_tick(uv_timer_t *timer) {
  if (box.told == 0) {
    uv_close((uv_handle_t *)timer, NULL);
  }
}

static int can_fill(void) {
  int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);

  if (fd >= 0) {
    (void)close(fd);
  }
  return fd >= 0;
}

START_TEST(a_restore_whose_pages_are_late_is_gone) {
  const sluice_restore_options_t o = {
      .way = _i < 2 ? SLUICE_RESTORE_MAPPED : SLUICE_RESTORE_MAPPED_VERIFY,
      .max_mappings = 1,
      .must_map = 1,
      .filled = on_filled};
  uv_timer_t timer;

  if (!can_fill()) {
    skip(NO_FILL);
    return;
  }
  loop_thread = thread();
  open_box(2);
  ck_assert_int_eq(uv_timer_init(&forked.loop, &timer), 0);
  ck_assert_int_eq(uv_timer_start(&timer, on_tick, 5, 5), 0);
  box.to.is_late = 1;
  box.to.at_late = shut;
  forked.turn = open_later;
  forked_begin(NULL);
  choose(_i);
  forked.turns = 1;
  restore(open_file(), &o);
  ck_assert_uint_eq(box.filled, 1);
  ck_assert_uint_gt(box.stats.late_bytes, 0);
  close_box();
}
END_TEST

/* ---- a hand-over ---- */

static void on_handed_over(sluice_handover_t *h, int status) {
  box.over++;
  box.status = status;
  ck_assert_int_eq(sluice_handover_free(h), 0);
}

static void on_taken_over(sluice_takeover_t *t, int status) {
  box.verified++;
  box.last_status = status;
  ck_assert_int_eq(sluice_takeover_free(t), 0);
}

static void on_pause(sluice_handover_t *h) {
  forked_call();
  sluice_handover_paused(h);
}

static void on_resume(sluice_handover_t *h) {
  (void)h;
  forked_call();
}

static int on_offered(sluice_takeover_t *t, const void *offer, size_t len,
                      sluice_error_t *err) {
  (void)t;
  (void)offer;
  (void)len;
  (void)err;
  forked_call();
  return 0;
}

static int check_refused(sluice_takeover_t *t, sluice_error_t *err) {
  (void)t;
  forked_call();
  return sluice_fail(err, UV_EACCES, "no");
}

static int check_fine(sluice_takeover_t *t, sluice_error_t *err) {
  (void)t;
  (void)err;
  forked_call();
  return 0;
}

static void begin_handover(int is_refused) {
  const sluice_handover_options_t old = {.size = sizeof(old),
                                         .timeout_ms = 60000,
                                         .pause = on_pause,
                                         .resume = on_resume};
  const sluice_takeover_options_t new = {.size = sizeof(new),
                                         .timeout_ms = 60000,
                                         .offered = on_offered,
                                         .check = is_refused ? check_refused
                                                             : check_fine};
  sluice_handover_t *h;
  sluice_takeover_t *t;

  ck_assert_int_eq(sluice_handover_begin(&h, forked.engine, box.from.registry,
                                         box.ends[0], &old, on_handed_over,
                                         NULL),
                   0);
  ck_assert_int_eq(sluice_takeover_begin(&t, forked.engine, box.to.registry,
                                         box.ends[1], &new, on_taken_over,
                                         NULL),
                   0);
  box.ends[0] = box.ends[1] = -1;
}

/* Rows: turns, calls; one that ends well, one that is refused. */
START_TEST(both_sides_of_a_handover_are_gone) {
  open_box(1);
  ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, box.ends),
                   0);
  forked_begin(NULL);
  choose(_i);
  begin_handover(_i / 2);
  forked_run();
  ck_assert_uint_eq(box.over, 1);
  ck_assert_uint_eq(box.verified, 1);
  ck_assert_int_eq(box.status, _i / 2 == 0 ? 0 : UV_EACCES);
  ck_assert_int_eq(box.last_status, box.status);
  ck_assert(_i / 2 == 1 || state_equal(&box.from, &box.to));
  close_box();
}
END_TEST

Suite *SLUICE_TEST_SUITE(void) {
  Suite *s = suite_create("abandon_restore");
  TCase *tc = tcase_create("core");

  tcase_add_loop_test(tc, a_restore_from_a_pipe_is_gone, 0, 6);
  tcase_add_loop_test(tc, a_restore_from_a_file_is_gone, 0, 8);
  tcase_add_loop_test(tc, a_restore_from_memory_is_gone, 0, 4);
  tcase_add_test(tc, a_restore_that_fails_is_gone_all_along);
  tcase_add_loop_test(tc, a_restore_whose_pages_are_late_is_gone, 0, 4);
  tcase_add_loop_test(tc, both_sides_of_a_handover_are_gone, 0, 4);
  suite_add_tcase(s, tc);
  return s;
}
