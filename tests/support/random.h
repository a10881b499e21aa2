/* random.h - the numbers of random tests: repeatable, printed as SEED=. */
#ifndef SLUICE_TESTS_RANDOM_H
#define SLUICE_TESTS_RANDOM_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

typedef struct test_random_s {
  uint64_t state;
} test_random_t;

/* From the environment variable SEED, else from the clock; `extra` tells
 * several sequences of one run apart. */
static inline uint64_t test_seed(unsigned extra) {
  const char *given = getenv("SEED");

  if (given != NULL) {
    return strtoull(given, NULL, 0);
  }
  return (uint64_t)time(NULL) * 1000 + extra;
}

static inline uint64_t test_next(test_random_t *r) {
  uint64_t x = r->state += UINT64_C(0x9e3779b97f4a7c15);

  x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
  return x ^ (x >> 31);
}

/* 0 .. n - 1. */
static inline uint32_t test_below(test_random_t *r, uint32_t n) {
  return (uint32_t)(test_next(r) % n);
}

#endif
