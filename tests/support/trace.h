/* trace.h - decodes a byte array and writes down what came, one line an item.
 *
 * Bytes of one payload are one line, and runs of zeros that follow each other
 * one, so that the text does not depend on how the input was cut. The allocator
 * is counted: `peak` is the most that the decoder held, and nothing may be
 * left.
 */
#ifndef SLUICE_TESTS_TRACE_H
#define SLUICE_TESTS_TRACE_H

#include <sluice/decoder.h>

#include "build.h"

typedef struct trace_s {
  sluice_decoder_options_t options;
  size_t chunk; /* bytes a feed at most; 0: all at once */
  /* Of an open payload: bytes of device `name`. NULL: 4 each. */
  size_t (*device_bytes)(const char *name);
  size_t fail_at; /* the allocation that fails, from 1; 0: none */

  build_t text;
  int result; /* SLUICE_DONE or the error */
  sluice_error_t error;
  size_t allocations;
  size_t live;
  size_t peak;
} trace_t;

/* Fails the test unless decoding, item by item, keeps its word. */
void trace_run(trace_t *t, const void *data, size_t len);
void trace_done(trace_t *t);

/* NUL-terminated. */
const char *trace_text(trace_t *t);

#endif
