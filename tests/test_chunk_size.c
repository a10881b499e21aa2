/* test_chunk_size.c - how large a save's chunks are: what the sink likes, less
 * where memory or staging is short; and what was saved in large ones comes back
 * whichever way it is restored, with any threads to help. */
#include <sluice/encoder.h>
#include <sluice/ram.h>

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "folder.h"
#include "map_pages.h"
#include "odd_executor.h"
#include "rig.h"
#include "stream/bytes.h"
#include "stream/native/record.h"
#include "suite.h"

enum { MIB = 1024 * 1024, BYTES = 14 * MIB, PAGE = 4096 };

static struct {
  rig_t rig;
  sluice_registry_t *other;
  sluice_ram_t *ram[2]; /* saved; restored into */
  uint8_t *base[2];
  char dir[224];
  char path[256];
} box;

static void open_ram(int i, sluice_registry_t *registry) {
  const sluice_ram_options_t o = {.size = sizeof(o),
                                  .tracker = SLUICE_RAM_COOPERATIVE};

  box.base[i] = map_pages(BYTES);
  ck_assert_int_eq(sluice_ram_new(&box.ram[i], registry, "ram", NULL, &o, NULL),
                   0);
  ck_assert_int_eq(sluice_ram_add_region(box.ram[i], "main", box.base[i], BYTES,
                                         SLUICE_RAM_IN_PLACE | SLUICE_RAM_REMAP,
                                         NULL),
                   0);
}

static void fill(void) {
  uint64_t *word = (uint64_t *)(void *)box.base[0];

  for (size_t i = 0; i < BYTES / sizeof(*word); i++) {
    word[i] = (i + 1) * UINT64_C(0x9e3779b97f4a7c15);
  }
  memset(box.base[0] + 9 * MIB, 0, 37 * PAGE);
}

static void open_box(const char *parent, odd_way_t way) {
  memset(&box, 0, sizeof(box));
  rig_executor = odd_executor_open(way, 1);
  rig_init(&box.rig);
  box.other = rig_registry(&box.rig);
  open_ram(0, box.rig.registry);
  open_ram(1, box.other);
  fill();
  (void)snprintf(box.dir, sizeof(box.dir), "%s/sluice-chunk-XXXXXX", parent);
  ck_assert_ptr_nonnull(mkdtemp(box.dir));
  (void)snprintf(box.path, sizeof(box.path), "%s/image", box.dir);
}

static void close_ram(int i, sluice_registry_t *registry) {
  ck_assert_int_eq(sluice_registry_remove(registry, "ram", 0), 0);
  (void)sluice_ram_free(box.ram[i]);
  ck_assert_int_eq(munmap(box.base[i], BYTES), 0);
}

static void setup(void) {
  open_box(test_folder(), ODD_NOBODY);
}

static void teardown(void) {
  close_ram(0, box.rig.registry);
  close_ram(1, box.other);
  ck_assert_int_eq(sluice_registry_free(box.other), 0);
  rig_done(&box.rig);
  odd_executor_close();
  rig_executor = NULL;
  (void)unlink(box.path);
  ck_assert_int_eq(rmdir(box.dir), 0);
}

static void reopen(const char *parent, odd_way_t way) {
  teardown();
  open_box(parent, way);
}

/* Of the PAGES records of a stream; the other ones are short. */
static uint64_t longest_of(const uint8_t *p, size_t len) {
  size_t at = sluice__get_le32(p + SLUICE__FILE_LENGTH);
  uint64_t longest = 0;

  while (at < len) {
    sluice__record_t record;

    sluice__record_get(&record, p + at);
    if (record.type != SLUICE__NATIVE_PAGES) {
      ck_assert_uint_le(record.length, MIB);
    } else if (record.length > longest) {
      longest = record.length;
    }
    at += SLUICE__RECORD_BYTES + (size_t)sluice__native_padded(record.length);
  }
  ck_assert_uint_eq(at, len);
  return longest;
}

static uint64_t longest_in_file(void) {
  int fd = open(box.path, O_RDONLY | O_CLOEXEC);
  off_t len = lseek(fd, 0, SEEK_END);
  void *p = mmap(NULL, (size_t)len, PROT_READ, MAP_PRIVATE, fd, 0);
  uint64_t longest;

  ck_assert_ptr_ne(p, MAP_FAILED);
  longest = longest_of(p, (size_t)len);
  ck_assert_int_eq(munmap(p, (size_t)len), 0);
  ck_assert_int_eq(close(fd), 0);
  return longest;
}

/* A chunk, to the page: its record fills it. */
static void assert_chunk(uint64_t longest, size_t chunk) {
  ck_assert_uint_le(longest, chunk - SLUICE__RECORD_BYTES);
  ck_assert_uint_ge(longest, chunk - SLUICE__RECORD_BYTES - PAGE);
}

static int save_to_file(const sluice_save_options_t *o) {
  const sluice_file_options_t file = {.size = sizeof(file), .no_sync = 1};
  sluice_sink_t *sink;

  ck_assert_int_eq(sluice_sink_file(&sink, box.path, &file), 0);
  return rig_save(&box.rig, sink, o);
}

/* ---- by sink ---- */

/* Rows: where tests are made, and memory. */
static const char *parent(int i) {
  return i == 0 ? test_folder() : "/dev/shm";
}

START_TEST(a_file_gets_records_of_4_mib) {
  reopen(parent(_i), ODD_NOBODY);
  ck_assert_int_eq(save_to_file(NULL), 0);
  assert_chunk(longest_in_file(), 4 * MIB);
}
END_TEST

START_TEST(a_descriptor_of_a_file_gets_records_of_4_mib) {
  sluice_sink_t *sink;
  int fd;

  reopen(parent(_i), ODD_NOBODY);
  fd = open(box.path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  ck_assert_int_eq(sluice_sink_fd(&sink, fd), 0);
  ck_assert_int_eq(rig_save(&box.rig, sink, NULL), 0);
  ck_assert_int_eq(close(fd), 0);
  assert_chunk(longest_in_file(), 4 * MIB);
}
END_TEST

START_TEST(memory_gets_records_of_1_mib) {
  void *data;
  size_t len;

  ck_assert_int_eq(rig_save_memory(&box.rig, NULL, &data, &len), 0);
  assert_chunk(longest_of(data, len), MIB);
  free(data);
}
END_TEST

/* What a custom sink takes, and says of it. */
static struct {
  size_t says;
  size_t most;
  uint8_t *data;
  size_t len;
} sink;

static int keep(void *self, const void *data, size_t len, uint64_t offset,
                sluice_sink_cb cb, void *ctx) {
  (void)self;
  (void)cb;
  (void)ctx;
  ck_assert_uint_eq(offset, sink.len);
  ck_assert_uint_le(offset + len, 2 * BYTES);
  memcpy(sink.data + offset, data, len);
  sink.len += len;
  sink.most = len > sink.most ? len : sink.most;
  return 1;
}

static size_t say(const void *self) {
  (void)self;
  return sink.says;
}

START_TEST(a_hosts_sink_gets_what_can_be_of_what_it_says) {
  static const struct {
    size_t says;
    size_t gets;
  } rows[] = {{0, MIB},           {1, MIB},           {MIB, MIB},
              {2 * MIB, 2 * MIB}, {3 * MIB, 2 * MIB}, {4 * MIB, 4 * MIB},
              {5 * MIB, 4 * MIB}, {SIZE_MAX, 4 * MIB}};
  static const sluice_sink_ops_t ops = {
      .size = sizeof(ops), .write = keep, .chunk_bytes = say};
  sluice_sink_t *s;

  sink.says = rows[_i].says;
  sink.most = sink.len = 0;
  sink.data = malloc((size_t)2 * BYTES);
  ck_assert_int_eq(sluice_sink_custom(&s, &ops, NULL), 0);
  ck_assert_int_eq(rig_save(&box.rig, s, NULL), 0);
  assert_chunk(longest_of(sink.data, sink.len), rows[_i].gets);
  ck_assert_uint_eq(sink.most, rows[_i].gets);
  free(sink.data);
}
END_TEST

START_TEST(a_sink_of_before_gets_1_mib) {
  static const sluice_sink_ops_t ops = {
      .size = offsetof(sluice_sink_ops_t, chunk_bytes),
      .write = keep,
      .chunk_bytes = say /* where an older host has something else */
  };
  sluice_sink_t *s;

  sink.says = 4 * MIB;
  sink.most = sink.len = 0;
  sink.data = malloc((size_t)2 * BYTES);
  ck_assert_int_eq(sluice_sink_custom(&s, &ops, NULL), 0);
  ck_assert_int_eq(rig_save(&box.rig, s, NULL), 0);
  ck_assert_uint_eq(sink.most, MIB);
  free(sink.data);
}
END_TEST

/* ---- less ---- */

static const struct {
  size_t max_memory;
  size_t staging;
  size_t chunk;
} shortages[] = {{(size_t)256 * MIB, 0, 4 * MIB},
                 {(size_t)256 * MIB - 1, 0, 2 * MIB},
                 {(size_t)128 * MIB, 0, 2 * MIB},
                 {(size_t)128 * MIB - 1, 0, MIB},
                 {8 * MIB, 0, MIB},
                 {3 * MIB, 1, MIB}, /* as little as ever */
                 {0, 12 * MIB, 4 * MIB},
                 {0, 12 * MIB - 1, 2 * MIB},
                 {0, 6 * MIB, 2 * MIB},
                 {0, 3 * MIB, MIB},
                 {0, 1, MIB}};

START_TEST(little_memory_or_staging_makes_smaller_ones) {
  const sluice_save_options_t o = {.size = sizeof(o),
                                   .max_memory = shortages[_i].max_memory,
                                   .staging = shortages[_i].staging};
  size_t most = o.max_memory != 0 ? o.max_memory : (size_t)256 * MIB;

  ck_assert_int_eq(save_to_file(&o), 0);
  assert_chunk(longest_in_file(), shortages[_i].chunk);
  ck_assert_uint_le(box.rig.progress.memory_peak, most);
}
END_TEST

/* ---- whole ways ---- */

static const sluice_restore_way_t ways[] = {
    SLUICE_RESTORE_EAGER, SLUICE_RESTORE_MAPPED, SLUICE_RESTORE_VERIFY_MAPPED};
enum { WAYS = sizeof(ways) / sizeof(*ways) };

static int restore(sluice_restore_way_t way) {
  const sluice_restore_options_t o = {.size = sizeof(o), .way = way};
  sluice_source_t *source;

  ck_assert_int_eq(sluice_source_file(&source, box.path), 0);
  return rig_restore(&box.rig, box.other, source, &o);
}

START_TEST(large_records_are_restored_each_way) {
  reopen(parent(_i / WAYS), ODD_NOBODY);
  ck_assert_int_eq(save_to_file(NULL), 0);
  memset(box.base[1], 0xee, BYTES);
  ck_assert_int_eq(restore(ways[_i % WAYS]), 0);
  ck_assert(memcmp(box.base[0], box.base[1], BYTES) == 0);
}
END_TEST

/* Where the loop may have to fill a record itself it is to be a short one. */
START_TEST(threads_fill_records_of_1_mib) {
  static const sluice_save_options_t cut = {.size = sizeof(cut),
                                            .mode = SLUICE_CUT};
  odd_way_t way = (odd_way_t)(_i / 2);

  reopen(test_folder(), way);
  ck_assert_int_eq(save_to_file(_i % 2 == 0 ? NULL : &cut), 0);
  ck_assert_uint_le(longest_in_file(), way == ODD_NOBODY ? 4 * MIB : MIB);
  ck_assert_int_eq(restore(SLUICE_RESTORE_VERIFY_MAPPED), 0);
  ck_assert(memcmp(box.base[0], box.base[1], BYTES) == 0);
}
END_TEST

/* In a page, or in a table: the way that looks at all refuses it. */
START_TEST(damage_in_a_large_record_is_found) {
  static const off_t places[] = {4 * MIB + 3 * PAGE + 77, 4 * MIB + 100,
                                 4 * MIB + 2 * PAGE + 9, 8 * MIB - 1};
  int fd;
  uint8_t byte;

  ck_assert_int_eq(save_to_file(NULL), 0);
  fd = open(box.path, O_RDWR | O_CLOEXEC);
  ck_assert_int_eq(pread(fd, &byte, 1, places[_i]), 1);
  byte ^= 0x10;
  ck_assert_int_eq(pwrite(fd, &byte, 1, places[_i]), 1);
  ck_assert_int_eq(close(fd), 0);
  ck_assert_int_lt(restore(SLUICE_RESTORE_EAGER), 0);
  ck_assert_int_lt(restore(SLUICE_RESTORE_VERIFY_MAPPED), 0);
}
END_TEST

START_TEST(a_file_that_ends_in_a_large_record_is_refused) {
  ck_assert_int_eq(save_to_file(NULL), 0);
  ck_assert_int_eq(truncate(box.path, 6 * MIB + _i * 1234), 0);
  ck_assert_int_lt(restore(ways[_i]), 0);
}
END_TEST

Suite *chunk_size_suite(void) {
  Suite *s = suite_create("chunk_size");
  TCase *c = tcase_create("chunk_size");
  int count = (int)(sizeof(shortages) / sizeof(*shortages));

  tcase_add_checked_fixture(c, setup, teardown);
  tcase_add_loop_test(c, a_file_gets_records_of_4_mib, 0, 2);
  tcase_add_loop_test(c, a_descriptor_of_a_file_gets_records_of_4_mib, 0, 2);
  tcase_add_test(c, memory_gets_records_of_1_mib);
  tcase_add_loop_test(c, a_hosts_sink_gets_what_can_be_of_what_it_says, 0, 8);
  tcase_add_test(c, a_sink_of_before_gets_1_mib);
  tcase_add_loop_test(c, little_memory_or_staging_makes_smaller_ones, 0, count);
  tcase_add_loop_test(c, large_records_are_restored_each_way, 0, 2 * WAYS);
  tcase_add_loop_test(c, threads_fill_records_of_1_mib, 0, 2 * ODD_LATE);
  tcase_add_loop_test(c, damage_in_a_large_record_is_found, 0, 4);
  tcase_add_loop_test(c, a_file_that_ends_in_a_large_record_is_refused, 0,
                      WAYS);
  suite_add_tcase(s, c);
  return s;
}
