/* test_cut_ram.c - the image is the memory at the instant of the cut, whatever
 * is written before, during and after it, and whatever tracks the writes. */
#include "cut_box.h"

#include <fcntl.h>
#include <uv.h>

#include "can_guard.h"
#include "skip.h"
#include "suite.h"

/* Memory enough for all pages, or for some of them only. */
enum { PLENTY = BYTES, LITTLE = 8 * PAGE };

static const struct {
  sluice_ram_tracker_t tracker;
  sluice_ram_preimage_policy_t policy;
  uint64_t max_preimage;
  sluice_format_t format;
} kinds[] = {
    {SLUICE_RAM_COOPERATIVE, SLUICE_RAM_FAIL, PLENTY, SLUICE_FORMAT_NATIVE},
    {SLUICE_RAM_COOPERATIVE, SLUICE_RAM_FAIL, PLENTY, SLUICE_FORMAT_QEMU3},
    {SLUICE_RAM_COOPERATIVE, SLUICE_RAM_SPILL, LITTLE, SLUICE_FORMAT_NATIVE},
    {SLUICE_RAM_COOPERATIVE, SLUICE_RAM_SLOW, LITTLE, SLUICE_FORMAT_NATIVE},
    {SLUICE_RAM_WRITE_PROTECT, SLUICE_RAM_FAIL, PLENTY, SLUICE_FORMAT_NATIVE},
    {SLUICE_RAM_WRITE_PROTECT, SLUICE_RAM_FAIL, PLENTY, SLUICE_FORMAT_QEMU3},
    {SLUICE_RAM_WRITE_PROTECT, SLUICE_RAM_SPILL, LITTLE, SLUICE_FORMAT_NATIVE},
    {SLUICE_RAM_WRITE_PROTECT, SLUICE_RAM_SLOW, PLENTY, SLUICE_FORMAT_NATIVE},
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]), COOPERATIVES = 4, SEEDS = 8 };

static void choose(int kind) {
  box.options.tracker = kinds[kind].tracker;
  box.options.preimage_policy = kinds[kind].policy;
  box.options.max_preimage = kinds[kind].max_preimage;
  box.options.spill_dir = "/var/tmp";
  box.seed = seed_open(kind);
  make_sections();
}

/* As many saves as seeds, each of what the one before has left. */
START_TEST(the_image_is_the_memory_at_the_instant) {
  const sluice_save_options_t o = {
      .size = sizeof(o), .format = kinds[_i].format, .bandwidth = SLOW_SINK};
  uint64_t preimages = 0;

  choose(_i);
  for (int i = 0; i < SEEDS; i++) {
    start_writing();
    save_the_cut(&o);
    ck_assert_uint_eq(box.cuts, (unsigned)i + 1);
    preimages += box.stats.preimages;
  }
  ck_assert_uint_gt(preimages, 0); /* or it was no test */
}
END_TEST

START_TEST(the_instant_of_cooperative_memory_is_inside_begin) {
  const sluice_save_options_t o = {.size = sizeof(o)};

  choose(0);
  (void)begin_save(&o);
  ck_assert_uint_eq(box.cuts, 1);
  memcpy(box.at_cut, box.memory, BYTES);
  host_write(0, BYTES, 77);
  box.writer.type = UV_IDLE;
  ck_assert_int_eq(uv_idle_init(&box.rig.loop, &box.writer), 0);
  rig_run(&box.rig);
  ck_assert_int_eq(box.rig.status, 0);
  assert_image_is_the_cut();
}
END_TEST

/* But for those that are written while they are lent. */
START_TEST(each_page_is_sent_once) {
  const sluice_save_options_t o = {.size = sizeof(o), .bandwidth = SLOW_SINK};

  choose(_i);
  start_writing();
  ck_assert_int_eq(run_save(&o), 0);
  ck_assert_uint_eq(box.stats.pages_sent - box.stats.pages_again, PAGES);
  ck_assert_uint_le(box.stats.pages_again, box.stats.preimages);
}
END_TEST

START_TEST(pages_written_after_the_instant_are_dirty_after_a_save) {
  const sluice_save_options_t o = {.size = sizeof(o)};

  choose(0);
  ck_assert_int_eq(uv_idle_init(&box.rig.loop, &box.writer), 0);
  (void)begin_save(&o);
  host_write(3 * PAGE, 2 * PAGE, 1);
  rig_run(&box.rig);
  ck_assert_int_eq(box.rig.status, 0);
  ck_assert_uint_eq(sluice_ram_dirty_pages(box.from), 2);
}
END_TEST

/* Two of each tracker: enough for what is not about policies. */
static const int trackers[] = {0, 4};

static void write_everything(void) {
  host_write(0, BYTES, 9);
  ck_assert_int_eq(box.memory[BYTES - 1], 9);
}

/* The n-th turn cancels, until the save is through first. */
START_TEST(cancelled_at_any_turn_it_leaves_nothing_behind) {
  const sluice_save_options_t o = {.size = sizeof(o), .bandwidth = SLOW_SINK};
  int is_through = 0;

  choose(trackers[_i]);
  for (int n = 0; !is_through; n += 1 + n / 8) {
    unsigned before = box.rig.callbacks;
    sluice_save_t *save;

    start_writing();
    save = begin_save(&o);
    for (int i = 0; i < n && box.rig.callbacks == before; i++) {
      (void)uv_run(&box.rig.loop, UV_RUN_NOWAIT);
    }
    is_through = box.rig.callbacks != before;
    if (!is_through) {
      sluice_save_cancel(save);
      host_write(5 * PAGE, PAGE, 3); /* not yet told */
    }
    rig_run(&box.rig);
    ck_assert_uint_eq(box.rig.callbacks, before + 1);
    ck_assert(box.rig.status == 0 || box.rig.status == UV_ECANCELED);
    ck_assert(!is_guarded());
    write_everything();
  }
  start_writing();
  save_the_cut(&o);
}
END_TEST

/* And what has failed in the same way, by a sink that has no room. */
START_TEST(after_a_sink_that_failed_the_next_image_is_right) {
  const sluice_save_options_t o = {
      .size = sizeof(o), .mode = SLUICE_CUT, .cut = on_cut};
  sluice_sink_t *sink;
  sluice_save_t *save;
  void *image;
  size_t len;

  choose(trackers[_i]);
  start_writing();
  ck_assert_int_eq(sluice_sink_memory(&sink, 100 * PAGE, &image, &len), 0);
  ck_assert_int_eq(sluice_save_begin(&save, box.rig.engine, box.rig.registry,
                                     sink, &o, on_over, NULL),
                   0);
  rig_run(&box.rig);
  ck_assert_int_lt(box.rig.status, 0);
  ck_assert(!is_guarded());
  write_everything();
  start_writing();
  save_the_cut(&o);
}
END_TEST

Suite *cut_ram_suite(void) {
  Suite *s = suite_create("cut_ram");
  TCase *t = tcase_create("core");
  int n = can_guard() ? 2 : 1; /* trackers */
  int rows = can_guard() ? KINDS : COOPERATIVES;

  if (n == 1) {
    skip_rows("write-protected memory", NO_GUARD);
  }
  tcase_add_checked_fixture(t, open_box, close_box);
  tcase_add_loop_test(t, the_image_is_the_memory_at_the_instant, 0, rows);
  tcase_add_test(t, the_instant_of_cooperative_memory_is_inside_begin);
  tcase_add_loop_test(t, each_page_is_sent_once, 0, rows);
  tcase_add_test(t, pages_written_after_the_instant_are_dirty_after_a_save);
  tcase_add_loop_test(t, cancelled_at_any_turn_it_leaves_nothing_behind, 0, n);
  tcase_add_loop_test(t, after_a_sink_that_failed_the_next_image_is_right, 0,
                      n);
  suite_add_tcase(s, t);
  return s;
}
