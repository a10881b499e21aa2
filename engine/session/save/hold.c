/* hold.c - see hold.h. */
#include "session/save/hold.h"

#include "session/save/save.h"

void sluice__save_hold(sluice_save_t *save, const sluice__passing_t *passing) {
  save->session.passing = passing;
  save->is_held = true;
}

void *sluice__save_holder(const sluice_save_t *save) {
  return save->session.passing->ctx;
}

void sluice__save_release(sluice_save_t *save) {
  save->is_held = false;
  sluice__session_wake(&save->session);
}

void sluice__save_give_up(sluice_save_t *save, const sluice_error_t *err) {
  sluice__session_fail(&save->session, err->code, NULL,
                       save->session.bytes_done, err);
}

bool sluice__save_has_failed(const sluice_save_t *save) {
  return save->session.error.code != 0;
}
