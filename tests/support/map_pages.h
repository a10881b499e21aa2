/* map_pages.h - memory of its own for a test. */
#ifndef SLUICE_TESTS_MAP_PAGES_H
#define SLUICE_TESTS_MAP_PAGES_H

#include <check.h>
#include <stdint.h>
#include <sys/mman.h>

static inline uint8_t *map_pages(size_t bytes) {
  uint8_t *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

  ck_assert_ptr_ne(p, MAP_FAILED);
  return p;
}

/* Gives back what was only read: zeros, which are zeros again. So a test may
 * look at gigabytes on a machine that has not so many. */
static inline void forget_zeros(uint8_t *from, size_t bytes) {
  ck_assert_int_eq(madvise(from, bytes, MADV_DONTNEED), 0);
}

#endif
