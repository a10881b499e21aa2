/* test_handler_misuse.c - what a host may not do to the sections of handlers/,
 * and what it is told: nothing happens, and an error by name. */
#include <sluice/blob.h>
#include <sluice/descriptors.h>
#include <sluice/fields.h>
#include <sluice/ram.h>

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "map_pages.h"
#include "rig.h"
#include "suite.h"

enum { PAGE = 4096, PAGES = 64, BYTES = PAGE * PAGES };

typedef struct lamp_s {
  uint32_t level;
} lamp_t;

static const sluice_field_t lamp_fields[] = {{SLUICE_U32(lamp_t, level)},
                                             {SLUICE_FIELDS_END}};
static const sluice_table_t lamp_table = {SLUICE_TABLE(lamp_t, "lamp", 1, 1),
                                          .fields = lamp_fields};

static rig_t rig;
static sluice_ram_t *ram;
static uint8_t *memory;
static int memfd;

static void add_ram(void) {
  ck_assert_int_eq(sluice_ram_new(&ram, rig.registry, "ram", NULL, NULL, NULL),
                   0);
  ck_assert_int_eq(sluice_ram_add_region(ram, "main", memory, BYTES, 0, NULL),
                   0);
}

static void setup(void) {
  rig_init(&rig);
  memory = map_pages(2 * (size_t)BYTES);
  memfd = memfd_create("test", MFD_CLOEXEC);
  ck_assert_int_eq(ftruncate(memfd, BYTES), 0);
  add_ram();
}

static void teardown(void) {
  rig_done(&rig);
  ck_assert_int_eq(sluice_ram_free(ram), 0);
  (void)close(memfd);
  munmap(memory, 2 * (size_t)BYTES);
}

/* Everything that would change what is being saved or restored. */
static void assert_busy(void) {
  ck_assert_int_eq(
      sluice_ram_add_region(ram, "more", memory + BYTES, BYTES, 0, NULL),
      UV_EBUSY);
  ck_assert_int_eq(sluice_ram_blank(ram, 0, 0), UV_EBUSY);
  ck_assert_int_eq(sluice_ram_region_memfd(ram, 0, memfd), UV_EBUSY);
  ck_assert_int_eq(sluice_ram_take_memfd(ram, 0), UV_EBUSY);
  ck_assert_int_eq(sluice_ram_free(ram), UV_EBUSY);
}

static void assert_free_to_change(void) {
  ck_assert_int_eq(sluice_ram_region_memfd(ram, 0, memfd), 0);
  ck_assert_int_eq(sluice_ram_take_memfd(ram, 0), -1);
  ck_assert_int_eq(sluice_ram_blank(ram, 0, 0), 0);
  ck_assert_int_eq(
      sluice_ram_add_region(ram, "more", memory + BYTES, BYTES, 0, NULL), 0);
}

/* An image of the memory as it is, the caller's. */
static void *save_image(size_t *len) {
  void *image = NULL;

  ck_assert_int_eq(rig_save_memory(&rig, NULL, &image, len), 0);
  return image;
}

START_TEST(memory_stays_as_it_is_right_after_the_begin_of_a_save) {
  const sluice_save_options_t options = {
      .size = sizeof(options), .mode = _i == 0 ? SLUICE_CONVERGE : SLUICE_CUT};
  sluice_sink_t *sink;
  sluice_save_t *save;
  void *image = NULL;
  size_t len = 0;

  ck_assert_int_eq(sluice_sink_memory(&sink, SIZE_MAX, &image, &len), 0);
  ck_assert_int_eq(sluice_save_begin(&save, rig.engine, rig.registry, sink,
                                     &options, rig_on_saved, NULL),
                   0);
  assert_busy();
  rig_run(&rig);
  ck_assert_int_eq(rig.status, 0);
  assert_free_to_change();
  free(image);
}
END_TEST

START_TEST(memory_stays_as_it_is_right_after_the_begin_of_a_restore) {
  sluice_source_t *source;
  sluice_restore_t *restore;
  size_t len;
  void *image = save_image(&len);

  ck_assert_int_eq(sluice_source_memory(&source, image, len), 0);
  ck_assert_int_eq(sluice_restore_begin(&restore, rig.engine, rig.registry,
                                        source, NULL, rig_on_restored, NULL),
                   0);
  assert_busy();
  rig_run(&rig);
  ck_assert_int_eq(rig.status, 0);
  assert_free_to_change();
  free(image);
}
END_TEST

START_TEST(a_ram_section_is_kept_while_the_registry_holds_it) {
  ck_assert_int_eq(sluice_ram_free(ram), UV_EBUSY);
  ck_assert_uint_eq(sluice_ram_dirty_pages(ram), PAGES);
  ck_assert_int_eq(sluice_registry_remove(rig.registry, "ram", 0), 0);
  ck_assert_int_eq(sluice_ram_free(ram), 0);
  add_ram();
}
END_TEST

static int on_get(void *data, const void **out, size_t *out_len,
                  sluice_error_t *err) {
  (void)data;
  (void)out;
  (void)out_len;
  (void)err;
  return UV_EIO;
}

static void on_take(void *data, void *bytes, size_t len, uint32_t version) {
  (void)data;
  (void)len;
  (void)version;
  free(bytes);
}

START_TEST(a_blob_is_kept_while_the_registry_holds_it) {
  const sluice_blob_options_t o = {
      .size = sizeof(o), .get = on_get, .take = on_take};
  sluice_blob_t *blob;

  ck_assert_int_eq(sluice_blob_new(&blob, rig.registry, "b", NULL, &o, NULL),
                   0);
  ck_assert_int_eq(sluice_blob_free(blob), UV_EBUSY);
  ck_assert_int_eq(sluice_registry_remove(rig.registry, "b", 0), 0);
  ck_assert_int_eq(sluice_blob_free(blob), 0);
}
END_TEST

START_TEST(descriptors_are_kept_while_the_registry_holds_them) {
  const sluice_descriptors_options_t o = {.size = sizeof(o)};
  sluice_descriptors_t *d;

  ck_assert_int_eq(
      sluice_descriptors_new(&d, rig.registry, "d", NULL, &o, NULL), 0);
  ck_assert_int_eq(sluice_descriptors_free(d), UV_EBUSY);
  ck_assert_int_eq(sluice_registry_remove(rig.registry, "d", 0), 0);
  ck_assert_int_eq(sluice_descriptors_free(d), 0);
}
END_TEST

START_TEST(fields_are_kept_while_the_registry_holds_them) {
  lamp_t lamp = {0};
  sluice_fields_t *f;

  ck_assert_int_eq(sluice_fields_new(&f, rig.registry, "lamp", NULL,
                                     &lamp_table, &lamp, NULL),
                   0);
  ck_assert_int_eq(sluice_fields_free(f), UV_EBUSY);
  ck_assert_int_eq(sluice_registry_remove(rig.registry, "lamp", 0), 0);
  ck_assert_int_eq(sluice_fields_free(f), 0);
}
END_TEST

/* Regions that lie over "main" in one way each, and one behind it. */
static const struct {
  int64_t offset;
  uint64_t bytes;
  int code;
} regions[] = {
    {0, BYTES, UV_EINVAL},
    {PAGE, PAGE, UV_EINVAL},
    {BYTES - PAGE, 2 * PAGE, UV_EINVAL},
    {BYTES, PAGE, 0},
};

START_TEST(regions_do_not_lie_over_each_other) {
  ck_assert_int_eq(sluice_ram_add_region(ram, "more",
                                         memory + regions[_i].offset,
                                         regions[_i].bytes, 0, NULL),
                   regions[_i].code);
}
END_TEST

START_TEST(nothing_is_no_ram_section) {
  sluice_ram_marks_t marks;

  ck_assert_int_eq(sluice_ram_new(NULL, rig.registry, "r", NULL, NULL, NULL),
                   UV_EINVAL);
  ck_assert_int_eq(sluice_ram_new(&ram, NULL, "r", NULL, NULL, NULL),
                   UV_EINVAL);
  ck_assert_int_eq(sluice_ram_new(&ram, rig.registry, NULL, NULL, NULL, NULL),
                   UV_EINVAL);
  ck_assert_int_eq(sluice_ram_add_region(NULL, "m", memory, BYTES, 0, NULL),
                   UV_EINVAL);
  ck_assert_int_eq(sluice_ram_blank(NULL, 0, 0), UV_EINVAL);
  ck_assert_int_eq(sluice_ram_region_memfd(NULL, 0, memfd), UV_EINVAL);
  ck_assert_int_eq(sluice_ram_take_memfd(NULL, 0), UV_EINVAL);
  ck_assert_int_eq(sluice_ram_may_write(NULL, 0, 0, 1), UV_EINVAL);
  ck_assert_int_eq(sluice_ram_marks(NULL, 0, &marks, sizeof(marks)), UV_EINVAL);
  ck_assert_int_eq(sluice_ram_marks(ram, 0, NULL, sizeof(marks)), UV_EINVAL);
  ck_assert_uint_eq(sluice_ram_dirty_pages(NULL), 0);
  sluice_ram_dirty(NULL, 0, 0, 1);
  ck_assert_int_eq(sluice_ram_free(NULL), 0);
}
END_TEST

START_TEST(nothing_is_no_other_section) {
  const sluice_blob_options_t blob = {
      .size = sizeof(blob), .get = on_get, .take = on_take};
  const sluice_descriptors_options_t d = {.size = sizeof(d)};
  sluice_blob_t *b;
  sluice_descriptors_t *ds;
  sluice_fields_t *f;

  ck_assert_int_eq(sluice_blob_new(&b, NULL, "b", NULL, &blob, NULL),
                   UV_EINVAL);
  ck_assert_int_eq(sluice_blob_new(&b, rig.registry, "b", NULL, NULL, NULL),
                   UV_EINVAL);
  ck_assert_int_eq(sluice_descriptors_new(&ds, NULL, "d", NULL, &d, NULL),
                   UV_EINVAL);
  ck_assert_int_eq(
      sluice_descriptors_new(&ds, rig.registry, "d", NULL, NULL, NULL),
      UV_EINVAL);
  ck_assert_int_eq(
      sluice_fields_new(&f, rig.registry, "f", NULL, &lamp_table, NULL, NULL),
      UV_EINVAL);
  ck_assert_int_eq(
      sluice_fields_new_like(&f, NULL, rig.registry, "f", NULL, memory, NULL),
      UV_EINVAL);
  ck_assert_int_eq(sluice_blob_free(NULL), 0);
  ck_assert_int_eq(sluice_descriptors_free(NULL), 0);
  ck_assert_int_eq(sluice_fields_free(NULL), 0);
}
END_TEST

Suite *handler_misuse_suite(void);

Suite *handler_misuse_suite(void) {
  Suite *s = suite_create("handler_misuse");
  TCase *t = tcase_create("misuse");
  int n = sizeof(regions) / sizeof(regions[0]);

  tcase_add_checked_fixture(t, setup, teardown);
  tcase_add_loop_test(t, memory_stays_as_it_is_right_after_the_begin_of_a_save,
                      0, 2);
  tcase_add_test(t, memory_stays_as_it_is_right_after_the_begin_of_a_restore);
  tcase_add_test(t, a_ram_section_is_kept_while_the_registry_holds_it);
  tcase_add_test(t, a_blob_is_kept_while_the_registry_holds_it);
  tcase_add_test(t, descriptors_are_kept_while_the_registry_holds_them);
  tcase_add_test(t, fields_are_kept_while_the_registry_holds_them);
  tcase_add_loop_test(t, regions_do_not_lie_over_each_other, 0, n);
  tcase_add_test(t, nothing_is_no_ram_section);
  tcase_add_test(t, nothing_is_no_other_section);
  suite_add_tcase(s, t);
  return s;
}
