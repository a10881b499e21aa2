/* kvd_support.h - what the tests of the example server share: random numbers
 * that can be had again, and a heap that moves to another address. */
#ifndef KVD_SUPPORT_H
#define KVD_SUPPORT_H

#include "heap.h"

/* Where a random test begins: SEED from the environment, else a fresh one; both
 * are printed. `row` tells the rounds of a loop test apart. */
uint64_t kvd_seed(uint64_t row);
uint64_t kvd_random(uint64_t *state);

/* Copies the heap to a new reservation, and unmaps the old one: whoever keeps a
 * pointer into it crashes. */
void kvd_move_heap(heap_t *h, uint64_t reserve);

#endif
