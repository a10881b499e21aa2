/* bench.h - measures variants of the same thing against each other.
 *
 * A case has variants; the first is what the others are compared with. They run
 * turn about, A B C A B C, so that what else the machine does meets all of them
 * alike; each round gives one ratio a variant, and the median of those ratios
 * is what may be claimed. Absolute figures are there for orientation.
 *
 * Knows nothing of Sluice. Prints text as it goes, or one JSON document. */
#ifndef SLUICE_BENCH_BENCH_H
#define SLUICE_BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { BENCH_PAIRS_MAX = 1000, BENCH_VARIANTS_MAX = 8 };

typedef struct bench_s {
  const char *name;
  const char *only;    /* run cases whose name has this in it; NULL: all */
  const char *variant; /* run this one alone, for a profiler; NULL: all */
  unsigned pairs;      /* rounds of a case */
  uint64_t bytes;      /* of state, for the cases that move some */
  uint64_t target_ns;  /* a calibrated run takes at least this */
  const char *folder;  /* for files on a disk */
  bool is_json;
  bool is_quick;  /* small and few: does it run at all? */
  bool is_pinned; /* to one processor; only single-threaded benches are */
  int failed;
  unsigned cases; /* told so far */
  FILE *table;    /* columns for plots; NULL: none */
} bench_t;

/* One run: what it took. Filled by begin and end around the measured part. */
typedef struct bench_sample_s {
  uint64_t ns;
  uint64_t cpu_ns;     /* of this process, and of children waited for between */
  uint64_t thread_ns;  /* of cpu_ns, this thread's: the loop's */
  uint64_t longest_ns; /* the loop was held at most; 0: not a loop */
} bench_sample_t;

void bench_sample_begin(bench_sample_t *s);
void bench_sample_end(bench_sample_t *s);

/* Does the work `count` times; 0 or what to show as an error. */
typedef const char *(*bench_run_fn)(void *ctx, uint64_t count,
                                    bench_sample_t *out);

typedef struct bench_variant_s {
  const char *name;
  bench_run_fn run;
  void *ctx;
} bench_variant_t;

typedef struct bench_case_s {
  const char *name;
  double bytes;   /* that one count moves: then GB/s are told, else ns */
  double units;   /* that one count does, for ns each; 0: 1 */
  bool is_whole;  /* one count is long enough: no calibration */
  unsigned pairs; /* 0: what was asked for on the command line */
  const bench_variant_t *variants;
  size_t variant_count;
} bench_case_t;

/* Reads the arguments (and exits after --help); prints the machine. */
void bench_open(bench_t *b, const char *name, int argc, char **argv);

bool bench_wants(const bench_t *b, const char *name);
void bench_run(bench_t *b, const bench_case_t *c);

/* A figure that is not a time: one line, one JSON object. */
void bench_tell(bench_t *b, const char *name, const char *variant,
                const char *unit, double value);
/* A remark; text only. */
void bench_remark(const bench_t *b, const char *text);

/* The exit status. */
int bench_close(bench_t *b);

#endif
