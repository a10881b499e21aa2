/* histogram.h - counts of times, exact to 1.6 %, from nanoseconds to minutes.
 *
 * 64 equal parts for each power of two: recording is a shift and an addition,
 * and two histograms of different runs can be compared bucket by bucket. */
#ifndef PROBE_HISTOGRAM_H
#define PROBE_HISTOGRAM_H

#include <stdint.h>

enum { HISTOGRAM_PARTS = 64, HISTOGRAM_POWERS = 42 };

typedef struct histogram_s {
  uint64_t counts[HISTOGRAM_PARTS * HISTOGRAM_POWERS];
  uint64_t total;
  uint64_t max;
} histogram_t;

void histogram_add(histogram_t *h, uint64_t value);
void histogram_merge(histogram_t *into, const histogram_t *from);

/* The value that `share` of 0..1 of all are not above; 0: there are none. */
uint64_t histogram_at(const histogram_t *h, double share);

#endif
