/* bitmap.c - see bitmap.h.
 *
 * Every range is walked word by word; the first and the last word of it are
 * masked. Regions of a terabyte have bitmaps of 32 MiB, so a word without a
 * set bit must cost one load and one compare. */
#include "bitmap.h"

#include <string.h>
#include <sys/mman.h>

enum { WORD_BITS = 64, RESET_BY_HAND = 16 * 1024 };

static size_t bytes_of(uint64_t bits) {
  return (size_t)(bits / WORD_BITS + (bits % WORD_BITS != 0)) *
         sizeof(uint64_t);
}

uint64_t *sluice__bitmap_new(uint64_t bits) {
  void *words;

  if (bits > SIZE_MAX - WORD_BITS) {
    return NULL;
  }
  words = mmap(NULL, bytes_of(bits), PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return words == MAP_FAILED ? NULL : words;
}

void sluice__bitmap_free(uint64_t *words, uint64_t bits) {
  if (words != NULL) {
    (void)munmap(words, bytes_of(bits));
  }
}

/* Below some pages a system call, and the faults after it, cost more. */
void sluice__bitmap_reset(uint64_t *words, uint64_t bits) {
  size_t bytes = bytes_of(bits);

  if (bytes <= RESET_BY_HAND || madvise(words, bytes, MADV_DONTNEED) != 0) {
    memset(words, 0, bytes);
  }
}

/* The bits of word `word` that lie in from..end-1; the word must hold some. */
static uint64_t word_mask(uint64_t word, uint64_t from, uint64_t end) {
  uint64_t first = word * WORD_BITS;
  uint64_t mask = UINT64_MAX;

  if (from > first) {
    mask &= UINT64_MAX << (from - first);
  }
  if (end - first < WORD_BITS) {
    mask &= ~(UINT64_MAX << (end - first));
  }
  return mask;
}

/* Most words are all the same, and not every processor is known to count. */
static uint64_t count_bits(uint64_t word) {
  if (word == 0 || word == UINT64_MAX) {
    return word == 0 ? 0 : WORD_BITS;
  }
  return (uint64_t)__builtin_popcountll(word);
}

uint64_t sluice__bitmap_set(uint64_t *words, uint64_t from, uint64_t count) {
  uint64_t end = from + count;
  uint64_t changed = 0;

  for (uint64_t i = from / WORD_BITS; i * WORD_BITS < end; i++) {
    uint64_t mask = word_mask(i, from, end);

    changed += count_bits(mask & ~words[i]);
    words[i] |= mask;
  }
  return changed;
}

uint64_t sluice__bitmap_clear(uint64_t *words, uint64_t from, uint64_t count) {
  uint64_t end = from + count;
  uint64_t changed = 0;

  for (uint64_t i = from / WORD_BITS; i * WORD_BITS < end; i++) {
    uint64_t mask = word_mask(i, from, end);

    changed += count_bits(words[i] & mask);
    words[i] &= ~mask;
  }
  return changed;
}

uint64_t sluice__bitmap_count(const uint64_t *words, uint64_t from,
                              uint64_t count) {
  uint64_t end = from + count;
  uint64_t found = 0;

  for (uint64_t i = from / WORD_BITS; i * WORD_BITS < end; i++) {
    found += count_bits(words[i] & word_mask(i, from, end));
  }
  return found;
}

uint64_t sluice__bitmap_merge(uint64_t *words, const uint64_t *other,
                              uint64_t from, uint64_t count) {
  uint64_t end = from + count;
  uint64_t changed = 0;

  for (uint64_t i = from / WORD_BITS; i * WORD_BITS < end; i++) {
    uint64_t fresh = other[i] & ~words[i] & word_mask(i, from, end);

    changed += count_bits(fresh);
    words[i] |= fresh;
  }
  return changed;
}

/* The first bit in from..end-1 whose value differs from those of `flip` (all
 * ones or all zeros), or `end`. */
static uint64_t next_unlike(const uint64_t *words, uint64_t from, uint64_t end,
                            uint64_t flip) {
  for (uint64_t i = from / WORD_BITS; i * WORD_BITS < end; i++) {
    uint64_t word = (words[i] ^ flip) & word_mask(i, from, end);

    if (word != 0) {
      return i * WORD_BITS + (uint64_t)__builtin_ctzll(word);
    }
  }
  return end;
}

uint64_t sluice__bitmap_next_run(const uint64_t *words, uint64_t from,
                                 uint64_t end, uint64_t max, uint64_t *start) {
  uint64_t first = from < end ? next_unlike(words, from, end, 0) : end;
  uint64_t stop = end - first < max ? end : first + max;

  *start = first;
  return first == end ? 0 : next_unlike(words, first, stop, UINT64_MAX) - first;
}
