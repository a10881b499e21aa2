/* hash.c - which of libxxhash's XXH3 to call; all give the same numbers.
 *
 * The plain functions use what every machine of the architecture has: SSE2 on
 * x86. The dispatching ones look at the processor once and use AVX2 or AVX-512.
 * Measured on pages of 4 KiB in cache (EPYC, Debian's libxxhash 0.8.1): plain
 * 19 GB/s, dispatching 53 GB/s, ratio 2.8. They exist on x86 only and not in
 * every build of the library, so the build looks for them and defines
 * SLUICE__HASH_DISPATCH. */
#include "stream/hash.h"

#include <xxhash.h>
#ifdef SLUICE__HASH_DISPATCH
#include <xxh_x86dispatch.h> /* renames XXH3_64bits and its kin */
#endif

uint64_t sluice__hash(const void *data, size_t len) {
  return XXH3_64bits(data, len);
}

uint64_t sluice__hash_seeded(const void *data, size_t len, uint64_t seed) {
  return XXH3_64bits_withSeed(data, len, seed);
}
