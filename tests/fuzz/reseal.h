/* reseal.h - makes the checksums of a damaged native stream right again.
 *
 * Otherwise a fuzzer would only ever test the checksums. Sense is not mended:
 * lengths, types and places stay as they are. Sequence numbers, the chain and
 * the trailer's totals are made right, too, when asked for, so that records may
 * come and go. */
#ifndef SLUICE_FUZZ_RESEAL_H
#define SLUICE_FUZZ_RESEAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Stops at the first record that does not fit. Other formats are left alone. */
void reseal(uint8_t *data, size_t len, bool renumber);

#endif
