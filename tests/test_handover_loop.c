/* test_handover_loop.c - both sides of a hand-over on one loop, guests of one
 * engine; and what is refused before anything has begun. */
#include <sluice/descriptors.h>
#include <sluice/handover.h>

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "handover/frame.h"
#include "rig.h"
#include "suite.h"
#include "toy.h"

static struct {
  rig_t rig;
  sluice_registry_t *other; /* the successor's */
  toy_t from, to;
  int sockets[2];
  sluice_handover_t *handover;
  sluice_takeover_t *takeover;
  unsigned old_done, new_done;
  int old_status, new_status;
} box;

static void setup(void) {
  memset(&box, 0, sizeof(box));
  rig_init(&box.rig);
  box.other = rig_registry(&box.rig);
  toy_init(&box.from, box.rig.registry, "toy", 3000, 1);
  toy_init(&box.to, box.other, "toy", 3000, 2);
  ck_assert_int_eq(
      socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, box.sockets), 0);
}

static void teardown(void) {
  ck_assert_int_eq(sluice_registry_free(box.other), 0);
  rig_done(&box.rig);
  toy_done(&box.from);
  toy_done(&box.to);
}

static void close_sockets(void) {
  (void)close(box.sockets[0]);
  (void)close(box.sockets[1]);
}

static char old_message[256];

static void on_handed_over(sluice_handover_t *h, int status) {
  (void)snprintf(old_message, sizeof(old_message), "%s",
                 sluice_handover_error(h)->message);
  box.old_done++;
  box.old_status = status;
  ck_assert_int_eq(sluice_handover_free(h), 0);
}

static void on_taken_over(sluice_takeover_t *t, int status) {
  box.new_done++;
  box.new_status = status;
  ck_assert_int_eq(sluice_takeover_free(t), 0);
}

/* Both are at work: a machine may be too busy for what is a deadline. */
enum { PATIENCE_MS = 1000000 };

typedef int (*check_fn)(sluice_takeover_t *t, sluice_error_t *err);

static int begin_old(int socket) {
  const sluice_handover_options_t o = {.size = sizeof(o),
                                       .timeout_ms = PATIENCE_MS};

  return sluice_handover_begin(&box.handover, box.rig.engine, box.rig.registry,
                               socket, &o, on_handed_over, NULL);
}

static int begin_new_and(int socket, check_fn check) {
  const sluice_takeover_options_t o = {
      .size = sizeof(o), .timeout_ms = PATIENCE_MS, .check = check};

  return sluice_takeover_begin(&box.takeover, box.rig.engine, box.other, socket,
                               &o, on_taken_over, NULL);
}

static int begin_new(int socket) {
  return begin_new_and(socket, NULL);
}

static void run_both(void) {
  ck_assert_int_eq(begin_old(box.sockets[0]), 0);
  ck_assert_int_eq(begin_new(box.sockets[1]), 0);
  rig_run(&box.rig);
  ck_assert_uint_eq(box.old_done, 1);
  ck_assert_uint_eq(box.new_done, 1);
}

START_TEST(both_hosts_may_be_guests_of_one_engine) {
  run_both();
  ck_assert_int_eq(box.old_status, 0);
  ck_assert_int_eq(box.new_status, 0);
  ck_assert(toy_equal(&box.from, &box.to));
}
END_TEST

START_TEST(what_runs_cannot_be_freed_and_ends_both_when_it_is_cancelled) {
  ck_assert_int_eq(begin_old(box.sockets[0]), 0);
  ck_assert_int_eq(begin_new(box.sockets[1]), 0);
  ck_assert_int_eq(sluice_handover_free(box.handover), UV_EBUSY);
  ck_assert_int_eq(sluice_takeover_free(box.takeover), UV_EBUSY);
  if (_i == 0) {
    sluice_handover_cancel(box.handover);
  } else {
    sluice_takeover_cancel(box.takeover);
  }
  rig_run(&box.rig);
  ck_assert_uint_eq(box.old_done, 1);
  ck_assert_uint_eq(box.new_done, 1);
  ck_assert_int_lt(box.old_status, 0);
  ck_assert_int_lt(box.new_status, 0);
  ck_assert_uint_eq(box.to.commits, 0);
}
END_TEST

START_TEST(nothing_can_be_freed_as_often_as_one_likes) {
  ck_assert_int_eq(sluice_handover_free(NULL), 0);
  ck_assert_int_eq(sluice_takeover_free(NULL), 0);
  close_sockets();
}
END_TEST

START_TEST(only_a_unix_stream_socket_will_do) {
  int ends[2];

  ck_assert_int_eq(
      _i == 0 ? pipe(ends)
              : socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends),
      0);
  ck_assert_int_eq(begin_old(ends[0]), UV_EINVAL);
  ck_assert_int_eq(begin_new(ends[1]), UV_EINVAL);
  ck_assert_int_eq(close(ends[0]), 0); /* what was refused was not taken */
  ck_assert_int_eq(close(ends[1]), 0);
  close_sockets();
}
END_TEST

START_TEST(arguments_that_make_no_sense_are_refused) {
  static const uint8_t offer[SLUICE_OFFER_MAX + 1];
  const sluice_handover_options_t o = {
      .size = sizeof(o), .offer = offer, .offer_len = sizeof(offer)};

  ck_assert_int_eq(sluice_handover_begin(&box.handover, box.rig.engine,
                                         box.rig.registry, box.sockets[0], &o,
                                         on_handed_over, NULL),
                   UV_EINVAL);
  ck_assert_int_eq(sluice_handover_begin(&box.handover, box.rig.engine,
                                         box.rig.registry, box.sockets[0], NULL,
                                         NULL, NULL),
                   UV_EINVAL);
  ck_assert_int_eq(sluice_takeover_begin(&box.takeover, box.rig.engine,
                                         box.other, box.sockets[1], NULL, NULL,
                                         NULL),
                   UV_EINVAL);
  run_both(); /* and nothing has happened */
  ck_assert_int_eq(box.new_status, 0);
}
END_TEST

START_TEST(an_engine_that_closes_takes_no_guests) {
  ck_assert_int_eq(sluice_engine_close(box.rig.engine, NULL, NULL), 0);
  ck_assert_int_eq(begin_old(box.sockets[0]), SLUICE_ESTATE);
  ck_assert_int_eq(begin_new(box.sockets[1]), SLUICE_ESTATE);
  ck_assert_int_eq(
      sluice_engine_new(&box.rig.engine, &box.rig.loop, NULL, NULL), 0);
  close_sockets();
}
END_TEST

START_TEST(a_section_that_fails_at_the_end_fails_the_hand_over_by_its_code) {
  toy_fail(&box.from, TOY_SAVE_FINISH, 1, UV_EIO);
  run_both();
  ck_assert_int_eq(box.old_status, UV_EIO);
  ck_assert_int_lt(box.new_status, 0);
  ck_assert_uint_eq(box.to.commits, 0);
}
END_TEST

static int say_no(sluice_takeover_t *t, sluice_error_t *err) {
  (void)t;
  (void)err;
  return UV_EPERM; /* and not why */
}

START_TEST(a_successor_that_refuses_without_a_word_is_given_one) {
  ck_assert_int_eq(begin_old(box.sockets[0]), 0);
  ck_assert_int_eq(begin_new_and(box.sockets[1], say_no), 0);
  rig_run(&box.rig);
  ck_assert_int_eq(box.new_status, UV_EPERM);
  ck_assert_int_eq(box.old_status, UV_EPERM);
  ck_assert_ptr_nonnull(strstr(old_message, sluice_strerror(UV_EPERM)));
  ck_assert_uint_eq(box.to.commits, 0);
}
END_TEST

/* ---- how long is waited ---- */

START_TEST(a_host_may_wait_without_a_deadline_or_with_its_own) {
  const sluice_save_options_t save = {.size = sizeof(save),
                                      .downtime_us = 50000};
  const sluice_handover_options_t old = {.size = sizeof(old),
                                         .timeout_ms = PATIENCE_MS,
                                         .prepare_ms =
                                             _i == 0 ? UINT32_MAX : PATIENCE_MS,
                                         .save = &save};
  const sluice_takeover_options_t new = {.size = sizeof(new),
                                         .timeout_ms = PATIENCE_MS,
                                         .stall_ms = _i == 0 ? UINT32_MAX
                                                             : PATIENCE_MS};

  ck_assert_int_eq(sluice_handover_begin(&box.handover, box.rig.engine,
                                         box.rig.registry, box.sockets[0], &old,
                                         on_handed_over, NULL),
                   0);
  ck_assert_int_eq(sluice_takeover_begin(&box.takeover, box.rig.engine,
                                         box.other, box.sockets[1], &new,
                                         on_taken_over, NULL),
                   0);
  rig_run(&box.rig);
  ck_assert_int_eq(box.old_status, 0);
  ck_assert_int_eq(box.new_status, 0);
  ck_assert(toy_equal(&box.from, &box.to));
}
END_TEST

static uint64_t hasten(void *ctx) {
  static uint64_t ns;

  (void)ctx;
  return ns += 1000 * 1000;
}

static int list_none(void *data, int is_first, sluice_descriptor_t *out,
                     sluice_error_t *err) {
  (void)data;
  (void)is_first;
  (void)out;
  (void)err;
  return 0;
}

/* Each look at the clock is a slice later: a call has no time from the start.
 */
START_TEST(a_list_is_written_though_there_is_never_any_time) {
  const sluice_descriptors_options_t o = {.size = sizeof(o), .next = list_none};
  sluice_descriptors_t *list;
  sluice_save_t *save;
  sluice_sink_t *sink;
  void *image = NULL;
  size_t len;

  rig_clock = hasten;
  rig_renew(&box.rig);
  ck_assert_int_eq(
      sluice_descriptors_new(&list, box.rig.registry, "list", NULL, &o, NULL),
      0);
  ck_assert_int_eq(sluice_sink_memory(&sink, SIZE_MAX, &image, &len), 0);
  ck_assert_int_eq(sluice_save_begin(&save, box.rig.engine, box.rig.registry,
                                     sink, NULL, rig_on_saved, NULL),
                   0);
  for (int turn = 0; turn < 10000; turn++) {
    (void)uv_run(&box.rig.loop, UV_RUN_NOWAIT);
  }
  ck_assert_uint_eq(box.rig.callbacks, 1);
  ck_assert_int_eq(box.rig.status, 0);
  ck_assert_int_eq(sluice_registry_remove(box.rig.registry, "list", 0), 0);
  ck_assert_int_eq(sluice_descriptors_free(list), 0);
  free(image);
  close_sockets();
}
END_TEST

/* ---- a message that the kernel does not take, and a host that dies ---- */

static struct {
  sluice__frame_type_t type; /* which message; 0: none */
  int has_come;
  int peer;       /* the other host's socket, to die by */
  int read_error; /* of whoever reads then; 0: the end */
} stuck;

ssize_t __real_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __real_recvmsg(int fd, struct msghdr *message, int flags);
ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags);

static sluice__frame_type_t type_of(const struct msghdr *message) {
  const uint8_t *header = message->msg_iov[0].iov_base;

  return (sluice__frame_type_t)header[4];
}

ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags) {
  if (stuck.type != 0 && (stuck.has_come || type_of(message) == stuck.type)) {
    if (!stuck.has_come) {
      ck_assert_int_eq(shutdown(stuck.peer, SHUT_RDWR), 0);
    }
    stuck.has_come = 1;
    errno = EAGAIN;
    return -1;
  }
  return __real_sendmsg(fd, message, flags);
}

ssize_t __wrap_recvmsg(int fd, struct msghdr *message, int flags) {
  if (stuck.has_come && stuck.read_error != 0) {
    errno = stuck.read_error;
    return -1;
  }
  return __real_recvmsg(fd, message, flags);
}

static void run_until_stuck(sluice__frame_type_t type, int read_error) {
  memset(&stuck, 0, sizeof(stuck));
  stuck.type = type;
  stuck.read_error = read_error;
  stuck.peer = dup(box.sockets[0]);
  run_both();
  ck_assert(stuck.has_come);
  ck_assert_int_eq(close(stuck.peer), 0);
}

START_TEST(an_old_host_that_dies_before_it_is_told_of_all_is_not_succeeded) {
  run_until_stuck(SLUICE__FRAME_READY, 0);
  ck_assert_int_eq(box.new_status, UV_ECONNRESET);
  ck_assert_uint_eq(box.to.commits, 0);
}
END_TEST

START_TEST(an_old_host_that_dies_before_it_hears_running_is_succeeded) {
  run_until_stuck(SLUICE__FRAME_RUNNING, 0);
  ck_assert_int_eq(box.new_status, 0);
  ck_assert_uint_eq(box.to.commits, 1);
}
END_TEST

/* It may live: so nobody is told that this is the host. */
START_TEST(a_socket_that_breaks_before_running_is_heard_is_told) {
  run_until_stuck(SLUICE__FRAME_RUNNING, EIO);
  ck_assert_int_eq(box.new_status, UV_EIO);
}
END_TEST

/* ---- descriptors of a section ---- */

static int (*next_finish)(void *self, sluice_writer_t *w, sluice_error_t *err);
static char long_tag[SLUICE_NAME_MAX + 2];
static int passed_as[3];

static int pass_badly(void *self, sluice_writer_t *w, sluice_error_t *err) {
  memset(long_tag, 'x', sizeof(long_tag) - 1);
  passed_as[0] = sluice_section_pass(box.from.section, "", 0);
  passed_as[1] = sluice_section_pass(box.from.section, long_tag, 0);
  passed_as[2] = sluice_section_pass(box.from.section, "tag", -1);
  return next_finish(self, w, err);
}

START_TEST(a_descriptor_that_is_none_or_has_no_name_is_not_passed) {
  next_finish = box.from.handler.save_finish;
  box.from.handler.save_finish = pass_badly;
  ck_assert_int_eq(sluice_section_pass(box.from.section, "tag", 0), UV_ENOTSUP);
  run_both();
  for (int i = 0; i < 3; i++) {
    ck_assert_int_eq(passed_as[i], UV_EINVAL);
  }
  ck_assert_int_eq(box.old_status, 0);
  ck_assert(toy_equal(&box.from, &box.to));
}
END_TEST

Suite *handover_loop_suite(void) {
  Suite *s = suite_create("handover_loop");
  TCase *t = tcase_create("core");

  tcase_add_checked_fixture(t, setup, teardown);
  tcase_add_test(t, both_hosts_may_be_guests_of_one_engine);
  tcase_add_loop_test(
      t, what_runs_cannot_be_freed_and_ends_both_when_it_is_cancelled, 0, 2);
  tcase_add_test(t, nothing_can_be_freed_as_often_as_one_likes);
  tcase_add_loop_test(t, only_a_unix_stream_socket_will_do, 0, 2);
  tcase_add_test(t, arguments_that_make_no_sense_are_refused);
  tcase_add_test(t, an_engine_that_closes_takes_no_guests);
  tcase_add_test(
      t, a_section_that_fails_at_the_end_fails_the_hand_over_by_its_code);
  tcase_add_test(t, a_successor_that_refuses_without_a_word_is_given_one);
  tcase_add_loop_test(t, a_host_may_wait_without_a_deadline_or_with_its_own, 0,
                      2);
  tcase_add_test(t, a_list_is_written_though_there_is_never_any_time);
  tcase_add_test(
      t, an_old_host_that_dies_before_it_is_told_of_all_is_not_succeeded);
  tcase_add_test(t, an_old_host_that_dies_before_it_hears_running_is_succeeded);
  tcase_add_test(t, a_socket_that_breaks_before_running_is_heard_is_told);
  tcase_add_test(t, a_descriptor_that_is_none_or_has_no_name_is_not_passed);
  suite_add_tcase(s, t);
  return s;
}
