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

#endif
