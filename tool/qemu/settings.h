/* settings.h - what must be set in a QEMU for a transfer, and set back after
 * it.
 *
 * Invariant: whatever is changed is noted before it is changed. */
#ifndef SLUICE_TOOL_QEMU_SETTINGS_H
#define SLUICE_TOOL_QEMU_SETTINGS_H

#include <stdint.h>

#include "qemu/qmp.h"

typedef struct settings_s {
  json_t *capabilities; /* as they were: what is changed; NULL: nothing */
  json_t *parameters;
  json_t *wanted_capabilities; /* as they are to be */
  json_t *wanted_parameters;
} settings_t;

/* Both only look, and note what is to be changed.
 *
 * Every capability that changes the stream into one we do not read is switched
 * off, events are switched on. */
int settings_for_incoming(settings_t *s, qmp_t *q, failure_t *f);

/* The same, and at full speed without encryption. `downtime_ms` 0: as it is. */
int settings_for_outgoing(settings_t *s, qmp_t *q, uint64_t downtime_ms,
                          failure_t *f);

int settings_apply(const settings_t *s, qmp_t *q, failure_t *f);

/* Sets back what was changed; fine if nothing was, and twice. What could not be
 * set back is still known. */
int settings_restore(settings_t *s, qmp_t *q, failure_t *f);

/* Forgets it all: the QEMU has gone, say. */
void settings_drop(settings_t *s);

#endif
