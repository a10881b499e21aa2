/* postcommit.h - what follows the commit of a restore, and in which order it is
 * told.
 *
 *   cb --> [demand paging: damaged...] --> filled
 *      --> [scrub: damaged...] --> verified
 *
 * One behind the other: while pages are missing the disk is theirs, and what
 * could not be read is known when the file is verified, so no page is told
 * twice. The last that the host is owed is the end: there it may free. Owns the
 * source from the commit on; a guest of the engine until the end. Loop thread.
 */
#ifndef SLUICE_SESSION_RESTORE_POSTCOMMIT_H
#define SLUICE_SESSION_RESTORE_POSTCOMMIT_H

#include <sluice/restore.h>

#include "image/demand/demand.h"
#include "io/source.h"
#include "session/restore/region_names.h"
#include "session/restore/scrub_session.h"
#include "session/restore/sound_list.h"
#include "session/session.h"

typedef struct sluice__postcommit_s {
  sluice_restore_t *restore; /* whom the host's callbacks are told */
  void (*free)(sluice_restore_t *restore);
  const sluice_restore_options_t *options;
  sluice_restore_stats_t *stats;
  sluice__session_t *session; /* the restore's; OVER */
  sluice_source_t *source;
  sluice__demand_t *demand; /* NULL: all pages are there */
  sluice__region_names_t names;
  sluice__sound_list_t *sound; /* the restore's */
  int fd; /* of the file that was mapped; negative: none was */

  sluice__guest_t guest;
  sluice__demand_losses_t losses; /* while it is verified */
  sluice__scrub_session_t scrub;
  int scrub_code; /* why it is not open */
  bool is_begun;
  bool is_owed; /* the last of `filled` and `verified` was not called */
} sluice__postcommit_t;

bool sluice__postcommit_is_wanted(const sluice_restore_options_t *options);

/* The members above `guest` are set, all else zero. The restore's callback
 * comes next; it may cancel, but not free. */
void sluice__postcommit_begin(sluice__postcommit_t *pc);
/* What follows that. It may be freed in here. */
void sluice__postcommit_go_on(sluice__postcommit_t *pc);
void sluice__postcommit_cancel(sluice__postcommit_t *pc);
/* Nothing is owed. Also when it never began. */
void sluice__postcommit_close(sluice__postcommit_t *pc);

/* Who tells progress and errors: the scrub, once there is one. */
const sluice__session_t *
sluice__postcommit_current(const sluice__postcommit_t *pc);
void sluice__postcommit_stats(const sluice__postcommit_t *pc,
                              sluice_restore_stats_t *out);

#endif
