/* kvd_support.c - see kvd_support.h. */
#include "kvd_support.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

uint64_t kvd_seed(uint64_t row) {
  const char *given = getenv("SEED");
  struct timespec t;
  uint64_t seed;

  clock_gettime(CLOCK_MONOTONIC, &t);
  seed = (uint64_t)t.tv_nsec ^ (uint64_t)getpid() << 32;
  if (given != NULL) {
    seed = strtoull(given, NULL, 10);
  }
  printf("SEED=%llu (round %llu)\n", (unsigned long long)seed,
         (unsigned long long)row);
  fflush(stdout);
  return seed + row * 0x9e3779b97f4a7c15u;
}

/* splitmix64: one word of state, every start is a good one. */
uint64_t kvd_random(uint64_t *state) {
  uint64_t z = *state += 0x9e3779b97f4a7c15u;

  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

void kvd_move_heap(heap_t *h, uint64_t reserve) {
  heap_t moved;
  uint64_t top = heap_header(h)->top;

  ck_assert_int_eq(heap_reserve(&moved, reserve), 0);
  ck_assert_int_eq(heap_commit(&moved, top), 0);
  memcpy(moved.base, h->base, top);
  moved.before_write = h->before_write;
  moved.before_write_ctx = h->before_write_ctx;
  ck_assert(moved.base != h->base);
  heap_release(h);
  *h = moved;
  ck_assert_int_eq(heap_check(h), 0);
}
