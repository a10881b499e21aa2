/* steer.c - see steer.h. */
#include "session/restore/steer.h"

#include "session/restore/restore.h"

void sluice__restore_steer(sluice_restore_t *restore,
                           const sluice__passing_t *passing) {
  restore->session.passing = passing;
}

void sluice__restore_give_up(sluice_restore_t *restore,
                             const sluice_error_t *err) {
  sluice__session_fail(&restore->session, err->code, NULL,
                       restore->session.bytes_done, err);
}

bool sluice__restore_has_skipped(const sluice_restore_t *restore) {
  return restore->load.has_skipped;
}
