/* test_ram_wp.c - the kernel's own dirty tracking, for real where it has it.
 *
 * Where it has not, only the refusal is tested. Nothing in here marks pages:
 * whatever is sent again was found by the kernel. */
#include <sluice/ram.h>

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "deny.h"
#include "fake_engine.h"
#include "ram/kernel_wp.h"
#include "seed.h"

enum { PAGE = 4096, PAGES = 512, BYTES = PAGE * PAGES, PLENTY = 1 << 30 };

static struct {
  sluice_registry_t registry;
  sluice_ram_t *ram;
  uint8_t *memory;
  fake_stream_t stream;
  sluice_writer_t w;
  sluice_error_t err;
} box;

static int new_ram(uint32_t page_size) {
  sluice_ram_options_t o = {.size = sizeof(o),
                            .tracker = SLUICE_RAM_WRITE_PROTECT,
                            .page_size = page_size};

  return sluice_ram_new(&box.ram, &box.registry, "ram", NULL, &o, &box.err);
}

/* Half of it is never touched. */
static void map_memory(void) {
  box.memory = mmap(NULL, BYTES, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ck_assert_ptr_ne(box.memory, MAP_FAILED);
  memset(box.memory, 5, BYTES / 2);
}

static void open_box(void) {
  memset(&box, 0, sizeof(box));
  box.w.out = &box.stream;
  map_memory();
  ck_assert_int_eq(new_ram(0), 0);
  ck_assert_int_eq(
      sluice_ram_add_region(box.ram, "heap", box.memory, BYTES, 0, NULL), 0);
}

static void close_box(void) {
  sluice_ram_free(box.ram);
  fake_stream_done(&box.stream);
  (void)munmap(box.memory, BYTES);
}

static const sluice_handler_t *hooks(void) {
  return box.registry.handler;
}

static void begin(void) {
  ck_assert_int_eq(
      hooks()->save_begin(box.ram, &box.registry.section, &box.err), 0);
  ck_assert_int_eq(hooks()->save_start(box.ram, &box.w, &box.err), 0);
}

static int step(size_t left) {
  box.w.left = left;
  return hooks()->save_step(box.ram, &box.w, &box.err);
}

/* Steps until the section waits; how many pages were sent. */
static uint64_t run_clean(void) {
  size_t from = box.stream.count;
  int r;

  do {
    r = step(PLENTY);
    ck_assert_msg(r >= 0, "%d: %s", r, box.err.message);
  } while (r == SLUICE_MORE);
  ck_assert_int_eq(r, SLUICE_WAIT);
  return fake_stream_pages(&box.stream, from);
}

static uint64_t run_finish(void) {
  size_t from = box.stream.count;
  int r;

  do {
    box.w.left = PLENTY;
    r = hooks()->save_finish(box.ram, &box.w, &box.err);
  } while (r == SLUICE_MORE);
  ck_assert_int_eq(r, SLUICE_DONE);
  return fake_stream_pages(&box.stream, from);
}

static void end(int status) {
  hooks()->save_end(box.ram, status);
}

static void assert_replay_equals_memory(void) {
  uint8_t *copy = calloc(1, BYTES);

  fake_stream_replay(&box.stream, 0, copy, BYTES);
  ck_assert_mem_eq(copy, box.memory, BYTES);
  free(copy);
}

START_TEST(quiet_memory_is_sent_once) {
  begin();
  ck_assert_uint_eq(run_clean(), PAGES);
  ck_assert_uint_eq(run_clean(), 0);
  ck_assert_uint_eq(run_finish(), 0);
  end(0);
  assert_replay_equals_memory();
}
END_TEST

START_TEST(written_pages_are_found_and_sent_again) {
  begin();
  (void)run_clean();
  box.memory[3 * PAGE] = 1;
  box.memory[4 * PAGE + 9] = 1;
  box.memory[90 * PAGE] = 5; /* the same value: a write all the same */
  ck_assert_uint_eq(run_clean(), 3);
  ck_assert_uint_eq(run_clean(), 0);
  end(0);
  assert_replay_equals_memory();
}
END_TEST

START_TEST(a_page_that_was_never_touched_is_found_when_written) {
  begin();
  (void)run_clean();
  box.memory[BYTES - 1] = 1;
  ck_assert_uint_eq(run_clean(), 1);
  end(0);
  assert_replay_equals_memory();
}
END_TEST

START_TEST(reading_is_not_writing) {
  volatile uint8_t sum = 0;

  begin();
  (void)run_clean();
  for (size_t i = 0; i < BYTES; i += PAGE) {
    sum = (uint8_t)(sum + box.memory[i]);
  }
  ck_assert_uint_eq(run_clean(), 0);
  end(0);
}
END_TEST

START_TEST(what_the_kernel_writes_for_the_host_is_found) {
  int fd = open("/dev/zero", O_RDONLY);

  begin();
  (void)run_clean();
  ck_assert_int_eq((int)read(fd, box.memory + 7 * PAGE, 2 * PAGE), 2 * PAGE);
  ck_assert_uint_eq(run_clean(), 2);
  end(0);
  (void)close(fd);
  assert_replay_equals_memory();
}
END_TEST

START_TEST(pages_that_the_host_gives_back_are_found) {
  begin();
  (void)run_clean();
  ck_assert_int_eq(madvise(box.memory + PAGE, 3 * PAGE, MADV_DONTNEED), 0);
  ck_assert_uint_ge(run_clean(), 3);
  end(0);
  assert_replay_equals_memory();
}
END_TEST

START_TEST(marks_by_hand_count_as_well) {
  begin();
  (void)run_clean();
  sluice_ram_dirty(box.ram, 0, 5 * PAGE, 1);
  ck_assert_uint_eq(run_clean(), 1);
  end(0);
}
END_TEST

START_TEST(writes_while_paused_for_finish_are_sent_before_it_ends) {
  begin();
  (void)step(10 * PAGE);
  box.memory[0] = 99;
  box.memory[400 * PAGE] = 99;
  ck_assert_uint_ge(run_finish(), PAGES - 10);
  end(0);
  assert_replay_equals_memory();
}
END_TEST

START_TEST(a_section_that_waits_finds_writes_when_asked_what_is_pending) {
  begin();
  (void)run_clean();
  ck_assert_uint_eq(hooks()->save_pending(box.ram), 0);
  ck_assert_uint_eq(box.registry.section.wakes, 0);
  box.memory[3 * PAGE] = 1;
  ck_assert_uint_eq(hooks()->save_pending(box.ram), PAGE);
  ck_assert_uint_eq(box.registry.section.wakes, 1);
  ck_assert_uint_eq(run_clean(), 1);
  end(0);
  assert_replay_equals_memory();
}
END_TEST

START_TEST(pending_does_not_fall_before_the_kernel_was_asked_again) {
  begin();
  ck_assert_uint_eq(hooks()->save_pending(box.ram), BYTES);
  (void)step(10 * PAGE);
  (void)step(10 * PAGE);
  ck_assert_uint_eq(hooks()->save_pending(box.ram), BYTES);
  (void)run_clean();
  ck_assert_uint_eq(hooks()->save_pending(box.ram), 0);
  end(0);
}
END_TEST

START_TEST(larger_pages_are_sent_whole) {
  sluice_ram_free(box.ram);
  ck_assert_int_eq(new_ram(16384), 0);
  ck_assert_int_eq(
      sluice_ram_add_region(box.ram, "heap", box.memory, BYTES, 0, NULL), 0);
  begin();
  ck_assert_uint_eq(run_clean(), PAGES / 4);
  box.memory[PAGE * 5] = 1;
  box.memory[PAGE * 6] = 1;
  ck_assert_uint_eq(run_clean(), 1);
  end(0);
  assert_replay_equals_memory();
}
END_TEST

START_TEST(more_scattered_writes_than_one_look_can_list_are_all_found) {
  const size_t pages = 20000;
  uint8_t *big = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  ck_assert_int_eq(
      sluice_ram_add_region(box.ram, "big", big, pages * PAGE, 0, NULL), 0);
  begin();
  ck_assert_uint_eq(run_clean(), pages + PAGES);
  for (size_t i = 0; i < pages; i += 2) {
    big[i * PAGE] = 1;
  }
  ck_assert_uint_eq(run_clean(), pages / 2);
  end(0);
  (void)munmap(big, pages * PAGE);
}
END_TEST

/* Whether the kernel still has some of the memory registered. */
static int is_armed(void) {
  int fd = open("/proc/self/pagemap", O_RDONLY);
  sluice__pm_scan_t scan = {.size = sizeof(scan)};
  int r;

  scan.flags = SLUICE__PM_SCAN_CHECK_WPASYNC;
  scan.start = (uintptr_t)box.memory;
  scan.end = scan.start + BYTES;
  scan.category_mask = SLUICE__PM_PAGE_IS_WRITTEN;
  scan.flags |= SLUICE__PM_SCAN_WP_MATCHING;
  r = ioctl(fd, SLUICE__PM_SCAN, &scan);
  (void)close(fd);
  return r >= 0;
}

static int count_fds(void) {
  int n = 0;

  for (int fd = 0; fd < 256; fd++) {
    n += fcntl(fd, F_GETFD) >= 0;
  }
  return n;
}

START_TEST(nothing_is_armed_or_open_after_a_save) {
  int fds = count_fds();

  ck_assert_int_eq(is_armed(), 0);
  begin();
  ck_assert_int_eq(is_armed(), 1);
  (void)run_clean();
  end(_i);
  ck_assert_int_eq(is_armed(), 0);
  ck_assert_int_eq(count_fds(), fds);
}
END_TEST

START_TEST(saves_can_follow_each_other) {
  for (int i = 0; i < 5; i++) {
    begin();
    (void)step(20 * PAGE);
    memset(box.memory + i * 10 * PAGE, i, 10 * PAGE);
    if (i % 2 == 0) {
      end(UV_ECANCELED);
    } else {
      (void)run_finish();
      end(0);
      assert_replay_equals_memory();
    }
    fake_stream_done(&box.stream);
  }
}
END_TEST

START_TEST(a_save_in_a_child_tracks_the_child) {
  pid_t child = fork();
  int status = 0;

  if (child == 0) {
    begin();
    (void)run_clean();
    box.memory[PAGE] = 77;
    _exit(run_clean() == 1 ? 0 : 1);
  }
  ck_assert_int_eq((int)waitpid(child, &status, 0), (int)child);
  ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(a_restored_region_can_be_saved_again) {
  begin();
  (void)run_clean();
  (void)run_finish();
  end(0);
  memset(box.memory, 1, BYTES);
  sluice_ram_free(box.ram);
  ck_assert_int_eq(new_ram(0), 0);
  ck_assert_int_eq(sluice_ram_add_region(box.ram, "heap", box.memory, BYTES,
                                         SLUICE_RAM_REMAP, NULL),
                   0);
  ck_assert_int_eq(fake_restore(&box.registry, &box.stream, &box.err), 0);
  assert_replay_equals_memory();
  ck_assert_int_eq(is_armed(), 0);
  fake_stream_done(&box.stream);
  begin();
  (void)run_clean();
  box.memory[PAGE] = 3;
  ck_assert_uint_eq(run_clean(), 1);
  end(0);
}
END_TEST

/* Copying a page while it is written is what write-protect is for: what was
 * torn is written, and so is sent again. The thread sanitizer rightly calls it
 * a race; it does not run this test. */
#if defined(__SANITIZE_THREAD__)
#define HAS_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HAS_TSAN 1
#endif
#endif
#ifndef HAS_TSAN
#define HAS_TSAN 0
#endif

static atomic_int is_over;

static void *write_on(void *arg) {
  seed_t s = {(uint64_t)(uintptr_t)arg};

  while (!atomic_load(&is_over)) {
    uint64_t word = seed_below(&s, BYTES / 8) * 8;

    atomic_store_explicit((_Atomic uint64_t *)(void *)(box.memory + word),
                          seed_next(&s), memory_order_relaxed);
  }
  return NULL;
}

START_TEST(writes_of_other_threads_are_found) {
  pthread_t writers[2];

  for (size_t i = 0; i < 2; i++) {
    ck_assert_int_eq(
        pthread_create(&writers[i], NULL, write_on, (void *)(i + 1)), 0);
  }
  begin();
  for (int i = 0; i < 200; i++) {
    ck_assert_int_ge(step(64 * PAGE), 0);
  }
  atomic_store(&is_over, 1);
  for (size_t i = 0; i < 2; i++) {
    (void)pthread_join(writers[i], NULL);
  }
  (void)run_finish();
  end(0);
  assert_replay_equals_memory();
}
END_TEST

static void scribble(seed_t *s) {
  uint64_t at = seed_below(s, BYTES);
  uint64_t len = 1 + seed_below(s, 3 * PAGE);

  len = len > BYTES - at ? BYTES - at : len;
  memset(box.memory + at, (int)seed_below(s, 4), len);
}

START_TEST(random_writes_and_steps_end_in_an_equal_image) {
  seed_t s = seed_open(_i);

  for (int i = 0; i < 50; i++) {
    begin();
    for (uint64_t n = seed_below(&s, 40); n > 0; n--) {
      box.w.units = (unsigned)seed_below(&s, 6);
      ck_assert_int_ge(step(seed_below(&s, 100 * PAGE)), 0);
      (void)hooks()->save_pending(box.ram);
      scribble(&s);
    }
    (void)run_finish();
    end(0);
    assert_replay_equals_memory();
    fake_stream_done(&box.stream);
  }
}
END_TEST

/* Each row is one thing the kernel may not have. */
static const struct {
  int call;
  unsigned arg1;
  int error;
  const char *what;
} lacks[] = {
    {SYS_userfaultfd, 0, ENOSYS, "userfaultfd"},
    {SYS_userfaultfd, 0, EPERM, "userfaultfd"},
    {SYS_ioctl, 0xc018aa3f, EINVAL, "UFFDIO_API"},
    {SYS_openat, 0, ENOENT, "/proc/self/pagemap"},
    {SYS_ioctl, (unsigned)SLUICE__PM_SCAN, ENOTTY, "PAGEMAP_SCAN"},
};

START_TEST(a_kernel_that_lacks_something_is_refused_naming_it) {
  int fds = count_fds();

  memset(&box, 0, sizeof(box));
  ck_assert_int_eq(deny_call(lacks[_i].call, lacks[_i].arg1, lacks[_i].error),
                   0);
  ck_assert_int_eq(new_ram(0), UV_ENOTSUP);
  ck_assert_ptr_null(box.ram);
  ck_assert_ptr_null(box.registry.handler);
  ck_assert_ptr_nonnull(strstr(box.err.message, lacks[_i].what));
  ck_assert_int_eq(count_fds(), fds);
}
END_TEST

START_TEST(this_kernel_is_refused_by_name) {
  memset(&box, 0, sizeof(box));
  ck_assert_int_eq(new_ram(0), UV_ENOTSUP);
  ck_assert_ptr_nonnull(strstr(box.err.message, "6.7"));
}
END_TEST

START_TEST(a_save_that_cannot_arm_fails_and_leaves_nothing) {
  int fds = count_fds();
  uint8_t *hole = box.memory + BYTES / 2;

  ck_assert_int_eq(sluice_ram_add_region(box.ram, "gone", hole, PAGE, 0, NULL),
                   0);
  (void)munmap(hole, PAGE);
  ck_assert_int_lt(
      hooks()->save_begin(box.ram, &box.registry.section, &box.err), 0);
  ck_assert_str_ne(box.err.message, "");
  ck_assert_int_eq(count_fds(), fds);
}
END_TEST

START_TEST(memory_unmapped_under_a_save_is_an_error_not_a_crash) {
  begin();
  (void)munmap(box.memory, BYTES);
  ck_assert_int_eq(mmap(box.memory, BYTES, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
                        0) == box.memory,
                   1);
  ck_assert_int_eq(step(PLENTY), UV_EPERM);
  ck_assert_ptr_nonnull(strstr(box.err.message, "PAGEMAP_SCAN"));
  end(UV_EPERM);
}
END_TEST

START_TEST(memory_that_is_no_whole_kernel_pages_is_refused) {
  ck_assert_int_eq(
      sluice_ram_add_region(box.ram, "r", box.memory + 512, PAGE, 0, NULL),
      UV_EINVAL);
}
END_TEST

static void add_core(Suite *s) {
  TCase *t = tcase_create("core");

  tcase_add_checked_fixture(t, open_box, close_box);
  tcase_add_test(t, quiet_memory_is_sent_once);
  tcase_add_test(t, written_pages_are_found_and_sent_again);
  tcase_add_test(t, a_page_that_was_never_touched_is_found_when_written);
  tcase_add_test(t, reading_is_not_writing);
  tcase_add_test(t, what_the_kernel_writes_for_the_host_is_found);
  tcase_add_test(t, pages_that_the_host_gives_back_are_found);
  tcase_add_test(t, marks_by_hand_count_as_well);
  tcase_add_test(t, writes_while_paused_for_finish_are_sent_before_it_ends);
  tcase_add_test(t,
                 a_section_that_waits_finds_writes_when_asked_what_is_pending);
  tcase_add_test(t, pending_does_not_fall_before_the_kernel_was_asked_again);
  tcase_add_test(t, larger_pages_are_sent_whole);
  tcase_add_test(t, more_scattered_writes_than_one_look_can_list_are_all_found);
  tcase_add_loop_test(t, nothing_is_armed_or_open_after_a_save, -1, 1);
  tcase_add_test(t, saves_can_follow_each_other);
  tcase_add_test(t, a_save_in_a_child_tracks_the_child);
  tcase_add_test(t, a_restored_region_can_be_saved_again);
  if (!HAS_TSAN) {
    tcase_add_test(t, writes_of_other_threads_are_found);
  }
  tcase_add_loop_test(t, random_writes_and_steps_end_in_an_equal_image, 0, 4);
  tcase_set_timeout(t, 120);
  suite_add_tcase(s, t);
}

static void add_faults(Suite *s) {
  TCase *t = tcase_create("faults");

  tcase_add_checked_fixture(t, open_box, close_box);
  tcase_add_test(t, a_save_that_cannot_arm_fails_and_leaves_nothing);
  tcase_add_test(t, memory_unmapped_under_a_save_is_an_error_not_a_crash);
  tcase_add_test(t, memory_that_is_no_whole_kernel_pages_is_refused);
  suite_add_tcase(s, t);
}

Suite *ram_wp_suite(void);

Suite *ram_wp_suite(void) {
  Suite *s = suite_create("ram_wp");
  TCase *refusals = tcase_create("refusals");

  if (new_ram(0) == 0) {
    sluice_ram_free(box.ram);
    add_core(s);
    add_faults(s);
    tcase_add_loop_test(refusals,
                        a_kernel_that_lacks_something_is_refused_naming_it, 0,
                        sizeof(lacks) / sizeof(lacks[0]));
  } else {
    tcase_add_test(refusals, this_kernel_is_refused_by_name);
  }
  suite_add_tcase(s, refusals);
  return s;
}
