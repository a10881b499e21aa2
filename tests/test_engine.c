/* test_engine.c - life of an engine, what it tells of itself, and how many of
 * libuv's threads it takes. */
#include <sluice/engine.h>

#include <check.h>
#include <stdlib.h>
#include <uv.h>

#include "rig.h"
#include "session/engine.h"
#include "suite.h"
#include "toy.h"

/* ---- of libuv ---- */

static unsigned processors;
static int async_code;

unsigned __wrap_uv_available_parallelism(void);
int __real_uv_async_init(uv_loop_t *loop, uv_async_t *async, uv_async_cb cb);
int __wrap_uv_async_init(uv_loop_t *loop, uv_async_t *async, uv_async_cb cb);

unsigned __wrap_uv_available_parallelism(void) {
  return processors;
}

int __wrap_uv_async_init(uv_loop_t *loop, uv_async_t *async, uv_async_cb cb) {
  return async_code != 0 ? async_code : __real_uv_async_init(loop, async, cb);
}

static rig_t rig;

static void setup(void) {
  processors = 2;
  async_code = 0;
  rig_init(&rig);
}

static void teardown(void) {
  rig_done(&rig);
}

/* ---- life ---- */

static void *refuse(void *ctx, size_t size, size_t align) {
  (void)ctx, (void)size, (void)align;
  return NULL;
}

START_TEST(without_memory_there_is_no_engine) {
  sluice_alloc_t stingy = rig.alloc;
  const sluice_engine_options_t o = {.size = sizeof(o), .alloc = &stingy};
  sluice_engine_t *engine = NULL;

  stingy.alloc = refuse;
  ck_assert_int_eq(sluice_engine_new(&engine, &rig.loop, &o, NULL), UV_ENOMEM);
  ck_assert_ptr_null(engine);
}
END_TEST

START_TEST(without_descriptors_there_is_no_engine_and_nothing_is_left) {
  const sluice_engine_options_t o = {.size = sizeof(o), .alloc = &rig.alloc};
  long before = rig.live_blocks;
  sluice_engine_t *engine = NULL;
  sluice_error_t err;

  async_code = UV_EMFILE;
  ck_assert_int_eq(sluice_engine_new(&engine, &rig.loop, &o, &err), UV_EMFILE);
  ck_assert_str_eq(err.message, "the engine's handles cannot be opened");
  ck_assert_int_eq(rig.live_blocks, before);
  async_code = 0;
}
END_TEST

static unsigned closed;

static void on_closed(void *data) {
  ck_assert_ptr_eq(data, &closed);
  closed++;
}

START_TEST(an_engine_is_closed_once) {
  sluice_engine_t *engine = NULL;

  closed = 0;
  ck_assert_int_eq(sluice_engine_new(&engine, &rig.loop, NULL, NULL), 0);
  ck_assert_int_eq(sluice_engine_close(engine, on_closed, &closed), 0);
  ck_assert_int_eq(sluice_engine_close(engine, NULL, NULL), UV_EALREADY);
  rig_run(&rig);
  ck_assert_uint_eq(closed, 1);
}
END_TEST

/* ---- what it tells ---- */

static uint64_t tick_ns;

static uint64_t tick(void *ctx) {
  (void)ctx;
  return tick_ns += 1000;
}

START_TEST(an_engine_tells_how_long_it_held_the_loop) {
  const sluice_engine_options_t o = {.size = sizeof(o),
                                     .alloc = &rig.alloc,
                                     .clock = tick,
                                     .slice_us = 700,
                                     .slice_min_us = 700};
  sluice_engine_stats_t before, after;
  static toy_t toy;
  void *image;
  size_t len;

  ck_assert_int_eq(sluice_engine_close(rig.engine, NULL, NULL), 0);
  ck_assert_int_eq(sluice_engine_new(&rig.engine, &rig.loop, &o, NULL), 0);
  sluice_engine_stats(rig.engine, &before, sizeof(before));
  ck_assert_uint_eq(before.turns, 0);
  ck_assert_uint_eq(before.slice_ns, 700 * 1000);
  toy_init_live(&toy, rig.registry, "toy", 3000, 1, 3);
  ck_assert_int_eq(rig_save_memory(&rig, NULL, &image, &len), 0);
  sluice_engine_stats(rig.engine, &after, sizeof(after));
  ck_assert_uint_gt(after.turns, 1);
  ck_assert_uint_ge(after.busy_ns, after.turns * 1000);
  ck_assert_uint_ge(after.longest_turn_ns, after.busy_ns / after.turns);
  ck_assert_uint_le(after.longest_turn_ns, after.busy_ns);
  ck_assert_uint_eq(after.overruns, 0);
  free(image);
  toy_done(&toy);
}
END_TEST

static int overrun(void *self, sluice_error_t *err) {
  (void)self;
  (void)err;
  tick_ns += UINT64_C(10) * 1000 * 1000;
  return 0;
}

static int begin_long(void *self, sluice_section_t *section,
                      sluice_error_t *err) {
  (void)section;
  return overrun(self, err);
}

START_TEST(a_step_of_more_than_two_slices_is_counted) {
  const sluice_engine_options_t o = {
      .size = sizeof(o), .alloc = &rig.alloc, .clock = tick};
  sluice_engine_stats_t stats;
  static toy_t toy;
  void *image;
  size_t len;

  ck_assert_int_eq(sluice_engine_close(rig.engine, NULL, NULL), 0);
  ck_assert_int_eq(sluice_engine_new(&rig.engine, &rig.loop, &o, NULL), 0);
  toy_init(&toy, rig.registry, "toy", 3000, 1);
  toy.handler.save_begin = begin_long;
  ck_assert_int_eq(rig_save_memory(&rig, NULL, &image, &len), 0);
  sluice_engine_stats(rig.engine, &stats, sizeof(stats));
  ck_assert_uint_ge(stats.overruns, 1);
  ck_assert_uint_ge(stats.longest_turn_ns, UINT64_C(10) * 1000 * 1000);
  free(image);
  toy_done(&toy);
}
END_TEST

/* ---- how many threads ---- */

static const struct {
  unsigned processors;
  const char *threads; /* UV_THREADPOOL_SIZE */
  uint32_t jobs;
} pools[] = {{1, "8", 0},      {2, NULL, 0},  {3, NULL, 3},   {8, "1", 1},
             {8, "2", 1},      {8, "3", 2},   {64, "16", 15}, {64, "17", 16},
             {64, "1024", 16}, {8, "many", 1}};

START_TEST(one_thread_of_the_pool_is_left_to_the_host) {
  sluice_engine_t *engine = NULL;

  processors = pools[_i].processors;
  if (pools[_i].threads == NULL) {
    ck_assert_int_eq(unsetenv("UV_THREADPOOL_SIZE"), 0);
  } else {
    ck_assert_int_eq(setenv("UV_THREADPOOL_SIZE", pools[_i].threads, 1), 0);
  }
  ck_assert_int_eq(sluice_engine_new(&engine, &rig.loop, NULL, NULL), 0);
  ck_assert_uint_eq(engine->threads.executor.jobs_max, pools[_i].jobs);
  ck_assert(engine->threads.is_pool);
  ck_assert_int_eq(sluice_engine_close(engine, NULL, NULL), 0);
  rig_run(&rig);
}
END_TEST

static int submit(void *ctx, sluice_job_t *job) {
  (void)ctx, (void)job;
  return UV_EAGAIN;
}

START_TEST(an_executor_that_names_no_number_gets_one_job_at_a_time) {
  const sluice_executor_t e = {.size = sizeof(e), .submit = submit};
  const sluice_engine_options_t o = {.size = sizeof(o), .executor = &e};
  sluice_engine_t *engine = NULL;

  ck_assert_int_eq(sluice_engine_new(&engine, &rig.loop, &o, NULL), 0);
  ck_assert_uint_eq(engine->threads.executor.jobs_max, 1);
  ck_assert_uint_gt(engine->threads.executor.min_bytes, 0);
  ck_assert_int_eq(sluice_engine_close(engine, NULL, NULL), 0);
  rig_run(&rig);
}
END_TEST

Suite *engine_suite(void) {
  Suite *s = suite_create("engine");
  TCase *tc = tcase_create("core");

  tcase_add_checked_fixture(tc, setup, teardown);
  tcase_add_test(tc, without_memory_there_is_no_engine);
  tcase_add_test(tc,
                 without_descriptors_there_is_no_engine_and_nothing_is_left);
  tcase_add_test(tc, an_engine_is_closed_once);
  tcase_add_test(tc, an_engine_tells_how_long_it_held_the_loop);
  tcase_add_test(tc, a_step_of_more_than_two_slices_is_counted);
  tcase_add_loop_test(tc, one_thread_of_the_pool_is_left_to_the_host, 0,
                      sizeof(pools) / sizeof(pools[0]));
  tcase_add_test(tc, an_executor_that_names_no_number_gets_one_job_at_a_time);
  suite_add_tcase(s, tc);
  return s;
}
