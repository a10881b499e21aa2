/* budget.c - the arithmetic of budget.h.
 *
 * Knows nothing of queues. Everything saturates: a caller that charges absurd
 * numbers gets a spent budget, never a wrapped one.
 *
 * Invariant: `expired` is set exactly when `now_ns` has reached `deadline_ns`,
 * so that spent time costs no further look at the clock. */
#include "budget.h"

#include <assert.h>
#include <stddef.h>

static uint64_t add_saturated(uint64_t a, uint64_t b) {
  return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static int64_t clamp_bytes(uint64_t bytes) {
  return bytes > (uint64_t)INT64_MAX ? INT64_MAX : (int64_t)bytes;
}

static bool is_past(const sluice__budget_t *b) {
  return b->now_ns >= b->deadline_ns;
}

static void spend_bytes(sluice__budget_t *b, uint64_t bytes) {
  int64_t cost = clamp_bytes(bytes);

  b->bytes_used = add_saturated(b->bytes_used, bytes);
  if (b->bytes_left < cost - INT64_MAX) {
    b->bytes_left = -INT64_MAX;
  } else {
    b->bytes_left -= cost;
  }
}

void sluice__budget_open(sluice__budget_t *b, const sluice__clock_t *clock,
                         uint64_t bytes, uint64_t time_ns) {
  uint64_t now;

  assert(clock != NULL && clock->now != NULL);
  now = clock->now(clock->ctx);
  *b = (sluice__budget_t){.clock = clock,
                          .start_ns = now,
                          .now_ns = now,
                          .deadline_ns = add_saturated(now, time_ns),
                          .bytes_left = clamp_bytes(bytes)};
  b->expired = is_past(b);
}

void sluice__budget_share(sluice__budget_t *b, const sluice__budget_t *parent,
                          uint64_t bytes) {
  int64_t most = clamp_bytes(bytes);

  /* The unclocked counters come along: many small shares in a row must not
   * keep the clock from being read. */
  *b = *parent;
  b->start_ns = parent->now_ns;
  b->bytes_used = 0;
  b->bytes_left = most < parent->bytes_left ? most : parent->bytes_left;
}

void sluice__budget_settle(sluice__budget_t *parent,
                           const sluice__budget_t *share) {
  assert(parent->clock == share->clock);
  spend_bytes(parent, share->bytes_used);
  parent->now_ns = share->now_ns;
  parent->unclocked_bytes = share->unclocked_bytes;
  parent->unclocked_steps = share->unclocked_steps;
  parent->expired = parent->expired || is_past(parent);
}

void sluice__budget_charge(sluice__budget_t *b, uint64_t bytes) {
  spend_bytes(b, bytes);
  b->unclocked_bytes = add_saturated(b->unclocked_bytes, bytes);
}

uint64_t sluice__budget_read_clock(sluice__budget_t *b) {
  uint64_t now = b->clock->now(b->clock->ctx);

  /* A clock that goes back must not give time back. */
  b->now_ns = now > b->now_ns ? now : b->now_ns;
  b->unclocked_bytes = 0;
  b->unclocked_steps = 0;
  b->expired = b->expired || is_past(b);
  return b->now_ns;
}

bool sluice__budget_should_yield(sluice__budget_t *b) {
  if (b->expired || b->bytes_left <= 0) {
    return true;
  }
  if (b->deadline_ns == UINT64_MAX) {
    return false;
  }
  b->unclocked_steps++;
  if (b->unclocked_bytes >= SLUICE__BUDGET_CLOCK_BYTES ||
      b->unclocked_steps >= SLUICE__BUDGET_CLOCK_STEPS) {
    (void)sluice__budget_read_clock(b);
  }
  return b->expired;
}

uint64_t sluice__budget_left(const sluice__budget_t *b) {
  return b->expired || b->bytes_left < 0 ? 0 : (uint64_t)b->bytes_left;
}
