/* test_half_done.c - nothing is left half done when a section parks: its record
 * is whole, its pages are copied and come back, or the save ends by name. */
#include <string.h>

#include <sluice/sluice.h>

#include "odd_executor.h"
#include "rig.h"
#include "session/save/save.h"
#include "stream/encoder_base.h"
#include "suite.h"

enum { PAGE = 4096, PAGES = 256, IMAGE_MAX = 4 * PAGES * PAGE };

/* A section that lends `now` pages a step, says MORE to each, and when all is
 * lent writes nothing and waits until all are back. */
typedef struct lender_s {
  sluice_handler_t handler;
  sluice_section_t *section;
  uint32_t region;
  uint64_t pages;
  uint64_t now;
  uint64_t lent;
  uint64_t returned;
} lender_t;

static rig_t rig;
static lender_t lenders[2];
static uint8_t memory[PAGES * PAGE];
static struct {
  uint8_t data[IMAGE_MAX];
  size_t end;
} image;

static int begin(void *self, sluice_section_t *section, sluice_error_t *err) {
  lender_t *l = self;

  (void)err;
  l->section = section;
  return 0;
}

static int cut(void *self, sluice_error_t *err) {
  (void)self;
  (void)err;
  return 0;
}

static int start(void *self, sluice_writer_t *w, sluice_error_t *err) {
  lender_t *l = self;

  (void)err;
  return sluice_writer_region(w, "memory", sizeof(memory), PAGE, &l->region);
}

static int step(void *self, sluice_writer_t *w, sluice_error_t *err) {
  lender_t *l = self;
  uint64_t n = l->pages - l->lent < l->now ? l->pages - l->lent : l->now;

  (void)err;
  if (n > 0) {
    int r = sluice_writer_lend_pages(w, l->region, l->lent * PAGE,
                                     memory + l->lent * PAGE, n);

    l->lent += n;
    return r < 0 ? r : SLUICE_MORE;
  }
  return l->returned < l->pages ? SLUICE_WAIT : SLUICE_DONE;
}

static uint64_t pending(void *self) {
  const lender_t *l = self;

  return (l->pages - l->lent) * PAGE;
}

static void returned(void *self, uint64_t pages) {
  lender_t *l = self;

  l->returned = pages;
  sluice_section_wake(l->section);
}

static int finish(void *self, sluice_writer_t *w, sluice_error_t *err) {
  (void)self;
  (void)w;
  (void)err;
  return SLUICE_DONE;
}

static void end(void *self, int status) {
  (void)self;
  (void)status;
}

static const sluice_handler_t handler = {.size = sizeof(handler),
                                         .version = 1,
                                         .payload = SLUICE_PAYLOAD_PAGES,
                                         .type = "lender",
                                         .save_pending = pending,
                                         .save_begin = begin,
                                         .save_cut = cut,
                                         .save_start = start,
                                         .save_step = step,
                                         .save_returned = returned,
                                         .save_finish = finish,
                                         .save_end = end};

static void add_lender(lender_t *l, const char *name, uint64_t pages,
                       uint64_t now) {
  memset(l, 0, sizeof(*l));
  l->handler = handler;
  l->pages = pages;
  l->now = now;
  ck_assert_int_eq(
      sluice_registry_add(rig.registry, name, &l->handler, l, NULL, NULL, NULL),
      0);
}

/* A sink that takes bytes in any order, as a file does: records linger. */
static int write_image(void *self, const void *data, size_t len,
                       uint64_t offset, sluice_sink_cb cb, void *ctx) {
  (void)self;
  (void)cb;
  (void)ctx;
  ck_assert_uint_le(offset + len, IMAGE_MAX);
  memcpy(image.data + offset, data, len);
  image.end = offset + len > image.end ? offset + len : image.end;
  return 1;
}

static int is_random(const void *self) {
  (void)self;
  return 1;
}

static int save(sluice_save_mode_t mode) {
  static const sluice_sink_ops_t ops = {
      .size = sizeof(ops), .write = write_image, .is_random = is_random};
  const sluice_save_options_t o = {.size = sizeof(o), .mode = mode};
  sluice_sink_t *sink;

  image.end = 0;
  ck_assert_int_eq(sluice_sink_custom(&sink, &ops, NULL), 0);
  return rig_save(&rig, sink, &o);
}

/* Records of less than `min_bytes` are none of the executor's. */
static void open_rig(odd_way_t way, uint32_t min_bytes) {
  static sluice_executor_t executor;
  const sluice_executor_t *odd = odd_executor_open(way, 1);

  if (odd != NULL) {
    executor = *odd;
    executor.min_bytes = min_bytes;
  }
  rig_executor = odd == NULL ? NULL : &executor;
  rig_before_end = odd_executor_close;
  rig_init(&rig);
  for (size_t i = 0; i < sizeof(memory); i++) {
    memory[i] = (uint8_t)(1 + i % 251);
  }
}

static void close_rig(void) {
  rig_done(&rig);
  rig_executor = NULL;
  rig_before_end = NULL;
}

/* Rows: every executor but the one that never comes, by both modes. */
enum { ROWS = 2 * ODD_LATE };

static odd_way_t way_of(int row) {
  return (odd_way_t)(row / 2);
}

static sluice_save_mode_t mode_of(int row) {
  return row % 2 == 0 ? SLUICE_CUT : SLUICE_CONVERGE;
}

/* A pause need not wait until the handler was told. */
static void assert_all_is_back(const lender_t *l, int row) {
  if (mode_of(row) == SLUICE_CUT) {
    ck_assert_uint_eq(l->returned, l->pages);
  }
  ck_assert_uint_eq(l->lent, l->pages);
}

START_TEST(pages_come_back_to_a_section_that_parks) {
  open_rig(way_of(_i), 1);
  add_lender(&lenders[0], "lender", PAGES, 16);
  ck_assert_int_eq(save(mode_of(_i)), 0);
  assert_all_is_back(&lenders[0], _i);
  close_rig();
}
END_TEST

START_TEST(a_record_too_short_for_a_thread_comes_back_too) {
  open_rig(way_of(_i), 64 * PAGE);
  add_lender(&lenders[0], "lender", 3, 1);
  ck_assert_int_eq(save(mode_of(_i)), 0);
  assert_all_is_back(&lenders[0], _i);
  close_rig();
}
END_TEST

START_TEST(two_that_end_each_others_records_get_theirs_back) {
  open_rig(way_of(_i), 8 * PAGE);
  add_lender(&lenders[0], "one", 40, 1);
  add_lender(&lenders[1], "two", PAGES, 16);
  ck_assert_int_eq(save(mode_of(_i)), 0);
  assert_all_is_back(&lenders[0], _i);
  assert_all_is_back(&lenders[1], _i);
  close_rig();
}
END_TEST

/* What only a defect of the engine's can bring about: a chunk waits for a job,
 * and nobody is at work who would do it. */
static sluice_save_t *holder;
static sluice__copy_job_t *held;

static int step_that_holds(void *self, sluice_writer_t *w,
                           sluice_error_t *err) {
  lender_t *l = self;
  int r = sluice_writer_lend_pages(w, l->region, 0, memory, 1);

  (void)err;
  l->lent = l->pages;
  if (held == NULL) {
    holder = l->section->session;
    held = sluice__copy_queue_append(&holder->jobs.queue,
                                     holder->encoder->stage.base);
    ck_assert_ptr_nonnull(held);
  }
  return r < 0 ? r : SLUICE_DONE;
}

static void end_that_lets_go(void *self, int status) {
  (void)self;
  (void)status;
  held->state = SLUICE__COPY_OVER;
  sluice__copy_jobs_collect(&holder->jobs, true);
}

START_TEST(a_chunk_that_nobody_completes_ends_the_save_by_name) {
  open_rig(ODD_NOBODY, 1);
  held = NULL;
  add_lender(&lenders[0], "lender", 1, 1);
  lenders[0].handler.save_step = step_that_holds;
  lenders[0].handler.save_end = end_that_lets_go;
  ck_assert_int_eq(save(mode_of(_i)), SLUICE_ELOSTWAKE);
  ck_assert_ptr_nonnull(strstr(rig.error.message, "nobody"));
  close_rig();
}
END_TEST

/* In a cut, too, where no round would ask. */
static uint64_t says_it_has_work(void *self) {
  (void)self;
  return PAGE;
}

static int sleeps(void *self, sluice_writer_t *w, sluice_error_t *err) {
  (void)self;
  (void)w;
  (void)err;
  return SLUICE_WAIT;
}

START_TEST(a_section_that_sleeps_although_it_has_work_is_named) {
  open_rig(way_of(_i), 1);
  add_lender(&lenders[0], "lender", PAGES, 16);
  lenders[0].handler.save_step = sleeps;
  lenders[0].handler.save_pending = says_it_has_work;
  ck_assert_int_eq(save(mode_of(_i)), SLUICE_ELOSTWAKE);
  ck_assert_str_eq(rig.error.section, "lender");
  close_rig();
}
END_TEST

Suite *half_done_suite(void) {
  Suite *s = suite_create("half_done");
  TCase *c = tcase_create("half_done");

  tcase_add_loop_test(c, pages_come_back_to_a_section_that_parks, 0, ROWS);
  tcase_add_loop_test(c, a_record_too_short_for_a_thread_comes_back_too, 0,
                      ROWS);
  tcase_add_loop_test(c, two_that_end_each_others_records_get_theirs_back, 0,
                      ROWS);
  tcase_add_loop_test(c, a_chunk_that_nobody_completes_ends_the_save_by_name, 0,
                      2);
  tcase_add_loop_test(c, a_section_that_sleeps_although_it_has_work_is_named, 0,
                      ROWS);
  suite_add_tcase(s, c);
  return s;
}
