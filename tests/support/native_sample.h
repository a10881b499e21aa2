/* native_sample.h - the small stream that golden files, damage and fault sweeps
 * are made of: every kind of record but ABORT and PAD, in 12 KiB or so. */
#ifndef SLUICE_TESTS_NATIVE_SAMPLE_H
#define SLUICE_TESTS_NATIVE_SAMPLE_H

#include <sluice/encoder.h>

/* Writes it through a new encoder; returns the first error or 0. Never change
 * what it writes: the golden file of version 1 is this. */
int native_sample_write(const sluice_output_t *output,
                        const sluice_alloc_t *alloc);

#endif
