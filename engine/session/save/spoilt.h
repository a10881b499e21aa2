/* spoilt.h - pages on their way to the encoder, of which some are damaged:
 * these are written so that every reader finds them so.
 *
 * Loop thread. */
#ifndef SLUICE_SESSION_SAVE_SPOILT_H
#define SLUICE_SESSION_SAVE_SPOILT_H

#include "session/save/writer.h"
#include "soundness/soundness.h"

/* Some page of the writer's section is damaged. Asked for every page. */
static inline bool sluice__spoilt_has_any(const sluice_writer_t *w) {
  return w->section->soundness != NULL &&
         w->section->soundness->damaged_bytes > 0;
}

/* As sluice__encoder_pages(). */
int sluice__spoilt_pages(sluice_writer_t *w, uint32_t region, uint64_t offset,
                         const sluice__page_source_t *source);

#endif
