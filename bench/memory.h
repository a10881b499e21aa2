/* memory.h - the state that is saved, and places to restore it to.
 *
 * Memory that is freed here goes back to the hypervisor, and comes back slowly:
 * so it is mapped once, touched once, and used again. Children do not inherit
 * it: a fork then costs nothing, and copies no page on write. */
#ifndef SLUICE_BENCH_MEMORY_H
#define SLUICE_BENCH_MEMORY_H

#include <stddef.h>
#include <stdint.h>

/* Mapped and touched; exits where there is none. Never freed. */
void *memory_new(size_t bytes);

/* As it is after mmap(), whatever has been mapped or advised there since. */
void memory_renew(void *base, size_t bytes);

/* The same bytes for the same seed, and no two pages alike. */
void memory_fill(void *base, size_t bytes, uint64_t seed);

/* The next of a sequence of random numbers; `*seed` is never 0. */
uint64_t memory_random(uint64_t *seed);

#endif
