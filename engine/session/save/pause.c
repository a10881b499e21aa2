/* pause.c - the host's pause has an end: it may go on, the save is stuck, or
 * the pause is longer than the host allows.
 *
 * For being stuck, time alone would blame a host whose loop was held, or a
 * machine that slept: what counts are ticks of the loop in which nothing
 * happened. What a host allows is time, whoever took it. */
#include "session/save/save.h"

#include <inttypes.h>

enum { PAUSE_DEFAULT_MS = 30000 };

#define NS_PER_US UINT64_C(1000)

/* UINT64_MAX: any time. */
static uint64_t longest_ns(const sluice_save_t *save) {
  uint64_t us = save->options.downtime_max_us;

  return us == 0 || us > UINT64_MAX / 2 / NS_PER_US ? UINT64_MAX
                                                    : us * NS_PER_US;
}

void sluice__save_pause_begins(sluice_save_t *save) {
  uint64_t longest = longest_ns(save);

  save->paused_ns = sluice__save_now(save);
  if (longest != UINT64_MAX) {
    save->pause_end.cont = &save->session.turn;
    sluice__pump_delay(&save->session.engine->pump, &save->pause_end,
                       save->paused_ns + longest + 1);
  }
}

bool sluice__save_would_be_too_long(const sluice_save_t *save, uint64_t us) {
  return save->options.downtime_max_us != 0 &&
         us > save->options.downtime_max_us;
}

bool sluice__save_pause_is_too_long(sluice_save_t *save) {
  sluice_error_t err = {.offset = SLUICE_OFFSET_NONE};
  uint64_t took;

  if (save->state != SLUICE__SAVE_PAUSING &&
      save->state != SLUICE__SAVE_PAUSED) {
    return false;
  }
  took = sluice__save_now(save) - save->paused_ns;
  if (took <= longest_ns(save)) {
    return false;
  }
  (void)sluice_fail(&err, SLUICE_ENOCONVERGE,
                    "the pause takes %" PRIu64 " us, and may take %" PRIu64,
                    took / NS_PER_US, save->options.downtime_max_us);
  sluice__session_fail(&save->session, SLUICE_ENOCONVERGE, NULL,
                       save->session.bytes_done, &err);
  return true;
}

void sluice__save_resume_host(sluice_save_t *save) {
  sluice__pump_undelay(&save->session.engine->pump, &save->pause_end);
  if (save->is_host_paused) {
    save->is_host_paused = false;
    if (save->options.resume != NULL) {
      save->options.resume(save);
    }
  }
}

static uint32_t ticks_allowed(const sluice_save_t *save) {
  uint32_t ms = save->options.pause_ms;

  return (ms == 0 ? PAUSE_DEFAULT_MS : ms) / SLUICE__TICK_MS;
}

static void fail(sluice_save_t *save) {
  sluice_error_t err = {.offset = SLUICE_OFFSET_NONE};

  (void)sluice_fail(&err, SLUICE_ESTUCK,
                    save->state == SLUICE__SAVE_PAUSING
                        ? "the host was asked to pause and did not answer"
                        : "the host is paused and no byte was moved");
  sluice__session_fail(&save->session, SLUICE_ESTUCK, NULL,
                       save->session.bytes_done, &err);
}

void sluice__save_tick(sluice__session_t *s) {
  sluice_save_t *save = (sluice_save_t *)s;
  uint64_t moved = save->worked + save->direct.offset;

  if (!save->is_host_paused || moved != save->pause_moved) {
    save->pause_moved = moved;
    save->pause_ticks = 0;
  } else if (save->options.pause_ms != UINT32_MAX &&
             ++save->pause_ticks > ticks_allowed(save)) {
    fail(save);
  }
}
