/* test_page_once.c - a converging save to what can be written anywhere has each
 * page once, and each as it was at the pause: whoever copies, however late the
 * sink answers, and whatever of it fails. */
#include "cut_box.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "folder.h"
#include "odd_executor.h"
#include "patch_sink.h"
#include "sample.h"
#include "slow.h"
#include "suite.h"

enum { SEEDS = 2, ROUNDS = 5 };

/* Where the image goes. */
typedef enum to_e {
  TO_FILE,
  TO_FILE_PLAIN, /* never O_DIRECT */
  TO_FILE_IN_MEMORY,
  TO_FD,
  TO_FD_IN_MEMORY,
  TO_MEMORY,
  TO_CUSTOM,
  TO_CUSTOM_LATE,
  TO_CUSTOM_TAKES,
  TO_CUSTOM_TAKES_LATE,
  TO_CUSTOM_WITHOUT, /* it cannot patch */
  TOS
} to_t;

static struct {
  to_t to;
  char dir[224];
  char path[256];
  int fd;
} out;

static bool is_custom(void) {
  return out.to >= TO_CUSTOM;
}

static bool can_patch(void) {
  return out.to != TO_CUSTOM_WITHOUT;
}

static void make_folder(void) {
  bool is_in_memory = out.to == TO_FILE_IN_MEMORY || out.to == TO_FD_IN_MEMORY;

  (void)snprintf(out.dir, sizeof(out.dir), "%s/once.XXXXXX",
                 is_in_memory ? "/dev/shm" : ".");
  if (mkdtemp(out.dir) == NULL) {
    test_template(out.dir, sizeof(out.dir), "once");
    ck_assert_ptr_nonnull(mkdtemp(out.dir));
  }
  (void)snprintf(out.path, sizeof(out.path), "%s/image", out.dir);
}

static sluice_sink_t *new_file(void) {
  const sluice_file_options_t o = {
      .size = sizeof(o), .no_sync = 1, .no_direct = out.to == TO_FILE_PLAIN};
  sluice_sink_t *sink;

  ck_assert_int_eq(sluice_sink_file(&sink, out.path, &o), 0);
  return sink;
}

static sluice_sink_t *new_descriptor(void) {
  sluice_sink_t *sink;

  out.fd = open(out.path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  ck_assert_int_ge(out.fd, 0);
  ck_assert_int_eq(sluice_sink_fd(&sink, out.fd), 0);
  return sink;
}

static sluice_sink_t *new_sink(void) {
  sluice_sink_t *sink;

  if (is_custom()) {
    return patch_sink_new();
  }
  if (out.to == TO_FD || out.to == TO_FD_IN_MEMORY) {
    return new_descriptor();
  }
  if (out.to != TO_MEMORY) {
    return new_file();
  }
  ck_assert_int_eq(
      sluice_sink_memory(&sink, 64 * BYTES, &box.image, &box.image_len), 0);
  return sink;
}

static int row_of(to_t to, int way) {
  return way * TOS + (int)to;
}

static odd_way_t way_of(int row) {
  return (odd_way_t)(row / TOS);
}

/* Rows: each place, by each executor; a seed of its own each. */
static void open_row(int row) {
  memset(&out, 0, sizeof(out));
  out.fd = -1;
  out.to = (to_t)(row % TOS);
  rig_executor = odd_executor_open(way_of(row), 1);
  rig_before_end = odd_executor_close;
  open_box();
  make_folder();
  patch_sink_open();
  patch_sink.is_late =
      out.to == TO_CUSTOM_LATE || out.to == TO_CUSTOM_TAKES_LATE;
  patch_sink.takes =
      out.to == TO_CUSTOM_TAKES || out.to == TO_CUSTOM_TAKES_LATE;
  patch_sink.is_unfit = !can_patch();
  for (int i = 0; i < PAGES; i++) {
    memset(box.memory + i * PAGE, 1 + i % 9, PAGE);
  }
  box.options.tracker = SLUICE_RAM_COOPERATIVE;
  box.options.max_preimage = BYTES;
  box.seed = seed_open(row);
  make_sections();
}

static void close_row(void) {
  patch_sink_done();
  close_box();
  (void)unlink(out.path);
  ck_assert_int_eq(rmdir(out.dir), 0);
}

static sluice_verdict_t after_some_rounds(sluice_save_t *save,
                                          const sluice_round_t *round) {
  (void)save;
  return round->number < ROUNDS ? SLUICE_GO_ON : SLUICE_SWITCH;
}

static const sluice_save_options_t options = {.size = sizeof(options),
                                              .policy = after_some_rounds,
                                              .pause = box_pause,
                                              .resume = box_resume};

static sluice_save_t *begin_converge(void) {
  sluice_save_t *save;

  free(box.image);
  box.image = NULL;
  start_writing();
  ck_assert_int_eq(sluice_save_begin(&save, box.rig.engine, box.rig.registry,
                                     new_sink(), &options, on_over, NULL),
                   0);
  return save;
}

static int end_converge(void) {
  rig_run(&box.rig);
  if (out.fd >= 0) {
    ck_assert_int_eq(close(out.fd), 0);
    out.fd = -1;
  }
  return box.rig.status;
}

static int converge(void) {
  (void)begin_converge();
  return end_converge();
}

/* To `box.image`, from wherever it is. */
static void fetch_image(void) {
  struct stat st;
  FILE *file;

  if (is_custom()) {
    box.image_len = patch_sink.end;
    box.image = malloc(patch_sink.end);
    memcpy(box.image, patch_sink.data, patch_sink.end);
  } else if (out.to != TO_MEMORY) {
    file = fopen(out.path, "rb");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fstat(fileno(file), &st), 0);
    box.image_len = (size_t)st.st_size;
    box.image = malloc(box.image_len);
    ck_assert_uint_eq(fread(box.image, 1, box.image_len, file), box.image_len);
    ck_assert_int_eq(fclose(file), 0);
  }
}

static void assert_mapped(void) {
  const sluice_restore_options_t o = {
      .size = sizeof(o), .way = SLUICE_RESTORE_VERIFY_MAPPED, .must_map = 1};
  sluice_source_t *source;
  int r;

  ck_assert_int_eq(sluice_source_file(&source, out.path), 0);
  r = rig_restore(&box.rig, box.other, source, &o);
  ck_assert_msg(r == 0, "%s", box.rig.error.message);
  ck_assert(memcmp(box.copy, box.at_cut, BYTES) == 0);
}

static void assert_image_is_the_pause(void) {
  free(is_custom() || out.to != TO_MEMORY ? box.image : NULL);
  fetch_image();
  assert_image_is_the_cut();
  if (!is_custom() && out.to != TO_MEMORY) {
    assert_mapped();
  }
}

/* A record has a page or two beside its pages. */
static void assert_each_page_once(void) {
  const sluice_totals_t *t = &box.rig.totals;

  ck_assert_uint_gt(t->pages_rewritten, 0); /* or it was no test */
  ck_assert_uint_eq(t->bytes_rewritten, t->pages_rewritten * PAGE);
  ck_assert_uint_eq(t->pages_superseded, 0);
  ck_assert_uint_le(t->pages_data, PAGES);
  ck_assert_uint_eq(t->bytes, box.image_len);
  ck_assert_uint_le(t->bytes, (t->pages_data + 2 * t->records) * PAGE);
}

static void assert_all_is_kept(void) {
  const sluice_totals_t *t = &box.rig.totals;

  ck_assert_uint_eq(t->pages_rewritten, 0);
  ck_assert_uint_gt(t->pages_superseded, 0);
  ck_assert_uint_eq(t->bytes_superseded, t->pages_superseded * PAGE);
  ck_assert_uint_gt(t->pages_data, t->pages_superseded);
}

START_TEST(the_image_is_the_memory_at_the_pause_each_page_once) {
  open_row(_i);
  for (int i = 0; i < SEEDS; i += slow_step(SEEDS)) {
    int r = converge();

    ck_assert_msg(r == 0, "%s", box.rig.error.message);
    assert_image_is_the_pause();
    if (can_patch()) {
      assert_each_page_once();
    } else {
      assert_all_is_kept();
    }
  }
  /* Where threads are slow, all that comes again may be still to be copied. */
  if (is_custom() && can_patch() && way_of(_i) == ODD_NOBODY) {
    ck_assert_uint_gt(patch_sink.patches, 0); /* or it was no test */
  }
  close_row();
}
END_TEST

/* Where records do not end because the machine is slow: a page is the largest
 * part of what is not state. */
START_TEST(an_image_is_hardly_longer_than_the_state) {
  rig_slice_us = 10 * 1000 * 1000;
  open_row(_i);
  ck_assert_int_eq(converge(), 0);
  assert_image_is_the_pause();
  assert_each_page_once();
  ck_assert_uint_le(box.image_len, BYTES + BYTES / 20);
  close_row();
}
END_TEST

/* ---- what goes wrong ---- */

/* At the end, and at once, and never: whoever converges learns it, and the sink
 * is undone. */
START_TEST(a_patch_that_fails_ends_the_save) {
  unsigned step = sample_step() * (unsigned)slow_step(9);

  open_row(_i);
  for (patch_sink.fail_at = 1 + sample_first("patches");;
       patch_sink.fail_at += step) {
    int r = converge();

    if (patch_sink.patches < patch_sink.fail_at) {
      ck_assert_int_eq(r, 0);
      break;
    }
    ck_assert_int_eq(r, UV_EPIPE);
    ck_assert_int_eq(box.rig.error.code, UV_EPIPE);
    ck_assert_uint_eq(patch_sink.patches, patch_sink.fail_at); /* the last */
    ck_assert_uint_eq(patch_sink.aborts, 1);
  }
  assert_image_is_the_pause();
  close_row();
}
END_TEST

START_TEST(a_patch_that_hangs_does_not_hold_up_a_cancelled_save) {
  sluice_save_t *save;

  open_row(row_of(TO_CUSTOM_LATE, ODD_NOBODY));
  patch_sink.fail_at = 1;
  patch_sink.hangs = true;
  save = begin_converge();
  while (patch_sink.patches == 0) {
    (void)uv_run(&box.rig.loop, UV_RUN_NOWAIT);
  }
  sluice_save_cancel(save);
  ck_assert_int_eq(end_converge(), UV_ECANCELED);
  ck_assert_uint_eq(patch_sink.aborts, 1);
  close_row();
}
END_TEST

/* Whatever is under way then; a file is not there afterwards, a later save is
 * none the worse. */
START_TEST(a_save_can_be_cancelled_in_any_turn) {
  int step = (int)sample_step() * slow_step(19);
  bool is_through = false;

  open_row(_i);
  for (int n = 1 + (int)sample_first("turns"); !is_through; n += step) {
    unsigned before = box.rig.callbacks;
    sluice_save_t *save = begin_converge();

    for (int i = 0; i < n && box.rig.callbacks == before; i++) {
      (void)uv_run(&box.rig.loop, UV_RUN_NOWAIT);
    }
    is_through = box.rig.callbacks != before || n > 300;
    if (box.rig.callbacks == before) {
      sluice_save_cancel(save);
    }
    (void)end_converge();
    ck_assert_uint_eq(box.rig.callbacks, before + 1);
  }
  free(box.image);
  box.image = NULL;
  ck_assert_int_eq(converge(), 0);
  assert_image_is_the_pause();
  close_row();
}
END_TEST

/* A stream cannot take anything back, and says how much of it is of no use. */
START_TEST(what_cannot_be_taken_back_is_counted) {
  open_row(row_of(TO_CUSTOM_WITHOUT, ODD_NOBODY));
  ck_assert_int_eq(converge(), 0);
  assert_all_is_kept();
  fetch_image();
  ck_assert_uint_ge(box.image_len, box.rig.totals.bytes_superseded);
  close_row();
}
END_TEST

/* Without an index nobody knows where a page stands. */
START_TEST(without_an_index_nothing_is_replaced) {
  sluice_save_options_t o = options;
  sluice_save_t *save;

  open_row(row_of(TO_CUSTOM, ODD_NOBODY));
  o.no_index = 1;
  start_writing();
  ck_assert_int_eq(sluice_save_begin(&save, box.rig.engine, box.rig.registry,
                                     new_sink(), &o, on_over, NULL),
                   0);
  ck_assert_int_eq(end_converge(), 0);
  ck_assert_uint_eq(patch_sink.patches, 0);
  assert_image_is_the_pause();
  close_row();
}
END_TEST

Suite *page_once_suite(void) {
  Suite *s = suite_create("page_once");
  TCase *core = tcase_create("core");
  TCase *faults = tcase_create("faults");

  for (int row = (int)sample_first("rows"); row < TOS * ODD_WAYS;
       row += (int)sample_step()) {
    tcase_add_loop_test(core,
                        the_image_is_the_memory_at_the_pause_each_page_once,
                        row, row + 1);
  }
  tcase_add_loop_test(core, an_image_is_hardly_longer_than_the_state, 0,
                      row_of(TO_CUSTOM_WITHOUT, ODD_NOBODY));
  tcase_add_loop_test(core, an_image_is_hardly_longer_than_the_state,
                      row_of(TO_FILE, ODD_AT_ONCE),
                      row_of(TO_CUSTOM_WITHOUT, ODD_AT_ONCE));
  tcase_add_test(core, what_cannot_be_taken_back_is_counted);
  tcase_add_test(core, without_an_index_nothing_is_replaced);
  suite_add_tcase(s, core);
  for (int way = 0; way < ODD_WAYS; way++) {
    tcase_add_loop_test(faults, a_patch_that_fails_ends_the_save,
                        row_of(TO_CUSTOM, way),
                        row_of(TO_CUSTOM_TAKES_LATE, way) + 1);
  }
  tcase_add_test(faults, a_patch_that_hangs_does_not_hold_up_a_cancelled_save);
  tcase_add_loop_test(faults, a_save_can_be_cancelled_in_any_turn, 0, TOS);
  tcase_add_loop_test(faults, a_save_can_be_cancelled_in_any_turn,
                      row_of(TO_FILE, ODD_THREADS),
                      row_of(TO_FILE, ODD_FICKLE));
  suite_add_tcase(s, faults);
  return s;
}
