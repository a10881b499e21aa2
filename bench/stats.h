/* stats.h - what a set of samples comes to. */
#ifndef SLUICE_BENCH_STATS_H
#define SLUICE_BENCH_STATS_H

#include <stddef.h>

typedef struct stats_s {
  double median, p90, p99, min, max;
} stats_t;

/* Sorts `values`; `count` is at least 1. */
stats_t stats_of(double *values, size_t count);

#endif
