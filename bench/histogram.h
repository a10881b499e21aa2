/* histogram.h - latencies, from nanoseconds to minutes, to within 1 %.
 *
 * As HdrHistogram counts them: by powers of two, each cut into 128 parts. (Its
 * C library is not in Debian 12.) Recording is a shift and an addition. What is
 * past the last cell is counted in it; the highest value is kept as it is. */
#ifndef SLUICE_BENCH_HISTOGRAM_H
#define SLUICE_BENCH_HISTOGRAM_H

#include <stdint.h>

enum {
  HISTOGRAM_PARTS = 128,
  HISTOGRAM_POWERS = 35, /* up to 2^41 ns: 36 minutes */
  HISTOGRAM_CELLS = HISTOGRAM_PARTS * HISTOGRAM_POWERS
};

typedef struct histogram_s {
  uint64_t counts[HISTOGRAM_CELLS];
  uint64_t total;
  uint64_t max;
} histogram_t;

void histogram_clear(histogram_t *h);
void histogram_add(histogram_t *h, uint64_t ns);

/* What `share` (0 to 1) of all are not above: the highest value of its cell, or
 * the highest of all where that is less. 0: there are none. */
uint64_t histogram_at(const histogram_t *h, double share);

#endif
