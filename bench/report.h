/* report.h - the results of one case, as text or JSON. For bench.c alone. */
#ifndef SLUICE_BENCH_REPORT_H
#define SLUICE_BENCH_REPORT_H

#include "bench.h"
#include "stats.h"

typedef struct report_row_s {
  const char *variant;
  stats_t value; /* GB/s or ns a unit */
  stats_t ratio; /* to the first variant of the same round; > 1: better */
  bool has_ratio;
  double cpu;        /* seconds a GiB, median; < 0: none */
  double thread;     /* of it, by the loop's thread */
  double cpu_ratio;  /* to the first variant's; < 1: better */
  double longest_us; /* the loop was held; 0: no loop */
} report_row_t;

void report_machine(const bench_t *b, const char *machine);
void report_case(bench_t *b, const bench_case_t *c, uint64_t count,
                 const report_row_t *rows);
void report_figure(bench_t *b, const char *name, const char *variant,
                   const char *unit, double value);
void report_end(const bench_t *b);

#endif
