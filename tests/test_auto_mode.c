/* test_auto_mode.c - mode AUTO is a cut where every section can be cut now, and
 * else says which cannot and converges. */
#include <sluice/ram.h>

#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "can_guard.h"
#include "folder.h"
#include "map_pages.h"
#include "rig.h"
#include "suite.h"
#include "toy.h"

enum { PAGES = 20, BYTES = PAGES * 4096 };

static rig_t rig;
static toy_t toy, live;
static sluice_ram_t *ram;
static uint8_t *memory;
static sluice_save_mode_t mode;
static char reason[256];
static unsigned cuts;
static void *image;
static size_t image_len;

static sluice_ram_options_t options;

static void add_ram(sluice_ram_tracker_t tracker) {
  sluice_ram_options_t o = options;

  o.size = sizeof(o);
  o.tracker = tracker;
  ck_assert_int_eq(sluice_ram_new(&ram, rig.registry, "ram", NULL, &o, NULL),
                   0);
  ck_assert_int_eq(sluice_ram_add_region(ram, "main", memory, BYTES, 0, NULL),
                   0);
}

static void setup(void) {
  rig_init(&rig);
  memory = map_pages(BYTES);
  memset(memory, 1, BYTES);
  toy_init(&toy, rig.registry, "toy", 100, 1);
  cuts = 0;
}

static void teardown(void) {
  toy_done(&toy);
  if (live.state != NULL) {
    toy_done(&live);
  }
  (void)sluice_ram_free(ram);
  rig_done(&rig);
  ck_assert_int_eq(munmap(memory, BYTES), 0);
  free(image);
}

static void on_saved(sluice_save_t *save, int status) {
  sluice_save_stats_t stats;

  sluice_save_stats(save, &stats, sizeof(stats));
  mode = stats.mode;
  (void)snprintf(reason, sizeof(reason), "%s",
                 stats.reason == NULL ? "" : stats.reason);
  rig_on_saved(save, status);
}

static void on_cut(sluice_save_t *save) {
  sluice_save_stats_t stats;

  sluice_save_stats(save, &stats, sizeof(stats));
  ck_assert_int_eq(stats.mode, SLUICE_CUT);
  cuts++;
}

static void save_to(sluice_sink_t *sink, const sluice_save_options_t *o) {
  sluice_save_t *save;

  ck_assert_int_eq(sluice_save_begin(&save, rig.engine, rig.registry, sink, o,
                                     on_saved, NULL),
                   0);
  rig_run(&rig);
  ck_assert_msg(rig.status == 0, "%s", rig.error.message);
}

static void save_auto(void) {
  const sluice_save_options_t o = {
      .size = sizeof(o), .mode = SLUICE_AUTO, .cut = on_cut};
  sluice_sink_t *sink;

  ck_assert_int_eq(sluice_sink_memory(&sink, 1 << 22, &image, &image_len), 0);
  save_to(sink, &o);
}

START_TEST(what_can_be_cut_is_cut) {
  add_ram(SLUICE_RAM_COOPERATIVE);
  save_auto();
  ck_assert_int_eq(mode, SLUICE_CUT);
  ck_assert_str_eq(reason, "");
  ck_assert_uint_eq(cuts, 1);
}
END_TEST

START_TEST(a_section_that_no_cut_has_makes_it_converge) {
  toy_init_live(&live, rig.registry, "alive", 100, 1, 3);
  save_auto();
  ck_assert_int_eq(mode, SLUICE_CONVERGE);
  ck_assert_str_eq(reason, "section 'alive' cannot be cut: it is live and "
                           "lacks save_cut");
  ck_assert_uint_eq(cuts, 0);
}
END_TEST

static int words; /* of the handler: does it say why? */

static int cannot_now(void *self, sluice_error_t *err) {
  (void)self;
  return words ? sluice_fail(err, UV_EPERM, "not at this hour") : UV_EPERM;
}

START_TEST(a_section_that_cannot_be_cut_now_makes_it_converge) {
  words = _i;
  toy.handler.save_can_cut = cannot_now;
  save_auto();
  ck_assert_int_eq(mode, SLUICE_CONVERGE);
  ck_assert_str_eq(reason, _i == 0 ? "section 'toy' cannot be cut: operation "
                                     "not permitted"
                                   : "section 'toy' cannot be cut: not at this "
                                     "hour");
}
END_TEST

/* It could end with SLUICE_ELIMIT, if the host is faster than the sink. */
START_TEST(memory_whose_pre_images_have_no_room_is_not_cut) {
  options.max_preimage = BYTES - 1;
  add_ram(SLUICE_RAM_COOPERATIVE);
  save_auto();
  ck_assert_int_eq(mode, SLUICE_CONVERGE);
  ck_assert_str_eq(reason, "section 'ram' cannot be cut: pre-images may be "
                           "81920 bytes, max_preimage is 81919");
}
END_TEST

/* ... or who writes waits, or nobody does. */
START_TEST(memory_with_a_way_out_is_cut) {
  options.max_preimage = BYTES - (_i == 0 ? 0 : 1);
  options.preimage_policy = _i == 1 ? SLUICE_RAM_SLOW : SLUICE_RAM_FAIL;
  add_ram(_i == 2 ? SLUICE_RAM_STATIC : SLUICE_RAM_COOPERATIVE);
  save_auto();
  ck_assert_int_eq(mode, SLUICE_CUT);
}
END_TEST

/* As it is asked, so it is: the kernel's settings decide. */
START_TEST(write_protected_memory_is_cut_where_the_kernel_allows_it) {
  bool can = can_guard();

  add_ram(SLUICE_RAM_WRITE_PROTECT);
  save_auto();
  ck_assert_int_eq(mode, can ? SLUICE_CUT : SLUICE_CONVERGE);
  ck_assert_int_eq(reason[0] == '\0', can);
}
END_TEST

static sluice_sink_t *new_file(char *path, size_t size) {
  sluice_sink_t *sink;
  int fd;

  test_template(path, size, "auto");
  fd = mkstemp(path);
  ck_assert_int_ge(fd, 0);
  ck_assert_int_eq(close(fd), 0);
  ck_assert_int_eq(sluice_sink_file(&sink, path, NULL), 0);
  return sink;
}

START_TEST(who_says_nothing_gets_it_for_a_file) {
  const sluice_save_options_t said = {.size = sizeof(said)};
  char path[300];

  add_ram(SLUICE_RAM_COOPERATIVE);
  save_to(new_file(path, sizeof(path)), NULL);
  ck_assert_int_eq(mode, SLUICE_CUT);
  save_to(new_file(path, sizeof(path)), &said);
  ck_assert_int_eq(mode, SLUICE_CONVERGE);
  ck_assert_int_eq(unlink(path), 0);
}
END_TEST

START_TEST(who_says_nothing_converges_to_anything_else) {
  sluice_sink_t *sink;

  add_ram(SLUICE_RAM_COOPERATIVE);
  ck_assert_int_eq(sluice_sink_memory(&sink, 1 << 22, &image, &image_len), 0);
  save_to(sink, NULL);
  ck_assert_int_eq(mode, SLUICE_CONVERGE);
  ck_assert_str_eq(reason, "");
}
END_TEST

Suite *auto_mode_suite(void) {
  Suite *s = suite_create("auto_mode");
  TCase *t = tcase_create("core");

  tcase_add_checked_fixture(t, setup, teardown);
  tcase_add_test(t, what_can_be_cut_is_cut);
  tcase_add_test(t, a_section_that_no_cut_has_makes_it_converge);
  tcase_add_loop_test(t, a_section_that_cannot_be_cut_now_makes_it_converge, 0,
                      2);
  tcase_add_test(t, memory_whose_pre_images_have_no_room_is_not_cut);
  tcase_add_loop_test(t, memory_with_a_way_out_is_cut, 0, 3);
  tcase_add_test(t, write_protected_memory_is_cut_where_the_kernel_allows_it);
  tcase_add_test(t, who_says_nothing_gets_it_for_a_file);
  tcase_add_test(t, who_says_nothing_converges_to_anything_else);
  suite_add_tcase(s, t);
  return s;
}
