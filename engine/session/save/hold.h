/* hold.h - a save that somebody else steers: the old side of a hand-over.
 *
 *   begun --> held --> released --> over
 *               \_________/ fails when the holder says so
 *
 * A held save sends, but does not pause the host: the pause would be spent
 * waiting for a successor that is not prepared. The holder gets the descriptors
 * of sections. Loop thread. */
#ifndef SLUICE_SESSION_SAVE_HOLD_H
#define SLUICE_SESSION_SAVE_HOLD_H

#include <stdbool.h>

#include <sluice/save.h>

#include "session/passing.h"

/* Right after sluice_save_begin(). `passing` is borrowed until the save is
 * over. */
void sluice__save_hold(sluice_save_t *save, const sluice__passing_t *passing);
/* `ctx` of that. */
void *sluice__save_holder(const sluice_save_t *save);
/* It may pause the host from now on. */
void sluice__save_release(sluice_save_t *save);

/* Ends it with what is in `err`, unless it has failed already. */
void sluice__save_give_up(sluice_save_t *save, const sluice_error_t *err);
bool sluice__save_has_failed(const sluice_save_t *save);

#endif
