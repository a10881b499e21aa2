/* histogram.c - see histogram.h. Values under 128 have a cell each; from there
 * on the highest 8 bits tell the cell. */
#include "histogram.h"

#include <string.h>

enum { PART_BITS = 7 };

static unsigned shift_of(uint64_t ns) {
  return ns < HISTOGRAM_PARTS
             ? 0
             : (unsigned)(63 - __builtin_clzll(ns)) - PART_BITS;
}

/* A power's first half is that of the powers below, so the sum is seamless. */
static uint64_t cell_of(uint64_t ns) {
  unsigned shift = shift_of(ns);
  uint64_t cell = (uint64_t)shift * HISTOGRAM_PARTS + (ns >> shift);

  return cell < HISTOGRAM_CELLS ? cell : HISTOGRAM_CELLS - 1;
}

static uint64_t highest_of(uint64_t cell) {
  uint64_t shift =
      cell < UINT64_C(2) * HISTOGRAM_PARTS ? 0 : cell / HISTOGRAM_PARTS - 1;
  uint64_t part = cell - shift * HISTOGRAM_PARTS;

  return ((part + 1) << shift) - 1;
}

void histogram_clear(histogram_t *h) {
  memset(h, 0, sizeof(*h));
}

void histogram_add(histogram_t *h, uint64_t ns) {
  h->counts[cell_of(ns)]++;
  h->total++;
  h->max = ns > h->max ? ns : h->max;
}

uint64_t histogram_at(const histogram_t *h, double share) {
  /* 99.9 % of 1000 are 999, whatever the last bit of the product says. */
  double wanted = (double)h->total * share * (1 - 1e-12);
  uint64_t seen = 0;

  for (uint64_t i = 0; i + 1 < HISTOGRAM_CELLS; i++) {
    seen += h->counts[i];
    if (seen > 0 && (double)seen >= wanted) {
      return highest_of(i) < h->max ? highest_of(i) : h->max;
    }
  }
  return h->max; /* the last cell has no end */
}
