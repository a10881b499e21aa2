/* turn.c - measures turns. Knows nothing of what happens in them. */
#include "turn.h"

#include <string.h>
#include <time.h>

/* What clients may use of a turn, all together: with a slice of a save behind
 * it, a turn stays below a millisecond. */
static const uint64_t share_ns = 400000;

enum { STEPS_A_LOOK = 16 };

static uint64_t thread_ns(void) {
  struct timespec t;

  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void measure_cpu(turn_t *t) {
  uint64_t now = thread_ns();

  if (t->cpu_ns != 0 && now - t->cpu_ns > t->longest_cpu_ns) {
    t->longest_cpu_ns = now - t->cpu_ns;
  }
  t->cpu_ns = now;
}

static void begin_round(turn_t *t) {
  if (!t->has_left_out) {
    t->round++;
  }
  t->has_left_out = false;
}

/* For turns in which no client was served. */
static void on_check(uv_check_t *check) {
  turn_t *t = check->data;

  if (t->woke_ns == 0) {
    t->woke_ns = uv_hrtime();
  }
}

/* Checks run in the reverse order of their starts: to be before that of an
 * engine, this one is started anew. */
static void expect_wait(turn_t *t) {
  (void)uv_check_stop(&t->check);
  (void)uv_check_start(&t->check, on_check);
}

/* From one end to the next; or, where the loop may have waited, from the first
 * that was done then. Asking libuv how long it has waited (its metrics) costs a
 * system call a turn: 3 to 5 % of the requests a second of clients that do not
 * pipeline. */
static void on_prepare(uv_prepare_t *prepare) {
  turn_t *t = prepare->data;
  uint64_t now = uv_hrtime();
  uint64_t from = t->may_wait ? t->woke_ns : t->ended_ns;

  if (from != 0 && now - from > t->longest_ns) {
    t->longest_ns = now - from;
  }
  t->ended_ns = now;
  t->woke_ns = 0;
  t->began_ns = 0;
  t->may_wait = uv_backend_timeout(prepare->loop) != 0;
  if (t->may_wait) {
    expect_wait(t);
  }
  begin_round(t);
  if (t->is_timed) {
    measure_cpu(t);
  }
}

int turn_init(turn_t *t, uv_loop_t *loop) {
  memset(t, 0, sizeof(*t));
  t->round = 1;
  uv_prepare_init(loop, &t->prepare);
  uv_check_init(loop, &t->check);
  t->prepare.data = t;
  t->check.data = t;
  uv_unref((uv_handle_t *)&t->prepare); /* they only watch */
  uv_unref((uv_handle_t *)&t->check);
  return uv_prepare_start(&t->prepare, on_prepare);
}

void turn_close(turn_t *t) {
  uv_close((uv_handle_t *)&t->prepare, NULL);
  uv_close((uv_handle_t *)&t->check, NULL);
}

static bool is_used_up(const turn_t *t) {
  return t->began_ns != 0 && uv_hrtime() - t->began_ns > share_ns;
}

bool turn_is_over(turn_t *t) {
  return ++t->steps % STEPS_A_LOOK == 0 && is_used_up(t);
}

bool turn_take(turn_t *t, unsigned *served) {
  if (*served == t->round) {
    return false;
  }
  if (is_used_up(t)) {
    t->has_left_out = true;
    return false;
  }
  *served = t->round;
  return true;
}

void turn_reset(turn_t *t, bool is_timed) {
  t->longest_ns = 0;
  t->longest_cpu_ns = is_timed ? 0 : t->longest_cpu_ns;
  t->is_timed = is_timed;
  t->cpu_ns = 0;
}
