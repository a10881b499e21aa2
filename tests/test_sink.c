/* test_sink.c - sinks of the host's own, and the one in memory. */
#include "io/sink.h"

#include <stdlib.h>
#include <string.h>

#include "io_rig.h"
#include "suite.h"

enum { KIB = 1024, MIB = 1024 * 1024 };

/* A host's sink that answers as a test likes. */
struct host {
  int answer; /* of every hook */
  sluice_sink_cb cb;
  void *ctx;
  char calls[64];
};

static void note(struct host *h, char call) {
  size_t n = strlen(h->calls);

  ck_assert_uint_lt(n + 1, sizeof(h->calls));
  h->calls[n] = call;
}

static int open_host(void *self, uv_loop_t *loop, sluice_sink_cb cb, void *ctx,
                     sluice_error_t *err) {
  struct host *h = self;

  (void)cb;
  (void)ctx;
  ck_assert_ptr_eq(loop, &rig_loop);
  note(h, 'o');
  return h->answer < 0 ? sluice_fail(err, h->answer, "no way") : h->answer;
}

static int write_host(void *self, const void *data, size_t len, uint64_t offset,
                      sluice_sink_cb cb, void *ctx) {
  struct host *h = self;

  (void)cb;
  (void)ctx;
  ck_assert(rig_matches(data, offset, len));
  note(h, 'w');
  return h->answer;
}

static int finish_host(void *self, sluice_sink_cb cb, void *ctx) {
  struct host *h = self;

  (void)cb;
  (void)ctx;
  note(h, 'f');
  return h->answer;
}

static int abort_host(void *self, sluice_sink_cb cb, void *ctx) {
  struct host *h = self;

  (void)cb;
  (void)ctx;
  note(h, 'a');
  return h->answer;
}

static void close_host(void *self) {
  note(self, 'c');
}

static const sluice_sink_ops_t all_ops = {.size = sizeof(all_ops),
                                          .open = open_host,
                                          .write = write_host,
                                          .finish = finish_host,
                                          .abort = abort_host,
                                          .close = close_host};
static const sluice_sink_ops_t few_ops = {.size = sizeof(few_ops),
                                          .write = write_host};

static sluice_sink_t *custom(const sluice_sink_ops_t *ops, struct host *h) {
  sluice_sink_t *sink;

  ck_assert_int_eq(sluice_sink_custom(&sink, ops, h), 0);
  return sink;
}

START_TEST(hooks_are_called_in_order_of_life) {
  struct host h = {.answer = 1};
  rig_save_t s = {.sink = custom(&all_ops, &h), .total = 3, .chunk = 1};

  ck_assert_int_eq(rig_save_run(&s), 0);
  ck_assert_str_eq(h.calls, "owwwfc");
}
END_TEST

START_TEST(an_abort_takes_the_place_of_the_finish) {
  struct host h = {.answer = 1};
  rig_save_t s = {
      .sink = custom(&all_ops, &h), .total = 9, .chunk = 1, .cancel_after = 2};

  ck_assert_int_eq(rig_save_run(&s), UV_ECANCELED);
  ck_assert_str_eq(h.calls, "owwac");
}
END_TEST

START_TEST(hooks_left_out_are_done_at_once) {
  struct host h = {.answer = 1};
  sluice_sink_t *sink = custom(&few_ops, &h);

  ck_assert_int_eq(sluice__sink_open(sink, &rig_loop, NULL, NULL, NULL), 1);
  ck_assert_int_eq(sluice__sink_finish(sink, NULL, NULL), 1);
  ck_assert_int_eq(sluice__sink_abort(sink, NULL, NULL), 1);
  sluice__sink_close(sink);
  ck_assert_str_eq(h.calls, "");
}
END_TEST

START_TEST(an_open_that_fails_is_followed_by_close_only) {
  struct host h = {.answer = UV_EPERM};
  rig_save_t s = {.sink = custom(&all_ops, &h), .total = 1};

  ck_assert_int_eq(rig_save_run(&s), UV_EPERM);
  ck_assert_str_eq(s.err.message, "no way");
  ck_assert_str_eq(h.calls, "oc");
}
END_TEST

START_TEST(tables_that_cannot_work_are_refused) {
  const sluice_sink_ops_t no_write = {.size = sizeof(no_write)};
  const sluice_sink_ops_t no_size = {.write = write_host};
  sluice_sink_t *sink = NULL;

  ck_assert_int_eq(sluice_sink_custom(&sink, NULL, NULL), UV_EINVAL);
  ck_assert_int_eq(sluice_sink_custom(&sink, &no_write, NULL), UV_EINVAL);
  ck_assert_int_eq(sluice_sink_custom(&sink, &no_size, NULL), UV_EINVAL);
  ck_assert_int_eq(sluice_sink_custom(NULL, &all_ops, NULL), UV_EINVAL);
  ck_assert_ptr_null(sink);
}
END_TEST

START_TEST(arguments_that_are_missing_are_refused) {
  sluice_sink_t *sink = NULL;
  void *data;
  size_t len;

  ck_assert_int_eq(sluice_sink_file(&sink, NULL, NULL), UV_EINVAL);
  ck_assert_int_eq(sluice_sink_file(NULL, "x", NULL), UV_EINVAL);
  ck_assert_int_eq(sluice_sink_stream(&sink, NULL), UV_EINVAL);
  ck_assert_int_eq(sluice_sink_fd(NULL, 1), UV_EINVAL);
  ck_assert_int_eq(sluice_sink_memory(&sink, 1, NULL, &len), UV_EINVAL);
  ck_assert_int_eq(sluice_sink_memory(&sink, 1, &data, NULL), UV_EINVAL);
  ck_assert_int_eq(sluice_sink_memory(NULL, 1, &data, &len), UV_EINVAL);
}
END_TEST

/* --- memory --- */

static const struct {
  uint64_t total;
  size_t chunk;
  size_t max_bytes;
  int status;
} blocks[] = {
    {0, 0, 0, 0},
    {1, 0, 1, 0},
    {2, 1, 1, UV_ENOSPC},
    {3 * MIB + 1, 0, SIZE_MAX, 0},
    {3 * MIB + 1, 999, 3 * MIB + 1, 0},
    {3 * MIB + 1, 0, 3 * MIB, UV_ENOSPC},
    {1, 0, 0, UV_ENOSPC},
};

START_TEST(memory_holds_what_was_written_or_nothing_is_told) {
  int untouched;
  void *data = &untouched; /* on failure */
  size_t len = 42;
  rig_save_t s = {.total = blocks[_i].total, .chunk = blocks[_i].chunk};

  ck_assert_int_eq(
      sluice_sink_memory(&s.sink, blocks[_i].max_bytes, &data, &len), 0);
  ck_assert_int_eq(rig_save_run(&s), blocks[_i].status);
  if (blocks[_i].status < 0) {
    ck_assert_ptr_eq(data, &untouched);
    ck_assert_uint_eq(len, 42);
    return;
  }
  ck_assert_uint_eq(len, blocks[_i].total);
  ck_assert(rig_matches(data, 0, len));
  free(data);
}
END_TEST

START_TEST(an_aborted_save_to_memory_tells_nothing) {
  void *data = NULL;
  size_t len = 42;
  rig_save_t s = {.total = 3 * MIB, .cancel_after = MIB};

  ck_assert_int_eq(sluice_sink_memory(&s.sink, SIZE_MAX, &data, &len), 0);
  ck_assert_int_eq(rig_save_run(&s), UV_ECANCELED);
  ck_assert_ptr_null(data);
  ck_assert_uint_eq(len, 42);
}
END_TEST

Suite *sink_suite(void) {
  Suite *s = suite_create("sink");
  TCase *core = tcase_create("custom");
  TCase *memory = tcase_create("memory");
  const int rows = (int)(sizeof(blocks) / sizeof(blocks[0]));

  tcase_add_checked_fixture(core, rig_setup, rig_teardown);
  tcase_add_test(core, hooks_are_called_in_order_of_life);
  tcase_add_test(core, an_abort_takes_the_place_of_the_finish);
  tcase_add_test(core, hooks_left_out_are_done_at_once);
  tcase_add_test(core, an_open_that_fails_is_followed_by_close_only);
  tcase_add_test(core, tables_that_cannot_work_are_refused);
  tcase_add_test(core, arguments_that_are_missing_are_refused);
  tcase_add_checked_fixture(memory, rig_setup, rig_teardown);
  tcase_add_loop_test(memory, memory_holds_what_was_written_or_nothing_is_told,
                      0, rows);
  tcase_add_test(memory, an_aborted_save_to_memory_tells_nothing);
  suite_add_tcase(s, core);
  suite_add_tcase(s, memory);
  return s;
}
