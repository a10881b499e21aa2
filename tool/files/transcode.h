/* transcode.h - a stream read in one format and written in another.
 *
 *   input_t --items--> [ deltas applied, commands dropped ] --> encoder
 *
 * Knows what the two formats cannot say alike; where bytes come from and go to
 * is the caller's. Invariant: sections keep their order, ids, names, instances
 * and versions, and devices their bytes. */
#ifndef SLUICE_TOOL_FILES_TRANSCODE_H
#define SLUICE_TOOL_FILES_TRANSCODE_H

#include <stdbool.h>

#include <sluice/encoder.h>

#include "files/input.h"
#include "files/target.h"

/* An image that was made from QEMU's stream says only at its end whether that
 * had footers. */
typedef enum footers_e {
  FOOTERS_UNKNOWN, /* assumed to be there as the configuration is */
  FOOTERS_OFF,
  FOOTERS_ON
} footers_t;

typedef struct transcode_s {
  sluice_format_t to;      /* NATIVE: each page once; or QEMU3 */
  footers_t footers;       /* to QEMU3: in what is written */
  footers_t footers_found; /* set: what the input said */
  bool is_verbose;         /* tells what is left out */
  bool was_running;        /* was stopped only for this: shall run again */
  /* Optional: sees every item before it is written. 0, or the failure's code.
   */
  int (*watch)(void *ctx, const sluice_item_t *item, failure_t *f);
  void *ctx;
  sluice_totals_t totals; /* set: of what was written */
} transcode_t;

/* Reads `in`, of which `header` is the first item and was taken already, to its
 * end and writes it to `out`, which is not committed. SLUICE_ESTATE with
 * footers_found set otherwise than was assumed: to be repeated with that. */
int transcode(transcode_t *t, input_t *in, const sluice_header_t *header,
              target_t *out, failure_t *f);

#endif
