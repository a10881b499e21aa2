/* bench.c - options, calibration and the rounds of a case. See bench.h.
 *
 * Every variant runs once before anything counts: caches, page tables and the
 * files' pages are then as they will be. */
#include "bench.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "machine.h"
#include "report.h"

#define NS_PER_S UINT64_C(1000000000)
#define GIB      ((double)(UINT64_C(1) << 30))

static uint64_t clock_ns(void) {
  struct timespec t;

  (void)clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static uint64_t time_ns(const struct timeval *t) {
  return (uint64_t)t->tv_sec * NS_PER_S + (uint64_t)t->tv_usec * 1000;
}

static uint64_t usage_ns(int who) {
  struct rusage u;

  (void)getrusage(who, &u);
  return time_ns(&u.ru_utime) + time_ns(&u.ru_stime);
}

static uint64_t cpu_ns(void) {
  return usage_ns(RUSAGE_SELF) + usage_ns(RUSAGE_CHILDREN);
}

static uint64_t thread_ns(void) {
  struct timespec t;

  (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

void bench_sample_begin(bench_sample_t *s) {
  memset(s, 0, sizeof(*s));
  s->thread_ns = thread_ns();
  s->cpu_ns = cpu_ns();
  s->ns = clock_ns();
}

void bench_sample_end(bench_sample_t *s) {
  s->ns = clock_ns() - s->ns;
  s->cpu_ns = cpu_ns() - s->cpu_ns;
  s->thread_ns = thread_ns() - s->thread_ns;
}

/* ---- options ---- */

static void usage(const char *name, int status) {
  printf("usage: bench_%s [--json] [--quick] [--pairs N] [--mib N]\n"
         "         [--only TEXT] [--variant NAME] [--folder PATH]\n"
         "         [--table FILE]\n"
         "  --only    cases with TEXT in their name\n"
         "  --variant one variant alone, as a profiler wants it\n"
         "  --folder  where files on a disk go (default: .)\n"
         "  --table   writes columns for plots to FILE\n",
         name);
  exit(status);
}

static uint64_t number(const char *name, const char *text, uint64_t max) {
  char *end;
  unsigned long long n = strtoull(text, &end, 10);

  if (*text == '\0' || *end != '\0' || n == 0 || n > max) {
    usage(name, 2);
  }
  return n;
}

static void open_table(bench_t *b, const char *path) {
  b->table = fopen(path, "w");
  if (b->table == NULL) {
    perror(path);
    exit(2);
  }
}

static void take_option(bench_t *b, int option) {
  switch (option) {
  case 'j': b->is_json = true; break;
  case 'q': b->is_quick = true; break;
  case 'p':
    b->pairs = (unsigned)number(b->name, optarg, BENCH_PAIRS_MAX);
    break;
  case 'm': b->bytes = number(b->name, optarg, 1 << 20) << 20; break;
  case 'o': b->only = optarg; break;
  case 'v': b->variant = optarg; break;
  case 'f': b->folder = optarg; break;
  case 't': open_table(b, optarg); break;
  default: usage(b->name, option == 'h' ? 0 : 2);
  }
}

static void take_options(bench_t *b, int argc, char **argv) {
  static const struct option known[] = {
      {"json", no_argument, NULL, 'j'},
      {"quick", no_argument, NULL, 'q'},
      {"pairs", required_argument, NULL, 'p'},
      {"mib", required_argument, NULL, 'm'},
      {"only", required_argument, NULL, 'o'},
      {"variant", required_argument, NULL, 'v'},
      {"folder", required_argument, NULL, 'f'},
      {"table", required_argument, NULL, 't'},
      {"help", no_argument, NULL, 'h'},
      {NULL, 0, NULL, 0}};
  int option;

  while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
    take_option(b, option);
  }
  if (optind < argc) {
    usage(b->name, 2);
  }
}

void bench_open(bench_t *b, const char *name, int argc, char **argv) {
  bool wants_pin = b->is_pinned;
  char machine[512];

  b->name = name;
  b->folder = ".";
  take_options(b, argc, argv);
  if (b->pairs == 0) {
    b->pairs = b->is_quick ? 2 : 9;
  }
  if (b->bytes == 0) {
    b->bytes = (uint64_t)(b->is_quick ? 32 : 512) << 20;
  }
  b->target_ns = b->is_quick ? 1000 * 1000 : 20 * 1000 * 1000;
  b->is_pinned = wants_pin && machine_pin();
  machine_describe(machine, sizeof(machine));
  report_machine(b, machine);
}

/* ---- running ---- */

typedef struct rounds_s {
  bench_sample_t *samples[BENCH_VARIANTS_MAX];
  uint64_t counts[BENCH_VARIANTS_MAX]; /* what a run of each repeats */
  unsigned count;
} rounds_t;

bool bench_wants(const bench_t *b, const char *name) {
  return b->only == NULL || strstr(name, b->only) != NULL;
}

static bool run_once(bench_t *b, const bench_case_t *c, size_t variant,
                     uint64_t count, bench_sample_t *out) {
  const bench_variant_t *v = &c->variants[variant];
  const char *error = v->run(v->ctx, count, out);

  if (error != NULL) {
    (void)fprintf(stderr, "%s, %s: %s\n", c->name, v->name, error);
    b->failed = 1;
  }
  return error == NULL;
}

/* Warms up, and finds how often a variant must run to fill the target: each its
 * own number, for one may take a million times as long as another. */
static bool calibrate(bench_t *b, const bench_case_t *c, size_t variant,
                      uint64_t *out_count) {
  uint64_t count = 1;
  bench_sample_t s = {0};

  while (run_once(b, c, variant, count, &s)) {
    if (c->is_whole || s.ns >= b->target_ns) {
      *out_count = count;
      return true;
    }
    count =
        s.ns < 1000 ? count * 100 : count * b->target_ns / s.ns + count / 8 + 1;
  }
  return false;
}

static bool calibrate_all(bench_t *b, const bench_case_t *c, rounds_t *r) {
  for (size_t i = 0; i < c->variant_count; i++) {
    if (!calibrate(b, c, i, &r->counts[i])) {
      return false;
    }
  }
  return true;
}

static bool run_rounds(bench_t *b, const bench_case_t *c, rounds_t *r) {
  for (unsigned i = 0; i < r->count; i++) {
    for (size_t v = 0; v < c->variant_count; v++) {
      if (!run_once(b, c, v, r->counts[v], &r->samples[v][i])) {
        return false;
      }
    }
  }
  return true;
}

/* Of one count. */
static double ns_of(const rounds_t *r, size_t variant, unsigned round) {
  return (double)r->samples[variant][round].ns / (double)r->counts[variant];
}

/* GB/s, or ns a unit. */
static double value_of(const bench_case_t *c, double ns) {
  return c->bytes > 0 ? c->bytes / ns : ns / (c->units > 0 ? c->units : 1);
}

static stats_t stats_of_values(const bench_case_t *c, const rounds_t *r,
                               size_t variant) {
  double values[BENCH_PAIRS_MAX];

  for (unsigned i = 0; i < r->count; i++) {
    values[i] = value_of(c, ns_of(r, variant, i));
  }
  return stats_of(values, r->count);
}

/* How much faster than the first, round by round. */
static stats_t stats_of_ratios(const rounds_t *r, size_t variant) {
  double values[BENCH_PAIRS_MAX];

  for (unsigned i = 0; i < r->count; i++) {
    values[i] = ns_of(r, 0, i) / ns_of(r, variant, i);
  }
  return stats_of(values, r->count);
}

static stats_t stats_of_cpu(const rounds_t *r, size_t variant) {
  double values[BENCH_PAIRS_MAX];

  for (unsigned i = 0; i < r->count; i++) {
    values[i] =
        (double)r->samples[variant][i].cpu_ns / (double)r->counts[variant];
  }
  return stats_of(values, r->count);
}

static double thread_seconds(const rounds_t *r, size_t variant) {
  double values[BENCH_PAIRS_MAX];

  for (unsigned i = 0; i < r->count; i++) {
    values[i] =
        (double)r->samples[variant][i].thread_ns / (double)r->counts[variant];
  }
  return stats_of(values, r->count).median / 1e9;
}

/* The median of the runs' longest: the longest of all is mostly one in which
 * somebody else had the processor. */
static double longest_us(const rounds_t *r, size_t variant) {
  double values[BENCH_PAIRS_MAX];

  for (unsigned i = 0; i < r->count; i++) {
    values[i] = (double)r->samples[variant][i].longest_ns;
  }
  return stats_of(values, r->count).median / 1000;
}

static report_row_t make_row(const bench_case_t *c, const rounds_t *r,
                             size_t variant) {
  stats_t cpu = stats_of_cpu(r, variant);
  stats_t cpu_first = stats_of_cpu(r, 0);
  report_row_t row = {.variant = c->variants[variant].name,
                      .value = stats_of_values(c, r, variant),
                      .ratio = stats_of_ratios(r, variant),
                      .has_ratio = variant > 0,
                      .cpu = -1,
                      .longest_us = longest_us(r, variant)};

  if (c->bytes > 0) {
    row.cpu = cpu.median / 1e9 * GIB / c->bytes;
    row.thread = thread_seconds(r, variant) * GIB / c->bytes;
    row.cpu_ratio = cpu_first.median > 0 ? cpu.median / cpu_first.median : 0;
  }
  return row;
}

static void tell_case(bench_t *b, const bench_case_t *c, const rounds_t *r) {
  report_row_t rows[BENCH_VARIANTS_MAX];

  for (size_t i = 0; i < c->variant_count; i++) {
    rows[i] = make_row(c, r, i);
  }
  report_case(b, c, r->counts[0], rows);
}

static void run_case(bench_t *b, const bench_case_t *c) {
  rounds_t r = {.count = c->pairs != 0 && !b->is_quick ? c->pairs : b->pairs};
  bench_sample_t *samples =
      calloc(r.count * c->variant_count, sizeof(*samples));

  if (samples == NULL) {
    b->failed = 1;
    return;
  }
  for (size_t i = 0; i < c->variant_count; i++) {
    r.samples[i] = samples + i * r.count;
  }
  if (calibrate_all(b, c, &r) && run_rounds(b, c, &r)) {
    tell_case(b, c, &r);
  }
  free(samples);
}

static void run_one(bench_t *b, const bench_case_t *c) {
  bench_case_t alone = *c;

  for (size_t i = 0; i < c->variant_count; i++) {
    if (strcmp(c->variants[i].name, b->variant) == 0) {
      alone.variants = &c->variants[i];
      alone.variant_count = 1;
      run_case(b, &alone);
    }
  }
}

void bench_run(bench_t *b, const bench_case_t *c) {
  if (!bench_wants(b, c->name)) {
    return;
  }
  if (b->variant != NULL) {
    run_one(b, c);
  } else {
    run_case(b, c);
  }
}

void bench_tell(bench_t *b, const char *name, const char *variant,
                const char *unit, double value) {
  report_figure(b, name, variant, unit, value);
}

void bench_remark(const bench_t *b, const char *text) {
  if (!b->is_json) {
    printf("%s\n", text);
  }
}

int bench_close(bench_t *b) {
  report_end(b);
  if (b->table != NULL) {
    (void)fclose(b->table);
  }
  return b->failed;
}
