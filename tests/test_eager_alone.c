/* test_eager_alone.c - a restore that maps nothing needs nothing of
 * engine/image/: here that has no code at all, every function of it that the
 * rest of the engine knows fails the test. The linker sees to it that none is
 * left out: an object of engine/image/ would define the others once more. */
#include <sluice/restore.h>
#include <sluice/source.h>

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rig.h"
#include "suite.h"
#include "toy.h"

#define IMAGE(name)                                                            \
  void sluice__##name(void);                                                   \
  void sluice__##name(void) {                                                  \
    ck_abort_msg("a restore without mappings called %s()", #name);             \
  }

IMAGE(demand_abandon)
IMAGE(demand_add)
IMAGE(demand_close_losses)
IMAGE(demand_drop)
IMAGE(demand_free)
IMAGE(demand_keep)
IMAGE(demand_new)
IMAGE(demand_start)
IMAGE(demand_stats)
IMAGE(demand_take_losses)
IMAGE(demand_was_lost)
IMAGE(extents_add)
IMAGE(extents_choose)
IMAGE(extents_close)
IMAGE(extents_drop_deferred)
IMAGE(extents_join)
IMAGE(extents_leave)
IMAGE(extents_next)
IMAGE(fallback_close)
IMAGE(fallback_run)
IMAGE(fragmentation_most)
IMAGE(prefetch_start)
IMAGE(prefetch_stop)
IMAGE(probe_holds)
IMAGE(probe_run)
IMAGE(scan_close)
IMAGE(scan_open)
IMAGE(scan_read)
IMAGE(scrub_close)
IMAGE(scrub_open)
IMAGE(scrub_run)

static rig_t rig;
static sluice_registry_t *other; /* what is restored into */
static toy_t plain, live;        /* saved */
static toy_t plain2, live2;      /* restored */
static void *image;
static size_t image_len;
static char path[] = "/tmp/sluice_eager_XXXXXX";
static int fd;

static void setup(void) {
  rig_init(&rig);
  other = rig_registry(&rig);
  toy_init(&plain, rig.registry, "plain", 100, 1);
  toy_init_live(&live, rig.registry, "live", 300000, 2, 5);
  ck_assert_int_eq(rig_save_memory(&rig, NULL, &image, &image_len), 0);
  toy_init(&plain2, other, "plain", 8, 7);
  toy_init_live(&live2, other, "live", 8, 8, 1);
  fd = mkstemp(path);
  ck_assert_int_ge(fd, 0);
  ck_assert_int_eq((int)write(fd, image, image_len), (int)image_len);
}

static void teardown(void) {
  (void)close(fd);
  (void)unlink(path);
  free(image);
  toy_done(&plain);
  toy_done(&live);
  toy_done(&plain2);
  toy_done(&live2);
  ck_assert_int_eq(sluice_registry_free(other), 0);
  rig_done(&rig);
}

static int restore_file(const sluice_restore_options_t *o) {
  sluice_source_t *source;

  ck_assert_int_eq(sluice_source_file(&source, path), 0);
  return rig_restore(&rig, other, source, o);
}

static void assert_same(void) {
  ck_assert(toy_equal(&plain, &plain2));
  ck_assert(toy_equal(&live, &live2));
}

START_TEST(an_eager_restore_of_a_file_runs_no_code_of_images) {
  ck_assert_int_eq(restore_file(NULL), 0);
  assert_same();
}
END_TEST

START_TEST(an_eager_restore_of_a_damaged_file_fails_without_it) {
  ck_assert_int_eq((int)pwrite(fd, "damage", 6, 200), 6);
  ck_assert_int_lt(restore_file(NULL), 0);
  ck_assert_uint_eq(plain2.commits + live2.commits, 0);
}
END_TEST

static unsigned filled;

static void on_filled(sluice_restore_t *restore, int status) {
  ck_assert_int_eq(status, 0);
  filled++;
  ck_assert_int_eq(sluice_restore_free(restore), 0);
}

static void on_restored(sluice_restore_t *restore, int status) {
  (void)restore;
  rig.status = status;
}

/* Not even the file is looked at: there is none. */
START_TEST(
    what_is_no_file_is_restored_without_it_though_mapping_was_asked_for) {
  const sluice_restore_options_t o = {
      .size = sizeof(o), .way = SLUICE_RESTORE_MAPPED, .filled = on_filled};
  sluice_source_t *source;
  sluice_restore_t *restore;

  ck_assert_int_eq(sluice_source_memory(&source, image, image_len), 0);
  rig.status = 1;
  ck_assert_int_eq(sluice_restore_begin(&restore, rig.engine, other, source, &o,
                                        on_restored, NULL),
                   0);
  rig_run(&rig);
  ck_assert_int_eq(rig.status, 0);
  ck_assert_uint_eq(filled, 1);
  assert_same();
}
END_TEST

Suite *eager_alone_suite(void) {
  Suite *s = suite_create("eager_alone");
  TCase *t = tcase_create("eager");

  tcase_add_checked_fixture(t, setup, teardown);
  tcase_add_test(t, an_eager_restore_of_a_file_runs_no_code_of_images);
  tcase_add_test(t, an_eager_restore_of_a_damaged_file_fails_without_it);
  tcase_add_test(
      t, what_is_no_file_is_restored_without_it_though_mapping_was_asked_for);
  suite_add_tcase(s, t);
  return s;
}
