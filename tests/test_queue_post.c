/* test_queue_post.c - wake-ups from other threads and from signal handlers. The
 * thread sanitizer is half of these tests. */
#include "queue.h"

#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "queue_rig.h"
#include "suite.h"

enum {
  PLENTY = 1 << 20,
  THREADS = 4,
  CONTS = 8,
  POSTS = 20000,
  LETTERS = 2000
};

static rig_t rig;
static job_t a, b, c;

static void setup(void) {
  rig_init(&rig, NULL);
  rig_job(&rig, &a, 'a', SLUICE__BULK, 100);
  rig_job(&rig, &b, 'b', SLUICE__BULK, 100);
  rig_job(&rig, &c, 'c', SLUICE__BULK, 100);
}

START_TEST(a_post_takes_effect_at_the_next_drain) {
  sluice__queue_post(&a.cont);
  ck_assert_uint_eq(rig.runnable_remote, 1);
  ck_assert_uint_eq(rig.runnable_local, 0);
  ck_assert(sluice__queue_is_runnable(&rig.queue));
  ck_assert_int_eq(sluice__cont_state(&a.cont), SLUICE__CONT_IDLE);
  (void)rig_drain(&rig, PLENTY);
  ck_assert_str_eq(rig_log(&rig), "a");
}
END_TEST

START_TEST(posts_are_taken_in_order_and_once) {
  sluice__queue_post(&b.cont);
  sluice__queue_post(&a.cont);
  sluice__queue_post(&b.cont);
  sluice__queue_post(&c.cont);
  (void)rig_drain(&rig, PLENTY);
  ck_assert_str_eq(rig_log(&rig), "bac");
}
END_TEST

static void post_itself(job_t *job, sluice__budget_t *unused) {
  (void)unused;
  sluice__queue_post(&job->cont);
}

START_TEST(a_post_during_its_own_step_runs_it_next_turn) {
  a.result = SLUICE__WAIT;
  a.act = post_itself;
  sluice__queue_wake(&a.cont);
  ck_assert_int_eq(rig_drain(&rig, PLENTY), SLUICE__MORE);
  a.act = NULL;
  ck_assert_int_eq(rig_drain(&rig, PLENTY), SLUICE__WAIT);
  ck_assert_str_eq(rig_log(&rig), "aa");
}
END_TEST

/* _i: the continuation is idle, ready or parked. */
START_TEST(a_posted_one_can_be_freed_after_its_cancel) {
  job_t *job = calloc(1, sizeof(*job));

  ck_assert_ptr_nonnull(job);
  rig_job(&rig, job, 'x', SLUICE__BULK, 100);
  job->result = SLUICE__WAIT;
  if (_i > 0) {
    sluice__queue_wake(&job->cont);
  }
  if (_i > 1) {
    (void)rig_drain(&rig, PLENTY);
  }
  sluice__queue_post(&a.cont);
  sluice__queue_post(&job->cont);
  sluice__queue_post(&b.cont);
  (void)rig_log(&rig);
  sluice__queue_cancel(&job->cont);
  ck_assert_uint_eq(job->cancels, _i > 0);
  free(job);
  (void)rig_log(&rig);
  (void)rig_drain(&rig, PLENTY);
  ck_assert_str_eq(rig_log(&rig), "ab");
}
END_TEST

START_TEST(cancel_all_takes_back_the_posts) {
  sluice__queue_post(&a.cont);
  sluice__queue_wake(&b.cont);
  sluice__queue_post(&b.cont);
  sluice__queue_cancel_all(&rig.queue);
  ck_assert(!sluice__queue_is_runnable(&rig.queue));
  ck_assert_str_eq(rig_log(&rig), "-b");
  sluice__queue_post(&a.cont);
  (void)rig_drain(&rig, PLENTY);
  ck_assert_str_eq(rig_log(&rig), "a");
}
END_TEST

static void on_signal(int number) {
  (void)number;
  sluice__queue_post(&a.cont);
}

START_TEST(a_signal_handler_may_post) {
  struct sigaction act;

  memset(&act, 0, sizeof(act));
  act.sa_handler = on_signal;
  ck_assert_int_eq(sigaction(SIGUSR1, &act, NULL), 0);
  ck_assert_int_eq(raise(SIGUSR1), 0);
  (void)rig_drain(&rig, PLENTY);
  ck_assert_str_eq(rig_log(&rig), "a");
}
END_TEST

/* Work handed over by many threads to a few continuations. */
typedef struct inbox_s {
  sluice__cont_t cont; /* first */
  atomic_uint in;
  unsigned taken;
} inbox_t;

static inbox_t inboxes[CONTS];
static atomic_uint posters;

static int inbox_step(sluice__cont_t *cont, sluice__budget_t *budget) {
  inbox_t *inbox = (inbox_t *)cont;

  (void)budget;
  inbox->taken += atomic_exchange_explicit(&inbox->in, 0, memory_order_relaxed);
  return SLUICE__WAIT;
}

static void *post_many(void *arg) {
  unsigned which = *(unsigned *)arg;

  for (unsigned i = 0; i < POSTS; i++) {
    inbox_t *inbox = &inboxes[(i + which) % CONTS];

    (void)atomic_fetch_add_explicit(&inbox->in, 1, memory_order_relaxed);
    sluice__queue_post(&inbox->cont);
  }
  (void)atomic_fetch_sub(&posters, 1);
  return NULL;
}

/* The rig's hook counts without a lock, so it is not for threads. */
static void start_threads(pthread_t *threads, unsigned *numbers,
                          void *(*body)(void *)) {
  rig.queue.on_runnable = NULL;
  atomic_store(&posters, THREADS);
  for (unsigned i = 0; i < THREADS; i++) {
    numbers[i] = i;
    ck_assert_int_eq(pthread_create(&threads[i], NULL, body, &numbers[i]), 0);
  }
}

static void drain_until_posted(void) {
  while (atomic_load(&posters) > 0 || sluice__queue_is_runnable(&rig.queue)) {
    if (rig_drain(&rig, PLENTY) != SLUICE__MORE) {
      (void)sched_yield();
    }
  }
}

static void join_threads(pthread_t *threads) {
  for (int i = 0; i < THREADS; i++) {
    ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
  }
}

START_TEST(no_post_of_many_threads_is_lost) {
  pthread_t threads[THREADS];
  unsigned numbers[THREADS];
  unsigned taken = 0;

  for (int i = 0; i < CONTS; i++) {
    sluice__cont_init(&inboxes[i].cont, &rig.queue, inbox_step, SLUICE__BULK,
                      100);
  }
  start_threads(threads, numbers, post_many);
  drain_until_posted();
  join_threads(threads);
  for (int i = 0; i < CONTS; i++) {
    taken += inboxes[i].taken;
  }
  ck_assert_uint_eq(taken, THREADS * POSTS);
}
END_TEST

/* Plain memory, written before the post: no lock but the queue orders it. */
typedef struct letter_s {
  sluice__cont_t cont; /* first */
  unsigned text;
} letter_t;

static unsigned read_letters;

static int letter_step(sluice__cont_t *cont, sluice__budget_t *budget) {
  letter_t *letter = (letter_t *)cont;

  (void)budget;
  read_letters += letter->text == 42;
  free(letter);
  return SLUICE__DONE;
}

static letter_t *letters[THREADS][LETTERS];

static void *post_letters(void *arg) {
  unsigned which = *(unsigned *)arg;

  for (int i = 0; i < LETTERS; i++) {
    letters[which][i]->text = 42;
    sluice__queue_post(&letters[which][i]->cont);
  }
  (void)atomic_fetch_sub(&posters, 1);
  return NULL;
}

START_TEST(what_was_written_before_a_post_is_seen_by_the_step) {
  pthread_t threads[THREADS];
  unsigned numbers[THREADS];

  for (int i = 0; i < THREADS * LETTERS; i++) {
    letter_t *letter = calloc(1, sizeof(*letter));

    ck_assert_ptr_nonnull(letter);
    sluice__cont_init(&letter->cont, &rig.queue, letter_step, SLUICE__BULK, 1);
    letters[i / LETTERS][i % LETTERS] = letter;
  }
  start_threads(threads, numbers, post_letters);
  drain_until_posted();
  join_threads(threads);
  ck_assert_uint_eq(read_letters, THREADS * LETTERS);
}
END_TEST

START_TEST(cancels_beside_posts_lose_nothing_of_the_others) {
  pthread_t threads[THREADS];
  unsigned numbers[THREADS];

  for (int i = 0; i < CONTS; i++) {
    sluice__cont_init(&inboxes[i].cont, &rig.queue, inbox_step, SLUICE__BULK,
                      100);
  }
  start_threads(threads, numbers, post_many);
  while (atomic_load(&posters) > 0) {
    sluice__queue_cancel(&inboxes[0].cont);
    (void)rig_drain(&rig, PLENTY);
  }
  join_threads(threads);
  (void)rig_drain(&rig, PLENTY);
  for (int i = 1; i < CONTS; i++) {
    ck_assert_uint_eq(inboxes[i].taken, THREADS * POSTS / CONTS);
  }
}
END_TEST

Suite *queue_post_suite(void) {
  Suite *s = suite_create("queue_post");
  TCase *tc = tcase_create("core");
  TCase *threads = tcase_create("threads");

  tcase_add_checked_fixture(tc, setup, NULL);
  tcase_add_test(tc, a_post_takes_effect_at_the_next_drain);
  tcase_add_test(tc, posts_are_taken_in_order_and_once);
  tcase_add_test(tc, a_post_during_its_own_step_runs_it_next_turn);
  tcase_add_loop_test(tc, a_posted_one_can_be_freed_after_its_cancel, 0, 3);
  tcase_add_test(tc, cancel_all_takes_back_the_posts);
  tcase_add_test(tc, a_signal_handler_may_post);
  suite_add_tcase(s, tc);
  tcase_add_checked_fixture(threads, setup, NULL);
  tcase_add_test(threads, no_post_of_many_threads_is_lost);
  tcase_add_test(threads, what_was_written_before_a_post_is_seen_by_the_step);
  tcase_add_test(threads, cancels_beside_posts_lose_nothing_of_the_others);
  suite_add_tcase(s, threads);
  return s;
}
