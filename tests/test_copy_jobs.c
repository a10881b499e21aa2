/* test_copy_jobs.c - pages that other threads copy: the image is right whoever
 * does it, in any order, late or not at all, and nothing of the host's is read
 * once a save has let go of it. */
#include "cut_box.h"

#include <uv.h>

#include "busy_pool.h"
#include "can_guard.h"
#include "odd_executor.h"
#include "sample.h"
#include "skip.h"
#include "slow.h"
#include "suite.h"

enum { SEEDS = 4 };

static odd_way_t way;

static void open_odd_box(odd_way_t w) {
  way = w;
  rig_executor = odd_executor_open(w, 1);
  rig_before_end = odd_executor_close;
  open_box();
}

static void open_plain_box(void) {
  static const sluice_executor_t pool = {
      .size = sizeof(pool), .jobs_max = 3, .min_bytes = 1};

  rig_executor = &pool;
  rig_before_end = NULL;
  open_box();
}

static void choose(sluice_ram_tracker_t tracker) {
  box.options.tracker = tracker;
  box.options.max_preimage = BYTES;
  box.seed = seed_open((int)way);
  make_sections();
}

/* Rows: each way, by each tracker that can be had. */
static sluice_ram_tracker_t tracker_of(int row) {
  return row < ODD_WAYS ? SLUICE_RAM_COOPERATIVE : SLUICE_RAM_WRITE_PROTECT;
}

static void open_row(int row) {
  open_odd_box((odd_way_t)(row % ODD_WAYS));
  choose(tracker_of(row));
}

static const sluice_save_options_t slowly = {.size = sizeof(slowly),
                                             .bandwidth = SLOW_SINK * 8};

START_TEST(a_cut_is_the_memory_at_the_instant) {
  open_row(_i);
  for (int i = 0; i < SEEDS; i += slow_step(SEEDS)) {
    start_writing();
    save_the_cut(&slowly);
  }
  close_box();
}
END_TEST

/* A host that writes may be ahead of every job. */
START_TEST(a_host_at_rest_is_copied_by_jobs) {
  open_row(_i);
  save_the_cut(&slowly);
  if (way == ODD_AT_ONCE || way == ODD_THREADS) {
    ck_assert_uint_gt(odd_executor_count(), 0);
  }
  close_box();
}
END_TEST

static int converge(void) {
  const sluice_save_options_t o = {.size = sizeof(o),
                                   .max_rounds = 3,
                                   .downtime_us = 1,
                                   .pause = box_pause,
                                   .resume = box_resume};

  return box_save(&o, on_over);
}

START_TEST(a_converging_save_is_the_memory_at_the_pause) {
  open_row(_i);
  for (int i = 0; i < SEEDS; i += slow_step(SEEDS)) {
    start_writing();
    ck_assert_int_eq(converge(), 0);
    assert_image_is_the_cut();
  }
  close_box();
}
END_TEST

/* The memory goes away with the callback: who still reads it crashes. */
static void on_over_unmap(sluice_save_t *save, int status) {
  (void)mprotect(box.memory, BYTES, PROT_NONE);
  on_over(save, status);
}

START_TEST(a_cancelled_save_reads_nothing_any_more) {
  const sluice_save_options_t o = {.size = sizeof(o), .mode = SLUICE_CUT};
  int step = (int)sample_step() * slow_step(9);
  int is_through = 0;

  open_row(_i);
  for (int n = (int)sample_first("turns"); !is_through; n += step) {
    unsigned before = box.rig.callbacks;
    sluice_sink_t *sink;
    sluice_save_t *save;

    free(box.image);
    box.image = NULL;
    start_writing();
    ck_assert_int_eq(
        sluice_sink_memory(&sink, 64 * BYTES, &box.image, &box.image_len), 0);
    ck_assert_int_eq(sluice_save_begin(&save, box.rig.engine, box.rig.registry,
                                       sink, &o, on_over_unmap, NULL),
                     0);
    for (int i = 0; i < n && box.rig.callbacks == before; i++) {
      (void)uv_run(&box.rig.loop, UV_RUN_NOWAIT);
    }
    is_through = box.rig.callbacks != before || n > 200;
    if (box.rig.callbacks == before) {
      sluice_save_cancel(save);
    }
    rig_run(&box.rig);
    ck_assert_uint_eq(box.rig.callbacks, before + 1);
    ck_assert_int_eq(mprotect(box.memory, BYTES, PROT_READ | PROT_WRITE), 0);
  }
  close_box();
}
END_TEST

START_TEST(a_sink_that_fails_ends_it) {
  const sluice_save_options_t o = {
      .size = sizeof(o), .mode = SLUICE_CUT, .cut = on_cut};
  sluice_sink_t *sink;
  sluice_save_t *save;
  void *image;
  size_t len;

  open_row(_i);
  start_writing();
  ck_assert_int_eq(sluice_sink_memory(&sink, 20 * PAGE, &image, &len), 0);
  ck_assert_int_eq(sluice_save_begin(&save, box.rig.engine, box.rig.registry,
                                     sink, &o, on_over_unmap, NULL),
                   0);
  rig_run(&box.rig);
  ck_assert_int_eq(box.rig.status, UV_ENOSPC);
  ck_assert_int_eq(mprotect(box.memory, BYTES, PROT_READ | PROT_WRITE), 0);
  start_writing();
  save_the_cut(&(sluice_save_options_t){.size = sizeof(sluice_save_options_t)});
  close_box();
}
END_TEST

/* Memory for the session grows from nothing until it is enough. */
START_TEST(with_too_little_memory_it_fails_by_name_or_does_without) {
  size_t memory = 4096;
  int r;

  open_row(_i);
  do {
    const sluice_save_options_t o = {.size = sizeof(o), .max_memory = memory};
    sluice_save_options_t cut = o;
    sluice_sink_t *sink;
    sluice_save_t *save;

    cut.mode = SLUICE_CUT;
    cut.cut = on_cut;
    free(box.image);
    box.image = NULL;
    start_writing();
    ck_assert_int_eq(
        sluice_sink_memory(&sink, 64 * BYTES, &box.image, &box.image_len), 0);
    r = sluice_save_begin(&save, box.rig.engine, box.rig.registry, sink, &cut,
                          on_over, NULL);
    if (r < 0) {
      sluice_sink_free(sink);
      uv_close((uv_handle_t *)&box.writer, NULL);
    }
    rig_run(&box.rig);
    r = r < 0 ? r : box.rig.status;
    ck_assert(r == 0 || r == SLUICE_ELIMIT || r == UV_ENOMEM);
    memory += memory / (is_slow() ? 1 : 8);
  } while (r != 0);
  assert_image_is_the_cut();
  close_box();
}
END_TEST

/* What is not worth a thread is copied by the loop, in the same place. */
START_TEST(records_under_the_least_size_go_to_no_thread) {
  sluice_executor_t large = *odd_executor_open(ODD_THREADS, 1);

  large.min_bytes = 2 * BYTES;
  rig_executor = &large;
  rig_before_end = odd_executor_close;
  open_box();
  choose(SLUICE_RAM_COOPERATIVE);
  start_writing();
  save_the_cut(&slowly);
  ck_assert_uint_eq(odd_executor_count(), 0);
  close_box();
}
END_TEST

/* All of libuv's threads are the host's until the save is over. */
static void on_over_unblock(sluice_save_t *save, int status) {
  busy_pool_go();
  on_over(save, status);
}

START_TEST(a_pool_that_is_busy_does_not_hold_up_a_save) {
  const sluice_save_options_t o = {
      .size = sizeof(o), .mode = SLUICE_CUT, .cut = on_cut};
  sluice_sink_t *sink;
  sluice_save_t *save;

  open_plain_box();
  choose(SLUICE_RAM_COOPERATIVE);
  for (int i = 0; i < PAGES; i++) {
    memset(box.memory + i * PAGE, i + 1, PAGE);
  }
  busy_pool(&box.rig.loop, BUSY_MAX);
  start_writing();
  ck_assert_int_eq(
      sluice_sink_memory(&sink, 64 * BYTES, &box.image, &box.image_len), 0);
  ck_assert_int_eq(sluice_save_begin(&save, box.rig.engine, box.rig.registry,
                                     sink, &o, on_over_unblock, NULL),
                   0);
  rig_run(&box.rig);
  ck_assert_int_eq(box.rig.status, 0);
  assert_image_is_the_cut();
  uv_sem_destroy(&busy.go);
  close_box();
}
END_TEST

static int is_gone;

static void on_gone(void *data) {
  (void)data;
  is_gone = 1;
}

/* Its own jobs have not begun, and are taken back. */
START_TEST(an_engine_closes_although_the_pool_is_the_hosts) {
  sluice_engine_options_t o = {.size = sizeof(o), .executor = NULL};
  const sluice_save_options_t slow = {.size = sizeof(slow),
                                      .bandwidth = SLOW_SINK};

  open_plain_box();
  choose(SLUICE_RAM_COOPERATIVE);
  busy_pool(&box.rig.loop, BUSY_MAX);
  start_writing();
  (void)begin_save(&slow);
  for (int i = 0; i < 5; i++) {
    (void)uv_run(&box.rig.loop, UV_RUN_NOWAIT);
  }
  is_gone = 0;
  ck_assert_int_eq(sluice_engine_close(box.rig.engine, on_gone, NULL), 0);
  while (!is_gone) {
    (void)uv_run(&box.rig.loop, UV_RUN_NOWAIT);
  }
  ck_assert_int_eq(box.rig.status, UV_ECANCELED);
  busy_pool_go();
  rig_run(&box.rig);
  uv_sem_destroy(&busy.go);
  o.alloc = &box.rig.alloc;
  ck_assert_int_eq(sluice_engine_new(&box.rig.engine, &box.rig.loop, &o, NULL),
                   0);
  close_box();
}
END_TEST

START_TEST(an_executor_that_makes_no_sense_is_refused) {
  const sluice_executor_t bad[] = {
      {.size = 1}, {.size = sizeof(sluice_executor_t), .jobs_max = 17}};
  const sluice_engine_options_t o = {.size = sizeof(o), .executor = &bad[_i]};
  sluice_engine_t *engine;
  uv_loop_t loop;

  ck_assert_int_eq(uv_loop_init(&loop), 0);
  ck_assert_int_eq(sluice_engine_new(&engine, &loop, &o, NULL), UV_EINVAL);
  ck_assert_int_eq(uv_loop_close(&loop), 0);
}
END_TEST

Suite *copy_jobs_suite(void) {
  Suite *s = suite_create("copy_jobs");
  TCase *t = tcase_create("core");
  int rows = can_guard() ? 2 * ODD_WAYS : ODD_WAYS;

  if (rows == ODD_WAYS) {
    skip_rows("write-protected memory", NO_GUARD);
  }
  tcase_add_loop_test(t, a_cut_is_the_memory_at_the_instant, 0, rows);
  tcase_add_loop_test(t, a_host_at_rest_is_copied_by_jobs, 0, rows);
  tcase_add_loop_test(t, a_converging_save_is_the_memory_at_the_pause, 0, rows);
  tcase_add_loop_test(t, a_cancelled_save_reads_nothing_any_more, 0, rows);
  tcase_add_loop_test(t, a_sink_that_fails_ends_it, 0, rows);
  tcase_add_loop_test(
      t, with_too_little_memory_it_fails_by_name_or_does_without, 0, rows);
  tcase_add_test(t, records_under_the_least_size_go_to_no_thread);
  tcase_add_test(t, a_pool_that_is_busy_does_not_hold_up_a_save);
  tcase_add_test(t, an_engine_closes_although_the_pool_is_the_hosts);
  tcase_add_loop_test(t, an_executor_that_makes_no_sense_is_refused, 0, 2);
  suite_add_tcase(s, t);
  return s;
}
