/* collect.h - an encoder's output, kept in memory.
 *
 * Checks what the encoder promises of it: one chunk lent at a time, offsets and
 * addresses that agree, every chunk given back. */
#ifndef SLUICE_TESTS_COLLECT_H
#define SLUICE_TESTS_COLLECT_H

#include <stdbool.h>

#include <sluice/encoder.h>

#include "build.h"

typedef struct collect_s {
  build_t out;
  uint8_t *chunk;
  bool is_lent;
  int fail_with; /* emit returns it, 0: never */
} collect_t;

sluice_output_t collect_output(collect_t *c);
void collect_done(collect_t *c);

#endif
