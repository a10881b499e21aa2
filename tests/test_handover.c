/* test_handover.c - a host in one process hands itself over to another, and
 * either is killed, stopped or refuses at any step. */
#include <sluice/handover.h>

#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "can_guard.h"
#include "handover_box.h"
#include "skip.h"
#include "suite.h"

/* _i: 0 pages are copied, 1 the memory is a memfd; 2, 3: the same, and the
 * kernel tracks what is written. */
#define KIND .is_memfd = _i % 2, .is_watched = _i / 2 != 0

static int is_beyond_kernel(int i) {
  return i >= 2 && !can_guard();
}

START_TEST(the_successor_serves_and_the_old_host_gives_up) {
  const box_plan_t plan = {KIND};
  box_board_t board;

  if (is_beyond_kernel(_i)) {
    skip(NO_GUARD);
    return;
  }
  box_run(&plan, &board);
  ck_assert_int_eq(board.old_status, 0);
  ck_assert_int_eq(board.new_status, 0);
  ck_assert_int_eq(board.old_end, BOX_GAVE_UP);
  ck_assert_int_eq(board.new_end, BOX_SERVES);
  ck_assert_int_eq(board.resumed, 0);
  ck_assert_uint_eq(board.passed, _i % 2 != 0 ? BOX_BYTES : 0);
}
END_TEST

START_TEST(messages_may_come_byte_by_byte) {
  const box_plan_t plan = {KIND, .piecemeal = 1};
  box_board_t board;

  box_run(&plan, &board);
  ck_assert_int_eq(board.old_end, BOX_GAVE_UP);
  ck_assert_int_eq(board.new_end, BOX_SERVES);
}
END_TEST

START_TEST(more_descriptors_than_one_message_takes_are_passed) {
  const box_plan_t plan = {KIND, .pipes = 600};
  box_board_t board;

  box_run(&plan, &board);
  ck_assert_int_eq(board.old_end, BOX_GAVE_UP);
  ck_assert_int_eq(board.new_end, BOX_SERVES);
}
END_TEST

START_TEST(a_successor_killed_at_any_step_leaves_one_host_or_had_said_it_runs) {
  for (unsigned step = 1;; step++) {
    const box_plan_t plan = {KIND, .kill_new = step};
    box_board_t board;

    box_run(&plan, &board);
    if (board.new_end == BOX_SERVES) {
      ck_assert_int_eq(board.old_end, BOX_GAVE_UP);
      ck_assert_uint_gt(step, 5);
      break;
    }
    ck_assert_msg(board.new_end == BOX_NONE, "step %u", step);
    /* It did not come to serve, so it has not said RUNNING; or it died in the
     * very step after. Nothing in between is a step. */
    ck_assert_msg(board.old_end == BOX_SERVES, "step %u", step);
    ck_assert_int_lt(board.old_status, 0);
  }
}
END_TEST

START_TEST(an_old_host_killed_at_any_step_leaves_one_host_once_all_is_there) {
  int has_served = 0;

  for (unsigned step = 1;; step++) {
    const box_plan_t plan = {KIND, .kill_old = step};
    box_board_t board;

    box_run(&plan, &board);
    if (board.old_end != BOX_NONE) {
      ck_assert_int_eq(board.old_end, BOX_GAVE_UP);
      ck_assert_int_eq(board.new_end, BOX_SERVES);
      break;
    }
    ck_assert_msg(board.new_end != BOX_NONE, "step %u", step);
    /* How much the old host says before the successor is prepared is a matter
     * of time: the same step may be an earlier one in the next run. */
    has_served = has_served || board.new_end == BOX_SERVES;
  }
  ck_assert(has_served);
}
END_TEST

START_TEST(a_successor_that_hangs_at_any_step_is_given_up) {
  box_board_t whole;
  unsigned steps;

  box_run(&(box_plan_t){KIND}, &whole);
  steps = whole.new_calls;
  for (unsigned step = 1; step <= steps + 1; step++) {
    const box_plan_t plan = {KIND, .stop_new = step};
    box_board_t board;

    box_run(&plan, &board);
    if (board.new_end == BOX_NONE) {
      ck_assert_msg(board.old_end == BOX_SERVES, "step %u", step);
    } else {
      ck_assert_msg(board.old_end == BOX_GAVE_UP, "step %u", step);
    }
  }
}
END_TEST

START_TEST(an_old_host_that_hangs_at_any_step_does_not_hold_up_the_successor) {
  int has_served = 0;

  for (unsigned step = 1;; step++) {
    const box_plan_t plan = {KIND, .stop_old = step};
    box_board_t board;

    box_run(&plan, &board);
    ck_assert_msg(board.new_end != BOX_NONE, "step %u", step);
    if (board.old_end != BOX_NONE) {
      ck_assert_int_eq(board.old_end, BOX_GAVE_UP);
      ck_assert_int_eq(board.new_end, BOX_SERVES);
      break;
    }
    has_served = has_served || board.new_end == BOX_SERVES;
  }
  ck_assert(has_served);
}
END_TEST

START_TEST(a_successor_that_talks_rubbish_is_given_up) {
  const box_plan_t plan = {KIND, .rubbish = 1};
  box_board_t board;

  if (is_beyond_kernel(_i)) {
    skip(NO_GUARD);
    return;
  }
  box_run(&plan, &board);
  ck_assert_int_eq(board.old_status, SLUICE_ECORRUPT);
  ck_assert_int_eq(board.old_end, BOX_SERVES);
}
END_TEST

START_TEST(a_successor_with_no_room_for_descriptors_is_refused_by_name) {
  const box_plan_t plan = {KIND, .pipes = 100, .no_files = 20};
  box_board_t board;

  box_run(&plan, &board);
  ck_assert_int_eq(board.new_status, UV_EMFILE);
  ck_assert_int_eq(board.old_status, UV_EMFILE);
  ck_assert_int_eq(board.old_end, BOX_SERVES);
  ck_assert_ptr_ne(strstr(board.old_message, "limit of open files"), NULL);
}
END_TEST

START_TEST(a_successor_that_says_no_leaves_the_old_host_as_it_was) {
  const box_plan_t plan = {KIND, .refuses = 1};
  box_board_t board;

  if (is_beyond_kernel(_i)) {
    skip(NO_GUARD);
    return;
  }
  box_run(&plan, &board);
  ck_assert_int_eq(board.new_status, SLUICE_EKIND);
  ck_assert_int_eq(board.old_status, SLUICE_EKIND);
  ck_assert_int_eq(board.resumed, 1);
  ck_assert_int_eq(board.old_end, BOX_SERVES);
  ck_assert_ptr_ne(strstr(board.old_message, "this is not for me"), NULL);
}
END_TEST

Suite *handover_suite(void) {
  Suite *s = suite_create("handover");
  TCase *core = tcase_create("core");
  TCase *faults = tcase_create("faults");

  tcase_add_loop_test(core, the_successor_serves_and_the_old_host_gives_up, 0,
                      4);
  tcase_add_loop_test(core, messages_may_come_byte_by_byte, 0, 2);
  tcase_add_loop_test(core, more_descriptors_than_one_message_takes_are_passed,
                      0, 2);
  tcase_add_loop_test(
      faults,
      a_successor_killed_at_any_step_leaves_one_host_or_had_said_it_runs, 0, 2);
  tcase_add_loop_test(
      faults, an_old_host_killed_at_any_step_leaves_one_host_once_all_is_there,
      0, 2);
  tcase_add_loop_test(faults, a_successor_that_hangs_at_any_step_is_given_up, 0,
                      2);
  tcase_add_loop_test(
      faults, an_old_host_that_hangs_at_any_step_does_not_hold_up_the_successor,
      0, 2);
  tcase_add_loop_test(faults, a_successor_that_talks_rubbish_is_given_up, 0, 4);
  tcase_add_loop_test(
      faults, a_successor_with_no_room_for_descriptors_is_refused_by_name, 0,
      2);
  tcase_add_loop_test(
      faults, a_successor_that_says_no_leaves_the_old_host_as_it_was, 0, 4);
  suite_add_tcase(s, core);
  suite_add_tcase(s, faults);
  return s;
}
