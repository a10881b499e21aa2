/* test_fault_messages.c - the messages of a hand-over, one of them altered:
 * each bit, each other order, each piece. Never a crash or a hang, never two
 * that serve, never none; what failed has a name, and nothing is left over. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "fault.h"
#include "handoff.h"
#include "open_files.h"
#include "relay.h"
#include "suite.h"
#include "sweep.h"
#include "tally.h"

enum { BAD_MAX = 20, STREAM_HEAD = 64, STREAM_STRIDE = 211 };

static const handoff_plan_t plans[] = {
    {"messages, memfd", WORLD_BLOBS | WORLD_RIGGED, OLD_SIDE, 0, 0},
    {"messages, copied", WORLD_RAM | WORLD_BLOBS, OLD_SIDE, 1, 0},
};

enum { PLANS = sizeof(plans) / sizeof(plans[0]) };

typedef struct sum_s {
  unsigned runs, bad;
} sum_t;

static const char *judge_named(const handoff_end_t *end) {
  return end->status == 0 || end->error.message[0] != '\0' ? NULL
                                                           : "no message";
}

/* A RUNNING that is altered, or made up, is beyond what can be found out; and
 * one whose message ends early is dead, whatever he does. */
static bool is_decisive(const alteration_t *a, const relay_t *r) {
  const relay_log_t *log = &r->ways[a->from].log;
  unsigned type = a->message < log->count ? log->types[a->message] : 0;

  return type == SLUICE__FRAME_RUNNING || a->kind == ALTER_TRUNCATE ||
         (a->kind == ALTER_INSERT && a->at == SLUICE__FRAME_RUNNING) ||
         (a->kind == ALTER_RETYPE && a->at == SLUICE__FRAME_RUNNING);
}

static const char *judge(handoff_t *h, const alteration_t *a,
                         const relay_t *r) {
  const char *bad = judge_named(&h->old);

  if (bad == NULL) {
    bad = judge_named(&h->new);
  }
  if (bad == NULL && r->was_altered && is_decisive(a, r) &&
      (h->old.status == 0) != (h->new.status == 0)) {
    return NULL;
  }
  return bad != NULL ? bad : handoff_judge(h);
}

static const char *run(const handoff_plan_t *plan, const alteration_t *a,
                       handoff_t *h, relay_t *r) {
  const char *bad;
  const char *left;

  handoff_open(h, plan);
  relay_open(r, h, a);
  fault_release();
  handoff_run(h);
  fault_disarm();
  bad = judge(h, a, r);
  relay_close(r, h);
  left = handoff_close(h);
  return bad != NULL ? bad : left;
}

static const char *run_counted(const handoff_plan_t *plan,
                               const alteration_t *a, handoff_t *h,
                               relay_t *r) {
  static const fault_t nothing = {"nothing", FAULT_NONE, STYLE_FAIL,
                                  0,         0,          false};
  long blocks = rig_blocks();
  long heap = rig_heap_blocks();
  unsigned descriptors = count_open_files();
  const char *bad;
  char text[200];

  (void)snprintf(text, sizeof(text), "%s; kind %d, side %d, message %u, at %zu",
                 plan->name, (int)a->kind, (int)a->from, a->message, a->at);
  fault_describe(text);
  fault_hold();
  fault_arm(&nothing, 0, FAULT_ONCE);
  bad = run(plan, a, h, r);
  if (bad == NULL && (rig_blocks() != blocks || rig_heap_blocks() != heap)) {
    bad = "a block is left";
  }
  if (bad == NULL && count_open_files() != descriptors) {
    bad = "a descriptor is left, or too many were closed";
  }
  return bad;
}

/* `may_pass`: it need not be found. */
static void try(const handoff_plan_t *plan, const alteration_t *a, int may_pass,
                sum_t *sum) {
  static handoff_t h; /* large */
  static relay_t r;
  const char *bad = run_counted(plan, a, &h, &r);

  sum->runs++;
  if (bad == NULL && !r.was_altered) {
    bad = "nothing was altered";
  }
  if (bad == NULL && !may_pass && h.old.status == 0 && h.new.status == 0) {
    bad = "nobody has noticed";
  }
  if (bad != NULL && sum->bad++ < BAD_MAX) {
    (void)printf("%s: %s (old %s: %s; new %s: %s)\n", fault_description(), bad,
                 sluice_err_name(h.old.status), h.old.error.message,
                 sluice_err_name(h.new.status), h.new.error.message);
    (void)fflush(stdout);
  }
}

/* What both sides say when nobody interferes. */
static void listen_to(const handoff_plan_t *plan, relay_log_t logs[2]) {
  static const alteration_t none = {ALTER_NOTHING, OLD_SIDE, 0, 0};
  static handoff_t h;
  static relay_t r;
  const char *bad = run_counted(plan, &none, &h, &r);

  ck_assert_msg(bad == NULL, "%s", bad);
  ck_assert_int_eq(h.old.status, 0);
  logs[OLD_SIDE] = r.ways[OLD_SIDE].log;
  logs[NEW_SIDE] = r.ways[NEW_SIDE].log;
}

static void each_message(const handoff_plan_t *plan,
                         void (*alter)(const handoff_plan_t *plan,
                                       alteration_t *a, const relay_log_t *log,
                                       sum_t *sum)) {
  relay_log_t logs[2];
  sum_t sum = {0};

  listen_to(plan, logs);
  for (int side = 0; side < 2; side++) {
    for (unsigned m = 0; m < logs[side].count; m++) {
      alteration_t a = {ALTER_NOTHING, (handoff_side_t)side, m, 0};

      alter(plan, &a, &logs[side], &sum);
    }
  }
  fault_tally(plan->name, 1, sum.runs, sum.bad);
  ck_assert_msg(sum.bad == 0, "%u bad of %u", sum.bad, sum.runs);
  ck_assert_uint_gt(sum.runs, 0);
}

/* What the host offers, and what memory is taken by, is not checked by us. */
static int is_free(const relay_log_t *log, unsigned message, size_t bit) {
  size_t byte = bit / 8;

  return (log->types[message] == SLUICE__FRAME_HELLO &&
          bit == (size_t)(SLUICE__FRAME_HEADER + 4) * 8) ||
         (log->types[message] == SLUICE__FRAME_OFFER &&
          byte >= SLUICE__FRAME_HEADER + SLUICE__FRAME_GREETING);
}

static void flip_bits(const handoff_plan_t *plan, alteration_t *a,
                      const relay_log_t *log, sum_t *sum) {
  size_t len = SLUICE__FRAME_HEADER + log->lens[a->message];
  size_t all = log->types[a->message] == SLUICE__FRAME_STREAM
                   ? SLUICE__FRAME_HEADER + STREAM_HEAD
                   : len;

  a->kind = ALTER_FLIP;
  for (a->at = 0; a->at < all * 8 && a->at < len * 8; a->at++) {
    if (!is_free(log, a->message, a->at)) {
      /* The bit by which a descriptor must be taken: it is taken without. */
      try(plan, a,
          log->types[a->message] == SLUICE__FRAME_PASS && a->at % 8 == 7, sum);
    } else if (log->types[a->message] == SLUICE__FRAME_HELLO) {
      try(plan, a, 1, sum);
    }
  }
  for (a->at = all * 8; a->at < len * 8; a->at += STREAM_STRIDE * 8 + 1) {
    try(plan, a, 0, sum);
  }
}

START_TEST(every_bit_of_a_message_counts) {
  each_message(&plans[_i], flip_bits);
}
END_TEST

static void disturb_order(const handoff_plan_t *plan, alteration_t *a,
                          const relay_log_t *log, sum_t *sum) {
  static const alteration_kind_t kinds[] = {ALTER_DROP, ALTER_REPEAT,
                                            ALTER_SWAP};

  for (int i = 0; i < 3; i++) {
    /* Nothing follows the last word, and who has heard it listens no more. */
    bool is_last = a->message + 1 == log->count;

    a->kind = kinds[i];
    try(plan, a, is_last && kinds[i] == ALTER_REPEAT, sum);
  }
}

START_TEST(messages_dropped_repeated_or_swapped_are_missed) {
  each_message(&plans[_i], disturb_order);
}
END_TEST

static void cut_short(const handoff_plan_t *plan, alteration_t *a,
                      const relay_log_t *log, sum_t *sum) {
  size_t len = SLUICE__FRAME_HEADER + log->lens[a->message];

  a->kind = ALTER_TRUNCATE;
  for (a->at = 0; a->at < len; a->at += a->at < 100 ? 1 : 997) {
    try(plan, a, 0, sum);
  }
}

START_TEST(messages_that_end_anywhere_end_the_hand_over) {
  each_message(&plans[_i], cut_short);
}
END_TEST

/* A word of the right form at the wrong time; at the right time it is true. */
static void say_more(const handoff_plan_t *plan, alteration_t *a,
                     const relay_log_t *log, sum_t *sum) {
  a->kind = ALTER_INSERT;
  for (a->at = SLUICE__FRAME_HELLO; a->at <= SLUICE__FRAME_PREPARED; a->at++) {
    int is_true =
        a->at == log->types[a->message] &&
        (a->at == SLUICE__FRAME_COMMIT || a->at == SLUICE__FRAME_READY ||
         a->at == SLUICE__FRAME_RUNNING);

    /* Descriptors that nobody asks for are closed; a RUNNING that follows is
     * true, whatever came before it. */
    try(plan, a,
        is_true || a->at == SLUICE__FRAME_PASS ||
            log->types[a->message] == SLUICE__FRAME_RUNNING,
        sum);
  }
  a->kind = ALTER_RETYPE;
  for (a->at = 0; a->at <= SLUICE__FRAME_PREPARED + 1; a->at++) {
    if (a->at != log->types[a->message]) {
      try(plan, a, 0, sum);
    }
  }
}

START_TEST(what_is_said_out_of_turn_ends_the_hand_over) {
  each_message(&plans[_i], say_more);
}
END_TEST

static void disturb_fds(const handoff_plan_t *plan, alteration_t *a,
                        const relay_log_t *log, sum_t *sum) {
  unsigned n = log->fds[a->message];

  a->kind = ALTER_ADD_FD;
  try(plan, a, 0, sum);
  if (n > 0) {
    a->kind = ALTER_DROP_FD;
    try(plan, a, 0, sum);
  }
  if (n > 1) {
    a->kind = ALTER_TURN_FDS;
    try(plan, a, 0, sum);
  }
}

START_TEST(descriptors_too_many_too_few_or_mixed_up_are_closed) {
  each_message(&plans[_i], disturb_fds);
}
END_TEST

Suite *fault_messages_suite(void);

Suite *fault_messages_suite(void) {
  Suite *s = suite_create("fault_messages");
  TCase *t = tcase_create("messages");

  tcase_add_checked_fixture(t, sweep_setup, sweep_teardown);
  tcase_add_loop_test(t, every_bit_of_a_message_counts, 0, PLANS);
  tcase_add_loop_test(t, messages_dropped_repeated_or_swapped_are_missed, 0,
                      PLANS);
  tcase_add_loop_test(t, messages_that_end_anywhere_end_the_hand_over, 0,
                      PLANS);
  tcase_add_loop_test(t, what_is_said_out_of_turn_ends_the_hand_over, 0, PLANS);
  tcase_add_loop_test(t, descriptors_too_many_too_few_or_mixed_up_are_closed, 0,
                      PLANS);
  suite_add_tcase(s, t);
  return s;
}
