/* map.h - pages that the index names become memory: a driver over an image.
 *
 * The index is taken from the decoder as extents (image/extents.h); each is
 * given to its section's handler as a mapping, or comes after the commit
 * (postcopy.h), or is read (image/fallback_read.h) and given with its bytes.
 * Loop thread. */
#ifndef SLUICE_SESSION_RESTORE_MAP_H
#define SLUICE_SESSION_RESTORE_MAP_H

#include <sluice/restore.h>

#include "image/extents.h"
#include "image/fallback_read.h"
#include "session/restore/fault.h"
#include "session/restore/image_file.h"
#include "session/restore/postcopy.h"
#include "session/restore/sound_list.h"
#include "session/session.h"
#include "stream/decoder.h"

typedef struct sluice__map_s {
  sluice__session_t *session;
  sluice__image_file_t *file; /* probed */
  sluice_restore_stats_t *stats;
  uint32_t max_mappings;
  sluice__sound_list_t *sound; /* NULL: all is verified */
  sluice__postcopy_t postcopy;

  sluice__extents_t extents;
  sluice__fallback_t fallback;
  sluice_section_t *last; /* found for the run of the index before */
  bool is_begun;
  sluice__fault_t fault;
} sluice__map_t;

/* The members above `extents` are set, with the owner's of `postcopy`; all else
 * is zero. From here on the decoder tells it of the index. */
void sluice__map_open(sluice__map_t *map, sluice_decoder_t *decoder);
/* The stream was read. A slice: SLUICE__DONE (all is in place), SLUICE__MORE,
 * SLUICE__WAIT (for the file's job), or an error, for `fault`. */
int sluice__map_run(sluice__map_t *map, sluice__budget_t *b);
/* The job is not busy. */
void sluice__map_close(sluice__map_t *map);

#endif
