/* restore.h - a restore: a driver over its input, the sections that load, and
 * what is mapped.
 *
 *   restore.c       life: begin, cancel, free, accessors; steer.c for owners
 *   run.c           the states: alone sets them, and fails the session
 *    |- load.c          the stream's frame, and the sections' load steps
 *    |- input.h         where bytes come from:
 *    |   |- input_stream.c  a source, in order
 *    |   `- input_image.c   a file, by position  -> image/scan, prefetch
 *    |- image_file.c    may it be mapped? scrubbing first -> image/probe, scrub
 *    `- map.c           what the index names     -> image/extents,
 * fallback_read
 *        |- postcopy.c      what of it comes later   -> image/demand
 *        `- sound_list.c    what of it is unverified -> soundness/
 *   end.c           undoing, settling, telling
 *    `- postcommit.c    what follows the commit
 *        `- scrub_session.c                      -> image/scrub
 *
 * A part returns SLUICE__DONE, MORE, WAIT or an error, and knows no other but
 * those that are below it. */
#ifndef SLUICE_SESSION_RESTORE_RESTORE_H
#define SLUICE_SESSION_RESTORE_RESTORE_H

#include <sluice/restore.h>

#include "session/restore/image_file.h"
#include "session/restore/input_image.h"
#include "session/restore/input_stream.h"
#include "session/restore/load.h"
#include "session/restore/map.h"
#include "session/restore/postcommit.h"
#include "session/session.h"

/*   OPEN -> OPENING -> [PROBE -> [SCRUB]] -> LOAD -> [MAP] -> CHECK ->
 * [CHECKED] -> COMMITTED
 *
 * OPENING waits for the source; so does LOAD when nothing can be decoded;
 * CHECKED waits for the host. */
typedef enum sluice__restore_state_e {
  SLUICE__RESTORE_OPEN,
  SLUICE__RESTORE_OPENING,
  SLUICE__RESTORE_PROBE,
  SLUICE__RESTORE_SCRUB,
  SLUICE__RESTORE_LOAD,
  SLUICE__RESTORE_MAP,
  SLUICE__RESTORE_CHECK,
  SLUICE__RESTORE_CHECKED,
  SLUICE__RESTORE_COMMITTED
} sluice__restore_state_t;

struct sluice_restore_s {
  sluice__session_t session; /* first: the hooks get this */
  sluice_restore_options_t options;
  sluice_restore_stats_t stats;
  sluice_restore_cb cb;
  sluice_alloc_t alloc; /* that this struct is from */
  sluice_decoder_t *decoder;
  sluice__restore_state_t state;
  bool is_at_end;              /* there is no more input */
  bool is_mapped;              /* pages are: input comes by position */
  bool may_commit;             /* the host said so */
  sluice_error_t source_error; /* what its open may still say */

  sluice__restore_load_t load;
  sluice__input_t *input; /* one of the two: */
  sluice__input_stream_t stream;
  sluice__input_image_t image;
  sluice__image_file_t file;
  sluice__map_t map;
  sluice__sound_list_t sound;
  sluice__postcommit_t postcommit;
};

/* run.c */
int sluice__restore_run(sluice__session_t *s, sluice__budget_t *b);
/* What its parts tell it: input came, or something ended; `ctx` is it. */
void sluice__restore_on_input(void *ctx, ptrdiff_t got);
void sluice__restore_wake(void *ctx);

/* end.c */
void sluice__restore_fail(sluice__session_t *s);
bool sluice__restore_settle(sluice__session_t *s);
void sluice__restore_deliver(sluice__session_t *s);
void sluice__restore_abandon(sluice__session_t *s);
void sluice__restore_free_struct(sluice_restore_t *restore);
/* One that is over. */
void sluice__restore_free(sluice_restore_t *restore);
void sluice__restore_end_sections(sluice_restore_t *restore, int status);

#endif
