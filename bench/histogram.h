/* histogram.h - latencies, from nanoseconds to minutes, to within 1 %.
 *
 * As HdrHistogram counts them: by powers of two, each cut into 128 parts. (Its
 * C library is not in Debian 12.) */
#ifndef SLUICE_BENCH_HISTOGRAM_H
#define SLUICE_BENCH_HISTOGRAM_H

#include <stdint.h>

enum {
  HISTOGRAM_PARTS = 128,
  HISTOGRAM_POWERS = 34,
  HISTOGRAM_CELLS = HISTOGRAM_PARTS * HISTOGRAM_POWERS
};

typedef struct histogram_s {
  uint64_t counts[HISTOGRAM_CELLS];
  uint64_t total;
  uint64_t max;
} histogram_t;

void histogram_clear(histogram_t *h);
void histogram_add(histogram_t *h, uint64_t ns, uint64_t count);

/* The highest value of the cell in which `percent` of all are reached. */
uint64_t histogram_at(const histogram_t *h, double percent);

#endif
