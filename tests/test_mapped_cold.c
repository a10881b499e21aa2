/* test_mapped_cold.c - an image that is not in the page cache: its headers are
 * asked for ahead, by what the index says, whatever that says. */
#include "mapped_box.h"

#include "seed.h"
#include "session/restore/ahead.h"
#include "stream/bytes.h"
#include "stream/native/format.h"
#include "suite.h"

enum { ROOM = 64 * 1024 };

static uint8_t *image;
static size_t len;
static int fd;

static void read_image(void) {
  struct stat st;

  fd = open(box.path, O_RDWR | O_CLOEXEC);
  ck_assert_int_ge(fd, 0);
  ck_assert_int_eq(fstat(fd, &st), 0);
  len = (size_t)st.st_size;
  image = malloc(len);
  ck_assert_int_eq((int)pread(fd, image, len, 0), (int)len);
}

static void setup(void) {
  box_open(KERNEL_PAGE);
  host_open(&box.from, SLUICE_RAM_REMAP, SLUICE_RAM_COOPERATIVE, 1);
  host_open(&box.to, SLUICE_RAM_REMAP, SLUICE_RAM_COOPERATIVE, 2);
  host_fill(&box.from, 1, 7);
  box_save(&box.from);
  read_image();
}

static void teardown(void) {
  free(image);
  ck_assert_int_eq(close(fd), 0);
  box_close();
}

/* Does nothing where the file system keeps everything in memory. */
static void evict(void) {
  ck_assert_int_eq(fsync(fd), 0);
  ck_assert_int_eq(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
}

static uint64_t index_at(void) {
  return sluice__get_le64(image + len - SLUICE__TRAILER_BYTES +
                          SLUICE__TRAILER_INDEX);
}

static size_t ask(uint64_t index, uint64_t end, size_t room) {
  uint8_t *buf = malloc(room); /* exactly: what is behind would show */
  size_t asked = sluice__ahead_ask(fd, index, end, buf, room);

  free(buf);
  return asked;
}

START_TEST(a_cold_image_is_restored_like_any_other) {
  static const sluice_restore_way_t ways[] = {SLUICE_RESTORE_MAPPED,
                                              SLUICE_RESTORE_MAPPED_VERIFY,
                                              SLUICE_RESTORE_VERIFY_MAPPED};

  evict();
  ck_assert_int_eq(box_restore_way(ways[_i]), 0);
  ck_assert_uint_gt(box.stats.mappings, 0);
  assert_same();
}
END_TEST

/* Many records: more than one job reads. */
START_TEST(a_cold_image_of_many_records_is_restored) {
  const sluice_save_options_t o = {.staging = 1};

  host_fill(&box.from, 2, 9);
  sluice_ram_dirty(box.from.ram, 0, 0, low_bytes());
  ck_assert_int_eq(box_save_as(&box.from, &o), 0);
  free(image);
  ck_assert_int_eq(close(fd), 0);
  read_image();
  evict();
  ck_assert_int_eq(box_restore_way(SLUICE_RESTORE_MAPPED), 0);
  assert_same();
}
END_TEST

START_TEST(each_table_is_asked_for_once) {
  size_t asked = ask(index_at(), len, ROOM);

  ck_assert_uint_ge(asked, 1);
  ck_assert_uint_le(asked, 4); /* 3 MiB, in few records */
}
END_TEST

START_TEST(an_index_larger_than_the_buffer_is_left) {
  ck_assert_uint_eq(ask(index_at(), len, SLUICE__RECORD_BYTES + 8), 0);
  ck_assert_uint_eq(ask(index_at(), len, 1), 0);
}
END_TEST

START_TEST(where_there_is_no_index_nothing_is_asked_for) {
  ck_assert_uint_eq(ask(0, len, ROOM), 0);
  ck_assert_uint_eq(ask(len, len, ROOM), 0);
  ck_assert_uint_eq(ask(len + 5, len, ROOM), 0);
  ck_assert_uint_eq(ask(UINT64_MAX - 3, UINT64_MAX, ROOM), 0);
  ck_assert_uint_eq(sluice__ahead_ask(-1, 0, len, image, len), 0);
}
END_TEST

/* A hint is a hint: nothing depends on what it says. */
START_TEST(any_index_is_survived) {
  seed_t seed = seed_open(0);
  uint64_t at = index_at();

  for (int i = 0; i < 300; i++) {
    uint64_t where = at + seed_below(&seed, (size_t)(len - at));
    uint8_t byte = (uint8_t)seed_below(&seed, 256);

    ck_assert_int_eq((int)pwrite(fd, &byte, 1, (off_t)where), 1);
    ck_assert_uint_le(ask(at, len, 1 + seed_below(&seed, ROOM)), 65536);
  }
}
END_TEST

Suite *mapped_cold_suite(void) {
  Suite *s = suite_create("mapped_cold");
  TCase *c = tcase_create("cold");

  tcase_add_checked_fixture(c, setup, teardown);
  tcase_add_loop_test(c, a_cold_image_is_restored_like_any_other, 0, 3);
  tcase_add_test(c, a_cold_image_of_many_records_is_restored);
  tcase_add_test(c, each_table_is_asked_for_once);
  tcase_add_test(c, an_index_larger_than_the_buffer_is_left);
  tcase_add_test(c, where_there_is_no_index_nothing_is_asked_for);
  tcase_add_test(c, any_index_is_survived);
  suite_add_tcase(s, c);
  return s;
}
