/* turn.c - measures turns. Knows nothing of what happens in them. */
#include "turn.h"

#include <string.h>

/* What clients may use of a turn, all together: with a slice of a save behind
 * it, a turn stays below a millisecond. */
static const uint64_t share_ns = 400000;

enum { STEPS_A_LOOK = 16 };

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
}

int turn_init(turn_t *t, uv_loop_t *loop) {
  memset(t, 0, sizeof(*t));
  (void)uv_loop_configure(loop, UV_METRICS_IDLE_TIME);
  uv_prepare_init(loop, &t->prepare);
  t->prepare.data = t;
  uv_unref((uv_handle_t *)&t->prepare); /* it only watches */
  return uv_prepare_start(&t->prepare, on_prepare);
}

void turn_close(turn_t *t) {
  uv_close((uv_handle_t *)&t->prepare, NULL);
}

bool turn_is_over(turn_t *t) {
  if (++t->steps % STEPS_A_LOOK != 0) {
    return false;
  }
  return t->began_ns != 0 && uv_hrtime() - t->began_ns > share_ns;
}

void turn_reset(turn_t *t) {
  t->longest_ns = 0;
}
