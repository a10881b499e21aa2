/* bench_trackers.c - what a write to memory costs while it is being saved.
 *
 * A store to each page of a quarter of the memory, pages in random order: with
 * nothing that looks on, and in every state that a page can be in for every
 * tracker. A save is brought to where it is held up by its sink: then the first
 * quarter has been sent, the last has not. ns are per store, the tracker's part
 * with it; each round is a save of its own. */
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "host.h"
#include "memory.h"

enum { PAGE = 4096 };

/* Which store counts: the first to each page, or one more after it. */
typedef enum turn_e { TURN_FIRST, TURN_AGAIN } turn_t;
typedef enum when_e { WHEN_IDLE, WHEN_SENT, WHEN_UNSENT } when_t;

typedef struct job_s {
  sluice_ram_tracker_t tracker;
  sluice_save_mode_t mode;
  when_t when;
  turn_t turn;
  bool is_plain; /* no mark */
} job_t;

static struct {
  uint8_t *memory;
  size_t bytes;
  uint32_t *order; /* of the pages of a quarter */
  uint32_t count;
  host_t host;
  sluice_ram_marks_t marks;
} state;

/* ---- stores ---- */

/* The host's own way: a mark where it is to mark, then the store. */
static void store_all(const job_t *job, uint32_t first) {
  bool is_marked = !job->is_plain && job->tracker == SLUICE_RAM_COOPERATIVE;

  for (uint32_t i = 0; i < state.count; i++) {
    uint64_t at = (uint64_t)(first + state.order[i]) * PAGE;

    if (is_marked) {
      sluice_ram_mark(&state.marks, at, 8);
    }
    *(volatile uint64_t *)(void *)(state.memory + at) = i;
  }
}

static void measure(const job_t *job, bench_sample_t *out) {
  uint32_t first = job->when == WHEN_UNSENT ? 3 * state.count : 0;

  if (job->turn == TURN_AGAIN) {
    store_all(job, first);
  }
  bench_sample_begin(out);
  store_all(job, first);
  bench_sample_end(out);
}

/* ---- a sink that holds a save up ---- */

typedef struct gate_s {
  const job_t *job;
  bench_sample_t *out;
  uv_idle_t awake;
  uint64_t taken;
  bool is_over; /* measured: everything is taken from now on */
  sluice_sink_cb cb;
  void *ctx;
  uint32_t held; /* writes; the engine may have several under way */
} gate_t;

enum { HELD_MAX = 64 };
static struct {
  sluice_sink_cb cb;
  void *ctx;
} held[HELD_MAX];

static int gate_write(void *self, const void *data, size_t len, uint64_t offset,
                      sluice_sink_cb cb, void *ctx) {
  gate_t *g = self;

  (void)data;
  (void)offset;
  g->taken += len;
  if (g->is_over || g->taken < state.bytes / 2) {
    return 1;
  }
  if (g->held == HELD_MAX) {
    return UV_ENOBUFS;
  }
  held[g->held].cb = cb;
  held[g->held++].ctx = ctx;
  return 0;
}

/* Once the engine has nothing more to do: two turns after the first was held.
 */
static void on_idle(uv_idle_t *handle) {
  gate_t *g = handle->data;

  if (g->held == 0 || g->is_over) {
    return;
  }
  measure(g->job, g->out);
  g->is_over = true;
  for (uint32_t i = 0; i < g->held; i++) {
    held[i].cb(held[i].ctx, 0);
  }
  uv_close((uv_handle_t *)handle, NULL);
}

static sluice_sink_t *gate_open(gate_t *g, const job_t *job,
                                bench_sample_t *out) {
  static const sluice_sink_ops_t ops = {.size = sizeof(ops),
                                        .write = gate_write};
  sluice_sink_t *sink = NULL;

  *g = (gate_t){.job = job, .out = out};
  (void)sluice_sink_custom(&sink, &ops, g);
  (void)uv_idle_init(&state.host.loop, &g->awake);
  g->awake.data = g;
  (void)uv_idle_start(&g->awake, on_idle);
  return sink;
}

static sluice_verdict_t after_one_round(sluice_save_t *save,
                                        const sluice_round_t *round) {
  (void)save;
  (void)round;
  return SLUICE_SWITCH;
}

static const char *measure_in_save(const job_t *job, bench_sample_t *out) {
  const sluice_save_options_t options = {
      .size = sizeof(options),
      .mode = job->mode,
      .host = "pc",
      .policy = job->mode == SLUICE_CUT ? NULL : after_one_round};
  static gate_t gate;
  const char *error =
      host_save(&state.host, gate_open(&gate, job, out), &options);

  return error != NULL || gate.is_over ? error : "the save was never held up";
}

/* ---- cases ---- */

static const char *run_job(void *ctx, uint64_t count, bench_sample_t *out) {
  const job_t *job = ctx;
  const char *error = NULL;

  (void)count; /* whole runs: always 1 */
  if (job->is_plain || (job->when == WHEN_IDLE && job->turn == TURN_AGAIN)) {
    measure(job, out);
  } else if (job->when == WHEN_IDLE) { /* after a save nothing is marked */
    error = host_save(&state.host, host_null_sink(), NULL);
    measure(job, out);
  } else {
    error = measure_in_save(job, out);
  }
  return error;
}

static void bench_tracker(bench_t *b, const char *name, const job_t *jobs,
                          const char *const *names, size_t count) {
  const host_config_t config = {.base = state.memory,
                                .bytes = state.bytes,
                                .tracker = jobs[1].tracker,
                                .max_preimage = 2 * state.bytes};
  bench_variant_t variants[BENCH_VARIANTS_MAX];
  const bench_case_t c = {.name = name,
                          .units = state.count,
                          .is_whole = true,
                          .variants = variants,
                          .variant_count = count};

  for (size_t i = 0; i < count; i++) {
    job_t *job = malloc(sizeof(*job));

    if (job == NULL) {
      abort();
    }
    *job = jobs[i];
    variants[i] = (bench_variant_t){names[i], run_job, job};
  }
  host_open(&state.host, &config);
  (void)sluice_ram_marks(state.host.ram, 0, &state.marks, sizeof(state.marks));
  bench_run(b, &c);
  host_close(&state.host);
  for (size_t i = 0; i < count; i++) {
    free(variants[i].ctx);
  }
}

#define PLAIN                                                                  \
  { .is_plain = true }

static void bench_none(bench_t *b) {
  static const char *const names[] = {"plain", "clean", "marked"};
  static const job_t jobs[] = {
      PLAIN, {.turn = TURN_FIRST}, {.turn = TURN_AGAIN}};

  bench_tracker(b, "cooperative, no save", jobs, names, 3);
}

static void bench_converge(bench_t *b, const char *name,
                           sluice_ram_tracker_t t) {
  static const char *const names[] = {"plain", "sent", "sent-again", "unsent"};
  const job_t jobs[] = {PLAIN,
                        {t, SLUICE_CONVERGE, WHEN_SENT, TURN_FIRST, false},
                        {t, SLUICE_CONVERGE, WHEN_SENT, TURN_AGAIN, false},
                        {t, SLUICE_CONVERGE, WHEN_UNSENT, TURN_FIRST, false}};

  bench_tracker(b, name, jobs, names, 4);
}

static void bench_cut(bench_t *b, const char *name, sluice_ram_tracker_t t) {
  static const char *const names[] = {"plain", "sent", "unsent",
                                      "unsent-again"};
  const job_t jobs[] = {PLAIN,
                        {t, SLUICE_CUT, WHEN_SENT, TURN_FIRST, false},
                        {t, SLUICE_CUT, WHEN_UNSENT, TURN_FIRST, false},
                        {t, SLUICE_CUT, WHEN_UNSENT, TURN_AGAIN, false}};

  bench_tracker(b, name, jobs, names, 4);
}

static void shuffle_quarter(void) {
  uint64_t seed = 1;

  state.count = (uint32_t)(state.bytes / PAGE / 4);
  state.order = calloc(state.count, sizeof(*state.order));
  if (state.order == NULL) {
    abort();
  }
  for (uint32_t i = 0; i < state.count; i++) {
    uint32_t j = (uint32_t)(memory_random(&seed) % (i + 1));

    state.order[i] = state.order[j];
    state.order[j] = i;
  }
}

int main(int argc, char **argv) {
  bench_t b = {.bytes = 64 << 20};

  bench_open(&b, "trackers", argc, argv);
  state.bytes = (size_t)b.bytes;
  state.memory = memory_new(state.bytes);
  memory_fill(state.memory, state.bytes, 1);
  shuffle_quarter();
  bench_none(&b);
  bench_converge(&b, "cooperative, converge", SLUICE_RAM_COOPERATIVE);
  bench_cut(&b, "cooperative, cut", SLUICE_RAM_COOPERATIVE);
  bench_converge(&b, "write-protect, converge", SLUICE_RAM_WRITE_PROTECT);
  bench_cut(&b, "write-protect, cut", SLUICE_RAM_WRITE_PROTECT);
  return bench_close(&b);
}
