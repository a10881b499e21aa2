/* memory.c - see memory.h. */
#include "memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

void *memory_new(size_t bytes) {
  void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  if (p == MAP_FAILED) {
    perror("mmap");
    exit(1);
  }
  (void)madvise(p, bytes, MADV_DONTFORK);
  (void)memset(p, 0, bytes);
  return p;
}

void memory_renew(void *base, size_t bytes) {
  if (mmap(base, bytes, PROT_READ | PROT_WRITE,
           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED) {
    perror("mmap");
    exit(1);
  }
  (void)madvise(base, bytes, MADV_DONTFORK);
}

uint64_t memory_random(uint64_t *seed) { /* xorshift64 */
  *seed ^= *seed << 13;
  *seed ^= *seed >> 7;
  *seed ^= *seed << 17;
  return *seed;
}

void memory_fill(void *base, size_t bytes, uint64_t seed) {
  uint64_t *words = base;

  for (size_t i = 0; i < bytes / sizeof(*words); i++) {
    words[i] = memory_random(&seed);
  }
}
