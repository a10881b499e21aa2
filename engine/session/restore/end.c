/* end.c - how a restore ends: one path for success, failure, cancel. */
#include "session/restore/restore.h"

#include "io/source.h"

void sluice__restore_end_sections(sluice_restore_t *restore, int status) {
  for (sluice_section_t *at = restore->session.registry->first; at != NULL;
       at = at->next) {
    sluice__section_stage_t stage = at->stage;

    sluice__stash_free(&restore->session.mem, &at->stash);
    at->session = NULL;
    at->stage = SLUICE__SECTION_IDLE;
    if (stage != SLUICE__SECTION_IDLE && stage != SLUICE__SECTION_PRIMED) {
      at->handler->restore_end(at->self, status);
    }
  }
}

void sluice__restore_fail(sluice__session_t *s) {
  sluice_restore_t *restore = (sluice_restore_t *)s;

  sluice__late_drop(restore->file.late); /* before its memory goes */
  restore->file.late = NULL;
  sluice__restore_end_sections(restore, s->error.code);
  (void)sluice__ahead_stop(&restore->file.ahead);
  if (restore->file.job.is_busy) {
    sluice__file_job_cancel(&restore->file.job);
  } else if (restore->is_source_busy && !restore->is_cancelled) {
    restore->is_cancelled = true;
    sluice__source_cancel(restore->source);
  }
}

bool sluice__restore_settle(sluice__session_t *s) {
  sluice_restore_t *restore = (sluice_restore_t *)s;

  if (!sluice__ahead_stop(&restore->file.ahead) || restore->is_source_busy) {
    return false; /* its callback wakes the turn */
  }
  sluice_decoder_free(restore->decoder);
  restore->decoder = NULL;
  sluice__restore_file_close(restore);
  if (!sluice__restore_goes_on(restore)) {
    sluice__restore_close_source(restore);
  }
  return true;
}

void sluice__restore_deliver(sluice__session_t *s) {
  sluice_restore_t *restore = (sluice_restore_t *)s;

  if (sluice__restore_goes_on(restore)) {
    sluice__restore_go_on(restore);
    return;
  }
  restore->cb(restore, s->error.code); /* last touch: it may be freed here */
}
