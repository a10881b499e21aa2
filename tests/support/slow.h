/* slow.h - whether each instruction costs that of fifty, as under valgrind:
 * then sweeps take larger steps, and nobody counts on threads that are quick.
 *
 * `./dev valgrind` says so in the environment. */
#ifndef SLUICE_TESTS_SLOW_H
#define SLUICE_TESTS_SLOW_H

#include <stdlib.h>

static inline int is_slow(void) {
  return getenv("SLUICE_TEST_SLOW") != NULL;
}

static inline int slow_step(int step) {
  return is_slow() ? step : 1;
}

#endif
