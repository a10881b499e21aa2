/* image_output.h - an encoder's output on a target.
 *
 * Chunks are written by a thread of its own, so that reading and encoding go on
 * meanwhile, and past the page cache where the file system allows it: an image
 * is written once and rarely read soon. On a target that seeks, what was
 * written can be patched and fetched.
 *
 * Must know no format. Invariant: chunks reach the target in order, and a patch
 * or fetch comes after all chunks before it. */
#ifndef SLUICE_TOOL_FILES_IMAGE_OUTPUT_H
#define SLUICE_TOOL_FILES_IMAGE_OUTPUT_H

#include <sluice/encoder.h>

#include "files/target.h"

typedef struct image_output_s image_output_t;

/* `t` is borrowed until image_output_free(); nobody else writes to it. */
int image_output_new(image_output_t **out, target_t *t, failure_t *f);

/* For sluice_encoder_new(). */
sluice_output_t image_output_calls(image_output_t *o);

/* Waits until everything is written. The target's error, if there was one: to
 * be asked for whenever the encoder has failed, too. */
int image_output_finish(image_output_t *o, failure_t *f);

/* NULL is fine. */
void image_output_free(image_output_t *o);

#endif
