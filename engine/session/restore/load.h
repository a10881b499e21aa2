/* load.h - the stream's frame, and the sections' load steps.
 *
 * Knows a decoder, not where its input comes from: who is starved of that waits
 * until load is told that some came. Loop thread. */
#ifndef SLUICE_SESSION_RESTORE_LOAD_H
#define SLUICE_SESSION_RESTORE_LOAD_H

#include <sluice/restore.h>

#include "session/restore/fault.h"
#include "session/restore/reader.h"
#include "session/session.h"
#include "stream/decoder.h"

typedef struct sluice__restore_load_s {
  sluice__session_t *session;
  sluice_decoder_t *decoder;
  const char *host; /* that the stream must be of; NULL: any */
  bool skips_pages; /* of handlers that take mappings: they come by the index */
  uint32_t *unmapped; /* counts sections of pages whose handlers take none */

  sluice_reader_t reader;
  sluice__cont_t pull;       /* reads the stream's frame */
  sluice__cont_t *starved;   /* who waits for input: pull or a section */
  sluice_section_t *reading; /* whose payload is current; NULL: pull's turn */
  bool is_whole;             /* the stream was */
  bool has_skipped;          /* a section that is optional and nobody's */
  sluice__fault_t fault;
} sluice__restore_load_t;

/* The members above `reader` are set; all else is zero. */
void sluice__restore_load_prime(sluice__restore_load_t *load);
/* A slice: SLUICE__DONE (the stream was whole), SLUICE__MORE, SLUICE__WAIT (for
 * input), or an error, for `fault`. */
int sluice__restore_load_run(sluice__restore_load_t *load, sluice__budget_t *b);
/* Input came. */
void sluice__restore_load_feed(sluice__restore_load_t *load);
/* As the decoder's hook; `ctx` is a load. */
uint8_t *sluice__restore_load_place(void *ctx, const sluice_run_t *run);

#endif
