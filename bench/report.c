/* report.c - see report.h. JSON goes out piece by piece: a bench that is ended
 * half-way has shown what it had. Names are ours, so nothing needs escaping. */
#include "report.h"

#include <stdio.h>

void report_machine(const bench_t *b, const char *machine) {
  if (b->is_json) {
    printf("{\"bench\":\"%s\",\"machine\":\"%s\",\"pinned\":%s,\"pairs\":%u,"
           "\"cases\":[",
           b->name, machine, b->is_pinned ? "true" : "false", b->pairs);
  } else {
    printf("%s: %s%s\n", b->name, machine, b->is_pinned ? ", pinned" : "");
  }
  (void)fflush(stdout);
}

static const char *unit_of(const bench_case_t *c) {
  return c->bytes > 0 ? "GB/s" : "ns";
}

static void print_stats(const char *name, const stats_t *s) {
  printf("\"%s\":{\"median\":%.6g,\"p90\":%.6g,\"p99\":%.6g,\"min\":%.6g,"
         "\"max\":%.6g}",
         name, s->median, s->p90, s->p99, s->min, s->max);
}

static void print_json_row(const report_row_t *row) {
  printf("{\"name\":\"%s\",", row->variant);
  print_stats("value", &row->value);
  if (row->has_ratio) {
    printf(",");
    print_stats("ratio", &row->ratio);
  }
  if (row->cpu >= 0) {
    printf(",\"cpu_s_per_gib\":%.4g,\"loop_s_per_gib\":%.4g", row->cpu,
           row->thread);
  }
  if (row->longest_us > 0) {
    printf(",\"longest_turn_us\":%.4g", row->longest_us);
  }
  printf("}");
}

static void print_json(const bench_t *b, const bench_case_t *c, uint64_t count,
                       const report_row_t *rows) {
  printf("%s\n{\"name\":\"%s\",\"unit\":\"%s\",\"count\":%llu,\"variants\":[",
         b->cases > 0 ? "," : "", c->name, unit_of(c),
         (unsigned long long)count);
  for (size_t i = 0; i < c->variant_count; i++) {
    printf(i > 0 ? ",\n " : "\n ");
    print_json_row(&rows[i]);
  }
  printf("]}");
}

static void print_text_row(const report_row_t *row) {
  const stats_t *v = &row->value;

  printf("  %-14s %9.4g %9.4g %9.4g %9.4g %9.4g", row->variant, v->median,
         v->p90, v->p99, v->min, v->max);
  if (row->has_ratio) {
    printf("  %6.3f [%5.3f..%5.3f]", row->ratio.median, row->ratio.min,
           row->ratio.max);
  } else {
    printf("  %22s", "");
  }
  if (row->cpu >= 0) {
    printf("  %6.3f s/GiB, loop %5.3f", row->cpu, row->thread);
  }
  if (row->cpu >= 0 && row->has_ratio) {
    printf(" (%4.2f)", row->cpu_ratio);
  }
  if (row->longest_us > 0) {
    printf("  longest turn %.0f us", row->longest_us);
  }
  printf("\n");
}

static void print_text(const bench_case_t *c, uint64_t count,
                       const report_row_t *rows) {
  printf("%s (%s, x%llu)\n  %-14s %9s %9s %9s %9s %9s  %s\n", c->name,
         unit_of(c), (unsigned long long)count, "", "median", "p90", "p99",
         "min", "max", c->variant_count > 1 ? "ratio [min..max]" : "");
  for (size_t i = 0; i < c->variant_count; i++) {
    print_text_row(&rows[i]);
  }
}

/* name, then of each variant: its name; median, lowest and highest; the same of
 * its ratios; processor seconds a GiB. What plots read. */
static void print_table(FILE *table, const bench_case_t *c,
                        const report_row_t *rows) {
  (void)fprintf(table, "%s", c->name);
  for (size_t i = 0; i < c->variant_count; i++) {
    const report_row_t *r = &rows[i];

    (void)fprintf(table, "\t%s\t%.6g\t%.6g\t%.6g\t%.6g\t%.6g\t%.6g\t%.6g",
                  r->variant, r->value.median, r->value.min, r->value.max,
                  r->ratio.median, r->ratio.min, r->ratio.max, r->cpu);
  }
  (void)fprintf(table, "\n");
}

void report_case(bench_t *b, const bench_case_t *c, uint64_t count,
                 const report_row_t *rows) {
  if (b->is_json) {
    print_json(b, c, count, rows);
  } else {
    print_text(c, count, rows);
  }
  if (b->table != NULL) {
    print_table(b->table, c, rows);
  }
  b->cases++;
  (void)fflush(stdout);
}

void report_figure(bench_t *b, const char *name, const char *variant,
                   const char *unit, double value) {
  if (b->is_json) {
    printf("%s\n{\"name\":\"%s\",\"unit\":\"%s\",\"variants\":[{\"name\":"
           "\"%s\",\"value\":{\"median\":%.6g}}]}",
           b->cases > 0 ? "," : "", name, unit, variant, value);
  } else {
    printf("  %-36s %-14s %10.5g %s\n", name, variant, value, unit);
  }
  b->cases++;
  (void)fflush(stdout);
}

void report_end(const bench_t *b) {
  if (b->is_json) {
    printf("]}\n");
  }
}
