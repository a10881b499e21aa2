/* seed.h - random numbers that can be had again.
 *
 * SLUICE_SEED in the environment fixes the seed; it is printed in any case, so
 * that a failure can be repeated. */
#ifndef SLUICE_TESTS_SEED_H
#define SLUICE_TESTS_SEED_H

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

typedef struct seed_s {
  uint64_t state;
} seed_t;

/* `salt` tells the runs of a loop test apart. */
static inline seed_t seed_open(int salt) {
  const char *given = getenv("SLUICE_SEED");
  uint64_t seed = given != NULL ? strtoull(given, NULL, 0)
                                : (uint64_t)time(NULL) * 1000003u;

  printf("SEED=%" PRIu64 " (run %d)\n", seed, salt);
  fflush(stdout);
  return (seed_t){seed + (uint64_t)salt * 7919u};
}

/* splitmix64 */
static inline uint64_t seed_next(seed_t *s) {
  uint64_t z = (s->state += UINT64_C(0x9e3779b97f4a7c15));

  z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
  return z ^ (z >> 31);
}

/* 0..limit-1 */
static inline uint64_t seed_below(seed_t *s, uint64_t limit) {
  return seed_next(s) % limit;
}

/* The same, where 32 bits are wanted. */
static inline uint32_t seed_pick(seed_t *s, uint32_t limit) {
  return (uint32_t)seed_below(s, limit);
}

#endif
