/* bench_fair.c - one section never gets clean: when are the others through?
 *
 * Ten sections; one always has more to send, nine have some MiB each. A turn is
 * given 1 MiB. Every step copies pages until it is told to yield, at least one.
 * Told are bytes sent by all, and the time, until the first and the last of the
 * nine are through; none, where that has not come about within 64 times what
 * the nine had. The greedy one stands first, as QEMU's ram does, then last. */
#include <stdlib.h>
#include <string.h>

#include <uv.h>

#include "bench.h"
#include "memory.h"
#include "rescan.h"

enum {
  SECTIONS = 10,
  PAGE = 4096,
  TURN = 1 << 20,
  PATIENCE = 64,
  MEMORY = 16 * TURN
};

typedef struct race_s {
  sluice__queue_t queue;
  sluice__clock_t clock;
  rescan_node_t nodes[SECTIONS];
  uint64_t each; /* bytes that each of the nine has */
  uint64_t sent;
  uint64_t began_ns;
  unsigned through;
  uint64_t bytes_at[SECTIONS]; /* when the n-th was through */
  uint64_t ns_at[SECTIONS];
} race_t;

typedef void (*turn_fn)(race_t *r, sluice__budget_t *b);

static uint8_t *memory; /* what is copied, and where to */
static uint8_t *stage;
static race_t race;

static uint64_t read_clock(void *ctx) {
  (void)ctx;
  return uv_hrtime();
}

static bool is_active(const rescan_node_t *n) {
  return n->left > 0;
}

static void note_through(race_t *r) {
  r->bytes_at[r->through] = r->sent;
  r->ns_at[r->through] = uv_hrtime() - r->began_ns;
  r->through++;
}

static void send_page(rescan_node_t *n, sluice__budget_t *b) {
  size_t at = (size_t)(race.sent % MEMORY);

  memcpy(stage + at % TURN, memory + at, PAGE);
  race.sent += PAGE;
  sluice__budget_charge(b, PAGE);
  if (n->left != UINT64_MAX) {
    n->left -= PAGE;
    if (n->left == 0) {
      note_through(&race);
    }
  }
}

static int step(sluice__cont_t *c, sluice__budget_t *b) {
  rescan_node_t *n = (rescan_node_t *)(void *)c;

  while (n->left > 0) {
    send_page(n, b);
    if (sluice__budget_should_yield(b)) {
      break;
    }
  }
  n->is_over = n->left == 0;
  return n->left > 0 ? SLUICE__MORE : SLUICE__WAIT;
}

static void turn_queue(race_t *r, sluice__budget_t *b) {
  sluice__cont_t *failed;

  (void)sluice__queue_drain(&r->queue, b, &failed);
}

static void turn_2008(race_t *r, sluice__budget_t *b) {
  rescan_2008(&r->nodes[0], b);
}

static void turn_72(race_t *r, sluice__budget_t *b) {
  rescan_72(&r->nodes[0], b);
}

static void set_up(race_t *r, uint64_t each, unsigned greedy) {
  memset(r, 0, sizeof(*r));
  r->clock = (sluice__clock_t){read_clock, NULL};
  r->each = each;
  sluice__queue_init(&r->queue, NULL);
  for (unsigned i = 0; i < SECTIONS; i++) {
    rescan_node_t *n = &r->nodes[i];

    n->left = i == greedy ? UINT64_MAX : each;
    n->is_active = is_active;
    n->next = i + 1 < SECTIONS ? &r->nodes[i + 1] : NULL;
    sluice__cont_init(&n->cont, &r->queue, step, SLUICE__BULK, 100);
    sluice__queue_wake(&n->cont);
  }
}

static void run_race(race_t *r, turn_fn turn) {
  uint64_t most = r->each * (SECTIONS - 1) * PATIENCE;
  sluice__budget_t b;

  r->began_ns = uv_hrtime();
  while (r->through < SECTIONS - 1 && r->sent < most) {
    sluice__budget_open(&b, &r->clock, TURN, UINT64_MAX);
    turn(r, &b);
  }
  sluice__queue_cancel_all(&r->queue);
}

static void tell(bench_t *b, const char *order, const char *variant,
                 const race_t *r) {
  char name[64];
  double total = (double)(r->each * (SECTIONS - 1));
  unsigned last = SECTIONS - 2;

  (void)snprintf(name, sizeof(name), "greedy %s, through", order);
  bench_tell(b, name, variant, "of 9", r->through);
  if (r->through > 0) {
    (void)snprintf(name, sizeof(name), "greedy %s, first: bytes", order);
    bench_tell(b, name, variant, "x the nine's",
               (double)r->bytes_at[0] / total);
  }
  if (r->through > last) {
    (void)snprintf(name, sizeof(name), "greedy %s, last: bytes", order);
    bench_tell(b, name, variant, "x the nine's",
               (double)r->bytes_at[last] / total);
    (void)snprintf(name, sizeof(name), "greedy %s, last: time", order);
    bench_tell(b, name, variant, "ms", (double)r->ns_at[last] / 1e6);
  }
}

/* For plots: when each of the nine was through. */
static void print_table(FILE *table, const char *order, const char *variant,
                        const race_t *r) {
  double total = (double)(r->each * (SECTIONS - 1));

  for (unsigned i = 0; i < r->through; i++) {
    (void)fprintf(table, "%s\t%s\t%u\t%.6g\t%.6g\n", order, variant, i + 1,
                  (double)r->bytes_at[i] / total, (double)r->ns_at[i] / 1e6);
  }
}

static void bench_order(bench_t *b, const char *order, unsigned greedy) {
  static const struct {
    const char *name;
    turn_fn turn;
  } ways[] = {{"7.2", turn_72}, {"2008", turn_2008}, {"queue", turn_queue}};
  uint64_t each = (uint64_t)(b->is_quick ? 1 : 16) << 20;

  for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
    set_up(&race, each, greedy);
    run_race(&race, ways[i].turn);
    tell(b, order, ways[i].name, &race);
    if (b->table != NULL) {
      print_table(b->table, order, ways[i].name, &race);
    }
  }
}

int main(int argc, char **argv) {
  bench_t b = {.is_pinned = true};

  bench_open(&b, "fair", argc, argv);
  memory = memory_new(MEMORY);
  stage = memory_new(TURN);
  memory_fill(memory, MEMORY, 1);
  bench_order(&b, "first", 0);
  bench_order(&b, "last", SECTIONS - 1);
  return bench_close(&b);
}
