/* sample.h - a sweep that takes every so many-th place only, from one that the
 * seed chooses: $SLUICE_TEST_SAMPLE says how many. Without it, all of them.
 *
 * Two runs with other seeds see other places; SLUICE_SEED repeats one. */
#ifndef SLUICE_TESTS_SAMPLE_H
#define SLUICE_TESTS_SAMPLE_H

#include <stdlib.h>
#include <time.h>

#include "seed.h"

static inline unsigned sample_step(void) {
  const char *text = getenv("SLUICE_TEST_SAMPLE");
  unsigned long n = text != NULL ? strtoul(text, NULL, 10) : 1;

  return n > 0 && n < 1000 ? (unsigned)n : 1;
}

/* Less than sample_step(); `what` tells the sweeps of a run apart. */
static inline unsigned sample_first(const char *what) {
  const char *given = getenv("SLUICE_SEED");
  seed_t seed = {given != NULL ? strtoull(given, NULL, 0)
                               : (uint64_t)time(NULL)};

  for (; *what != '\0'; what++) {
    seed.state = (seed.state ^ (unsigned char)*what) * UINT64_C(1099511628211);
  }
  return seed_pick(&seed, sample_step());
}

#endif
