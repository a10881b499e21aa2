/* test_mapped_odd.c - restoring by mapping from odd files, into odd hosts, and
 * with a pool that has other things to do. */
#include "mapped_box.h"

#include <uv.h>

#include "busy_pool.h"
#include "suite.h"

static void setup(void) {
  box_open(KERNEL_PAGE);
  host_open(&box.from, SLUICE_RAM_REMAP, SLUICE_RAM_COOPERATIVE, 1);
  host_open(&box.to, SLUICE_RAM_REMAP | SLUICE_RAM_IN_PLACE,
            SLUICE_RAM_COOPERATIVE, 2);
  host_fill(&box.from, 2, 7); /* 350 runs of a page, one of 40 */
}

static void assert_eager(const char *reason) {
  ck_assert_int_eq(box.stats.way, SLUICE_RESTORE_EAGER);
  ck_assert_ptr_nonnull(box.stats.reason);
  ck_assert_str_eq(box.stats.reason, reason);
  assert_same();
}

static void assert_untouched(void) {
  ck_assert_uint_eq(box.to.toy.commits, 0);
}

START_TEST(an_image_without_an_index_is_restored_eagerly) {
  const sluice_save_options_t o = {.size = sizeof(o), .no_index = 1};

  ck_assert_int_eq(box_save_as(&box.from, &o), 0);
  ck_assert_int_eq(box_restore_way(SLUICE_RESTORE_MAPPED), 0);
  assert_eager("the image has no index");
}
END_TEST

/* ---- a source that calls a pipe its file, or what is closed ---- */

static struct {
  int image;
  int file;
} odd;

static ptrdiff_t read_odd(void *self, void *buf, size_t len,
                          sluice_source_cb cb, void *ctx) {
  ssize_t n = read(odd.image, buf, len);

  (void)self, (void)cb, (void)ctx;
  ck_assert_int_ge(n, 0);
  return n == 0 ? UV_EOF : n;
}

static int odd_file(void *self) {
  (void)self;
  return odd.file;
}

static const sluice_source_ops_t odd_ops = {
    .size = sizeof(odd_ops), .read = read_odd, .file = odd_file};

START_TEST(a_file_that_is_none_is_restored_eagerly) {
  const sluice_restore_options_t o = {.size = sizeof(o),
                                      .way = SLUICE_RESTORE_MAPPED};
  sluice_source_t *source;
  int ends[2];

  box_save(&box.from);
  odd.image = open(box.path, O_RDONLY | O_CLOEXEC);
  ck_assert_int_eq(pipe(ends), 0);
  odd.file = _i == 0 ? ends[0] : dup(ends[0]);
  if (_i == 1) {
    ck_assert_int_eq(close(odd.file), 0);
  }
  ck_assert_int_eq(sluice_source_custom(&source, &odd_ops, NULL), 0);
  ck_assert_int_eq(box_restore_from(source, &o), 0);
  assert_eager("the source is not a file");
  ck_assert_int_eq(close(ends[0]), 0);
  ck_assert_int_eq(close(ends[1]), 0);
  ck_assert_int_eq(close(odd.image), 0);
}
END_TEST

/* ---- more than one section of pages ---- */

static sluice_ram_t *extra_from, *extra_to;
static uint8_t *extra_memory, *extra_copy;

static void add_extra(sluice_ram_t **ram, sluice_registry_t *registry,
                      uint8_t **memory) {
  const sluice_section_options_t optional = {.size = sizeof(optional),
                                             .flags = SLUICE_SECTION_OPTIONAL};
  const sluice_ram_options_t o = {.size = sizeof(o),
                                  .page_size = KERNEL_PAGE,
                                  .tracker = SLUICE_RAM_COOPERATIVE};

  *memory = map_pages(high_bytes());
  ck_assert_int_eq(sluice_ram_new(ram, registry, "extra", &optional, &o, NULL),
                   0);
  ck_assert_int_eq(sluice_ram_add_region(*ram, "extra", *memory, high_bytes(),
                                         SLUICE_RAM_REMAP | SLUICE_RAM_IN_PLACE,
                                         NULL),
                   0);
}

static void drop_extra(sluice_ram_t *ram, sluice_registry_t *registry,
                       uint8_t *memory) {
  ck_assert_int_eq(sluice_registry_remove(registry, "extra", 0), 0);
  (void)sluice_ram_free(ram);
  ck_assert_int_eq(munmap(memory, high_bytes()), 0);
}

/* Rows: nobody has it; the new host has it, too. */
START_TEST(pages_of_a_second_section_go_to_it_or_nowhere) {
  add_extra(&extra_from, box.from.registry, &extra_memory);
  memset(extra_memory, 0x5e, high_bytes());
  box_save(&box.from);
  if (_i == 1) {
    add_extra(&extra_to, box.to.registry, &extra_copy);
  }
  ck_assert_int_eq(box_restore_way(SLUICE_RESTORE_MAPPED), 0);
  assert_same();
  ck_assert_uint_eq(box.stats.read_bytes, 0);
  ck_assert_uint_eq(box.stats.mapped_bytes,
                    low_bytes() / 2 + high_bytes() * (1 + (size_t)_i));
  if (_i == 1) {
    ck_assert_mem_eq(extra_copy, extra_memory, high_bytes());
    drop_extra(extra_to, box.to.registry, extra_copy);
  }
  drop_extra(extra_from, box.from.registry, extra_memory);
}
END_TEST

/* ---- what is read before the commit ---- */

static int is_mapping(const sluice_progress_t *p) {
  return p->phase == SLUICE_PHASE_MAP;
}

static void cut_short(sluice_restore_t *restore, const sluice_progress_t *p) {
  (void)restore;
  if (is_mapping(p)) {
    ck_assert_int_eq(truncate(box.path, 100 * KERNEL_PAGE), 0);
  }
}

/* What was a file to read is one to write to. */
static void take_away(sluice_restore_t *restore, const sluice_progress_t *p) {
  int fd;

  (void)restore;
  if (is_mapping(p)) {
    fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    ck_assert_int_eq(dup2(fd, odd.file), odd.file);
    ck_assert_int_eq(close(fd), 0);
  }
}

static const struct {
  void (*progress)(sluice_restore_t *restore, const sluice_progress_t *p);
  int code;
} lost[] = {{cut_short, SLUICE_ETRUNCATED}, {take_away, UV_EBADF}};

START_TEST(pages_that_cannot_be_read_before_the_commit_end_the_restore) {
  const sluice_restore_options_t o = {.size = sizeof(o),
                                      .way = SLUICE_RESTORE_MAPPED,
                                      .max_mappings = 1,
                                      .progress = lost[_i].progress};
  sluice_source_t *source;

  box_save(&box.from);
  odd.file = open(box.path, O_RDONLY | O_CLOEXEC);
  ck_assert_int_eq(sluice_source_custom(&source, &odd_ops, NULL), 0);
  ck_assert_int_eq(box_restore_from(source, &o), lost[_i].code);
  ck_assert_uint_eq(box.rig.error.phase, SLUICE_PHASE_MAP);
  assert_untouched();
  ck_assert_int_eq(close(odd.file), 0);
}
END_TEST

/* Memory for the session grows until it is enough: also for the buffer of what
 * is read, which is asked for last. */
START_TEST(with_too_little_memory_nothing_is_committed) {
  sluice_restore_options_t o = {
      .size = sizeof(o), .way = SLUICE_RESTORE_MAPPED, .max_mappings = 1};
  unsigned in_map = 0;
  int r;

  box_save(&box.from);
  o.max_memory = 2 * 1024 * 1024;
  do {
    r = box_restore(&o);
    ck_assert(r == 0 || r == SLUICE_ELIMIT);
    in_map += r != 0 && box.rig.error.phase == SLUICE_PHASE_MAP;
    ck_assert_uint_eq(box.to.toy.commits, r == 0);
    o.max_memory += 64 * 1024;
  } while (r != 0);
  ck_assert_uint_gt(in_map, 0);
  assert_same();
}
END_TEST

/* ---- the only thread of the pool is the host's for a while ---- */

static struct {
  sluice_phase_t phase;
  unsigned ticks; /* in that phase */
} waiting;

/* The first tick comes with the phase, the second while its job waits. */
static void block_then_go(sluice_restore_t *restore,
                          const sluice_progress_t *p) {
  (void)restore;
  if (p->phase != waiting.phase) {
    return;
  }
  waiting.ticks++;
  if (waiting.ticks == 1) {
    busy_pool(&box.rig.loop, 1);
  } else if (waiting.ticks == 2) {
    busy_pool_go();
  }
}

static const struct {
  sluice_restore_way_t way;
  sluice_phase_t phase;
} waits[] = {{SLUICE_RESTORE_MAPPED, SLUICE_PHASE_MAP},
             {SLUICE_RESTORE_VERIFY_MAPPED, SLUICE_PHASE_VERIFY}};

START_TEST(a_restore_waits_for_a_thread_and_tells_its_progress) {
  const sluice_restore_options_t o = {.size = sizeof(o),
                                      .way = waits[_i].way,
                                      .max_mappings = 1,
                                      .progress = block_then_go};

  ck_assert_int_eq(setenv("UV_THREADPOOL_SIZE", "1", 1), 0);
  waiting.phase = waits[_i].phase;
  waiting.ticks = 0;
  box_save(&box.from);
  ck_assert_int_eq(box_restore(&o), 0);
  ck_assert_uint_ge(waiting.ticks, 2);
  assert_same();
  uv_sem_destroy(&busy.go);
}
END_TEST

/* ---- nobody wants to know where ---- */

static void flip_first_page(void) {
  int fd = open(box.path, O_RDWR | O_CLOEXEC);
  uint8_t page[KERNEL_PAGE];
  off_t at = 0;

  do { /* pages stand at multiples of their size, and are filled so */
    at += KERNEL_PAGE;
    ck_assert_int_eq((int)pread(fd, page, KERNEL_PAGE, at), KERNEL_PAGE);
  } while (memcmp(page, box.from.low, KERNEL_PAGE) != 0);
  page[0] ^= 1;
  ck_assert_int_eq((int)pwrite(fd, page, 1, at), 1);
  ck_assert_int_eq(close(fd), 0);
}

START_TEST(damage_that_nobody_listens_for_is_told_at_the_end) {
  sluice_restore_options_t o = {.size = sizeof(o),
                                .way = SLUICE_RESTORE_MAPPED_VERIFY,
                                .verified = on_verified};
  sluice_restore_t *restore;
  sluice_source_t *source;
  int is_behind = 1;

  box_save(&box.from);
  flip_first_page();
  o.data = &is_behind;
  ck_assert_int_eq(sluice_source_file(&source, box.path), 0);
  ck_assert_int_eq(sluice_restore_begin(&restore, box.rig.engine,
                                        box.to.registry, source, &o,
                                        on_restored, NULL),
                   0);
  rig_run(&box.rig);
  ck_assert_int_eq(box.rig.status, 0);
  ck_assert_int_eq(box.verified_status, SLUICE_ECORRUPT);
  ck_assert_uint_eq(box.stats.damaged_bytes, KERNEL_PAGE);
  ck_assert_uint_eq(box.damage_count, 0);
}
END_TEST

Suite *mapped_odd_suite(void) {
  Suite *s = suite_create("mapped_odd");
  TCase *tc = tcase_create("odd");

  tcase_add_checked_fixture(tc, setup, box_close);
  tcase_add_test(tc, an_image_without_an_index_is_restored_eagerly);
  tcase_add_loop_test(tc, a_file_that_is_none_is_restored_eagerly, 0, 2);
  tcase_add_loop_test(tc, pages_of_a_second_section_go_to_it_or_nowhere, 0, 2);
  tcase_add_loop_test(
      tc, pages_that_cannot_be_read_before_the_commit_end_the_restore, 0, 2);
  tcase_add_test(tc, with_too_little_memory_nothing_is_committed);
  tcase_add_loop_test(tc, a_restore_waits_for_a_thread_and_tells_its_progress,
                      0, 2);
  tcase_add_test(tc, damage_that_nobody_listens_for_is_told_at_the_end);
  suite_add_tcase(s, tc);
  return s;
}
