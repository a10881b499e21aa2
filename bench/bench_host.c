/* bench_host.c - what a host's requests feel of a save in the same loop.
 *
 * A request is due every 20 us, whatever happens; the loop serves all that are
 * due at each turn, and their latency counts from when they were due, so that a
 * held loop is not counted once only. Each writes to a random page and says so.
 * The loop does not sleep. Saves follow each other, to nothing: the engine and
 * the host alone share the processor, which is the worst case for the host.
 *
 * Then the cost of an idle engine: a turn of the loop with and without one. */
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "histogram.h"
#include "host.h"
#include "memory.h"

enum { EVERY_NS = 20 * 1000, PAGE = 4096 };

#define NS_PER_S UINT64_C(1000000000)

typedef struct load_s {
  host_t host;
  uv_prepare_t turn;
  uv_idle_t awake;
  histogram_t latency;
  uint64_t due; /* the next request */
  uint64_t last_turn;
  uint64_t longest_turn;
  uint8_t *memory;
  uint64_t pages;
  uint64_t seed;
  bool is_marked;
} load_t;

static load_t load;

static void serve(load_t *l, uint64_t now) {
  uint64_t page = memory_random(&l->seed) % l->pages;

  if (l->is_marked) {
    sluice_ram_dirty(l->host.ram, 0, page * PAGE, 8);
  }
  memcpy(l->memory + page * PAGE, &now, sizeof(now));
  histogram_add(&l->latency, now - l->due);
  l->due += EVERY_NS;
}

static void on_turn(uv_prepare_t *handle) {
  load_t *l = handle->data;
  uint64_t now = uv_hrtime();

  if (now - l->last_turn > l->longest_turn) {
    l->longest_turn = now - l->last_turn;
  }
  l->last_turn = now;
  while (l->due <= now) {
    serve(l, now);
    now = uv_hrtime();
  }
}

static void on_idle(uv_idle_t *handle) {
  (void)handle; /* its being there keeps the loop awake */
}

/* The requests do not keep the loop alive: the save does. */
static void load_start(load_t *l) {
  (void)uv_prepare_init(&l->host.loop, &l->turn);
  (void)uv_idle_init(&l->host.loop, &l->awake);
  l->turn.data = l;
  (void)uv_prepare_start(&l->turn, on_turn);
  (void)uv_idle_start(&l->awake, on_idle);
  uv_unref((uv_handle_t *)&l->turn);
  uv_unref((uv_handle_t *)&l->awake);
  histogram_clear(&l->latency);
  l->longest_turn = 0;
  l->last_turn = uv_hrtime();
  l->due = l->last_turn;
}

static void load_stop(load_t *l) {
  uv_close((uv_handle_t *)&l->turn, NULL);
  uv_close((uv_handle_t *)&l->awake, NULL);
  (void)uv_run(&l->host.loop, UV_RUN_DEFAULT);
}

/* For plots: the whole curve, from the median to where one request is left. */
static void print_curve(FILE *table, const char *name, const histogram_t *h) {
  double beyond = 50;

  while (beyond > 100.0 / (double)h->total) {
    (void)fprintf(table, "%s\t%.6g\t%.6g\n", name, 100 / beyond,
                  (double)histogram_at(h, 1 - beyond / 100) / 1000);
    beyond /= 2;
  }
}

static void tell(bench_t *b, const char *name, const load_t *l) {
  static const double percents[] = {50, 90, 99, 99.9, 100};
  char label[16];

  for (size_t i = 0; i < sizeof(percents) / sizeof(*percents); i++) {
    (void)snprintf(label, sizeof(label), "p%g", percents[i]);
    bench_tell(b, name, label, "us",
               (double)histogram_at(&l->latency, percents[i] / 100) / 1000);
  }
  bench_tell(b, name, "longest turn", "us", (double)l->longest_turn / 1000);
  if (b->table != NULL) {
    print_curve(b->table, name, &l->latency);
  }
}

static uint64_t patience(const bench_t *b) {
  return b->is_quick ? NS_PER_S / 20 : 3 * NS_PER_S;
}

/* The loop and the requests, no save: what the machine itself does. */
static void bench_alone(bench_t *b) {
  const host_config_t none = {.base = NULL};
  uint64_t end;

  load.is_marked = false;
  host_open(&load.host, &none);
  load_start(&load);
  uv_ref((uv_handle_t *)&load.awake); /* nothing else keeps this loop alive */
  end = uv_hrtime() + patience(b);
  while (uv_hrtime() < end) {
    (void)uv_run(&load.host.loop, UV_RUN_NOWAIT);
  }
  tell(b, "no save", &load);
  load_stop(&load);
  host_close(&load.host);
}

static sluice_verdict_t after_one_round(sluice_save_t *save,
                                        const sluice_round_t *round) {
  (void)save;
  (void)round;
  return SLUICE_SWITCH;
}

static void bench_saves(bench_t *b, const char *name,
                        const host_config_t *config, sluice_save_mode_t mode) {
  const sluice_save_options_t options = {
      .size = sizeof(options),
      .mode = mode,
      .host = "pc",
      .policy = mode == SLUICE_CUT ? NULL : after_one_round};
  const char *error = NULL;
  uint64_t bytes = 0;
  uint64_t began;

  if (!bench_wants(b, name)) {
    return;
  }
  host_open(&load.host, config);
  load.is_marked = config->tracker == SLUICE_RAM_COOPERATIVE;
  load_start(&load);
  began = uv_hrtime();
  while (error == NULL && uv_hrtime() - began < patience(b)) {
    error = host_save(&load.host, host_null_sink(), &options);
    bytes += config->bytes;
  }
  if (error != NULL) {
    bench_remark(b, error);
  } else {
    bench_tell(b, name, "rate", "GB/s",
               (double)bytes / (double)(uv_hrtime() - began));
    tell(b, name, &load);
  }
  load_stop(&load);
  host_close(&load.host);
}

static void bench_slices(bench_t *b) {
  static const uint32_t lengths[] = {100, 250, 500, 1000, 2000};
  char name[64];

  for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++) {
    const host_config_t config = {.base = load.memory,
                                  .bytes = load.pages * PAGE,
                                  .slice_us = lengths[i],
                                  .slice_bytes = 64 << 20};

    (void)snprintf(name, sizeof(name), "slices of %u us", lengths[i]);
    bench_saves(b, name, &config, SLUICE_CONVERGE);
  }
}

static void bench_trackers(bench_t *b) {
  host_config_t config = {.base = load.memory, .bytes = load.pages * PAGE};

  bench_saves(b, "cooperative, cut", &config, SLUICE_CUT);
  config.tracker = SLUICE_RAM_WRITE_PROTECT;
  bench_saves(b, "write-protect, converge", &config, SLUICE_CONVERGE);
  bench_saves(b, "write-protect, cut", &config, SLUICE_CUT);
}

/* ---- an idle engine ---- */

typedef struct idle_s {
  uv_loop_t loop;
  uv_idle_t awake;
  sluice_engine_t *engine;
} idle_t;

static const char *run_turns(void *ctx, uint64_t count, bench_sample_t *out) {
  idle_t *i = ctx;

  bench_sample_begin(out);
  for (uint64_t n = 0; n < count; n++) {
    (void)uv_run(&i->loop, UV_RUN_NOWAIT);
  }
  bench_sample_end(out);
  return NULL;
}

static void idle_open(idle_t *i, bool has_engine) {
  (void)uv_loop_init(&i->loop);
  (void)uv_idle_init(&i->loop, &i->awake);
  (void)uv_idle_start(&i->awake, on_idle);
  if (has_engine) {
    (void)sluice_engine_new(&i->engine, &i->loop, NULL, NULL);
  }
}

static void idle_close(idle_t *i) {
  uv_close((uv_handle_t *)&i->awake, NULL);
  if (i->engine != NULL) {
    (void)sluice_engine_close(i->engine, NULL, NULL);
  }
  (void)uv_run(&i->loop, UV_RUN_DEFAULT);
  (void)uv_loop_close(&i->loop);
}

static void bench_idle(bench_t *b) {
  static idle_t with, without;
  static const bench_variant_t variants[] = {{"alone", run_turns, &without},
                                             {"idle-engine", run_turns, &with}};
  const bench_case_t c = {
      .name = "a turn of the loop", .variants = variants, .variant_count = 2};
  FILE *table = b->table; /* curves only */
  sluice_engine_stats_t stats;

  b->table = NULL;
  idle_open(&without, false);
  idle_open(&with, true);
  bench_run(b, &c);
  sluice_engine_stats(with.engine, &stats, sizeof(stats));
  bench_tell(b, "an idle engine ran", "turns", "", (double)stats.turns);
  idle_close(&without);
  idle_close(&with);
  b->table = table;
}

int main(int argc, char **argv) {
  bench_t b = {.is_pinned = true};

  bench_open(&b, "host", argc, argv);
  load.seed = 1;
  load.pages = b.bytes / PAGE;
  load.memory = memory_new(b.bytes);
  memory_fill(load.memory, b.bytes, 1);
  if (bench_wants(&b, "no save")) {
    bench_alone(&b);
  }
  bench_slices(&b);
  bench_trackers(&b);
  bench_idle(&b);
  return bench_close(&b);
}
