/* test_breach.c - sinks and sources of the host's own that do not keep to what
 * sink.h and source.h say: an error that names the call, and one answer to each
 * operation whatever they do. */
#include "io/sink.h"
#include "io/source.h"

#include <string.h>

#include "io_rig.h"
#include "suite.h"

enum { ROOM = 16 };

enum wrong {
  RETURNS_77,
  EARLY, /* calls back inside the call, and says it will */
  EARLY_AND_DONE,
  TWICE,
  DONE_AND_LATE, /* done at once, and calls back */
  POSITIVE       /* status */
};

struct promise {
  sluice_sink_cb cb;
  void *ctx;
  int status;
};

/* What is no fault is answered late. */
static struct {
  uv_idle_t idle;
  char name[8]; /* of the operation that is done wrong; the first time */
  enum wrong wrong;
  struct promise promises[ROOM];
  unsigned owed;
  uint64_t given; /* bytes of a source */
  char calls[64];
} odd;

static void on_idle(uv_idle_t *idle) {
  struct promise p = odd.promises[0];

  if (odd.owed == 0) {
    (void)uv_idle_stop(idle);
    return;
  }
  odd.owed--;
  memmove(odd.promises, odd.promises + 1, odd.owed * sizeof(p));
  p.cb(p.ctx, p.status);
}

static void promise(sluice_sink_cb cb, void *ctx, int status) {
  ck_assert_uint_lt(odd.owed, ROOM);
  odd.promises[odd.owed++] = (struct promise){cb, ctx, status};
  (void)uv_idle_start(&odd.idle, on_idle);
}

static int do_wrong(sluice_sink_cb cb, void *ctx) {
  switch (odd.wrong) {
  case RETURNS_77: return 77;
  case EARLY: cb(ctx, 0); return 0;
  case EARLY_AND_DONE: cb(ctx, 0); return 1;
  case TWICE: promise(cb, ctx, 0); break;
  case DONE_AND_LATE: promise(cb, ctx, 0); return 1;
  case POSITIVE: promise(cb, ctx, 5); return 0;
  }
  promise(cb, ctx, 0);
  return 0;
}

static int act(const char *name, sluice_sink_cb cb, void *ctx) {
  (void)strncat(odd.calls, name, 1);
  if (strcmp(name, odd.name) == 0) {
    odd.name[0] = '\0';
    return do_wrong(cb, ctx);
  }
  promise(cb, ctx, 0);
  return 0;
}

static int open_odd(void *self, uv_loop_t *loop, sluice_sink_cb cb, void *ctx,
                    sluice_error_t *err) {
  (void)self, (void)loop, (void)err;
  return act("open", cb, ctx);
}

static int write_odd(void *self, const void *data, size_t len, uint64_t offset,
                     sluice_sink_cb cb, void *ctx) {
  (void)self, (void)data, (void)len, (void)offset;
  return act("write", cb, ctx);
}

static int finish_odd(void *self, sluice_sink_cb cb, void *ctx) {
  (void)self;
  return act("finish", cb, ctx);
}

static int abort_odd(void *self, sluice_sink_cb cb, void *ctx) {
  (void)self;
  return act("abort", cb, ctx);
}

static void close_odd(void *self) {
  (void)self;
  uv_close((uv_handle_t *)&odd.idle, NULL);
}

static ptrdiff_t take_one_too_many(void *self, const struct iovec *pieces,
                                   int count, uint64_t offset) {
  (void)self, (void)count, (void)offset;
  return (ptrdiff_t)pieces[0].iov_len + 1;
}

static uint64_t run_backwards(const void *self) {
  static uint64_t ns = 100;

  (void)self;
  return ns--;
}

static const sluice_sink_ops_t odd_ops = {.size = sizeof(odd_ops),
                                          .open = open_odd,
                                          .write = write_odd,
                                          .finish = finish_odd,
                                          .abort = abort_odd,
                                          .close = close_odd,
                                          .busy_ns = run_backwards,
                                          .write_now = take_one_too_many};

static void begin_odd(const char *name, enum wrong wrong) {
  memset(&odd, 0, sizeof(odd));
  (void)strcpy(odd.name, name);
  odd.wrong = wrong;
  ck_assert_int_eq(uv_idle_init(&rig_loop, &odd.idle), 0);
}

static sluice_sink_t *odd_sink(const char *name, enum wrong wrong) {
  sluice_sink_t *sink;

  begin_odd(name, wrong);
  ck_assert_int_eq(sluice_sink_custom(&sink, &odd_ops, NULL), 0);
  return sink;
}

static const struct {
  const char *name;
  enum wrong wrong;
  const char *said;
  const char *calls; /* that the sink got, but for repeated writes */
} sinks[] = {
    {"open", RETURNS_77, "the sink's open() returned 77", "o"},
    {"write", RETURNS_77, "the sink's write() returned 77", "owa"},
    {"finish", RETURNS_77, "the sink's finish() returned 77", "owf"},
    {"open", EARLY, "the sink's open() called back inside the call", "o"},
    {"write", EARLY, "the sink's write() called back inside the call", "owa"},
    {"finish", EARLY, "the sink's finish() called back inside the call", "owf"},
    {"write", EARLY_AND_DONE, "the sink's write() called back inside the call",
     "owa"},
    {"write", TWICE, "the sink's write() called back twice", "owa"},
    {"write", DONE_AND_LATE,
     "the sink's write() called back after it was done at once", "owa"},
    {"open", POSITIVE, "the sink's open() called back with 5", "o"},
    {"write", POSITIVE, "the sink's write() called back with 5", "owa"},
    {"finish", POSITIVE, "the sink's finish() called back with 5", "owf"},
};

/* Writes that follow each other are one. */
static const char *calls_of_odd(void) {
  static char calls[sizeof(odd.calls)];
  size_t n = 0;

  for (const char *c = odd.calls; *c != '\0'; c++) {
    if (n == 0 || calls[n - 1] != *c) {
      calls[n++] = *c;
    }
  }
  calls[n] = '\0';
  return calls;
}

START_TEST(what_a_sink_does_wrong_is_told_by_name) {
  rig_save_t s = {.sink = odd_sink(sinks[_i].name, sinks[_i].wrong),
                  .total = 6,
                  .chunk = 1,
                  .window = 1};

  ck_assert_int_eq(rig_save_run(&s), SLUICE_EHANDLER);
  ck_assert_str_eq(s.err.message, sinks[_i].said);
  ck_assert_str_eq(calls_of_odd(), sinks[_i].calls);
}
END_TEST

/* The last write is told twice, and nothing is left to fail but the end. */
START_TEST(a_breach_before_the_end_undoes_the_save) {
  rig_save_t s = {.sink = odd_sink("write", TWICE), .total = 1, .hold = true};

  rig_save_begin(&s);
  while (!s.is_held || odd.owed > 0) {
    (void)uv_run(&rig_loop, UV_RUN_NOWAIT);
  }
  rig_save_go_on(&s);
  ck_assert_int_eq(rig_save_finish(&s), SLUICE_EHANDLER);
  ck_assert_str_eq(calls_of_odd(), "owa");
}
END_TEST

START_TEST(an_abort_that_is_done_wrong_ends_all_the_same) {
  static const enum wrong wrongs[] = {RETURNS_77, EARLY, POSITIVE};
  rig_save_t s = {
      .sink = odd_sink("abort", wrongs[_i]), .total = 1, .hold = true};

  rig_save_begin(&s);
  while (!s.is_held) {
    (void)uv_run(&rig_loop, UV_RUN_NOWAIT);
  }
  rig_save_abort(&s);
  ck_assert_int_eq(rig_save_finish(&s), UV_ECANCELED);
  ck_assert_str_eq(calls_of_odd(), "owa");
}
END_TEST

START_TEST(more_taken_than_was_given_is_told_by_name) {
  sluice_sink_t *sink = odd_sink("", TWICE);
  struct iovec piece = {&odd, 8};
  sluice_error_t err = {0};

  ck_assert_int_eq(sluice__sink_open(sink, &rig_loop, NULL, NULL, &err), 0);
  odd.owed = 0; /* nobody is there to be told */
  ck_assert_int_eq(sluice__sink_write_now(sink, &piece, 1, 0), SLUICE_EHANDLER);
  ck_assert_str_eq(err.message, "the sink's write_now() took 9 bytes of 8");
  sluice__sink_close(sink);
}
END_TEST

START_TEST(time_that_a_sink_says_runs_backwards_stands_still) {
  sluice_sink_t *sink = odd_sink("", TWICE);
  uint64_t first = sluice__sink_busy_ns(sink);

  ck_assert_uint_eq(sluice__sink_busy_ns(sink), first);
  sluice__sink_close(sink);
}
END_TEST

/* ---- sources ---- */

enum { ASKED = 50 };

static void told_by_promise(void *ctx, int status) {
  const struct {
    sluice_source_cb cb;
    void *ctx;
  } *to = ctx;

  to->cb(to->ctx, status);
}

/* A callback of a source, as one of a sink. */
static struct {
  sluice_source_cb cb;
  void *ctx;
} told[ROOM];
static unsigned told_count;

static void *told_ctx(sluice_source_cb cb, void *ctx) {
  told[told_count % ROOM].cb = cb;
  told[told_count % ROOM].ctx = ctx;
  return &told[told_count++ % ROOM];
}

static int open_odd_source(void *self, uv_loop_t *loop, sluice_source_cb cb,
                           void *ctx, sluice_error_t *err) {
  (void)self, (void)loop, (void)err;
  return act("open", told_by_promise, told_ctx(cb, ctx));
}

/* A byte at a time, late; and 77 bytes where that is what it does wrong. */
static ptrdiff_t read_odd(void *self, void *buf, size_t len,
                          sluice_source_cb cb, void *ctx) {
  (void)self;
  ck_assert_uint_eq(len, ASKED);
  if (strcmp(odd.name, "read") != 0) {
    rig_fill(buf, odd.given++, 1);
    promise(told_by_promise, told_ctx(cb, ctx), 1);
    return 0;
  }
  return act("read", told_by_promise, told_ctx(cb, ctx));
}

static ptrdiff_t read_odd_into(void *self, const struct iovec *places,
                               int count, sluice_source_cb cb, void *ctx) {
  (void)self, (void)places, (void)count;
  return act("into", told_by_promise, told_ctx(cb, ctx));
}

static const sluice_source_ops_t odd_source_ops = {.size =
                                                       sizeof(odd_source_ops),
                                                   .open = open_odd_source,
                                                   .read = read_odd,
                                                   .close = close_odd,
                                                   .busy_ns = run_backwards,
                                                   .read_into = read_odd_into};

static sluice_source_t *odd_source(const char *name, enum wrong wrong) {
  sluice_source_t *source;

  begin_odd(name, wrong);
  ck_assert_int_eq(sluice_source_custom(&source, &odd_source_ops, NULL), 0);
  return source;
}

static const struct {
  const char *name;
  enum wrong wrong;
  const char *said;
} sources[] = {
    {"open", RETURNS_77, "the source's open() returned 77, at most 1"},
    {"read", RETURNS_77, "the source's read() returned 77, at most 50"},
    {"open", EARLY, "the source's open() called back inside the call"},
    {"read", EARLY, "the source's read() called back inside the call"},
    {"read", EARLY_AND_DONE, "the source's read() called back inside the call"},
    {"open", TWICE, "the source's open() called back twice"},
    {"open", DONE_AND_LATE,
     "the source's open() called back after it was done at once"},
    {"open", POSITIVE, "the source's open() called back with 5, at most 0"},
};

START_TEST(what_a_source_does_wrong_is_told_by_name) {
  rig_load_t l = {.source = odd_source(sources[_i].name, sources[_i].wrong),
                  .step = ASKED};

  ck_assert_int_eq(rig_load_run(&l), SLUICE_EHANDLER);
  ck_assert_str_eq(l.err.message, sources[_i].said);
}
END_TEST

static void never_told(void *ctx, ptrdiff_t got) {
  (void)ctx;
  ck_abort_msg("told %td", got);
}

START_TEST(more_put_in_place_than_was_asked_for_is_told_by_name) {
  sluice_source_t *source = odd_source("into", RETURNS_77);
  struct iovec places[] = {{&odd, 40}, {&odd, 36}};
  sluice_error_t err = {0};

  (void)strcpy(odd.name, "");
  ck_assert_int_eq(
      sluice__source_open(source, &rig_loop, never_told, NULL, &err), 0);
  odd.owed = 0;
  (void)strcpy(odd.name, "into");
  ck_assert_int_eq(
      sluice__source_read_into(source, places, 2, never_told, NULL),
      SLUICE_EHANDLER);
  ck_assert_str_eq(err.message,
                   "the source's read_into() returned 77, at most 76");
  sluice__source_close(source);
}
END_TEST

START_TEST(time_that_a_source_says_runs_backwards_stands_still) {
  sluice_source_t *source = odd_source("", TWICE);
  uint64_t first = sluice__source_busy_ns(source);

  ck_assert_uint_eq(sluice__source_busy_ns(source), first);
  sluice__source_close(source);
}
END_TEST

Suite *breach_suite(void) {
  Suite *s = suite_create("breach");
  TCase *tc = tcase_create("core");

  tcase_add_checked_fixture(tc, rig_setup, rig_teardown);
  tcase_add_loop_test(tc, what_a_sink_does_wrong_is_told_by_name, 0,
                      (int)(sizeof(sinks) / sizeof(sinks[0])));
  tcase_add_test(tc, a_breach_before_the_end_undoes_the_save);
  tcase_add_loop_test(tc, an_abort_that_is_done_wrong_ends_all_the_same, 0, 3);
  tcase_add_test(tc, more_taken_than_was_given_is_told_by_name);
  tcase_add_test(tc, time_that_a_sink_says_runs_backwards_stands_still);
  tcase_add_loop_test(tc, what_a_source_does_wrong_is_told_by_name, 0,
                      (int)(sizeof(sources) / sizeof(sources[0])));
  tcase_add_test(tc, more_put_in_place_than_was_asked_for_is_told_by_name);
  tcase_add_test(tc, time_that_a_source_says_runs_backwards_stands_still);
  suite_add_tcase(s, tc);
  return s;
}
