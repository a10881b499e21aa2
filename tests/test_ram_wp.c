/* test_ram_wp.c - the kernel's own dirty tracking, for real where it has it. */
#include "ram_wp_box.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <uv.h>

#include "has_tsan.h"
#include "seed.h"
#include "skip.h"

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
  fake_remove(&box.registry);
  (void)sluice_ram_free(box.ram);
  ck_assert_int_eq(new_tracked_ram(16384), 0);
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

/* Every other kernel page, so that a list ends inside a larger page of ours. */
START_TEST(more_scattered_writes_than_one_look_can_list_are_all_found) {
  const uint64_t bytes = (uint64_t)24000 * PAGE;
  const uint32_t page_size = _i == 0 ? PAGE : 16384;
  uint8_t *big = map_pages(bytes);

  fake_remove(&box.registry);
  (void)sluice_ram_free(box.ram);
  ck_assert_int_eq(new_tracked_ram(page_size), 0);
  ck_assert_int_eq(sluice_ram_add_region(box.ram, "big", big, bytes, 0, NULL),
                   0);
  begin();
  ck_assert_uint_eq(run_clean(), bytes / page_size);
  for (size_t i = PAGE; i < bytes; i += 2 * PAGE) {
    big[i] = 1;
  }
  ck_assert_uint_eq(run_clean(),
                    _i == 0 ? bytes / PAGE / 2 : bytes / page_size);
  end(0);
  (void)munmap(big, bytes);
}
END_TEST

START_TEST(nothing_is_armed_or_open_after_a_save) {
  unsigned files = count_open_files();

  ck_assert_int_eq(is_armed(), 0);
  begin();
  ck_assert_int_eq(is_armed(), 1);
  (void)run_clean();
  end(_i);
  ck_assert_int_eq(is_armed(), 0);
  ck_assert_uint_eq(count_open_files(), files);
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

START_TEST(a_child_that_lives_on_keeps_nothing_armed) {
  int gate[2];
  char byte;
  pid_t child;

  ck_assert_int_eq(pipe(gate), 0);
  begin();
  child = fork();
  if (child == 0) {
    (void)close(gate[1]);
    _exit((int)read(gate[0], &byte, 1)); /* until the parent closes it */
  }
  (void)run_clean();
  end(0);
  ck_assert_int_eq(is_armed(), 0);
  (void)close(gate[1]);
  (void)close(gate[0]);
  (void)waitpid(child, NULL, 0);
}
END_TEST

START_TEST(a_restored_region_can_be_saved_again) {
  begin();
  (void)run_clean();
  (void)run_finish();
  end(0);
  memset(box.memory, 1, BYTES);
  fake_remove(&box.registry);
  (void)sluice_ram_free(box.ram);
  ck_assert_int_eq(new_tracked_ram(0), 0);
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
 * torn is written, and so is sent again. */
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

  if (HAS_TSAN) {
    skip(NO_RACES);
    return;
  }

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
  tcase_add_loop_test(
      t, more_scattered_writes_than_one_look_can_list_are_all_found, 0, 2);
  tcase_add_loop_test(t, nothing_is_armed_or_open_after_a_save, -1, 1);
  tcase_add_test(t, saves_can_follow_each_other);
  tcase_add_test(t, a_save_in_a_child_tracks_the_child);
  tcase_add_test(t, a_child_that_lives_on_keeps_nothing_armed);
  tcase_add_test(t, a_restored_region_can_be_saved_again);
  tcase_add_test(t, writes_of_other_threads_are_found);
  tcase_add_loop_test(t, random_writes_and_steps_end_in_an_equal_image, 0, 4);
  suite_add_tcase(s, t);
}

Suite *ram_wp_suite(void);

/* What a kernel that lacks it gets is in test_ram_wp_faults.c. */
Suite *ram_wp_suite(void) {
  Suite *s = suite_create("ram_wp");

  if (new_tracked_ram(0) == 0) {
    fake_remove(&box.registry);
    (void)sluice_ram_free(box.ram);
    add_core(s);
  } else {
    skip_rows("all", NO_GUARD);
  }
  return s;
}
