/* qemu3_sample.h - small version-3 streams for tests: one with everything that
 * a paused machine sends, and its trace. */
#ifndef SLUICE_TESTS_QEMU3_SAMPLE_H
#define SLUICE_TESTS_QEMU3_SAMPLE_H

#include <stdbool.h>

#include "build.h"

/* The smallest stream that QEMU 7.2 loads; its one page is all 0x5a. */
void sample_minimal(build_t *b);

/* Two regions, three rounds, devices "timer" (4 bytes) and "bus/card" (9). */
typedef struct sample_options_s {
  const char *machine; /* NULL: no configuration */
  bool has_footers;
  bool has_description;
} sample_options_t;

void sample_machine(build_t *b, const sample_options_t *o);

/* With configuration "pc", footers and description. */
extern const char sample_machine_trace[];

size_t sample_device_bytes(const char *name);

#endif
