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

/* From one end to the next, less what the loop has waited in between. */
static void on_prepare(uv_prepare_t *prepare) {
  turn_t *t = prepare->data;
  uint64_t now = uv_hrtime();
  uint64_t idle = uv_metrics_idle_time(prepare->loop);
  uint64_t busy = now - t->ended_ns - (idle - t->idle_ns);

  if (t->ended_ns != 0 && busy > t->longest_ns) {
    t->longest_ns = busy;
  }
  t->ended_ns = now;
  t->idle_ns = idle;
  t->began_ns = 0;
  begin_round(t);
  if (t->is_timed) {
    measure_cpu(t);
  }
}

int turn_init(turn_t *t, uv_loop_t *loop) {
  memset(t, 0, sizeof(*t));
  t->round = 1;
  (void)uv_loop_configure(loop, UV_METRICS_IDLE_TIME);
  uv_prepare_init(loop, &t->prepare);
  t->prepare.data = t;
  uv_unref((uv_handle_t *)&t->prepare); /* it only watches */
  return uv_prepare_start(&t->prepare, on_prepare);
}

void turn_close(turn_t *t) {
  uv_close((uv_handle_t *)&t->prepare, NULL);
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
