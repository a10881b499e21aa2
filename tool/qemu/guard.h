/* guard.h - a second process that sets a machine going again should the first
 * be killed.
 *
 * A machine that was stopped to be taken must not stay so because somebody, or
 * the kernel out of memory, has killed the tool with a signal that cannot be
 * handled. The guard does nothing but wait for that. Must know no stream. */
#ifndef SLUICE_TOOL_QEMU_GUARD_H
#define SLUICE_TOOL_QEMU_GUARD_H

#include <stdbool.h>
#include <sys/types.h>

#include "qemu/qmp.h"
#include "qemu/settings.h"

typedef struct guard_s {
  pid_t pid; /* 0: there is none */
  int fd;    /* closed by our death, and so the guard knows */
} guard_t;

/* Everything is borrowed and copied. Before any thread is made. Where no
 * process can be made there is no guard, and everything else goes on. */
void guard_begin(guard_t *g, const qmp_t *q, const settings_t *s,
                 bool was_running);

/* There is nothing to guard any more. Fine without one, and twice. */
void guard_end(guard_t *g);

#endif
