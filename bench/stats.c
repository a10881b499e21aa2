/* stats.c - see stats.h. Percentiles by the nearest rank: of few samples p99 is
 * the largest, which is what there is to say. */
#include "stats.h"

#include <stdlib.h>

static int compare(const void *a, const void *b) {
  double x = *(const double *)a;
  double y = *(const double *)b;

  return (x > y) - (x < y);
}

static double rank(const double *sorted, size_t count, size_t percent) {
  size_t at = (count * percent + 99) / 100;

  return sorted[at == 0 ? 0 : at - 1];
}

stats_t stats_of(double *values, size_t count) {
  stats_t s;

  qsort(values, count, sizeof(*values), compare);
  s.min = values[0];
  s.max = values[count - 1];
  s.median = (values[(count - 1) / 2] + values[count / 2]) / 2;
  s.p90 = rank(values, count, 90);
  s.p99 = rank(values, count, 99);
  return s;
}
