/* hook.h - judges what a handler's hook answered: is that one of its answers,
 * and does the section move on?
 *
 * A section that says MORE again and again and neither takes nor gives a byte
 * will do so for ever. Such steps are counted; only when there have been
 * `max_idle_steps` of them without a break, and they have taken IDLE_NS as
 * well, is the section stuck: a slow machine has no more of them than a fast
 * one, and one that waits for something quick by asking again is given the
 * time. */
#ifndef SLUICE_SESSION_HOOK_H
#define SLUICE_SESSION_HOOK_H

#include <stdbool.h>

#include "session/session.h"

/* `most` is the last of DONE, MORE, WAIT that `hook` may answer. What it
 * answered, or SLUICE_EHANDLER, which `err` explains. */
int sluice__hook_check(const char *hook, int r, int most, sluice_error_t *err);

/* The section primes: nothing is counted yet. */
static inline void sluice__hook_reset(sluice_section_t *section) {
  section->idle_steps = 0;
}

/* `hook` of `section` answered `r`; `moved`: bytes were taken or given.
 * `r`, or SLUICE_ESTUCK, which `err` explains. */
int sluice__hook_count(sluice_section_t *section, const sluice__session_t *s,
                       const char *hook, bool moved, int r,
                       sluice_error_t *err);

#endif
