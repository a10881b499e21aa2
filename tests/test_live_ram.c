/* test_live_ram.c - memory that changes while it is saved, through the whole
 * engine: the image is the memory at the pause, whatever tracks the writes. */
#include <sluice/ram.h>

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "has_tsan.h"
#include "map_pages.h"
#include "rig.h"
#include "seed.h"
#include "skip.h"
#include "suite.h"

enum { PAGES = 1024, PAGE = 4096, BYTES = PAGES * PAGE, WRITES = 64 };

static rig_t rig;
static sluice_registry_t *other;
static sluice_ram_t *from, *to;
static uint8_t *memory, *copy, *at_pause;
static sluice_ram_tracker_t tracker;
static uv_idle_t writer;
static seed_t seed;
static int is_paused;
static void *image;
static size_t image_len;

static void setup(void) {
  rig_init(&rig);
  other = rig_registry(&rig);
  memory = map_pages(BYTES);
  copy = map_pages(BYTES);
  at_pause = map_pages(BYTES);
  is_paused = 0;
  image = NULL;
  for (int i = 0; i < PAGES; i += 3) {
    memset(memory + i * PAGE, i + 1, PAGE);
  }
}

static void teardown(void) {
  ck_assert_int_eq(sluice_registry_free(other), 0);
  rig_done(&rig);
  (void)sluice_ram_free(from);
  (void)sluice_ram_free(to);
  free(image);
  munmap(memory, BYTES);
  munmap(copy, BYTES);
  munmap(at_pause, BYTES);
}

static void make_ram(sluice_ram_t **ram, sluice_registry_t *registry,
                     uint8_t *base, sluice_ram_tracker_t t) {
  const sluice_ram_options_t o = {.size = sizeof(o), .tracker = t};
  sluice_error_t err = {0};
  int r = sluice_ram_new(ram, registry, "ram", NULL, &o, &err);

  ck_assert_msg(r == 0, "%s", err.message);
  ck_assert_int_eq(
      sluice_ram_add_region(*ram, "main", base, BYTES, SLUICE_RAM_REMAP, NULL),
      0);
}

static void on_write(uv_idle_t *idle) {
  (void)idle;
  for (int i = 0; i < WRITES && !is_paused; i++) {
    uint64_t at = seed_below(&seed, BYTES);

    if (tracker == SLUICE_RAM_COOPERATIVE) {
      sluice_ram_dirty(from, 0, at, 1);
    }
    memory[at] = (uint8_t)seed_next(&seed);
  }
}

static void on_pause(sluice_save_t *save) {
  is_paused = 1;
  memcpy(at_pause, memory, BYTES);
  sluice_save_paused(save);
}

static void on_resume(sluice_save_t *save) {
  (void)save;
  uv_close((uv_handle_t *)&writer, NULL);
}

static void begin_writing(void) {
  seed = seed_open((int)tracker);
  make_ram(&from, rig.registry, memory, tracker);
  make_ram(&to, other, copy, SLUICE_RAM_STATIC);
  ck_assert_int_eq(uv_idle_init(&rig.loop, &writer), 0);
  ck_assert_int_eq(uv_idle_start(&writer, on_write), 0);
}

static const struct {
  sluice_ram_tracker_t tracker;
  sluice_format_t format;
} kinds[] = {
    {SLUICE_RAM_COOPERATIVE, SLUICE_FORMAT_NATIVE},
    {SLUICE_RAM_COOPERATIVE, SLUICE_FORMAT_QEMU3},
    {SLUICE_RAM_WRITE_PROTECT, SLUICE_FORMAT_NATIVE},
    {SLUICE_RAM_WRITE_PROTECT, SLUICE_FORMAT_QEMU3},
};

START_TEST(the_image_is_the_memory_at_the_pause) {
  const sluice_save_options_t o = {.size = sizeof(o),
                                   .format = kinds[_i].format,
                                   .host = "test",
                                   .max_rounds = 5,
                                   .downtime_us = 1,
                                   .pause = on_pause,
                                   .resume = on_resume};

  tracker = kinds[_i].tracker;
  begin_writing();
  ck_assert_int_eq(rig_save_memory(&rig, &o, &image, &image_len), 0);
  ck_assert_int_eq(rig_restore_memory(&rig, other, image, image_len), 0);
  ck_assert_mem_eq(copy, at_pause, BYTES);
}
END_TEST

START_TEST(a_save_through_a_pipe_is_restored_at_the_other_end) {
  const sluice_save_options_t o = {
      .size = sizeof(o), .pause = on_pause, .resume = on_resume};
  sluice_source_t *source;
  sluice_restore_t *restore;
  sluice_sink_t *sink;
  sluice_save_t *save;
  int fds[2];

  tracker = SLUICE_RAM_COOPERATIVE;
  begin_writing();
  ck_assert_int_eq(pipe(fds), 0);
  ck_assert_int_eq(sluice_sink_fd(&sink, fds[1]), 0);
  ck_assert_int_eq(sluice_source_fd(&source, fds[0]), 0);
  ck_assert_int_eq(sluice_save_begin(&save, rig.engine, rig.registry, sink, &o,
                                     rig_on_saved, NULL),
                   0);
  ck_assert_int_eq(sluice_restore_begin(&restore, rig.engine, other, source,
                                        NULL, rig_on_restored, NULL),
                   0);
  while (rig.callbacks == 0) {
    (void)uv_run(&rig.loop, UV_RUN_ONCE);
  }
  ck_assert_int_eq(rig.status, 0);
  close(fds[1]);
  rig_run(&rig);
  ck_assert_uint_eq(rig.callbacks, 2);
  ck_assert_msg(rig.status == 0, "%s", rig.error.message);
  ck_assert_mem_eq(copy, at_pause, BYTES);
  close(fds[0]);
}
END_TEST

START_TEST(after_a_cancel_no_write_is_forgotten) {
  sluice_sink_t *sink;
  sluice_save_t *save;
  uint64_t before;

  make_ram(&from, rig.registry, memory, SLUICE_RAM_COOPERATIVE);
  ck_assert_int_eq(rig_save_memory(&rig, NULL, &image, &image_len), 0);
  free(image);
  image = NULL;
  ck_assert_uint_eq(sluice_ram_dirty_pages(from), 0);
  sluice_ram_dirty(from, 0, 5 * PAGE, 3 * PAGE);
  before = sluice_ram_dirty_pages(from);
  ck_assert_uint_eq(before, 3);
  ck_assert_int_eq(sluice_sink_memory(&sink, BYTES * 2, &image, &image_len), 0);
  ck_assert_int_eq(sluice_save_begin(&save, rig.engine, rig.registry, sink,
                                     NULL, rig_on_saved, NULL),
                   0);
  for (int i = 0; i < 3; i++) {
    (void)uv_run(&rig.loop, UV_RUN_NOWAIT);
  }
  sluice_save_cancel(save);
  rig_run(&rig);
  ck_assert_int_eq(rig.status, UV_ECANCELED);
  ck_assert_uint_ge(sluice_ram_dirty_pages(from), before);
  make_ram(&to, other, copy, SLUICE_RAM_STATIC);
}
END_TEST

static void big_region(sluice_ram_t **ram, sluice_registry_t *registry,
                       uint8_t **base, uint64_t bytes) {
  const sluice_ram_options_t o = {.size = sizeof(o),
                                  .tracker = SLUICE_RAM_STATIC};

  *base = map_pages(bytes);
  ck_assert_int_eq(sluice_ram_new(ram, registry, "ram", NULL, &o, NULL), 0);
  ck_assert_int_eq(
      sluice_ram_add_region(*ram, "big", *base, bytes, SLUICE_RAM_REMAP, NULL),
      0);
}

static uint8_t *big;
static const uint64_t big_bytes = UINT64_C(5) << 30;

static void forget_middle(uv_prepare_t *prepare) {
  (void)prepare;
  forget_zeros(big + PAGE, big_bytes - 2 * PAGE);
}

static int save_big(const sluice_save_options_t *o) {
  uv_prepare_t prepare;
  int r;

  (void)uv_prepare_init(&rig.loop, &prepare);
  (void)uv_prepare_start(&prepare, forget_middle);
  uv_unref((uv_handle_t *)&prepare);
  r = rig_save_memory(&rig, o, &image, &image_len);
  uv_close((uv_handle_t *)&prepare, NULL);
  rig_run(&rig);
  return r;
}

/* Sparse: 5 GiB that are zeros but for a page at each end. */
START_TEST(a_region_over_4_gib_survives_the_round_trip) {
  const sluice_save_options_t o = {.size = sizeof(o),
                                   .format = _i == 0 ? SLUICE_FORMAT_NATIVE
                                                     : SLUICE_FORMAT_QEMU3,
                                   .host = "test"};
  uint8_t *big_copy;

  if (HAS_TSAN) {
    skip(NO_SHADOW);
    return;
  }
  big_region(&from, rig.registry, &big, big_bytes);
  big_region(&to, other, &big_copy, big_bytes);
  big[0] = 1;
  big[big_bytes - 1] = 2;
  ck_assert_int_eq(save_big(&o), 0);
  ck_assert_int_eq(rig_restore_memory(&rig, other, image, image_len), 0);
  ck_assert_uint_eq(big_copy[0], 1);
  ck_assert_uint_eq(big_copy[big_bytes - 1], 2);
  ck_assert_uint_eq(big_copy[big_bytes / 2], 0);
  munmap(big, big_bytes);
  munmap(big_copy, big_bytes);
}
END_TEST

Suite *live_ram_suite(void) {
  Suite *s = suite_create("live_ram");
  TCase *core = tcase_create("core");
  TCase *limits = tcase_create("limits");

  tcase_add_checked_fixture(core, setup, teardown);
  tcase_add_loop_test(core, the_image_is_the_memory_at_the_pause, 0,
                      sizeof(kinds) / sizeof(kinds[0]));
  tcase_add_test(core, a_save_through_a_pipe_is_restored_at_the_other_end);
  tcase_add_test(core, after_a_cancel_no_write_is_forgotten);
  suite_add_tcase(s, core);
  tcase_set_tags(limits, "large");
  tcase_add_checked_fixture(limits, setup, teardown);
  tcase_add_loop_test(limits, a_region_over_4_gib_survives_the_round_trip, 0,
                      2);
  suite_add_tcase(s, limits);
  return s;
}
