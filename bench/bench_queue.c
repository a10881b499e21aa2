/* bench_queue.c - what does it cost to find who has work?
 *
 * N handlers are registered, K of them have work. A turn runs those K once: by
 * the queue, by two walks over all N (rescan.h), and, as the floor, by plain
 * indirect calls in a row. Nanoseconds are per useful call. Nodes lie scattered
 * in memory, as handlers' do that were allocated one by one. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <uv.h>

#include "bench.h"
#include "memory.h"
#include "pump.h"
#include "rescan.h"

typedef struct set_s {
  sluice__queue_t queue;
  sluice__clock_t clock;
  rescan_node_t *nodes;
  rescan_node_t *first; /* of all, in the order that walks take */
  rescan_node_t **busy; /* those with work */
  uint32_t count, busy_count;
} set_t;

static uint64_t read_clock(void *ctx) {
  (void)ctx;
  return uv_hrtime();
}

/* ---- the handler ---- */

static rescan_node_t *node_of(sluice__cont_t *c) {
  return (rescan_node_t *)(void *)c; /* its first member */
}

/* The smallest step there is: a look whether there is work, and a count. */
static int node_step(sluice__cont_t *c, sluice__budget_t *b) {
  rescan_node_t *n = node_of(c);

  if (n->left == 0) {
    return SLUICE__WAIT;
  }
  n->done++;
  sluice__budget_charge(b, 1);
  return SLUICE__MORE;
}

static bool node_is_active(const rescan_node_t *n) {
  return n->left > 0;
}

/* ---- sets ---- */

static void shuffle(uint32_t *order, uint32_t count, uint64_t *seed) {
  for (uint32_t i = count; i > 1; i--) {
    uint32_t j = (uint32_t)(memory_random(seed) % i);
    uint32_t t = order[i - 1];

    order[i - 1] = order[j];
    order[j] = t;
  }
}

static uint32_t *random_order(uint32_t count, uint64_t seed) {
  uint32_t *order = calloc(count, sizeof(*order));

  if (order == NULL) {
    abort();
  }
  for (uint32_t i = 0; i < count; i++) {
    order[i] = i;
  }
  shuffle(order, count, &seed);
  return order;
}

static void link_nodes(set_t *s) {
  uint32_t *order = random_order(s->count, 2);

  s->first = NULL;
  for (uint32_t i = 0; i < s->count; i++) {
    rescan_node_t *n = &s->nodes[order[i]];

    n->is_active = node_is_active;
    n->is_over = true;
    n->next = s->first;
    s->first = n;
    sluice__cont_init(&n->cont, &s->queue, node_step, SLUICE__BULK, 100);
    sluice__queue_wake(&n->cont);
  }
  free(order);
}

static void pick_busy(set_t *s) {
  uint32_t *order = random_order(s->count, 3);

  for (uint32_t i = 0; i < s->busy_count; i++) {
    s->busy[i] = &s->nodes[order[i]];
    s->busy[i]->left = UINT64_MAX;
  }
  free(order);
}

static void turn(set_t *s) {
  sluice__cont_t *failed;
  sluice__budget_t b;

  sluice__budget_open(&b, &s->clock, UINT64_MAX, UINT64_MAX);
  (void)sluice__queue_drain(&s->queue, &b, &failed);
}

static void set_open(set_t *s, uint32_t count, uint32_t busy) {
  memset(s, 0, sizeof(*s));
  s->clock = (sluice__clock_t){read_clock, NULL};
  s->count = count;
  s->busy_count = busy;
  s->nodes = calloc(count, sizeof(*s->nodes));
  s->busy = calloc(busy, sizeof(rescan_node_t *));
  if (s->nodes == NULL || s->busy == NULL) {
    abort();
  }
  sluice__queue_init(&s->queue, NULL);
  pick_busy(s);
  link_nodes(s);
  turn(s); /* parks those that have nothing */
}

static void set_close(set_t *s) {
  sluice__queue_cancel_all(&s->queue);
  free(s->nodes);
  free(s->busy);
}

/* ---- N and K ---- */

static const char *run_queue(void *ctx, uint64_t count, bench_sample_t *out) {
  set_t *s = ctx;

  bench_sample_begin(out);
  for (uint64_t i = 0; i < count; i++) {
    turn(s);
  }
  bench_sample_end(out);
  return NULL;
}

static const char *run_walk(set_t *s, uint64_t count, bench_sample_t *out,
                            void (*walk)(rescan_node_t *, sluice__budget_t *)) {
  sluice__budget_t b;

  bench_sample_begin(out);
  for (uint64_t i = 0; i < count; i++) {
    sluice__budget_open(&b, &s->clock, UINT64_MAX, UINT64_MAX);
    walk(s->first, &b);
  }
  bench_sample_end(out);
  return NULL;
}

static const char *run_72(void *ctx, uint64_t count, bench_sample_t *out) {
  return run_walk(ctx, count, out, rescan_72);
}

static const char *run_2008(void *ctx, uint64_t count, bench_sample_t *out) {
  return run_walk(ctx, count, out, rescan_2008);
}

static const char *run_calls(void *ctx, uint64_t count, bench_sample_t *out) {
  set_t *s = ctx;
  sluice__budget_t b;

  bench_sample_begin(out);
  for (uint64_t i = 0; i < count; i++) {
    sluice__budget_open(&b, &s->clock, UINT64_MAX, UINT64_MAX);
    for (uint32_t k = 0; k < s->busy_count; k++) {
      (void)s->busy[k]->cont.step(&s->busy[k]->cont, &b);
    }
  }
  bench_sample_end(out);
  return NULL;
}

static void bench_set(bench_t *b, uint32_t n, uint32_t k) {
  char name[64];
  set_t s;
  const bench_variant_t variants[] = {{"7.2", run_72, &s},
                                      {"2008", run_2008, &s},
                                      {"calls", run_calls, &s},
                                      {"queue", run_queue, &s}};
  bench_case_t c = {
      .name = name, .units = k, .variants = variants, .variant_count = 4};

  (void)snprintf(name, sizeof(name), "turn N=%u K=%u", n, k);
  if (!bench_wants(b, name)) {
    return;
  }
  set_open(&s, n, k);
  bench_run(b, &c);
  set_close(&s);
}

/* 1, 1 %, 10 % and all, each number once. */
static void bench_sets(bench_t *b, uint32_t n) {
  const uint32_t ks[] = {1, n / 100, n / 10, n};
  uint32_t last = 0;

  for (size_t i = 0; i < sizeof(ks) / sizeof(*ks); i++) {
    if (ks[i] > last) {
      bench_set(b, n, ks[i]);
      last = ks[i];
    }
  }
}

/* ---- enqueueing ---- */

static const char *run_enqueue(void *ctx, uint64_t count, bench_sample_t *out) {
  set_t *s = ctx;

  bench_sample_begin(out);
  for (uint64_t i = 0; i < count; i++) {
    for (uint32_t k = 0; k < s->busy_count; k++) {
      sluice__queue_wake(&s->busy[k]->cont);
    }
    for (uint32_t k = 0; k < s->busy_count; k++) {
      sluice__queue_cancel(&s->busy[k]->cont);
    }
  }
  bench_sample_end(out);
  return NULL;
}

static void bench_enqueue(bench_t *b) {
  set_t s;
  const bench_variant_t variant = {"queue", run_enqueue, &s};
  const bench_case_t c = {.name = "enqueue and take out",
                          .units = 1000,
                          .variants = &variant,
                          .variant_count = 1};

  set_open(&s, 1000, 1000);
  sluice__queue_cancel_all(&s.queue);
  bench_run(b, &c);
  set_close(&s);
}

/* ---- weights ---- */

enum { WEIGHTED = 100, WEIGHTED_TURN = 1 << 20, WEIGHTED_UNIT = 4096 };

static int weighted_step(sluice__cont_t *c, sluice__budget_t *b) {
  do {
    node_of(c)->done += WEIGHTED_UNIT;
    sluice__budget_charge(b, WEIGHTED_UNIT);
  } while (!sluice__budget_should_yield(b));
  return SLUICE__MORE;
}

static const char *run_weighted(void *ctx, uint64_t count,
                                bench_sample_t *out) {
  set_t *s = ctx;
  sluice__cont_t *failed;
  sluice__budget_t b;

  bench_sample_begin(out);
  for (uint64_t i = 0; i < count; i++) {
    sluice__budget_open(&b, &s->clock, WEIGHTED_TURN, UINT64_MAX);
    (void)sluice__queue_drain(&s->queue, &b, &failed);
  }
  bench_sample_end(out);
  return NULL;
}

/* How far the worst is from the share that its weight promises, percent. */
static double worst_share(const set_t *s) {
  double bytes = 0;
  double weights = 0;
  double worst = 0;

  for (uint32_t i = 0; i < s->count; i++) {
    bytes += (double)s->nodes[i].done;
    weights += s->nodes[i].cont.weight;
  }
  for (uint32_t i = 0; i < s->count; i++) {
    double due = bytes * s->nodes[i].cont.weight / weights;
    double off = (double)s->nodes[i].done / due - 1;

    off = off < 0 ? -off : off;
    worst = off > worst ? off : worst;
  }
  return worst * 100;
}

/* A unit is a page of budget, so that it can be told beside copying one. */
static void bench_weights(bench_t *b) {
  set_t s;
  const bench_variant_t variant = {"queue", run_weighted, &s};
  const bench_case_t c = {.name = "100 weights 10..1000, per page",
                          .units =
                              (double)WEIGHTED_TURN / (double)WEIGHTED_UNIT,
                          .variants = &variant,
                          .variant_count = 1};

  if (!bench_wants(b, c.name)) {
    return;
  }
  set_open(&s, WEIGHTED, WEIGHTED);
  sluice__queue_cancel_all(&s.queue);
  for (uint32_t i = 0; i < s.count; i++) {
    s.nodes[i].done = 0;
    sluice__cont_init(&s.nodes[i].cont, &s.queue, weighted_step, SLUICE__BULK,
                      (i + 1) * 10);
    sluice__queue_wake(&s.nodes[i].cont);
  }
  bench_run(b, &c);
  bench_tell(b, "100 weights, worst share off by", "queue", "%",
             worst_share(&s));
  set_close(&s);
}

/* ---- other threads ---- */

typedef struct remote_s {
  uv_loop_t loop;
  uv_async_t async; /* the plain way, and what ends the loop */
  sluice__pump_t pump;
  sluice__cont_t cont;
  pthread_t thread;
  atomic_ullong seen; /* wake-ups that arrived */
  uint64_t count;
  bool is_plain;
} remote_t;

static void answer(remote_t *r) {
  unsigned long long n = atomic_fetch_add(&r->seen, 1) + 1;

  if (n == r->count) {
    uv_stop(&r->loop);
  }
}

static int remote_step(sluice__cont_t *c, sluice__budget_t *b) {
  (void)b;
  answer((remote_t *)(void *)((char *)c - offsetof(remote_t, cont)));
  return SLUICE__WAIT;
}

static void on_async(uv_async_t *async) {
  answer(async->data);
}

/* One wake-up at a time: the next is sent when the last was seen. */
static void *wake_remotely(void *ctx) {
  remote_t *r = ctx;

  for (uint64_t i = 0; i < r->count; i++) {
    if (r->is_plain) {
      (void)uv_async_send(&r->async);
    } else {
      sluice__queue_post(&r->cont);
    }
    while (atomic_load(&r->seen) <= i) {
      (void)sched_yield(); /* there may be one processor only */
    }
  }
  return NULL;
}

static void remote_open(remote_t *r) {
  memset(r, 0, sizeof(*r));
  (void)uv_loop_init(&r->loop);
  (void)uv_async_init(&r->loop, &r->async, on_async);
  r->async.data = r;
  (void)sluice__pump_init(&r->pump, &r->loop, NULL);
  sluice__cont_init(&r->cont, &r->pump.queue, remote_step, SLUICE__BULK, 100);
}

static void remote_close(remote_t *r) {
  uv_close((uv_handle_t *)&r->async, NULL);
  sluice__pump_close(&r->pump, NULL);
  (void)uv_run(&r->loop, UV_RUN_DEFAULT);
  (void)uv_loop_close(&r->loop);
}

static const char *run_remote(remote_t *r, uint64_t count,
                              bench_sample_t *out) {
  r->count = count;
  atomic_store(&r->seen, 0);
  bench_sample_begin(out);
  if (pthread_create(&r->thread, NULL, wake_remotely, r) != 0) {
    return "no thread";
  }
  (void)uv_run(&r->loop, UV_RUN_DEFAULT);
  (void)pthread_join(r->thread, NULL);
  bench_sample_end(out);
  return NULL;
}

static const char *run_async(void *ctx, uint64_t count, bench_sample_t *out) {
  remote_t *r = ctx;

  r->is_plain = true;
  return run_remote(r, count, out);
}

static const char *run_post(void *ctx, uint64_t count, bench_sample_t *out) {
  remote_t *r = ctx;

  r->is_plain = false;
  return run_remote(r, count, out);
}

static void bench_remote(bench_t *b) {
  static remote_t r;
  const bench_variant_t variants[] = {{"uv_async", run_async, &r},
                                      {"queue", run_post, &r}};
  const bench_case_t c = {.name = "wake from another thread",
                          .variants = variants,
                          .variant_count = 2};

  if (!bench_wants(b, c.name)) {
    return;
  }
  remote_open(&r);
  bench_run(b, &c);
  remote_close(&r);
}

int main(int argc, char **argv) {
  bench_t b = {.is_pinned = true};

  bench_open(&b, "queue", argc, argv);
  for (uint32_t n = 10; n <= (b.is_quick ? 1000 : 100000); n *= 10) {
    bench_sets(&b, n);
  }
  bench_enqueue(&b);
  bench_weights(&b);
  bench_remote(&b);
  return bench_close(&b);
}
