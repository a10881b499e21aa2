/* histogram.c - see histogram.h. */
#include "histogram.h"

#include <stddef.h>

enum { PARTS_LOG = 6 };

static size_t bucket_of(uint64_t value) {
  unsigned log;
  size_t i;

  if (value < HISTOGRAM_PARTS) {
    return (size_t)value;
  }
  log = 63u - (unsigned)__builtin_clzll(value);
  i = ((size_t)(log - PARTS_LOG + 1) << PARTS_LOG) +
      (size_t)((value >> (log - PARTS_LOG)) - HISTOGRAM_PARTS);
  return i < (size_t)HISTOGRAM_PARTS * HISTOGRAM_POWERS
             ? i
             : (size_t)HISTOGRAM_PARTS * HISTOGRAM_POWERS - 1;
}

/* The largest value of a bucket. */
static uint64_t top_of(size_t bucket) {
  unsigned power = (unsigned)(bucket >> PARTS_LOG);
  uint64_t part = bucket & (HISTOGRAM_PARTS - 1);

  if (power == 0) {
    return part;
  }
  return ((part + HISTOGRAM_PARTS + 1) << (power - 1)) - 1;
}

void histogram_add(histogram_t *h, uint64_t value) {
  h->counts[bucket_of(value)]++;
  h->total++;
  h->max = value > h->max ? value : h->max;
}

void histogram_merge(histogram_t *into, const histogram_t *from) {
  for (size_t i = 0; i < sizeof(from->counts) / sizeof(*from->counts); i++) {
    into->counts[i] += from->counts[i];
  }
  into->total += from->total;
  into->max = from->max > into->max ? from->max : into->max;
}

uint64_t histogram_at(const histogram_t *h, double share) {
  uint64_t want = (uint64_t)(share * (double)h->total + 0.5);
  uint64_t seen = 0;
  size_t i = 0;

  if (h->total == 0) {
    return 0;
  }
  want = want == 0 ? 1 : want;
  for (; (seen += h->counts[i]) < want; i++) {
  }
  return top_of(i) < h->max ? top_of(i) : h->max;
}
