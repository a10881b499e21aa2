/* test_soundness_model.c - damage, writes of the host, verifications that get
 * so far, and a save, at random: either the save fails by name, or its image is
 * the memory and every damaged page of it is found by who reads it. */
#include "mapped_box.h"

#include "can_guard.h"
#include "image_box.h"
#include "odd_executor.h"
#include "seed.h"
#include "suite.h"

enum { SEEDS = 6, MOST_DAMAGED = 5, MOST_WRITES = 60 };

static struct {
  seed_t seed;
  uint8_t bad[LOW_PAGES];
  unsigned bad_count;
  ino_t image;
  uint8_t *memory; /* as it was saved */
} model;

static uint32_t pick(uint32_t limit) {
  return seed_pick(&model.seed, limit);
}

static ino_t inode(void) {
  struct stat st;

  ck_assert_int_eq(stat(box.path, &st), 0);
  return st.st_ino;
}

static void damage_some(void) {
  for (uint32_t n = pick(MOST_DAMAGED); n > 0; n--) {
    uint32_t page = pick(LOW_PAGES / 30) * 30 + pick(20); /* not of zeros */

    if (!model.bad[page]) {
      flip(find_byte(0, (uint64_t)page * KERNEL_PAGE) + pick(KERNEL_PAGE));
      model.bad[page] = 1;
      model.bad_count++;
    }
  }
}

static void open_row(int row) {
  memset(&model, 0, sizeof(model));
  model.seed = seed_open(row);
  rig_executor = odd_executor_open((odd_way_t)(row % ODD_WAYS), 1);
  rig_before_end = odd_executor_close;
  box_open(KERNEL_PAGE);
  host_open(&box.from, SLUICE_RAM_REMAP, SLUICE_RAM_COOPERATIVE, 1);
  host_fill(&box.from, 1, 7);
  box_save(&box.from);
  damage_some();
  model.image = inode();
}

static sluice_save_mode_t open_host(void) {
  static const sluice_ram_tracker_t trackers[] = {
      SLUICE_RAM_COOPERATIVE, SLUICE_RAM_STATIC, SLUICE_RAM_WRITE_PROTECT};
  sluice_ram_tracker_t tracker = trackers[pick(can_guard() ? 3 : 2)];

  host_open(&box.to, SLUICE_RAM_REMAP | SLUICE_RAM_IN_PLACE, tracker, 2);
  return tracker == SLUICE_RAM_WRITE_PROTECT || pick(2) == 0 ? SLUICE_CONVERGE
                                                             : SLUICE_CUT;
}

static void cancel_it(sluice_restore_t *restore) {
  sluice_restore_cancel(restore);
}

/* Unverified, all of it, up to what is found first, or from the beginning. */
static void restore_somehow(void) {
  uint32_t way = pick(4);

  box.cancel_at = way == 2 ? 1 : 0;
  box.at_commit = way == 3 ? cancel_it : NULL;
  ck_assert_int_eq(box_restore_way(way == 0 ? SLUICE_RESTORE_MAPPED
                                            : SLUICE_RESTORE_MAPPED_VERIFY),
                   0);
  box.cancel_at = 0;
  box.at_commit = NULL;
}

static void write_some(void) {
  for (uint32_t n = pick(MOST_WRITES); n > 0; n--) {
    uint64_t at = (uint64_t)pick(LOW_PAGES) * KERNEL_PAGE;
    size_t len = pick(2) == 0 ? KERNEL_PAGE : 8;

    at += len == 8 ? pick(KERNEL_PAGE / 8) * 8 : 0;
    sluice_ram_dirty(box.to.ram, 0, at, len);
    memset(box.to.low + at, (int)pick(3), len); /* zeros, too */
  }
  model.memory = map_pages(low_bytes());
  memcpy(model.memory, box.to.low, low_bytes());
}

static void assert_all_told(void) {
  uint8_t told[LOW_PAGES] = {0};

  for (unsigned i = 0; i < box.damage_count; i++) {
    const sluice_damage_t *d = &box.damages[i];

    ck_assert_str_eq(d->region, "low");
    for (uint64_t done = 0; done < d->bytes; done += KERNEL_PAGE) {
      told[(d->offset + done) / KERNEL_PAGE]++;
    }
  }
  ck_assert_mem_eq(told, model.bad, sizeof(told));
}

/* By the library's own eyes: the records, the index and all checksums. */
static void assert_image_is_the_memory(void) {
  memset(box.to.low, 0x55, low_bytes());
  ck_assert_int_eq(box_restore_way(SLUICE_RESTORE_EAGER),
                   model.bad_count > 0 ? SLUICE_ECORRUPT : 0);
  ck_assert_int_eq(box_restore_way(SLUICE_RESTORE_MAPPED_VERIFY), 0);
  ck_assert_int_eq(box.verified_status,
                   model.bad_count > 0 ? SLUICE_ECORRUPT : 0);
  ck_assert_mem_eq(box.to.low, model.memory, low_bytes());
  ck_assert_mem_eq(box.to.high, box.from.high, high_bytes());
  assert_all_told();
}

static void assert_refused(int r) {
  ck_assert_int_eq(r, SLUICE_ECORRUPT);
  ck_assert_str_eq(box.rig.error.section, "ram");
  ck_assert_ptr_nonnull(strstr(box.rig.error.message, "region 'low'"));
  ck_assert_uint_eq(inode(), model.image); /* the old image stays */
}

START_TEST(no_damaged_page_gets_a_good_checksum) {
  sluice_save_options_t o = {.size = sizeof(o)};
  int r;

  open_row(_i);
  o.mode = open_host();
  o.write_damaged = (int)pick(2);
  restore_somehow();
  write_some();
  r = box_save_as(&box.to, &o);
  if (model.bad_count > 0 && !o.write_damaged) {
    assert_refused(r);
  } else {
    ck_assert_msg(r == 0, "%s", box.rig.error.message);
    assert_image_is_the_memory();
  }
  ck_assert_int_eq(munmap(model.memory, low_bytes()), 0);
  box_close();
}
END_TEST

Suite *soundness_model_suite(void) {
  Suite *s = suite_create("soundness_model");
  TCase *tc = tcase_create("model");

  tcase_add_loop_test(tc, no_damaged_page_gets_a_good_checksum, 0,
                      SEEDS * ODD_WAYS);
  suite_add_tcase(s, tc);
  return s;
}
