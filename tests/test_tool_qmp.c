/* test_tool_qmp.c - checkpoint, with a QEMU that fails at every single command:
 * the machine runs, its settings are what they were, and nothing is left. */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "suite.h"
#include "tool/fake_qmp.h"
#include "tool/made.h"
#include "tool/rig.h"

static void setup(void) {
  rig_setup();
  made_sample("stream", SLUICE_FORMAT_QEMU3);
}

static ran_t checkpoint(const char *then) {
  return rig_run("checkpoint", "--qmp", "qmp", "-o", "image", "--then", then,
                 NULL);
}

static void verify_image(void) {
  ran_t r = rig_run("verify", "image", NULL);

  rig_expect(&r, 0, "");
}

static int count_lines(const char *text) {
  int n = 0;

  for (; *text != '\0'; text++) {
    n += *text == '\n';
  }
  return n;
}

START_TEST(a_checkpoint_leaves_everything_as_it_was) {
  fake_qmp_t q = {.stream = "stream"};
  fake_end_t end;
  ran_t r;

  fake_qmp_start(&q);
  r = checkpoint("resume");
  rig_expect(&r, 0, "does not run under KVM");
  end = fake_qmp_end(&q);
  ck_assert(end.is_running);
  ck_assert(end.is_as_it_was);
  verify_image();
}
END_TEST

START_TEST(what_the_machine_does_then_is_chosen) {
  fake_qmp_t q = {.stream = "stream"};
  fake_end_t end;
  ran_t r;

  fake_qmp_start(&q);
  r = checkpoint(_i == 0 ? "stop" : "quit");
  rig_expect(&r, 0, "");
  end = fake_qmp_end(&q);
  ck_assert(!end.is_running);
  ck_assert_int_eq(end.has_quit, _i);
  ck_assert(end.is_as_it_was || _i == 1);
  verify_image();
}
END_TEST

/* It said at least one line, and that is the error; one before may say that the
 * machine is stopped. */
static void check_words(const ran_t *r, fault_t fault) {
  ck_assert_int_eq(r->exit_code, fault == FAULT_INTERRUPT ? 128 + SIGINT : 1);
  ck_assert_int_ge(count_lines(r->err), 1);
  ck_assert_int_le(count_lines(r->err), 2);
  ck_assert_ptr_nonnull(strstr(r->err, "sluice: qmp: "));
}

/* Fails at command 1, 2, ... until none is left. */
static void sweep(fault_t fault, void (*check)(const fake_end_t *)) {
  for (int at = 1;; at++) {
    fake_qmp_t q = {.fault = fault, .at = at, .stream = "stream"};
    fake_end_t end;
    ran_t r;

    fake_qmp_start(&q);
    r = checkpoint("resume");
    end = fake_qmp_end(&q);
    if (end.commands < at) {
      rig_expect(&r, 0, "");
      ck_assert_int_gt(at, 12);
      return;
    }
    check_words(&r, fault);
    check(&end);
    ck_assert_int_lt(access("image", F_OK), 0);
    ran_done(&r);
  }
}

static void check_undone(const fake_end_t *end) {
  ck_assert_msg(end->is_running, "stopped after %d commands", end->commands);
  ck_assert_msg(end->is_as_it_was, "changed after %d commands", end->commands);
}

static void check_nothing(const fake_end_t *end) {
  (void)end;
}

START_TEST(a_refusal_of_any_command_is_undone) {
  sweep(FAULT_REFUSE, check_undone);
}
END_TEST

START_TEST(qemu_may_go_away_at_any_command) {
  sweep(FAULT_GONE, check_nothing);
}
END_TEST

START_TEST(what_is_no_answer_is_undone) {
  sweep(FAULT_GARBAGE, check_undone);
}
END_TEST

START_TEST(an_interrupt_at_any_command_is_undone) {
  sweep(FAULT_INTERRUPT, check_undone);
}
END_TEST

/* The number of the command "migrate" is not known here: all are tried. */
START_TEST(a_stream_that_breaks_off_is_undone) {
  int cut = 0;

  for (int at = 1; at < 16; at++) {
    fake_qmp_t q = {.fault = FAULT_CUT, .at = at, .stream = "stream"};
    fake_end_t end;
    ran_t r;

    fake_qmp_start(&q);
    r = checkpoint("stop");
    end = fake_qmp_end(&q);
    if (r.exit_code != 0) {
      cut++;
      ck_assert_ptr_nonnull(strstr(r.err, "offset"));
      check_undone(&end);
      ck_assert_int_lt(access("image", F_OK), 0);
    }
    ran_done(&r);
    (void)unlink("image");
  }
  ck_assert_int_eq(cut, 1);
}
END_TEST

START_TEST(an_image_that_cannot_be_written_is_undone) {
  fake_qmp_t q = {.stream = "stream"};
  ran_t r;

  fake_qmp_start(&q);
  r = rig_run("checkpoint", "--qmp", "qmp", "-o", "/dev/full", NULL);
  rig_expect(&r, 1, "/dev/full");
  {
    fake_end_t end = fake_qmp_end(&q);

    check_undone(&end);
  }
}
END_TEST

START_TEST(a_stream_that_is_refused_is_undone) {
  fake_qmp_t q = {.stream = "bad"};
  fake_end_t end;
  ran_t r;

  rig_write("bad", "no stream at all", 16);
  fake_qmp_start(&q);
  r = checkpoint("quit");
  rig_expect(&r, 1, "offset 0");
  end = fake_qmp_end(&q);
  check_undone(&end);
  ck_assert(!end.has_quit);
}
END_TEST

START_TEST(there_must_be_a_qemu) {
  ran_t r = checkpoint("resume");

  rig_expect(&r, 1, "cannot connect to QEMU");
}
END_TEST

Suite *tool_qmp_suite(void) {
  Suite *s = suite_create("tool_qmp");
  TCase *t = tcase_create("core");
  TCase *faults = tcase_create("faults");

  tcase_add_checked_fixture(t, setup, rig_teardown);
  tcase_add_test(t, a_checkpoint_leaves_everything_as_it_was);
  tcase_add_loop_test(t, what_the_machine_does_then_is_chosen, 0, 2);
  tcase_add_test(t, there_must_be_a_qemu);
  suite_add_tcase(s, t);
  tcase_add_checked_fixture(faults, setup, rig_teardown);
  tcase_add_test(faults, a_refusal_of_any_command_is_undone);
  tcase_add_test(faults, qemu_may_go_away_at_any_command);
  tcase_add_test(faults, what_is_no_answer_is_undone);
  tcase_add_test(faults, an_interrupt_at_any_command_is_undone);
  tcase_add_test(faults, a_stream_that_breaks_off_is_undone);
  tcase_add_test(faults, an_image_that_cannot_be_written_is_undone);
  tcase_add_test(faults, a_stream_that_is_refused_is_undone);
  suite_add_tcase(s, faults);
  return s;
}
