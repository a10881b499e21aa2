/* steer.h - a restore that somebody else steers: the new side of a hand-over.
 * Loop thread. */
#ifndef SLUICE_SESSION_RESTORE_STEER_H
#define SLUICE_SESSION_RESTORE_STEER_H

#include <stdbool.h>

#include <sluice/restore.h>

#include "session/passing.h"

/* Right after sluice_restore_begin(): where its sections find descriptors.
 * `passing` is borrowed until the restore is over. */
void sluice__restore_steer(sluice_restore_t *restore,
                           const sluice__passing_t *passing);

/* Ends it with what is in `err`, unless it has failed already. */
void sluice__restore_give_up(sluice_restore_t *restore,
                             const sluice_error_t *err);

/* The stream had a section that is optional, and nobody's here. */
bool sluice__restore_has_skipped(const sluice_restore_t *restore);

#endif
