/* takeover.h - what the two files of the new side share.
 *
 *   takeover.c         who says what when, and how it ends
 *   takeover_source.c  the source that the restore reads from: the socket; and
 *                      the descriptors that have come beside it
 *
 *   OFFER --> STREAM --> COMMIT --> COMMITTING --> TOLD --> over
 *                           \___________/ the old one has died: no need to tell
 *
 * OFFER and COMMIT wait for that message, STREAM and COMMITTING for the
 * restore, TOLD until RUNNING is with the kernel, or, if it cannot be, to learn
 * why: the old host goes on (FAIL), or is dead (the end of input without it).
 *
 * Invariant: the callback says 0 only after RUNNING was taken by the kernel, or
 * when the old host has died after READY was. */
#ifndef SLUICE_HANDOVER_TAKEOVER_H
#define SLUICE_HANDOVER_TAKEOVER_H

#include <stdbool.h>

#include <sluice/handover.h>

#include "handover/channel.h"
#include "handover/passed.h"
#include "session/passing.h"

typedef enum sluice__takeover_state_e {
  SLUICE__TAKEOVER_OFFER,
  SLUICE__TAKEOVER_STREAM,
  SLUICE__TAKEOVER_COMMIT,
  SLUICE__TAKEOVER_COMMITTING,
  SLUICE__TAKEOVER_TOLD,
  SLUICE__TAKEOVER_OVER
} sluice__takeover_state_t;

struct sluice_takeover_s {
  sluice_alloc_t alloc;
  sluice_takeover_options_t options;
  sluice_takeover_cb cb;
  sluice_engine_t *engine;
  sluice_registry_t *registry;
  sluice_restore_t *restore; /* NULL: not begun, or over */
  sluice__channel_t *channel;
  sluice__passing_t passing;
  sluice__arrivals_t arrivals;
  sluice__takeover_state_t state;
  bool has_ended;    /* the socket: nothing more can come */
  bool old_goes_on;  /* it has said FAIL */
  bool is_cancelled; /* the host's wish, for the next turn */
  sluice_error_t error;
  sluice_takeover_stats_t stats;
};

/* takeover_source.c */
extern const sluice_source_ops_t sluice__takeover_source;
/* Keeps the descriptors of a PASS message. */
int sluice__takeover_keep(sluice_takeover_t *t, const sluice__frame_t *frame,
                          const uint8_t *entries, sluice_error_t *err);
int sluice__takeover_take(void *ctx, const sluice_section_t *section,
                          const char *tag);
/* All that had to be taken was. */
int sluice__takeover_check_taken(sluice_takeover_t *t, sluice_error_t *err);

#endif
