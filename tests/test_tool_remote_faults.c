/* test_tool_remote_faults.c - receive and send, when either end goes away in
 * the middle: the other says so, ends, and leaves nothing behind. */
#include <check.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "qemu.h"
#include "suite.h"
#include "tool/machines.h"
#include "tool/rig.h"

enum { PC = 1, MOMENTS = 16, STEP_US = 900 };

static job_t begin_receive(const char *to) {
  job_t job = rig_begin("receive", "unix:out", "-o", to, NULL);
  char line[256];

  rig_line(&job, line, sizeof(line));
  ck_assert_ptr_nonnull(strstr(line, "unix:out"));
  return job;
}

static void expect_nothing(void) {
  ck_assert_int_eq(rig_leftovers(), 0);
  ck_assert_int_lt(access("image", F_OK), 0);
  ck_assert_int_lt(access("out", F_OK), 0);
}

static int try_connect(const char *path) {
  struct sockaddr_un at = {.sun_family = AF_UNIX};
  union {
    struct sockaddr_un *own;
    struct sockaddr *any;
  } address = {&at};
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

  (void)snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
  if (connect(fd, address.any, sizeof(at)) < 0) {
    (void)close(fd);
    return -1;
  }
  return fd;
}

static int connect_to(const char *path) {
  int fd = try_connect(path);

  ck_assert_int_ge(fd, 0);
  return fd;
}

static void hang_up(void) {
  int fd = try_connect("out");

  if (fd >= 0) {
    (void)close(fd);
  }
}

static void push(int fd, const uint8_t *data, size_t len) {
  while (len > 0) {
    ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

    ck_assert_int_gt(n, 0);
    data += n;
    len -= (size_t)n;
  }
}

static void take_stream(build_t *stream) {
  qemu_t q;

  free(machines_start(PC, &q));
  ck_assert_str_eq(qemu_save(&q, ".", stream), "completed");
  qemu_quit(&q);
}

/* Densely where the headers are, then everywhere. */
static size_t next_cut(size_t at, size_t len) {
  return at < 96 ? at + 7 : at + len / 60 + 1;
}

START_TEST(a_stream_that_is_cut_leaves_no_image) {
  build_t stream = {0};

  take_stream(&stream);
  for (size_t at = 1; at < stream.len; at = next_cut(at, stream.len)) {
    job_t job = begin_receive("image");
    int fd = connect_to("out");
    ran_t r;

    push(fd, stream.data, at);
    (void)close(fd);
    r = rig_await(&job);
    rig_expect(&r, 1, "offset");
    expect_nothing();
  }
  build_done(&stream);
}
END_TEST

static void pass_time(uint32_t us) {
  const struct timespec t = {.tv_nsec = (long)us * 1000};

  (void)nanosleep(&t, NULL);
}

static void expect_running(qemu_t *q) {
  json_t *said;
  int is_running;

  do { /* QEMU tells of the failure before the machine goes on */
    said = qemu_command(q, "query-status", NULL);
    is_running = json_is_true(json_object_get(said, "running"));
    json_decref(said);
  } while (!is_running);
}

/* An end that comes too late is none: then the image is whole. */
static void drop_whole_image(void) {
  if (access("image", F_OK) == 0) {
    ran_t r = rig_run("verify", "image", NULL);

    rig_expect(&r, 0, "");
    (void)unlink("image");
  }
}

START_TEST(a_machine_goes_on_when_its_receiver_is_killed) {
  static const int deadly[] = {SIGTERM, SIGKILL};
  qemu_t q;

  free(machines_start(PC, &q));
  for (uint32_t i = 0; i < MOMENTS; i++) {
    job_t job = begin_receive("image");
    ran_t r;

    qemu_do(&q, "cont", NULL);
    qemu_migrate(&q, "unix:out");
    pass_time(i * STEP_US);
    (void)kill(job.pid, deadly[_i]);
    r = rig_await(&job);
    if (r.exit_code != 0 && strcmp(qemu_await(&q), "failed") == 0) {
      expect_running(&q);
    }
    ck_assert(r.exit_code == 0 || r.exit_code == 128 + deadly[_i]);
    ran_done(&r);
    if (deadly[_i] == SIGKILL) {
      (void)unlink("out"); /* that alone is left: the next one replaces it */
    }
    if (r.exit_code == 0) {
      (void)qemu_await(&q);
    }
    drop_whole_image();
    expect_nothing();
  }
  qemu_quit(&q);
}
END_TEST

START_TEST(a_receiver_ends_when_qemu_is_killed) {
  for (uint32_t i = 0; i < MOMENTS / 2; i++) {
    job_t job = begin_receive("image");
    qemu_t q;
    ran_t r;

    free(machines_start(PC, &q));
    qemu_migrate(&q, "unix:out");
    pass_time(i * STEP_US);
    qemu_quit(&q);
    hang_up(); /* it may not have connected */
    r = rig_await(&job);
    ck_assert_int_le(r.exit_code, 1);
    ran_done(&r);
    drop_whole_image();
    expect_nothing();
  }
}
END_TEST

START_TEST(a_sender_ends_when_qemu_is_killed) {
  build_t stream = {0};

  take_stream(&stream);
  rig_write("stream", stream.data, stream.len);
  for (uint32_t i = 0; i < MOMENTS / 2; i++) {
    qemu_t q;
    job_t job;
    ran_t r;

    machines_await(PC, &q, "unix:in");
    job = rig_begin("send", "stream", "unix:in", NULL);
    pass_time(i * STEP_US);
    qemu_quit(&q);
    r = rig_await(&job);
    ck_assert_int_le(r.exit_code, 1);
    ran_done(&r);
    (void)unlink("in");
  }
  build_done(&stream);
}
END_TEST

START_TEST(a_damaged_file_is_not_taken_for_sent) {
  build_t stream = {0};
  qemu_t q;
  ran_t r;

  take_stream(&stream);
  rig_write("stream", stream.data, stream.len / 2);
  machines_await(PC, &q, "unix:in");
  r = rig_run("send", "stream", "unix:in", NULL);
  rig_expect(&r, 1, "offset");
  qemu_quit(&q);
  build_done(&stream);
}
END_TEST

START_TEST(nobody_there_is_an_error) {
  static const char begun[] = "QEVM\0\0\0\3\7\0\0\0\4none\0";
  ran_t r;

  rig_write("stream", begun, sizeof(begun));
  r = rig_run("send", "stream", "unix:in", NULL);
  rig_expect(&r, 1, "cannot connect");
  r = rig_run("send", "missing", "unix:in", NULL);
  rig_expect(&r, 1, "missing");
}
END_TEST

/* Root has a small disk of its own; others may not write large files. */
static bool make_small_disk(void) {
  const struct rlimit small = {.rlim_cur = 65536, .rlim_max = RLIM_INFINITY};

  ck_assert_int_eq(mkdir("disk", 0700), 0);
  if (mount("none", "disk", "tmpfs", 0, "size=64k") == 0) {
    return true;
  }
  (void)signal(SIGXFSZ, SIG_IGN);
  ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
  return false;
}

START_TEST(a_machine_goes_on_when_the_disk_is_full) {
  bool is_mounted;
  job_t job;
  qemu_t q;
  ran_t r;

  free(machines_start(PC, &q));
  qemu_do(&q, "cont", NULL);
  /* A small machine has been sent before the first of it is written: QEMU has
   * to be told whether that went well. */
  qemu_do(&q, "migrate-set-capabilities", "{s:[{s:s, s:b}]}", "capabilities",
          "capability", "return-path", "state", 1);
  is_mounted = make_small_disk();
  job = begin_receive("disk/image");
  qemu_migrate(&q, "unix:out");
  r = rig_await(&job);
  rig_expect(&r, 1, is_mounted ? "ENOSPC" : "EFBIG");
  ck_assert_str_eq(qemu_await(&q), "failed");
  expect_running(&q);
  ck_assert_int_lt(access("disk/image", F_OK), 0);
  qemu_quit(&q);
  if (is_mounted) {
    ck_assert_int_eq(umount2("disk", MNT_DETACH), 0);
  }
  (void)rmdir("disk");
}
END_TEST

Suite *tool_remote_faults_suite(void) {
  Suite *s = suite_create("tool_remote_faults");
  TCase *t = tcase_create("faults");

  tcase_add_checked_fixture(t, rig_setup, rig_teardown);
  tcase_add_test(t, a_stream_that_is_cut_leaves_no_image);
  tcase_add_loop_test(t, a_machine_goes_on_when_its_receiver_is_killed, 0, 2);
  tcase_add_test(t, a_receiver_ends_when_qemu_is_killed);
  tcase_add_test(t, a_sender_ends_when_qemu_is_killed);
  tcase_add_test(t, a_damaged_file_is_not_taken_for_sent);
  tcase_add_test(t, nobody_there_is_an_error);
  tcase_add_test(t, a_machine_goes_on_when_the_disk_is_full);
  suite_add_tcase(s, t);
  return s;
}
