/* slice.c - the arithmetic of slice.h. */
#include "slice.h"

enum {
  /* Below, nothing but the loop itself has run: an iteration with nothing to do
   * takes 0.2 to 2 us, the completion of a job of the pool up to 5, serving the
   * smallest request over a socket 10. */
  BUSY_NS = 8000,
  /* What the floor is good for at the speed of memory: with less, bytes end the
   * turn before time does, and a busy host slows the work more than it must. */
  BYTES_MIN = 512 * 1024
};

static uint64_t lesser(uint64_t a, uint64_t b) {
  return a < b ? a : b;
}

static uint64_t greater(uint64_t a, uint64_t b) {
  return a > b ? a : b;
}

void sluice__slice_init(sluice__slice_t *s, uint64_t floor_ns,
                        uint64_t ceiling_ns) {
  s->ceiling_ns = greater(ceiling_ns, 1);
  s->floor_ns = greater(lesser(floor_ns, s->ceiling_ns), 1);
  s->now_ns = s->ceiling_ns;
}

void sluice__slice_adapt(sluice__slice_t *s, uint64_t host_ns) {
  if (host_ns >= BUSY_NS) {
    s->now_ns = greater(s->now_ns / 2, s->floor_ns);
  } else {
    /* Without overflow: the ceiling may be anything. */
    s->now_ns += lesser(s->now_ns / 4 + 1, s->ceiling_ns - s->now_ns);
  }
}

uint64_t sluice__slice_bytes(const sluice__slice_t *s, uint64_t full) {
  double part = (double)s->now_ns / (double)s->ceiling_ns;

  if (s->now_ns == s->ceiling_ns) {
    return full; /* exactly: it may be too large for a double */
  }
  return greater((uint64_t)((double)full * part), lesser(full, BYTES_MIN));
}
