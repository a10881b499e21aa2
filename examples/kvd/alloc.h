/* alloc.h - blocks inside the heap.
 *
 * Two-level segregated fit: free blocks hang on lists by size, two bitmaps find
 * the list, so taking and freeing cost the same few steps however large and
 * full the heap. Neighbours that are free become one. The state lies in the
 * heap too, so an image carries it.
 *
 *   block    +------+----------------------------+   sizes are multiples of 16,
 *            | size | the caller's bytes         |   the caller's bytes begin
 *            +------+----------------------------+   at a multiple of 16
 *   free     +------+------+------+- - - -+------+
 *            | size | next | prev |       | size |   low bits of the first
 *            +------+------+------+- - - -+------+   size: this one is free,
 *                                                    the one before it is free
 */
#ifndef KVD_ALLOC_H
#define KVD_ALLOC_H

#include "heap.h"

/* Sets up a heap that was just formatted. UV_ENOMEM. */
int alloc_init(heap_t *h);

/* A block of at least `bytes`, its content undefined; 0: no room. */
ref_t alloc_take(heap_t *h, uint64_t bytes);
void alloc_free(heap_t *h, ref_t block);

/* Makes a block at least `bytes` long where it is, if what follows it is free.
 * Says whether it did. */
bool alloc_extend(heap_t *h, ref_t block, uint64_t bytes);

/* Bytes that the caller may use; at least what was asked for. */
uint64_t alloc_size(const heap_t *h, ref_t block);

/* Bytes of all blocks taken. */
uint64_t alloc_used(const heap_t *h);

/* Visits every block taken, in order of address. */
typedef void (*alloc_visit_cb)(void *ctx, ref_t block);

/* Whether sizes, neighbours, lists and counts agree: 0 or UV_EINVAL. Believes
 * nothing but heap_check(). `visit` may be NULL. Takes time with the heap. */
int alloc_check(const heap_t *h, alloc_visit_cb visit, void *ctx);

#endif
