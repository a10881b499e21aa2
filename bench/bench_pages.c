/* bench_pages.c - what kind of pages, and how many of them change.
 *
 * All to nothing, so that only the library is measured, beside what a single
 * loop over the same memory costs: a read sweep for pages of zeros, a copy into
 * a buffer that stays in cache for others. */
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "host.h"
#include "memory.h"

enum { STAGE = 1 << 20, ROUNDS = 4 };

typedef struct job_s {
  host_t *host;
  sluice_format_t format;
  const uint8_t *data;
  size_t bytes;
  unsigned percent; /* of the pages are marked again in every round */
  uint64_t seed;
} job_t;

static const char *run_sweep(void *ctx, uint64_t count, bench_sample_t *out) {
  static volatile uint64_t sum;
  const job_t *job = ctx;
  const uint64_t *words = (const uint64_t *)(const void *)job->data;
  uint64_t all = 0;

  bench_sample_begin(out);
  for (size_t i = 0; i < job->bytes / 8 * count; i += 4) {
    size_t at = i % (job->bytes / 8);

    all |= words[at] | words[at + 1] | words[at + 2] | words[at + 3];
  }
  sum = all;
  bench_sample_end(out);
  return sum == 0 ? NULL : "the memory is not zero";
}

static const char *run_copy(void *ctx, uint64_t count, bench_sample_t *out) {
  static uint8_t *stage;
  const job_t *job = ctx;

  if (stage == NULL) {
    stage = memory_new(STAGE);
  }
  bench_sample_begin(out);
  for (size_t at = 0; at < job->bytes * count; at += STAGE) {
    memcpy(stage, job->data + at % job->bytes, STAGE);
    __asm__ volatile("" ::"r"(stage) : "memory"); /* it is looked at */
  }
  bench_sample_end(out);
  return NULL;
}

/* Between two rounds the host writes here and there. */
static sluice_verdict_t dirty_some(sluice_save_t *save,
                                   const sluice_round_t *round) {
  host_t *host = sluice_save_data(save);
  job_t *job = host->data;
  uint64_t pages = job->bytes / 4096;

  if (round->number >= ROUNDS) {
    return SLUICE_SWITCH;
  }
  for (uint64_t i = 0; i < pages * job->percent / 100; i++) {
    sluice_ram_dirty(host->ram, 0, memory_random(&job->seed) % pages * 4096, 1);
  }
  return SLUICE_GO_ON;
}

static const char *run_save(void *ctx, uint64_t count, bench_sample_t *out) {
  job_t *job = ctx;
  const sluice_save_options_t options = {.size = sizeof(options),
                                         .format = job->format,
                                         .host = "pc",
                                         .policy = job->percent > 0 ? dirty_some
                                                                    : NULL};
  const char *error;

  (void)count; /* whole runs: always 1 */
  job->host->data = job;
  bench_sample_begin(out);
  error = host_save(job->host, host_null_sink(), &options);
  bench_sample_end(out);
  out->longest_ns = job->host->longest_turn_ns;
  return error;
}

/* `floor` is what both formats are beside. */
static void bench_kind(bench_t *b, const char *name,
                       const host_config_t *config, bench_run_fn floor) {
  host_t host;
  job_t native = {.host = &host,
                  .format = SLUICE_FORMAT_NATIVE,
                  .data = config->base,
                  .bytes = (size_t)config->bytes};
  job_t qemu3 = native;
  const bench_variant_t variants[] = {{"floor", floor, &native},
                                      {"native", run_save, &native},
                                      {"qemu3", run_save, &qemu3}};
  const bench_case_t c = {.name = name,
                          .bytes = (double)config->bytes,
                          .is_whole = true,
                          .variants = variants,
                          .variant_count = 3};

  qemu3.format = SLUICE_FORMAT_QEMU3;
  host_open(&host, config);
  bench_run(b, &c);
  host_close(&host);
}

static void bench_sizes(bench_t *b, void *base) {
  for (uint32_t size = 4096; size <= SLUICE_PAGE_MAX; size *= 4) {
    const host_config_t config = {.base = base,
                                  .bytes = b->bytes,
                                  .page_size = size,
                                  .tracker = SLUICE_RAM_STATIC};
    char name[64];

    (void)snprintf(name, sizeof(name), "pages of %u KiB", size / 1024);
    bench_kind(b, name, &config, run_copy);
  }
}

/* Told per page sent: what a round costs beside sending its pages. */
static void bench_dirty(bench_t *b, void *base, unsigned percent) {
  const host_config_t config = {.base = base, .bytes = b->bytes};
  char name[64];
  host_t host;
  job_t job = {.host = &host,
               .format = SLUICE_FORMAT_NATIVE,
               .data = base,
               .bytes = (size_t)b->bytes,
               .percent = percent,
               .seed = 1};
  const bench_variant_t variant = {"native", run_save, &job};
  bench_case_t c = {
      .name = name, .is_whole = true, .variants = &variant, .variant_count = 1};
  bench_sample_t sample;
  sluice_ram_stats_t stats;

  (void)snprintf(name, sizeof(name), "%u %% dirty a round, a page sent",
                 percent);
  if (!bench_wants(b, name)) {
    return;
  }
  host_open(&host, &config);
  (void)run_save(&job, 1, &sample);
  sluice_ram_stats(host.ram, &stats, sizeof(stats));
  c.units = (double)stats.pages_sent;
  bench_run(b, &c);
  host_close(&host);
}

int main(int argc, char **argv) {
  bench_t b = {.is_pinned = true};
  host_config_t config = {.tracker = SLUICE_RAM_STATIC};

  bench_open(&b, "pages", argc, argv);
  config.bytes = b.bytes;
  config.base = memory_new(b.bytes);
  memset(config.base, 1, b.bytes); /* pages of its own, not the zero page */
  memset(config.base, 0, b.bytes);
  bench_kind(&b, "zero pages", &config, run_sweep);
  memory_fill(config.base, b.bytes, 1);
  bench_sizes(&b, config.base);
  bench_dirty(&b, config.base, 1);
  bench_dirty(&b, config.base, 10);
  bench_dirty(&b, config.base, 100);
  return bench_close(&b);
}
