/* test_mapped_fragmented.c - images of many short runs: what is worth a
 * mapping, and when all is rather read eagerly. */
#define BOX_LOW_PAGES 12000
#include "postcopy_box.h"

#include <errno.h>

#include "deny.h"
#include "image/fragmentation.h"
#include "seed.h"
#include "skip.h"
#include "stream/bytes.h"
#include "stream/native/record.h"
#include "suite.h"

/* Pages [from, to) of `low`: `data` with data, then `zeros`, and so on. */
static void fill_runs(size_t from, size_t to, size_t data, size_t zeros) {
  for (size_t i = from; i < to; i++) {
    if ((i - from) % (data + zeros) < data) {
      memset(box.from.low + i * KERNEL_PAGE, (int)i | 1, KERNEL_PAGE);
      memcpy(box.from.low + i * KERNEL_PAGE, &i, sizeof(i));
    }
  }
}

static void open_pages(uint32_t page_size) {
  memset(&late, 0, sizeof(late));
  box_open(page_size);
  host_open(&box.from, SLUICE_RAM_REMAP, SLUICE_RAM_COOPERATIVE, 1);
  host_open(&box.to, SLUICE_RAM_REMAP | SLUICE_RAM_IN_PLACE,
            SLUICE_RAM_COOPERATIVE, 2);
  memset(box.from.high, 1, high_bytes());
}

static void open_scattered(void) {
  open_pages(KERNEL_PAGE);
}

static int restore_with(sluice_restore_way_t way, uint32_t max_mappings,
                        int must_map) {
  const sluice_restore_options_t o = {.size = sizeof(o),
                                      .way = way,
                                      .max_mappings = max_mappings,
                                      .must_map = must_map};

  return box_restore(&o);
}

static void assert_eager(void) {
  ck_assert_int_eq(box.stats.way, SLUICE_RESTORE_EAGER);
  ck_assert_ptr_nonnull(box.stats.reason);
  ck_assert_ptr_nonnull(strstr(box.stats.reason, "too scattered"));
  ck_assert_uint_eq(box.stats.mappings, 0);
  ck_assert_uint_eq(box.stats.mapped_bytes, 0);
  ck_assert_uint_eq(box.stats.read_bytes, 0);
  ck_assert_uint_eq(box.stats.file_bytes, 0);
  assert_same();
}

/* A run that goes on in another record is one more: every 250 pages. */
static void assert_mapped(uint64_t mappings, uint64_t read_pages) {
  ck_assert_int_eq(box.stats.way, SLUICE_RESTORE_MAPPED);
  ck_assert_ptr_null(box.stats.reason);
  ck_assert_uint_ge(box.stats.mappings, mappings);
  ck_assert_uint_le(box.stats.mappings, mappings + LOW_PAGES / 250);
  ck_assert_uint_eq(box.stats.read_bytes, read_pages * KERNEL_PAGE);
  assert_same();
}

static const sluice_restore_way_t ways[] = {SLUICE_RESTORE_MAPPED,
                                            SLUICE_RESTORE_MAPPED_VERIFY,
                                            SLUICE_RESTORE_VERIFY_MAPPED};

START_TEST(an_image_of_single_pages_is_restored_eagerly) {
  fill_runs(0, LOW_PAGES, 1, 1);
  box_save(&box.from);
  ck_assert_int_eq(restore_with(ways[_i], 0, 0), 0);
  ck_assert_int_eq(box.verified_status, 0);
  assert_eager();
}
END_TEST

START_TEST(a_host_may_insist_on_mapping_it) {
  fill_runs(0, LOW_PAGES, 1, 1);
  box_save(&box.from);
  ck_assert_int_eq(restore_with(SLUICE_RESTORE_MAPPED, 0, 1), 0);
  assert_mapped(LOW_PAGES / 2 + 1, 0);
}
END_TEST

START_TEST(late_pages_are_sooner_than_reading_eagerly) {
  fill_runs(0, LOW_PAGES, 1, 1);
  box_save(&box.from);
  if (!can_fill()) {
    skip(NO_FILL);
    return;
  }
  ck_assert_int_eq(restore_late(1), 0);
  ck_assert_int_eq(box.stats.way, SLUICE_RESTORE_MAPPED);
  assert_filled();
}
END_TEST

START_TEST(where_no_page_would_be_late_it_is_eager) {
  fill_runs(0, LOW_PAGES, 1, 1);
  box_save(&box.from);
  ck_assert_int_eq(restore_late(LOW_PAGES), 0);
  ck_assert_int_eq(late.status, 0);
  assert_eager();
}
END_TEST

START_TEST(where_no_page_can_be_late_it_is_eager) {
  if (deny_call(SYS_userfaultfd, 0, EPERM) != 0) {
    skip(NO_DENYING);
    return;
  }
  fill_runs(0, LOW_PAGES, 1, 1);
  box_save(&box.from); /* with threads that are denied it, too */
  ck_assert_int_eq(restore_late(1), 0);
  ck_assert_int_eq(late.status, 0);
  assert_eager();
}
END_TEST

/* 1500 of one page are less than 8 MiB. */
START_TEST(a_few_short_runs_are_mapped) {
  fill_runs(0, LOW_PAGES, 1, 7);
  box_save(&box.from);
  ck_assert_int_eq(restore_with(SLUICE_RESTORE_MAPPED, 0, 0), 0);
  assert_mapped(LOW_PAGES / 8 + 1, 0);
}
END_TEST

/* 20 KiB, 24 KiB. */
START_TEST(from_six_pages_on_a_run_is_worth_a_mapping) {
  fill_runs(0, LOW_PAGES, 5 + (size_t)_i, 1);
  box_save(&box.from);
  ck_assert_int_eq(restore_with(SLUICE_RESTORE_MAPPED, 0, 0), 0);
  if (_i == 0) {
    assert_eager();
  } else {
    assert_mapped((LOW_PAGES + 6) / 7 + 1, 0);
  }
}
END_TEST

/* 28 MiB in one run, 10 MiB in single pages. */
START_TEST(most_in_long_runs_is_mapped) {
  fill_runs(0, 7000, 7000, 1);
  fill_runs(7001, LOW_PAGES, 1, 1);
  box_save(&box.from);
  ck_assert_int_eq(restore_with(SLUICE_RESTORE_MAPPED, 0, 0), 0);
  ck_assert_int_eq(box.stats.way, SLUICE_RESTORE_MAPPED);
  ck_assert_uint_gt(box.stats.mappings, 2500);
  ck_assert_uint_eq(box.stats.read_bytes, 0);
  assert_same();
}
END_TEST

/* 120 runs of 64 pages and one of 40; mapped are so many of them. */
static const struct {
  uint32_t most;
  int is_eager;
} limits[] = {{40, 1}, {59, 1}, {62, 0}, {80, 0}, {400, 0}};

START_TEST(where_mappings_do_not_take_half_it_is_eager) {
  uint32_t most = limits[_i].most;

  fill_runs(0, LOW_PAGES, 64, 36);
  box_save(&box.from);
  ck_assert_int_eq(restore_with(SLUICE_RESTORE_MAPPED, most, 0), 0);
  if (limits[_i].is_eager) {
    assert_eager();
  } else {
    assert_mapped(most < 121 ? most : 121,
                  most < 121 ? (120 - most) * 64 + 40 : 0);
  }
}
END_TEST

/* Rows: pages of 16 KiB, one or two in a run; of 32 KiB, one. */
static const struct {
  uint32_t page_size;
  size_t pages; /* the kernel's, in a run */
  int is_eager;
} larger[] = {{16384, 4, 1}, {16384, 8, 0}, {32768, 8, 0}};

START_TEST(runs_are_measured_in_bytes) {
  open_pages(larger[_i].page_size);
  fill_runs(0, LOW_PAGES, larger[_i].pages, larger[_i].pages);
  box_save(&box.from);
  ck_assert_int_eq(restore_with(SLUICE_RESTORE_MAPPED, 0, 0), 0);
  if (larger[_i].is_eager) {
    assert_eager();
  } else {
    assert_mapped(LOW_PAGES / 2 / larger[_i].pages + 1, 0);
  }
}
END_TEST

/* ---- an index that lies ---- */

enum { FORGED_RUNS = 5000 };

static int write_forged(seed_t *seed) {
  static uint8_t
      bytes[SLUICE__RECORD_BYTES + FORGED_RUNS * SLUICE__INDEX_RUN_BYTES];
  const sluice__record_t record = {.type = SLUICE__NATIVE_INDEX,
                                   .length =
                                       sizeof(bytes) - SLUICE__RECORD_BYTES};
  uint64_t shape = seed_below(seed, 4);
  int fd = open(box.path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

  for (size_t i = 0; i < sizeof(bytes); i++) {
    /* All bits, few bits, the same of all. */
    bytes[i] = (uint8_t)(shape == 3 ? 0xff : seed_below(seed, 256));
    bytes[i] &= shape == 1 && i % 8 != 0 ? 0 : 0xff;
  }
  sluice__record_put(bytes, &record);
  ck_assert_int_eq((int)pwrite(fd, bytes, sizeof(bytes), 4096),
                   (int)sizeof(bytes));
  return fd;
}

START_TEST(whatever_an_index_says_it_is_only_counted) {
  seed_t seed = seed_open(_i);

  for (int n = 0; n < 20; n++) {
    uint64_t cut = seed_below(&seed, FORGED_RUNS) * SLUICE__INDEX_RUN_BYTES;
    sluice__fragmentation_t scatter;
    int fd = write_forged(&seed);

    sluice__fragmentation_look(&scatter, fd, 4096, UINT64_MAX);
    ck_assert_uint_le(scatter.count, FORGED_RUNS);
    (void)sluice__fragmentation_is_too_much(&scatter, cut);
    ck_assert_int_eq(ftruncate(fd, (off_t)(4096 + cut)), 0);
    sluice__fragmentation_look(&scatter, fd, 4096, UINT64_MAX);
    ck_assert_uint_le(scatter.count, FORGED_RUNS);
    ck_assert_int_eq(close(fd), 0);
  }
}
END_TEST

static size_t put_index(uint8_t *to, uint32_t page, uint64_t at) {
  const sluice__record_t record = {.type = SLUICE__NATIVE_INDEX,
                                   .length = SLUICE__INDEX_RUN_BYTES};

  sluice__record_put(to, &record);
  to += SLUICE__RECORD_BYTES;
  memset(to, 0, SLUICE__INDEX_RUN_BYTES);
  to[4] = 1; /* page */
  sluice__put_le64(to + 8, (uint64_t)page * KERNEL_PAGE);
  sluice__put_le64(to + 16, at);
  return SLUICE__RECORD_BYTES + SLUICE__INDEX_RUN_BYTES;
}

/* As it is where the index took several turns to write. */
START_TEST(an_index_in_pieces_is_counted_whole) {
  const sluice__record_t pad = {.type = SLUICE__NATIVE_PAD};
  int fd = open(box.path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  sluice__fragmentation_t scatter;
  uint8_t bytes[1024];
  size_t len = put_index(bytes, 1, 4096);

  sluice__record_put(bytes + len, &pad);
  len += SLUICE__RECORD_BYTES;
  len += put_index(bytes + len, 3, 8192);
  ck_assert_int_eq((int)pwrite(fd, bytes, len, 4096), (int)len);
  sluice__fragmentation_look(&scatter, fd, 4096, 4096 + len);
  ck_assert_uint_eq(scatter.count, 2);
  ck_assert_int_eq(close(fd), 0);
}
END_TEST

Suite *mapped_fragmented_suite(void) {
  Suite *s = suite_create("mapped_fragmented");
  TCase *t = tcase_create("scattered");
  TCase *sizes = tcase_create("larger pages");
  TCase *lies = tcase_create("lies");

  tcase_add_checked_fixture(t, open_scattered, box_close);
  tcase_add_loop_test(t, an_image_of_single_pages_is_restored_eagerly, 0, 3);
  tcase_add_test(t, a_host_may_insist_on_mapping_it);
  tcase_add_test(t, late_pages_are_sooner_than_reading_eagerly);
  tcase_add_test(t, where_no_page_would_be_late_it_is_eager);
  tcase_add_test(t, where_no_page_can_be_late_it_is_eager);
  tcase_add_test(t, a_few_short_runs_are_mapped);
  tcase_add_loop_test(t, from_six_pages_on_a_run_is_worth_a_mapping, 0, 2);
  tcase_add_test(t, most_in_long_runs_is_mapped);
  tcase_add_loop_test(t, where_mappings_do_not_take_half_it_is_eager, 0,
                      sizeof(limits) / sizeof(limits[0]));
  suite_add_tcase(s, t);
  tcase_add_checked_fixture(sizes, NULL, box_close);
  tcase_add_loop_test(sizes, runs_are_measured_in_bytes, 0,
                      sizeof(larger) / sizeof(larger[0]));
  suite_add_tcase(s, sizes);
  tcase_add_checked_fixture(lies, open_scattered, box_close);
  tcase_add_loop_test(lies, whatever_an_index_says_it_is_only_counted, 0, 3);
  tcase_add_test(lies, an_index_in_pieces_is_counted_whole);
  suite_add_tcase(s, lies);
  return s;
}
