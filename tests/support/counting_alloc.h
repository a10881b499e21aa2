/* counting_alloc.h - an allocator that counts, and fails on demand.
 *
 * `live` must be 0 when the object under test is gone; `peak` is what it held
 * at most. The allocation with number `fail_at` fails, and with `is_sticky` all
 * after it. */
#ifndef SLUICE_TESTS_COUNTING_ALLOC_H
#define SLUICE_TESTS_COUNTING_ALLOC_H

#include <stddef.h>

#include <sluice/alloc.h>

typedef struct counting_alloc_s {
  size_t calls;
  size_t live;    /* bytes */
  size_t peak;    /* bytes */
  size_t fail_at; /* SIZE_MAX: never */
  int is_sticky;
  int fired;
} counting_alloc_t;

void counting_alloc_init(counting_alloc_t *c);
sluice_alloc_t counting_alloc_of(counting_alloc_t *c);

#endif
