/* scrub_session.h - an image is verified while the host uses it.
 *
 * A session of its own, begun when the restore has told that it committed: it
 * holds no registry, so the host may save meanwhile. Its owner lends it the
 * file. Loop thread. */
#ifndef SLUICE_SESSION_RESTORE_SCRUB_SESSION_H
#define SLUICE_SESSION_RESTORE_SCRUB_SESSION_H

#include <sluice/restore.h>

#include "image/scrub.h"
#include "io/file_job.h"
#include "session/session.h"

typedef struct sluice__scrub_owner_s {
  void *ctx;
  void (*tell)(void *ctx, const sluice_damage_t *range);
  bool (*found)(void *ctx, const sluice_damage_t *part);
  void (*seen)(void *ctx, uint64_t end); /* all before was looked at */
  void (*progress)(void *ctx, const sluice_progress_t *p);
  void (*over)(void *ctx, int code); /* last touch */
} sluice__scrub_owner_t;

typedef struct sluice__scrub_session_s {
  sluice__session_t session; /* first */
  sluice__scrub_owner_t owner;
  sluice__file_job_t job;
  sluice__scrub_t scrub;
  uint64_t size;     /* of the file */
  uint64_t stall_ns; /* when it runs */
  bool is_open;      /* to be closed */
  bool is_held;
} sluice__scrub_session_t;

/* All zero. `config` is the session's, but for `ops`. After a failure nothing
 * is held. */
int sluice__scrub_session_open(sluice__scrub_session_t *s,
                               const sluice__session_config_t *config,
                               const sluice__scrub_owner_t *owner, int fd,
                               uint64_t size);
/* It will be over. `is_held`: it waits for release(). */
void sluice__scrub_session_start(sluice__scrub_session_t *s, bool is_held);
void sluice__scrub_session_release(sluice__scrub_session_t *s);
/* When it is over, or was never opened. */
void sluice__scrub_session_close(sluice__scrub_session_t *s);

#endif
