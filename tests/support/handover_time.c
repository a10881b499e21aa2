/* handover_time.c - see handover_time.h. */
#include "handover_time.h"

#include <signal.h>

#include "require.h"

static uv_signal_t other_hangs;
static uv_prepare_t hurry;
static uint64_t hangs_since_ns;

static void end_deadline(uv_handle_t *handle, void *data) {
  uv_timer_t *timer = (uv_timer_t *)handle;

  (void)data;
  if (handle->type == UV_TIMER && uv_is_active(handle) &&
      uv_timer_get_due_in(timer) > BOX_DEADLINE_MS / 2) {
    uv_timer_set_repeat(timer, 1);
    REQUIRE(uv_timer_again(timer) == 0);
  }
}

static void end_deadlines(uv_prepare_t *prepare) {
  uv_walk(prepare->loop, end_deadline, NULL);
}

static void on_other_hangs(uv_signal_t *handle, int number) {
  (void)handle;
  (void)number;
  hangs_since_ns = uv_hrtime();
  (void)uv_prepare_start(&hurry, end_deadlines);
}

/* The engine's deadlines are over soon: what is a millisecond was ten seconds.
 */
uint64_t box_now(void *ctx) {
  uint64_t t = uv_hrtime();

  (void)ctx;
  return hangs_since_ns == 0 ? t : t + (t - hangs_since_ns) * 10000;
}

static void mask_signal(int how) {
  sigset_t set;

  (void)sigemptyset(&set);
  (void)sigaddset(&set, SIGUSR1);
  REQUIRE(sigprocmask(how, &set, NULL) == 0);
}

void box_open_time(uv_loop_t *loop) {
  (void)uv_prepare_init(loop, &hurry);
  (void)uv_signal_init(loop, &other_hangs);
  REQUIRE(uv_signal_start(&other_hangs, on_other_hangs, SIGUSR1) == 0);
  uv_unref((uv_handle_t *)&hurry);
  uv_unref((uv_handle_t *)&other_hangs);
  mask_signal(SIG_UNBLOCK);
}

void box_close_time(void) {
  mask_signal(SIG_BLOCK);
  uv_close((uv_handle_t *)&hurry, NULL);
  uv_close((uv_handle_t *)&other_hangs, NULL);
}

/* The signal waits until somebody listens. */
void box_prepare_time(void) {
  mask_signal(SIG_BLOCK);
}

void box_end_time(pid_t pid) {
  REQUIRE(kill(pid, SIGUSR1) == 0);
}
