/* hook.c - see hook.h. */
#include "session/hook.h"

#define IDLE_NS UINT64_C(5000000000)

int sluice__hook_check(const char *hook, int r, int most, sluice_error_t *err) {
  return r <= most
             ? r
             : sluice_fail(err, SLUICE_EHANDLER, "%s answered %d", hook, r);
}

int sluice__hook_count(sluice_section_t *section, const sluice__session_t *s,
                       const char *hook, bool moved, int r,
                       sluice_error_t *err) {
  if (moved || r != SLUICE_MORE) {
    section->idle_steps = 0;
    return r;
  }
  if (section->idle_steps++ == 0) {
    section->idle_ns = sluice__pump_now(&s->engine->pump);
  }
  if (section->idle_steps < s->max_idle_steps || s->max_idle_steps == 0 ||
      sluice__pump_now(&s->engine->pump) - section->idle_ns < IDLE_NS) {
    return r;
  }
  return sluice_fail(err, SLUICE_ESTUCK,
                     "%s said MORE %lu times, and no byte was moved", hook,
                     (unsigned long)section->idle_steps);
}
