/* test_cut_wp.c - cuts of memory that other threads and the kernel write.
 *
 * A thread's image must be a prefix of what it did: a page that it wrote later
 * is in the image only if all that it wrote before is. */
#include "cut_box.h"

#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <uv.h>

#include "can_guard.h"
#include "deny.h"
#include "sample.h"
#include "skip.h"
#include "suite.h"
#include "toy.h"

enum { THREADS = 2, WORDS = BYTES / 8, SAVES = 6, WRITES = 20000 };

static void choose(sluice_ram_preimage_policy_t policy, uint64_t max) {
  box.options.tracker = SLUICE_RAM_WRITE_PROTECT;
  box.options.preimage_policy = policy;
  box.options.max_preimage = max;
  box.options.spill_dir = "/var/tmp";
  make_sections();
  ck_assert_int_eq(uv_idle_init(&box.rig.loop, &box.writer), 0);
}

/* Thread t owns every THREADS-th word and writes 1, 2, 3... to random ones of
 * them: the word of number n follows from the seed. */
typedef struct writer_s {
  seed_t seed;
  unsigned number;
  _Atomic uint64_t done; /* writes that are over */
  uv_thread_t thread;
} writer_t;

static writer_t writers[THREADS];
static atomic_int is_over;
static _Atomic uint64_t allowed; /* writes of each: the model has to keep up */
static uint64_t done_at_begin[THREADS], done_at_cut[THREADS];

static uint64_t next_word(const writer_t *w, seed_t *seed) {
  return seed_below(seed, WORDS / THREADS) * THREADS + w->number;
}

/* Held by the kernel, which the thread sanitizer does not know. */
__attribute__((no_sanitize("thread"))) static void put_word(uint64_t word,
                                                            uint64_t value) {
  *(volatile uint64_t *)(void *)(box.memory + word * 8) = value;
}

static void write_on(void *arg) {
  writer_t *w = arg;
  seed_t seed = w->seed;

  for (uint64_t n = 1; !atomic_load(&is_over); n++) {
    while (n > atomic_load(&allowed) && !atomic_load(&is_over)) {
      (void)sched_yield();
    }
    put_word(next_word(w, &seed), n);
    atomic_store(&w->done, n);
  }
}

static void note_done(uint64_t *out) {
  for (unsigned t = 0; t < THREADS; t++) {
    out[t] = atomic_load(&writers[t].done);
  }
}

static void on_instant(sluice_save_t *save) {
  (void)save;
  box.cuts++;
  note_done(done_at_cut);
}

/* The image has the first `n` writes of `w`, all of them and no other. */
static uint64_t assert_prefix(const writer_t *w, uint64_t *model) {
  const uint64_t *image = (const uint64_t *)(const void *)box.copy;
  seed_t seed = w->seed;
  uint64_t n = 0;

  for (uint64_t i = w->number; i < WORDS; i += THREADS) {
    n = image[i] > n ? image[i] : n;
    model[i] = 0;
  }
  for (uint64_t i = 1; i <= n; i++) {
    model[next_word(w, &seed)] = i;
  }
  for (uint64_t i = w->number; i < WORDS; i += THREADS) {
    ck_assert_msg(image[i] == model[i], "thread %u: not its first %ju writes",
                  w->number, (uintmax_t)n);
  }
  return n;
}

static void assert_image_is_a_prefix(void) {
  uint64_t *model = malloc(BYTES);

  ck_assert_int_eq(
      rig_restore_memory(&box.rig, box.other, box.image, box.image_len), 0);
  for (unsigned t = 0; t < THREADS; t++) {
    uint64_t n = assert_prefix(&writers[t], model);

    ck_assert_uint_ge(n, done_at_begin[t]);
    ck_assert_uint_le(n, done_at_cut[t] + 1); /* one may be under way */
  }
  free(model);
}

static void start_threads(void) {
  memset(box.memory, 0, BYTES);
  for (unsigned t = 0; t < THREADS; t++) {
    writers[t].seed = seed_open((int)t);
    writers[t].number = t;
    ck_assert_int_eq(
        uv_thread_create(&writers[t].thread, write_on, &writers[t]), 0);
  }
}

static void stop_threads(void) {
  atomic_store(&is_over, 1);
  for (unsigned t = 0; t < THREADS; t++) {
    ck_assert_int_eq(uv_thread_join(&writers[t].thread), 0);
  }
}

static const struct {
  sluice_ram_preimage_policy_t policy;
  uint64_t max_preimage;
  uint32_t page_size;
} ways[] = {
    {SLUICE_RAM_FAIL, BYTES, 0},
    {SLUICE_RAM_FAIL, BYTES, 16384},
    {SLUICE_RAM_SPILL, 4 * PAGE, 0},
    {SLUICE_RAM_SLOW, 4 * PAGE, 0},
};

START_TEST(the_image_has_a_prefix_of_what_each_thread_wrote) {
  const sluice_save_options_t o = {
      .size = sizeof(o), .mode = SLUICE_CUT, .cut = on_instant};
  const unsigned saves = 1 + SAVES / sample_step();

  box.options.page_size = ways[_i].page_size;
  choose(ways[_i].policy, ways[_i].max_preimage);
  ck_assert_int_eq(sluice_registry_remove(box.other, "ram", 0), 0);
  ck_assert_int_eq(sluice_ram_free(box.to), 0); /* is to have the same pages */
  box.to = NULL;
  box.options.tracker = SLUICE_RAM_STATIC;
  make_section(&box.to, box.other, box.copy, &box.options);
  start_threads();
  for (unsigned i = 0; i < saves; i++) {
    note_done(done_at_begin);
    atomic_fetch_add(&allowed, WRITES);
    ck_assert_int_eq(rig_save_memory(&box.rig, &o, &box.image, &box.image_len),
                     0);
    ck_assert_uint_eq(box.cuts, i + 1);
    assert_image_is_a_prefix();
    free(box.image);
    box.image = NULL;
  }
  stop_threads();
}
END_TEST

static void begin_and_cut(void) {
  const sluice_save_options_t o = {.size = sizeof(o)};

  (void)begin_save(&o);
  while (box.cuts == 0) {
    (void)uv_run(&box.rig.loop, UV_RUN_NOWAIT);
  }
}

/* A bare call: the thread sanitizer takes read() for a write of the caller. */
START_TEST(what_the_kernel_writes_for_the_host_is_saved_first) {
  int fds[2];

  choose(SLUICE_RAM_FAIL, 0);
  ck_assert_int_eq(pipe(fds), 0);
  begin_and_cut();
  ck_assert_int_eq((int)write(fds[1], "written by the kernel", 21), 21);
  ck_assert_int_eq(
      (int)syscall(SYS_read, fds[0], box.memory + BYTES - PAGE - 10, 21), 21);
  ck_assert_mem_eq(box.memory + BYTES - PAGE - 10, "written by the kernel", 21);
  rig_run(&box.rig);
  ck_assert_int_eq(box.rig.status, 0);
  ck_assert_uint_eq(box.stats.preimages, 2);
  assert_image_is_the_cut();
  (void)close(fds[0]);
  (void)close(fds[1]);
}
END_TEST

START_TEST(what_the_kernel_does_not_see_can_be_told_by_hand) {
  choose(SLUICE_RAM_FAIL, 0);
  begin_and_cut();
  sluice_ram_dirty(box.from, 0, 10 * PAGE, 3 * PAGE);
  sluice_ram_stats(box.from, &box.stats, sizeof(box.stats));
  ck_assert_uint_eq(box.stats.preimages, 3);
  rig_run(&box.rig);
  ck_assert_int_eq(box.rig.status, 0);
  assert_image_is_the_cut();
}
END_TEST

START_TEST(what_is_saved_is_released_and_costs_no_more) {
  choose(SLUICE_RAM_FAIL, 0);
  begin_and_cut();
  do {
    (void)uv_run(&box.rig.loop, UV_RUN_NOWAIT);
    sluice_ram_stats(box.from, &box.stats, sizeof(box.stats));
  } while (box.stats.pages_sent < PAGES || box.stats.pages_lent > 0);
  fill(box.memory, 1, BYTES);
  rig_run(&box.rig);
  ck_assert_int_eq(box.rig.status, 0);
  ck_assert_uint_eq(box.stats.preimages, 0);
  assert_image_is_the_cut();
}
END_TEST

/* A second section that takes its time to be armed. */
static toy_t slow_to_arm;
static int arms_left;

static int arm_slowly(void *self, sluice_error_t *err) {
  (void)self;
  (void)err;
  return arms_left-- > 0 ? SLUICE_MORE : SLUICE_DONE;
}

/* Before the instant a write is let go; its page must be protected again. */
START_TEST(what_was_written_while_arming_is_saved_first_all_the_same) {
  const sluice_save_options_t o = {.size = sizeof(o), .bandwidth = SLOW_SINK};
  const unsigned pages[] = {3, 40, 400};
  unsigned n = pages[_i];

  choose(SLUICE_RAM_FAIL, BYTES);
  toy_init(&slow_to_arm, box.rig.registry, "slow", 10, 1);
  slow_to_arm.handler.save_arm = arm_slowly;
  arms_left = 10;
  (void)begin_save(&o);
  while (box.cuts == 0) {
    if (arms_left < 8) {
      for (unsigned i = 0; i < n; i++) {
        fill(box.memory + (PAGES - 1 - i) * PAGE, (uint8_t)arms_left, 8);
      }
    }
    (void)uv_run(&box.rig.loop, UV_RUN_NOWAIT);
  }
  fill(box.memory + (PAGES - n) * PAGE, 99, n * PAGE);
  rig_run(&box.rig);
  ck_assert_msg(box.rig.status == 0, "%s", box.rig.error.message);
  ck_assert_uint_eq(box.stats.preimages, n);
  sluice_registry_remove(box.rig.registry, "slow", 0);
  ck_assert_int_eq(sluice_registry_add(box.other, "slow", &slow_to_arm.handler,
                                       &slow_to_arm, NULL, NULL, NULL),
                   0);
  assert_image_is_the_cut();
  toy_done(&slow_to_arm);
}
END_TEST

static int run_whole_save(void) {
  const sluice_save_options_t o = {.size = sizeof(o)};
  int r = run_save(&o);

  ck_assert(!is_guarded());
  return r;
}

/* Each row is one way the kernel may refuse; asynchronous write-protect, which
 * sluice_ram_new() asks for, is not forbidden by the first. */
static const struct {
  int call;
  unsigned arg1;
  int error;
  int code;
  const char *what;
} refusals[] = {
    {SYS_userfaultfd, 0, EPERM, UV_EPERM, "unprivileged_userfaultfd"},
    {SYS_userfaultfd, 0, ENOSYS, UV_ENOTSUP, "Linux 6.4"},
    {SYS_ioctl, 0xc018aa3f, EINVAL, UV_ENOTSUP, "UFFDIO_API"},
    {SYS_ioctl, 0xc020aa00, EBUSY, UV_EBUSY, "UFFDIO_REGISTER"},
    {SYS_ioctl, 0xc018aa06, ENOMEM, UV_ENOMEM, "UFFDIO_WRITEPROTECT"},
    {SYS_eventfd2, 0, EMFILE, UV_EMFILE, "eventfd"},
};

START_TEST(a_refusal_of_the_kernels_ends_the_save_by_name) {
  const sluice_save_options_t o = {.size = sizeof(o)};

  choose(SLUICE_RAM_FAIL, 0);
  if (refusals[_i].error == EPERM) {
    ck_assert_int_eq(deny_call(SYS_openat, 0, ENOENT), 0);
  }
  ck_assert_int_eq(
      deny_call(refusals[_i].call, refusals[_i].arg1, refusals[_i].error), 0);
  (void)begin_save(&o);
  rig_run(&box.rig);
  ck_assert_int_eq(box.rig.status, refusals[_i].code);
  ck_assert_msg(strstr(box.rig.error.message, refusals[_i].what) != NULL, "%s",
                box.rig.error.message);
  fill(box.memory, 3, BYTES);
}
END_TEST

START_TEST(a_save_of_either_kind_follows_the_other) {
  sluice_save_options_t o = {.size = sizeof(o)};

  choose(SLUICE_RAM_FAIL, 0);
  for (int i = 0; i < 6; i++) {
    memset(box.memory + i * PAGE, i + 1, PAGE);
    if (i % 2 == 0) {
      ck_assert_int_eq(run_whole_save(), 0);
      uv_idle_init(&box.rig.loop, &box.writer);
    } else {
      free(box.image);
      o.mode = SLUICE_CONVERGE;
      memcpy(box.at_cut, box.memory, BYTES);
      ck_assert_int_eq(
          rig_save_memory(&box.rig, &o, &box.image, &box.image_len), 0);
      ck_assert(!is_guarded());
    }
    assert_image_is_the_cut();
  }
}
END_TEST

Suite *cut_wp_suite(void) {
  Suite *s = suite_create("cut_wp");
  TCase *t = tcase_create("core");

  tcase_add_checked_fixture(t, open_box, close_box);
  if (can_guard()) {
    tcase_add_loop_test(t, the_image_has_a_prefix_of_what_each_thread_wrote, 0,
                        sizeof(ways) / sizeof(ways[0]));
    tcase_add_test(t, what_the_kernel_writes_for_the_host_is_saved_first);
    tcase_add_test(t, what_the_kernel_does_not_see_can_be_told_by_hand);
    tcase_add_test(t, what_is_saved_is_released_and_costs_no_more);
    tcase_add_loop_test(
        t, what_was_written_while_arming_is_saved_first_all_the_same, 0, 3);
    tcase_add_test(t, a_save_of_either_kind_follows_the_other);
    tcase_add_loop_test(t, a_refusal_of_the_kernels_ends_the_save_by_name, 0,
                        sizeof(refusals) / sizeof(refusals[0]));
  } else {
    skip_rows("all", NO_GUARD);
  }
  suite_add_tcase(s, t);
  return s;
}
