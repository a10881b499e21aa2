/* after.c - what follows the commit, and in which order it is told.
 *
 *   cb --> [late pages: damaged...] --> filled
 *      --> [verification: damaged...] --> verified
 *
 * One behind the other: while pages are missing the disk is theirs, and what
 * could not be read is known when the file is verified, so no page is told
 * twice. The last that the host is owed is the end: there it may free. */
#include "session/restore/restore.h"

#include <uv.h>

#include "io/source.h"

static bool verifies(const sluice_restore_t *restore) {
  return restore->options.way == SLUICE_RESTORE_MAPPED_VERIFY;
}

bool sluice__restore_goes_on(const sluice_restore_t *restore) {
  return restore->session.error.code == 0 &&
         (verifies(restore) || restore->options.filled != NULL);
}

void sluice__restore_close_source(sluice_restore_t *restore) {
  sluice__source_close(restore->source);
  restore->source = NULL;
}

void sluice__restore_tell_verified(sluice_restore_t *restore, int status) {
  restore->file.is_owed = false;
  restore->options.verified(restore, status); /* last touch */
}

/* Where nothing was mapped all is verified. Else there is no session of its own
 * to say why it is not. */
static void end_unverified(sluice_restore_t *restore) {
  sluice_error_t *err = &restore->session.error;
  int code = restore->file.behind_code;

  if (code < 0) {
    *err = (sluice_error_t){0}; /* of late pages, which were told */
    (void)sluice_fail(err, code, "cannot verify the image: %s",
                      sluice_strerror(code));
    err->phase = SLUICE_PHASE_VERIFY;
    err->offset = 0;
  }
  sluice__restore_close_source(restore);
  sluice__restore_tell_verified(restore, code);
}

static void take_late(sluice_restore_t *restore, int code) {
  sluice__restore_file_t *f = &restore->file;

  sluice_restore_stats(restore, &f->stats, sizeof(f->stats));
  if (f->stats.late_lost > 0) {
    sluice__late_take_losses(f->late, &f->losses);
  }
  f->late = NULL;
  if (code < 0) {
    (void)sluice_fail(&restore->session.error, code,
                      "%llu bytes of pages could not be read after the commit",
                      (unsigned long long)f->stats.late_lost);
  }
}

static void on_filled(void *ctx, int code) {
  sluice_restore_t *restore = ctx;
  sluice__restore_file_t *f = &restore->file;

  if (f->late != NULL) {
    take_late(restore, code);
  }
  if (!verifies(restore)) {
    sluice__restore_close_source(restore);
    f->is_owed = false;
    restore->options.filled(restore, code); /* last touch */
    return;
  }
  if (restore->options.filled != NULL) {
    restore->options.filled(restore, code); /* not freed here */
  }
  if (f->is_behind_open) {
    sluice__restore_resume_behind(restore);
  } else {
    end_unverified(restore);
  }
}

void sluice__restore_go_on(sluice_restore_t *restore) {
  const sluice__late_owner_t owner = {
      .ctx = restore, .lost = sluice__restore_on_lost, .filled = on_filled};
  sluice__restore_file_t *f = &restore->file;

  f->is_owed = true;
  if (verifies(restore) && f->is_walking) {
    f->behind_code = sluice__restore_open_behind(restore);
  }
  if (f->is_behind_open) {
    sluice__restore_start_behind(restore);
  }
  restore->cb(restore, 0); /* it may be cancelled, but not freed here */
  if (f->late != NULL) {
    sluice__late_keep(f->late, &owner);
  } else {
    on_filled(restore, 0);
  }
}
