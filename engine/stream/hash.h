/* hash.h - the one checksum of the native stream: XXH3, 64 bits.
 *
 * Fast enough to vanish behind the copy of a page, strong against accidents;
 * it is no signature: who wants to forge a stream can. */
#ifndef SLUICE_STREAM_HASH_H
#define SLUICE_STREAM_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t sluice__hash(const void *data, size_t len);
uint64_t sluice__hash_seeded(const void *data, size_t len, uint64_t seed);

#endif
