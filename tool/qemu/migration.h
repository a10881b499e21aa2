/* migration.h - a transfer between a QEMU and us, and the machine around it.
 *
 * QEMU gets its end of a connection handed over its control socket: nothing has
 * a name in the file system, and it need not be allowed to open anything. Must
 * know no stream. */
#ifndef SLUICE_TOOL_QEMU_MIGRATION_H
#define SLUICE_TOOL_QEMU_MIGRATION_H

#include <stdbool.h>

#include "qemu/qmp.h"

typedef struct machine_state_s {
  char status[32]; /* QEMU's word: "running", "paused", "inmigrate", ... */
  bool is_running;
} machine_state_t;

int machine_query(qmp_t *q, machine_state_t *out, failure_t *f);

/* Is it KVM that runs it, rather than QEMU's emulator? */
int machine_is_kvm(qmp_t *q, bool *out, failure_t *f);

/* Lets a machine run that a transfer has left stopped, or waits until QEMU has
 * done so. */
int machine_resume(qmp_t *q, failure_t *f);

/* Begins one: `command` is "migrate" or "migrate-incoming". `*out_fd` is our
 * end, to be closed. */
int migration_begin(qmp_t *q, const char *command, int *out_fd, failure_t *f);

/* Waits until QEMU says that it has come to its end, whichever. Fails, in
 * QEMU's words, where that is none to be glad about. */
int migration_await(qmp_t *q, failure_t *f);

/* Stops one and waits until QEMU has. */
int migration_cancel(qmp_t *q, failure_t *f);

#endif
