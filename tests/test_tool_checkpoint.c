/* test_tool_checkpoint.c - checkpoint and restore of a guest that counts: it
 * goes on from exactly where it was, here and in another QEMU, whatever happens
 * to whom in the middle. */
#include <check.h>
#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "qemu.h"
#include "suite.h"
#include "tool/machines.h"
#include "tool/rig.h"

static const char *const control[] = {"-qmp", "unix:qmp,server=on,wait=off",
                                      NULL};
static const char *const waiting[] = {"-qmp", "unix:qmp2,server=on,wait=off",
                                      "-incoming", "defer", NULL};

static void start_counting(qemu_t *q) {
  machines_start_guest(q, "serial", control);
  machines_await_lines("serial", 200);
}

static char *settings_of(qemu_t *q) {
  json_t *all =
      json_pack("[o, o]", qemu_command(q, "query-migrate-capabilities", NULL),
                qemu_command(q, "query-migrate-parameters", NULL));
  char *text = json_dumps(all, JSON_SORT_KEYS);

  json_decref(all);
  return text;
}

static void expect_status(qemu_t *q, const char *expected) {
  json_t *said = qemu_command(q, "query-status", NULL);

  ck_assert_str_eq(json_string_value(json_object_get(said, "status")),
                   expected);
  json_decref(said);
}

static void checkpoint(const char *how, const char *then) {
  ran_t r = rig_run("checkpoint", "--qmp", "qmp", "-o", "image", how, "--then",
                    then, NULL);

  rig_expect(&r, 0, "");
}

static void restore(const char *path, const char *said, int exit_code) {
  ran_t r = rig_run("restore", path, "--qmp", "qmp2", NULL);

  rig_expect(&r, exit_code, said);
}

static const char *const ways[] = {"--stopped", "--live"};

START_TEST(the_count_goes_on_in_another_qemu) {
  unsigned long last;
  qemu_t q;

  start_counting(&q);
  checkpoint(ways[_i], "quit");
  qemu_quit(&q);
  last = machines_check_count(NULL, "serial", 1);
  machines_start_guest(&q, "again", waiting);
  restore("image", "", 0);
  expect_status(&q, "running");
  machines_await_lines("again", 200);
  qemu_quit(&q);
  ck_assert_uint_gt(machines_check_count("serial", "again", 1), last + 100);
}
END_TEST

START_TEST(the_machine_itself_goes_on) {
  char *before;
  char *after;
  qemu_t q;

  start_counting(&q);
  before = settings_of(&q);
  for (int i = 0; i < 3; i++) {
    checkpoint(ways[_i], "resume");
    expect_status(&q, "running");
    machines_await_lines("serial", 200);
  }
  after = settings_of(&q);
  ck_assert_str_eq(before, after);
  qemu_quit(&q);
  (void)machines_check_count(NULL, "serial", 1);
  free(before);
  free(after);
}
END_TEST

static uint32_t count_in_image(void) {
  ran_t r = rig_run("extract", "image", "region", "pc.ram", "-o", "x", NULL);
  uint32_t low = UINT32_MAX;
  uint32_t high = 0;
  char *ram;

  rig_expect(&r, 0, "");
  ram = rig_read("x", NULL);
  for (size_t i = 0; i < GUEST_PAGES; i++) {
    uint32_t n;

    memcpy(&n, ram + GUEST_AT + i * 4096, sizeof(n));
    low = n < low ? n : low;
    high = n > high ? n : high;
  }
  ck_assert_uint_le(high - low, 1); /* in the middle of a lap at most */
  free(ram);
  return high;
}

/* Where the first whole line begins: the image may be of the middle of one. */
static char *first_line(char *text) {
  char *end = strchr(text, '\n');

  ck_assert_ptr_nonnull(end);
  return end - text == 8 ? text : end + 1;
}

/* The image is of one instant, and the machine's twin goes on from there while
 * the machine does. */
START_TEST(a_twin_goes_on_beside_the_machine) {
  unsigned long first;
  unsigned long count;
  qemu_t twin;
  qemu_t q;
  char *text;

  start_counting(&q);
  checkpoint(ways[_i], "resume");
  machines_start_guest(&twin, "again", waiting);
  restore("image", "", 0);
  machines_await_lines("again", 200);
  machines_await_lines("serial", 200);
  qemu_quit(&twin);
  qemu_quit(&q);
  (void)machines_check_count(NULL, "serial", 1);
  text = rig_read("again", NULL);
  rig_write("whole", first_line(text), strlen(first_line(text)));
  first = strtoul(first_line(text), NULL, 16);
  count = count_in_image();
  ck_assert_uint_ge(first, count);
  ck_assert_uint_le(first, count + 1);
  (void)machines_check_count(NULL, "whole", first);
  free(text);
}
END_TEST

START_TEST(a_machine_that_stood_still_stays_so) {
  qemu_t q;

  start_counting(&q);
  qemu_do(&q, "stop", NULL);
  checkpoint("--stopped", "resume");
  expect_status(&q, "postmigrate");
  qemu_quit(&q);
  machines_start_guest(&q, "again", waiting);
  restore("image", "", 0);
  expect_status(&q, "paused");
  qemu_quit(&q);
}
END_TEST

START_TEST(a_machine_that_shall_stop_stops_and_can_go_on) {
  qemu_t q;

  start_counting(&q);
  checkpoint("--stopped", "stop");
  expect_status(&q, "postmigrate");
  qemu_do(&q, "cont", NULL);
  machines_await_lines("serial", 100);
  qemu_quit(&q);
  (void)machines_check_count(NULL, "serial", 1);
}
END_TEST

START_TEST(capabilities_that_are_in_the_way_are_off_meanwhile) {
  static const char *const names[] = {"multifd", "release-ram", "return-path",
                                      "xbzrle", "pause-before-switchover"};
  char *before;
  char *after;
  qemu_t q;

  start_counting(&q);
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    qemu_do(&q, "migrate-set-capabilities", "{s:[{s:s,s:b}]}", "capabilities",
            "capability", names[i], "state", 1);
  }
  before = settings_of(&q);
  checkpoint("--live", "resume");
  after = settings_of(&q);
  ck_assert_str_eq(before, after);
  machines_await_lines("serial", 200);
  qemu_quit(&q);
  (void)machines_check_count(NULL, "serial", 1);
  free(before);
  free(after);
}
END_TEST

/* What cannot be. */

START_TEST(a_machine_does_not_take_anothers_state) {
  qemu_t q;

  start_counting(&q);
  checkpoint("--stopped", "quit");
  qemu_quit(&q);
  qemu_start(&q, machine_kinds[2].args, waiting);
  restore("image", "QEMU did not take it", 1);
  qemu_quit(&q);
}
END_TEST

START_TEST(restore_wants_a_qemu_that_waits) {
  qemu_t q;
  ran_t r;

  start_counting(&q);
  checkpoint("--stopped", "resume");
  r = rig_run("restore", "image", "--qmp", "qmp", NULL);
  rig_expect(&r, 1, "-incoming defer");
  expect_status(&q, "running");
  qemu_quit(&q);
}
END_TEST

START_TEST(a_damaged_image_is_not_restored) {
  size_t len;
  char *data;
  qemu_t q;

  start_counting(&q);
  checkpoint("--stopped", "quit");
  qemu_quit(&q);
  data = rig_read("image", &len);
  data[len / 2] ^= 1;
  rig_write("image", data, len);
  free(data);
  machines_start_guest(&q, "again", waiting);
  restore("image", "offset", 1);
  qemu_quit(&q);
}
END_TEST

/* Ends in the middle, at as many moments as there is time for. */

static void pass_time(uint32_t us) {
  const struct timespec t = {.tv_nsec = (long)us * 1000};

  (void)nanosleep(&t, NULL);
}

static job_t begin_checkpoint(const char *to) {
  return rig_begin("checkpoint", "--qmp", "qmp", "-o", to, "--stopped", NULL);
}

enum { MOMENTS = 24, STEP_US = 700 };

/* However it ends: a second process may still be at it after a SIGKILL. */
static void await_running(qemu_t *q) {
  int is_running;

  do {
    json_t *said = qemu_command(q, "query-status", NULL);

    is_running = json_is_true(json_object_get(said, "running"));
    json_decref(said);
  } while (!is_running);
}

START_TEST(the_machine_goes_on_when_the_tool_is_killed) {
  static const int deadly[] = {SIGKILL, SIGINT, SIGTERM};
  char *before;
  char *after;
  qemu_t q;

  start_counting(&q);
  before = settings_of(&q);
  for (uint32_t i = 0; i < MOMENTS; i++) {
    job_t job = begin_checkpoint("image");
    ran_t r;

    pass_time(i * STEP_US);
    (void)kill(job.pid, deadly[_i]);
    r = rig_await(&job); /* and for the second process, which says nothing */
    ck_assert_msg(r.exit_code == 0 || r.exit_code == 128 + deadly[_i],
                  "exit %d, said: %s", r.exit_code, r.err);
    if (r.exit_code == 0) {
      ck_assert_int_eq(access("image", F_OK), 0);
    }
    await_running(&q);
    ck_assert_int_eq(rig_leftovers(), 0);
    ran_done(&r);
    (void)unlink("image");
  }
  machines_await_lines("serial", 200);
  after = settings_of(&q);
  ck_assert_str_eq(before, after);
  qemu_quit(&q);
  (void)machines_check_count(NULL, "serial", 1);
  free(before);
  free(after);
}
END_TEST

START_TEST(qemu_may_be_killed_at_any_moment) {
  for (uint32_t i = 0; i < MOMENTS / 2; i++) {
    qemu_t q;
    job_t job;
    ran_t r;

    start_counting(&q);
    job = begin_checkpoint("image");
    pass_time(i * STEP_US * 2);
    qemu_quit(&q);
    r = rig_await(&job);
    ck_assert_int_eq(r.exit_code, r.exit_code == 0 ? 0 : 1);
    ck_assert_int_eq(access("image", F_OK), r.exit_code == 0 ? 0 : -1);
    ck_assert_int_eq(rig_leftovers(), 0);
    ran_done(&r);
    (void)unlink("image");
    (void)unlink("serial");
  }
}
END_TEST

/* Root has a small disk of its own; others may not write large files. */
static void fill_disk(qemu_t *q) {
  bool is_mounted = mkdir("disk", 0700) == 0 &&
                    mount("none", "disk", "tmpfs", 0, "size=64k") == 0;
  struct rlimit whole;
  ran_t r;

  ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &whole), 0);
  if (!is_mounted) {
    const struct rlimit small = {.rlim_cur = 65536, .rlim_max = whole.rlim_max};

    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    (void)signal(SIGXFSZ, SIG_IGN);
  }
  r = rig_run("checkpoint", "--qmp", "qmp", "-o", "disk/image", NULL);
  ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &whole), 0);
  ck_assert_int_eq(access("disk/image", F_OK), -1);
  rig_expect(&r, 1, is_mounted ? "ENOSPC" : "EFBIG");
  expect_status(q, "running");
  if (is_mounted) {
    ck_assert_int_eq(umount2("disk", MNT_DETACH), 0);
  }
  (void)rmdir("disk");
}

START_TEST(a_full_disk_leaves_the_machine_running) {
  qemu_t q;

  start_counting(&q);
  fill_disk(&q);
  machines_await_lines("serial", 200);
  checkpoint("--stopped", "resume");
  qemu_quit(&q);
  (void)machines_check_count(NULL, "serial", 1);
}
END_TEST

Suite *tool_checkpoint_suite(void) {
  Suite *s = suite_create("tool_checkpoint");
  TCase *t = tcase_create("core");
  TCase *faults = tcase_create("faults");

  tcase_add_checked_fixture(t, rig_setup, rig_teardown);
  tcase_add_loop_test(t, the_count_goes_on_in_another_qemu, 0, 2);
  tcase_add_loop_test(t, the_machine_itself_goes_on, 0, 2);
  tcase_add_loop_test(t, a_twin_goes_on_beside_the_machine, 0, 2);
  tcase_add_test(t, a_machine_that_stood_still_stays_so);
  tcase_add_test(t, a_machine_that_shall_stop_stops_and_can_go_on);
  tcase_add_test(t, capabilities_that_are_in_the_way_are_off_meanwhile);
  tcase_add_test(t, a_machine_does_not_take_anothers_state);
  tcase_add_test(t, restore_wants_a_qemu_that_waits);
  tcase_add_test(t, a_damaged_image_is_not_restored);
  suite_add_tcase(s, t);
  tcase_add_checked_fixture(faults, rig_setup, rig_teardown);
  tcase_add_loop_test(faults, the_machine_goes_on_when_the_tool_is_killed, 0,
                      3);
  tcase_add_test(faults, qemu_may_be_killed_at_any_moment);
  tcase_add_test(faults, a_full_disk_leaves_the_machine_running);
  suite_add_tcase(s, faults);
  return s;
}
