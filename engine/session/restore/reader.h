/* reader.h - the reader that a restore lends to its handlers.
 *
 * One section's payload is current at a time; the reader takes its items from
 * the decoder and remembers why it had nothing: starved of input, or at the end
 * of this payload. */
#ifndef SLUICE_SESSION_RESTORE_READER_H
#define SLUICE_SESSION_RESTORE_READER_H

#include <stdbool.h>

#include <sluice/decoder.h>
#include <sluice/reader.h>

#include "budget.h"
#include "memory/mem.h"
#include "session/registry.h"

struct sluice_reader_s {
  sluice_decoder_t *decoder;
  sluice__mem_t *mem; /* for stashes */
  sluice_section_t *section;
  sluice__budget_t *budget;
  uint64_t taken;    /* items and bytes, since ever: does it move? */
  uint64_t asked_at; /* bytes used when it was asked whether to yield */
  bool is_big_endian;

  /* The BYTES item at hand: what of it is not read yet. */
  const uint8_t *lent;
  size_t lent_len;
  size_t lent_used;
  bool is_lent_open; /* the format does not say where the payload ends */

  bool is_starved; /* the decoder wants input */
  bool is_closed;  /* CLOSE came: this payload is over */
  int status;      /* first error */
  sluice_error_t error;
};

/* Lends `r` to the handler of `section` for one step; what is at hand stays. */
void sluice__reader_lend(sluice_reader_t *r, sluice_section_t *section,
                         sluice__budget_t *budget);

/* A payload of another section begins. */
void sluice__reader_open(sluice_reader_t *r);

/* The handler wants no more: an open payload ends here, one that the format
 * ends must be over. SLUICE_DONE, SLUICE_WAIT (starved) or an error. */
int sluice__reader_close(sluice_reader_t *r);

#endif
