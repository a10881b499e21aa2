/* bitmap.h - one bit a page: ranges are set, cleared, counted, found.
 *
 * Plain arrays of 64-bit words in mappings of their own: memory is taken where
 * a bit was set, so a bitmap of a terabyte (32 MiB) of which nothing was
 * touched is address space only. The caller knows how many bits there are and
 * passes only ranges inside. Knows nothing of pages, regions or threads.
 * Invariant: bits past the last one are never set. */
#ifndef SLUICE_RAM_BITMAP_H
#define SLUICE_RAM_BITMAP_H

#include <stddef.h>
#include <stdint.h>

/* All clear, or NULL. `bits` is at least 1. */
uint64_t *sluice__bitmap_new(uint64_t bits);
/* `bits` as for new. NULL is fine. */
void sluice__bitmap_free(uint64_t *words, uint64_t bits);
/* Clears all, and gives the memory back. */
void sluice__bitmap_reset(uint64_t *words, uint64_t bits);

static inline int sluice__bitmap_test(const uint64_t *words, uint64_t bit) {
  return (int)((words[bit / 64] >> (bit % 64)) & 1);
}

/* Both return how many bits changed. */
uint64_t sluice__bitmap_set(uint64_t *words, uint64_t from, uint64_t count);
uint64_t sluice__bitmap_clear(uint64_t *words, uint64_t from, uint64_t count);

uint64_t sluice__bitmap_count(const uint64_t *words, uint64_t from,
                              uint64_t count);

/* Sets in `words` what is set in `other`; returns how many bits changed. */
uint64_t sluice__bitmap_merge(uint64_t *words, const uint64_t *other,
                              uint64_t from, uint64_t count);

/* The first set bit in from..end-1 and how many follow without a gap, itself
 * included, at most `max`. Returns 0 when none is set: `*start` is then `end`.
 */
uint64_t sluice__bitmap_next_run(const uint64_t *words, uint64_t from,
                                 uint64_t end, uint64_t max, uint64_t *start);

#endif
