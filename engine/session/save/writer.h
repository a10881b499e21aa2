/* writer.h - the writer that a save lends to its handlers.
 *
 * Opens the section's payload at the first byte and counts what the call costs,
 * so that sections without news leave nothing in the stream. */
#ifndef SLUICE_SESSION_SAVE_WRITER_H
#define SLUICE_SESSION_SAVE_WRITER_H

#include <stdbool.h>

#include <sluice/encoder.h>
#include <sluice/writer.h>

#include "budget.h"
#include "memory/mem.h"
#include "session/registry.h"
#include "session/save/copy_jobs.h"
#include "stream/page_source.h"

struct sluice_writer_s {
  sluice_encoder_t *encoder;
  sluice_section_t *section;
  sluice__budget_t *budget;
  sluice_item_kind_t kind; /* of the payload to open at the first byte */
  bool is_open;
  bool is_big_endian;
  sluice__copy_jobs_t *jobs; /* what is lent of the section's pages */
  /* The most that pages can be taken for: STABLE only if the payload is left
   * when the call is over. */
  sluice__page_kind_t pages;
  sluice__stash_t *kept; /* bytes go here instead; NULL: to the encoder */
  sluice__mem_t *mem;    /* of `kept` */
  int status;
  uint64_t worked;   /* bytes of state that this call dealt with */
  uint64_t asked_at; /* bytes used when it was asked whether to yield */
};

/* Lends `w` for one call of a handler. `is_open`: the payload is open already.
 */
void sluice__writer_lend(sluice_writer_t *w, sluice_encoder_t *encoder,
                         sluice_section_t *section, sluice__budget_t *budget,
                         sluice_item_kind_t kind, bool is_open,
                         bool is_big_endian);

#endif
