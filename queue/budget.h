/* budget.h - how much one turn, or one step, may still use.
 *
 * Two limits, the first one hit wins: bytes and time. The clock is an argument,
 * so that tests own time. Reading a clock costs more than a small step, so it
 * is read again only after SLUICE__BUDGET_CLOCK_BYTES or ..._STEPS of work.
 *
 * Pure arithmetic: no allocation, no I/O, no libuv. */
#ifndef SLUICE_QUEUE_BUDGET_H
#define SLUICE_QUEUE_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

/* Nanoseconds of a monotonic clock. */
typedef uint64_t (*sluice__clock_fn)(void *ctx);

typedef struct sluice__clock_s {
  sluice__clock_fn now;
  void *ctx;
} sluice__clock_t;

enum {
  SLUICE__BUDGET_CLOCK_BYTES = 16 * 1024, /* about 1 us of copying */
  SLUICE__BUDGET_CLOCK_STEPS = 16
};

typedef struct sluice__budget_s {
  const sluice__clock_t *clock; /* borrowed */
  uint64_t start_ns;            /* when this budget was opened */
  uint64_t deadline_ns;         /* UINT64_MAX: no limit in time */
  uint64_t now_ns;              /* the clock as last read */
  int64_t bytes_left;           /* may go negative: cost is charged after */
  uint64_t bytes_used;
  uint64_t unclocked_bytes; /* charged since the clock was read */
  uint32_t unclocked_steps; /* asked for since then */
  bool expired;
} sluice__budget_t;

/* Opens a budget of `bytes` and `time_ns` (UINT64_MAX: unlimited) from now. */
void sluice__budget_open(sluice__budget_t *b, const sluice__clock_t *clock,
                         uint64_t bytes, uint64_t time_ns);

/* Opens `b` as a share of `parent`: at most `bytes`, never later than it. */
void sluice__budget_share(sluice__budget_t *b, const sluice__budget_t *parent,
                          uint64_t bytes);

/* Takes a share back: charges `parent` with what it used and tells it the time
 * that it knows. Once for every share, unless nothing was done with it. */
void sluice__budget_settle(sluice__budget_t *parent,
                           const sluice__budget_t *share);

/* Records work done. */
void sluice__budget_charge(sluice__budget_t *b, uint64_t bytes);

/* True when the holder should return as soon as its unit of work is whole.
 * Cheap: reads the clock only now and then. */
bool sluice__budget_should_yield(sluice__budget_t *b);

/* Reads the clock now, whatever that costs, and returns it. */
uint64_t sluice__budget_read_clock(sluice__budget_t *b);

/* Bytes that may still be used; 0 when the budget is spent. */
uint64_t sluice__budget_left(const sluice__budget_t *b);

#endif
