/* bulk.h - how many bytes the code gives to functions of other libraries.
 *
 * memcpy() and its kin and the checksum are chosen by processor, so that their
 * instructions differ from one machine to the next; how many bytes they are
 * asked to look at does not. Linked with --wrap, see CMakeLists.txt. */
#ifndef SLUICE_BENCH_BULK_H
#define SLUICE_BENCH_BULK_H

#include <stdint.h>

/* Copied, set, compared and hashed. A comparison counts as whole. */
uint64_t bulk_bytes(void);

#endif
