/* postcopy.h - which extents come after the commit, by demand paging?
 *
 * Offered one by one while extents are mapped; decided when all are. Where the
 * kernel will not, `reason` says why, and all are read before the commit.
 *
 *   offer()... -> start() -> take()   it is the next owner's
 *                         -> drop()   all is put back
 *
 * Loop thread. */
#ifndef SLUICE_SESSION_RESTORE_POSTCOPY_H
#define SLUICE_SESSION_RESTORE_POSTCOPY_H

#include "image/demand/demand.h"
#include "image/extents.h"
#include "session/restore/region_names.h"

typedef struct sluice__postcopy_s {
  uv_loop_t *loop;
  int fd;
  bool is_wanted;          /* the host waits for pages that come later */
  void (*gone)(void *ctx); /* when is_busy() is false again */
  void *ctx;
  sluice__region_names_t names; /* `mem` is set by the owner */

  sluice__demand_t *demand; /* NULL: none */
  const char *reason;       /* why not; NULL: it can, or was not tried */
  uint32_t gap;             /* between mappings, the one at hand */
  uint32_t gap_region;
  sluice__demand_t *closing; /* dropped, and not gone yet */
} sluice__postcopy_t;

/* True: the extent may come after the commit. */
bool sluice__postcopy_offer(sluice__postcopy_t *p,
                            const sluice__image_extent_t *extent);
/* An extent was mapped: it is in between. */
void sluice__postcopy_pass(sluice__postcopy_t *p);
/* All were offered. True: these come, from here on; else none does. */
bool sluice__postcopy_start(sluice__postcopy_t *p);
/* Pages that come; NULL: none. They are no longer this one's. */
sluice__demand_t *sluice__postcopy_take(sluice__postcopy_t *p);
/* Nothing is written to memory any more. */
void sluice__postcopy_drop(sluice__postcopy_t *p);
void sluice__postcopy_stats(const sluice__postcopy_t *p,
                            sluice_restore_stats_t *out);
/* In a forked child. */
void sluice__postcopy_abandon(sluice__postcopy_t *p);
bool sluice__postcopy_is_busy(const sluice__postcopy_t *p);

#endif
