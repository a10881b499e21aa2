/* memory_output.h - an encoder's output that keeps the stream in memory.
 *
 * Checks the contract of sluice_output_t on the way: one chunk is lent at a
 * time and comes back once, what is emitted agrees with its stream offset
 * modulo the alignment, and only emitted bytes are patched or fetched. Can fail
 * from the Nth call on. */
#ifndef SLUICE_TESTS_MEMORY_OUTPUT_H
#define SLUICE_TESTS_MEMORY_OUTPUT_H

#include <stddef.h>
#include <stdint.h>

#include <sluice/encoder.h>

typedef struct memory_output_s {
  uint8_t *data;
  size_t len;
  size_t cap;
  uint8_t *chunk; /* lent now */
  size_t chunk_bytes;
  size_t calls;
  size_t patches;
  size_t fail_at; /* calls before the failure; SIZE_MAX: never */
  int fail_code;
} memory_output_t;

void memory_output_init(memory_output_t *m);
void memory_output_done(memory_output_t *m);

/* Patch and fetch included; chunks of `chunk_bytes`. */
sluice_output_t memory_output_of(memory_output_t *m);

#endif
