/* extent.c - see extent.h. */
#include "image/demand/extent.h"

#include <unistd.h>

uint64_t sluice__demand_page(void) {
  return (uint64_t)sysconf(_SC_PAGESIZE);
}

size_t sluice__demand_find(const sluice__demand_extent_t *list, size_t count,
                           const uint8_t *at) {
  size_t low = 0;
  size_t high = count;

  while (low < high) {
    size_t mid = low + (high - low) / 2;

    if (list[mid].pages.to + list[mid].pages.bytes <= at) {
      low = mid + 1;
    } else {
      high = mid;
    }
  }
  return low;
}

const sluice__demand_extent_t *
sluice__demand_extent_of(const sluice__demand_extent_t *list, size_t count,
                         uint64_t page) {
  size_t low = 0;
  size_t high = count;

  while (high - low > 1) {
    size_t mid = low + (high - low) / 2;

    if (list[mid].first <= page) {
      low = mid;
    } else {
      high = mid;
    }
  }
  return &list[low];
}
