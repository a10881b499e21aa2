/* test_mapped_hostile.c - images whose checksums are right and whose index is
 * not: nothing is mapped but pages. */
#include <sluice/ram.h>

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "folder.h"
#include "map_pages.h"
#include "native_forge.h"
#include "rig.h"
#include "stream/bytes.h"
#include "suite.h"

enum { PAGE = 4096, PAGES = 64, BYTES = PAGE * PAGES, SAVED = 10, ID = 1 };

static rig_t rig;
static sluice_ram_t *ram;
static uint8_t *memory;
static native_forge_t forge;
static uint64_t data; /* stream offset of the first page */
static char path[256];

static void setup(void) {
  rig_init(&rig);
  memory = map_pages(BYTES);
  ck_assert_int_eq(sluice_ram_new(&ram, rig.registry, "ram", NULL, NULL, NULL),
                   0);
  ck_assert_int_eq(sluice_ram_add_region(ram, "r", memory, BYTES,
                                         SLUICE_RAM_REMAP | SLUICE_RAM_IN_PLACE,
                                         NULL),
                   0);
  memset(&forge, 0, sizeof(forge));
  test_template(path, sizeof(path), "hostile");
  ck_assert_int_eq(close(mkstemp(path)), 0);
}

static void teardown(void) {
  rig_done(&rig);
  (void)sluice_ram_free(ram);
  ck_assert_int_eq(munmap(memory, BYTES), 0);
  forge_done(&forge);
  (void)unlink(path);
}

/* Ten pages of sevens. */
static void put_pages(void) {
  const sluice__native_run_t run = {.region = 0, .count = SAVED, .offset = 0};
  uint8_t decl[SLUICE__DECL_STRINGS + 3] = {0};

  forge_header(&forge, 0, SLUICE__NATIVE_INDEXED);
  sluice__put_le32(decl + SLUICE__DECL_VERSION, 4);
  decl[SLUICE__DECL_PAYLOAD] = 1;
  sluice__put_le16(decl + SLUICE__DECL_NAME_LENGTH, 3);
  memcpy(decl + SLUICE__DECL_STRINGS, "ram", 3);
  forge_record(&forge, SLUICE__NATIVE_START, 0, ID, decl, sizeof(decl));
  forge_region(&forge, ID, 0, BYTES, PAGE);
  forge_pages(&forge, 0, ID, run, PAGE, 7);
  data = forge.len - (uint64_t)SAVED * PAGE;
  forge_record(&forge, SLUICE__NATIVE_END, 0, ID, NULL, 0);
}

static void put_entry(uint32_t count, uint64_t offset, uint64_t at) {
  uint8_t entry[SLUICE__INDEX_RUN_BYTES] = {0};

  sluice__put_le32(entry + 4, count);
  sluice__put_le64(entry + 8, offset);
  sluice__put_le64(entry + 16, at);
  sluice__put_le64(entry + 24, at == 0 ? 0 : data - PAGE);
  forge.index = forge.index == 0 ? forge.len : forge.index;
  forge_record(&forge, SLUICE__NATIVE_INDEX, 0, SLUICE__NATIVE_NO_SECTION,
               entry, sizeof(entry));
}

static sluice_restore_stats_t stats;

static void on_checked(sluice_restore_t *restore) {
  sluice_restore_stats(restore, &stats, sizeof(stats));
  sluice_restore_commit(restore);
}

static int restore(sluice_restore_way_t way) {
  const sluice_restore_options_t o = {
      .size = sizeof(o), .way = way, .must_map = 1, .checked = on_checked};
  sluice_source_t *source;
  FILE *file = fopen(path, "wb");

  ck_assert_ptr_nonnull(file);
  ck_assert_uint_eq(fwrite(forge.data, 1, forge.len, file), forge.len);
  ck_assert_int_eq(fclose(file), 0);
  ck_assert_int_eq(sluice_source_file(&source, path), 0);
  return rig_restore(&rig, rig.registry, source, &o);
}

START_TEST(a_true_index_is_mapped) {
  put_pages();
  put_entry(SAVED, 0, data);
  forge_trailer(&forge);
  ck_assert_int_eq(restore(SLUICE_RESTORE_MAPPED), 0);
  for (size_t i = 0; i < BYTES; i++) {
    ck_assert_uint_eq(memory[i], i < SAVED * PAGE ? 7 : 0);
  }
}
END_TEST

/* What a hole between them would have kept apart. */
START_TEST(runs_that_go_on_in_memory_and_file_are_one_mapping) {
  put_pages();
  put_entry(SAVED / 2, 0, data);
  put_entry(SAVED / 2, SAVED / 2 * PAGE, data + SAVED / 2 * PAGE);
  forge_trailer(&forge);
  ck_assert_int_eq(restore(SLUICE_RESTORE_MAPPED), 0);
  ck_assert_uint_eq(stats.mappings, 1);
  ck_assert_uint_eq(stats.mapped_bytes, (uint64_t)SAVED * PAGE);
  for (size_t i = 0; i < BYTES; i++) {
    ck_assert_uint_eq(memory[i], i < SAVED * PAGE ? 7 : 0);
  }
}
END_TEST

/* The header says that there is one. */
START_TEST(an_index_that_is_nowhere_cannot_be_mapped) {
  put_pages();
  forge_trailer(&forge);
  ck_assert_int_eq(restore(SLUICE_RESTORE_MAPPED), UV_ENOTSUP);
  ck_assert_ptr_nonnull(strstr(rig.error.message, "the image has no index"));
  ck_assert_uint_eq(memory[0], 0);
}
END_TEST

/* From the data: where the entry points to, and how many pages it claims. */
static const struct {
  int64_t from;
  uint32_t count;
} lies[] = {{-PAGE / 2, 1},   {-PAGE / 2, SAVED + 1}, {2048, 1},
            {0, SAVED + 1},   {5 * PAGE, 6},          {SAVED * PAGE, 1},
            {-PAGE + 512, 1}, {SAVED * PAGE + 64, 1}};
enum { LIES = sizeof(lies) / sizeof(*lies) };

START_TEST(an_index_that_names_other_than_pages_is_refused) {
  put_pages();
  put_entry(lies[_i].count, 0, data + (uint64_t)lies[_i].from);
  forge_trailer(&forge);
  ck_assert_int_eq(restore(SLUICE_RESTORE_MAPPED), SLUICE_ECORRUPT);
  ck_assert_uint_eq(memory[0], 0);
}
END_TEST

/* Only whoever compares all of it can know. */
START_TEST(an_index_that_lacks_pages_is_refused_where_it_is_verified) {
  put_pages();
  put_entry(SAVED - 1, 0, data);
  forge_trailer(&forge);
  ck_assert_int_eq(restore(SLUICE_RESTORE_VERIFY_MAPPED), SLUICE_ECORRUPT);
}
END_TEST

Suite *mapped_hostile_suite(void) {
  Suite *s = suite_create("mapped_hostile");
  TCase *tc = tcase_create("hostile");

  tcase_add_checked_fixture(tc, setup, teardown);
  tcase_add_test(tc, a_true_index_is_mapped);
  tcase_add_test(tc, runs_that_go_on_in_memory_and_file_are_one_mapping);
  tcase_add_test(tc, an_index_that_is_nowhere_cannot_be_mapped);
  tcase_add_loop_test(tc, an_index_that_names_other_than_pages_is_refused, 0,
                      LIES);
  tcase_add_test(tc, an_index_that_lacks_pages_is_refused_where_it_is_verified);
  suite_add_tcase(s, tc);
  return s;
}
