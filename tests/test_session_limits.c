/* test_session_limits.c - slow, silent and hostile ends; limits by name. */
#include <sluice/save.h>

#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <sluice/restore.h>

#include "rig.h"
#include "suite.h"
#include "toy.h"

static rig_t rig;
static sluice_registry_t *other;
static toy_t plain, live, plain2, live2;

static void setup(void) {
  rig_init(&rig);
  other = rig_registry(&rig);
  toy_init(&plain, rig.registry, "plain", 100, 1);
  toy_init_live(&live, rig.registry, "live", 300000, 2, 5);
  toy_init(&plain2, other, "plain", 8, 7);
  toy_init_live(&live2, other, "live", 8, 8, 1);
}

static void teardown(void) {
  toy_done(&plain);
  toy_done(&live);
  toy_done(&plain2);
  toy_done(&live2);
  ck_assert_int_eq(sluice_registry_free(other), 0);
  rig_done(&rig);
}

/* A sink that keeps what it was given, whatever becomes of the save. */
static uint8_t kept[1 << 20];
static size_t kept_len;
static unsigned aborts, finishes;

static int keep(void *self, const void *data, size_t len, uint64_t offset,
                sluice_sink_cb cb, void *ctx) {
  (void)self;
  (void)cb;
  (void)ctx;
  ck_assert_uint_eq(offset, kept_len); /* in order, without a gap */
  ck_assert_uint_le(kept_len + len, sizeof(kept));
  memcpy(kept + kept_len, data, len);
  kept_len += len;
  return 1;
}

static int count_finish(void *self, sluice_sink_cb cb, void *ctx) {
  (void)self;
  (void)cb;
  (void)ctx;
  finishes++;
  return 1;
}

static int count_abort(void *self, sluice_sink_cb cb, void *ctx) {
  (void)self;
  (void)cb;
  (void)ctx;
  aborts++;
  return 1;
}

static const sluice_sink_ops_t keeper = {.size = sizeof(keeper),
                                         .write = keep,
                                         .finish = count_finish,
                                         .abort = count_abort};

static int save_to_keeper(const sluice_save_options_t *o) {
  sluice_sink_t *sink;

  kept_len = aborts = finishes = 0;
  ck_assert_int_eq(sluice_sink_custom(&sink, &keeper, NULL), 0);
  return rig_save(&rig, sink, o);
}

START_TEST(a_sink_is_finished_or_aborted_never_both) {
  ck_assert_int_eq(save_to_keeper(NULL), 0);
  ck_assert_uint_eq(finishes, 1);
  ck_assert_uint_eq(aborts, 0);
  live.calls[TOY_SAVE_STEP] = 0;
  toy_fail(&live, TOY_SAVE_STEP, 2, UV_EIO);
  ck_assert_int_eq(save_to_keeper(NULL), UV_EIO);
  ck_assert_uint_eq(finishes, 0);
  ck_assert_uint_eq(aborts, 1);
}
END_TEST

START_TEST(the_reason_of_an_abort_reaches_the_reader) {
  toy_fail(&live, TOY_SAVE_STEP, 3, UV_EIO);
  ck_assert_int_eq(save_to_keeper(NULL), UV_EIO);
  ck_assert_int_eq(rig_restore_memory(&rig, other, kept, kept_len),
                   SLUICE_EABORTED);
  ck_assert_msg(strstr(rig.error.message, "the toy was told to fail") != NULL,
                "%s", rig.error.message);
  ck_assert_uint_eq(live2.commits + plain2.commits, 0);
}
END_TEST

/* A source that gives one byte at a time, every second one later. */
static struct {
  size_t at;
  sluice_source_cb cb;
  void *ctx;
  uint8_t *buf;
  uv_idle_t idle;
} dripper;

static void on_drip(uv_idle_t *idle) {
  (void)uv_idle_stop(idle);
  if (dripper.at == kept_len) {
    uv_close((uv_handle_t *)idle, NULL);
    dripper.cb(dripper.ctx, 0);
    return;
  }
  dripper.buf[0] = kept[dripper.at++];
  dripper.cb(dripper.ctx, 1);
}

static ptrdiff_t drip(void *self, void *buf, size_t len, sluice_source_cb cb,
                      void *ctx) {
  (void)self;
  ck_assert_uint_ge(len, 1);
  if (dripper.at % 2 == 0 && dripper.at < kept_len) {
    *(uint8_t *)buf = kept[dripper.at++];
    return 1;
  }
  dripper.buf = buf;
  dripper.cb = cb;
  dripper.ctx = ctx;
  ck_assert_int_eq(uv_idle_start(&dripper.idle, on_drip), 0);
  return 0;
}

static const sluice_source_ops_t drip_ops = {.size = sizeof(drip_ops),
                                             .read = drip};

static const sluice_format_t formats[] = {SLUICE_FORMAT_NATIVE,
                                          SLUICE_FORMAT_QEMU3};

START_TEST(one_byte_at_a_time_restores_as_well) {
  const sluice_save_options_t o = {
      .size = sizeof(o), .format = formats[_i], .host = "test"};
  sluice_source_t *source;

  ck_assert_int_eq(save_to_keeper(&o), 0);
  memset(&dripper, 0, sizeof(dripper));
  ck_assert_int_eq(uv_idle_init(&rig.loop, &dripper.idle), 0);
  ck_assert_int_eq(sluice_source_custom(&source, &drip_ops, NULL), 0);
  ck_assert_msg(rig_restore(&rig, other, source, NULL) == 0, "%s",
                rig.error.message);
  ck_assert(toy_equal(&live, &live2));
  ck_assert(toy_equal(&plain, &plain2));
}
END_TEST

/* A sink that takes nothing until it is aborted. */
static struct {
  sluice_sink_cb cb;
  void *ctx;
} hung[16];
static unsigned hung_count;

static int hang(void *self, const void *data, size_t len, uint64_t offset,
                sluice_sink_cb cb, void *ctx) {
  (void)self;
  (void)data;
  (void)len;
  (void)offset;
  ck_assert_uint_lt(hung_count, 16);
  hung[hung_count].cb = cb;
  hung[hung_count++].ctx = ctx;
  return 0;
}

static int unhang(void *self, sluice_sink_cb cb, void *ctx) {
  (void)self;
  (void)cb;
  (void)ctx;
  while (hung_count > 0) {
    hung_count--;
    hung[hung_count].cb(hung[hung_count].ctx, UV_ECANCELED);
  }
  return 1;
}

static const sluice_sink_ops_t hanger = {
    .size = sizeof(hanger), .write = hang, .abort = unhang};

START_TEST(a_sink_that_takes_nothing_is_a_stall) {
  const sluice_save_options_t o = {
      .size = sizeof(o), .stall_ms = 50, .staging = 1};
  sluice_sink_t *sink;

  ck_assert_int_eq(sluice_sink_custom(&sink, &hanger, NULL), 0);
  ck_assert_int_eq(rig_save(&rig, sink, &o), UV_ETIMEDOUT);
  ck_assert_uint_eq(live.save_ends, 1);
}
END_TEST

START_TEST(a_hung_sink_cannot_hold_up_a_cancel) {
  sluice_sink_t *sink;
  sluice_save_t *save;

  ck_assert_int_eq(sluice_sink_custom(&sink, &hanger, NULL), 0);
  ck_assert_int_eq(sluice_save_begin(&save, rig.engine, rig.registry, sink,
                                     NULL, rig_on_saved, NULL),
                   0);
  for (int i = 0; i < 10; i++) {
    (void)uv_run(&rig.loop, UV_RUN_NOWAIT);
  }
  sluice_save_cancel(save);
  rig_run(&rig);
  ck_assert_int_eq(rig.status, UV_ECANCELED);
}
END_TEST

/* Waits for ever although it says that it has work. */
static int forget(void *self, sluice_writer_t *w, sluice_error_t *err) {
  (void)self;
  (void)w;
  (void)err;
  return SLUICE_WAIT;
}

START_TEST(a_lost_wake_up_is_an_error_not_a_hang) {
  live.handler.save_step = forget;
  ck_assert_int_eq(save_to_keeper(NULL), SLUICE_ELOSTWAKE);
  ck_assert_str_eq(rig.error.section, "live");
}
END_TEST

/* Somebody else finds that the state changed. */
static void *touch(void *arg) {
  sluice_section_wake_async(arg);
  return NULL;
}

static sluice_verdict_t from_a_thread(sluice_save_t *save,
                                      const sluice_round_t *round) {
  pthread_t thread;

  (void)save;
  if (round->number == 2) {
    return SLUICE_SWITCH;
  }
  ck_assert_int_eq(pthread_create(&thread, NULL, touch, live.section), 0);
  ck_assert_int_eq(pthread_join(thread, NULL), 0);
  return SLUICE_GO_ON;
}

START_TEST(a_section_is_woken_from_another_thread) {
  const sluice_save_options_t o = {.size = sizeof(o), .policy = from_a_thread};

  ck_assert_int_eq(save_to_keeper(&o), 0);
  ck_assert_uint_eq(live.calls[TOY_SAVE_STEP], 5 + 1);
}
END_TEST

START_TEST(a_restore_over_its_memory_cap_fails_by_name) {
  const sluice_restore_options_t o = {.size = sizeof(o),
                                      .max_memory = 32 * 1024};
  sluice_source_t *source;
  int r;

  ck_assert_int_eq(save_to_keeper(NULL), 0);
  ck_assert_int_eq(sluice_source_memory(&source, kept, kept_len), 0);
  r = rig_restore(&rig, other, source, &o);
  ck_assert_msg(r == SLUICE_ELIMIT || r == UV_ENOMEM, "%d", r);
  ck_assert_uint_eq(live2.commits, 0);
}
END_TEST

Suite *session_limits_suite(void) {
  Suite *s = suite_create("session_limits");
  TCase *t = tcase_create("core");

  tcase_add_checked_fixture(t, setup, teardown);
  tcase_add_test(t, a_sink_is_finished_or_aborted_never_both);
  tcase_add_test(t, the_reason_of_an_abort_reaches_the_reader);
  tcase_add_loop_test(t, one_byte_at_a_time_restores_as_well, 0, 2);
  tcase_add_test(t, a_sink_that_takes_nothing_is_a_stall);
  tcase_add_test(t, a_hung_sink_cannot_hold_up_a_cancel);
  tcase_add_test(t, a_lost_wake_up_is_an_error_not_a_hang);
  tcase_add_test(t, a_section_is_woken_from_another_thread);
  tcase_add_test(t, a_restore_over_its_memory_cap_fails_by_name);
  suite_add_tcase(s, t);
  return s;
}
