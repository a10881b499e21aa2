/* pause.c - the host's pause has an end: it may go on, or the save is stuck.
 *
 * Time alone would blame a host whose loop was held, or a machine that slept:
 * what counts are ticks of the loop in which nothing happened. */
#include "session/save/save.h"

enum { PAUSE_DEFAULT_MS = 30000 };

void sluice__save_resume_host(sluice_save_t *save) {
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
