/* staging_map.c - pages of a file as pages of a staging buffer.
 *
 * Only whole pages of the kernel's can be mapped, where file and memory agree.
 * A mapping takes the place of what was there in one call. Older kernels may
 * leave a hole when they fail: fresh memory closes it. */
#include "staging.h"

#include <sys/mman.h>
#include <unistd.h>
#include <uv.h>

#include <sluice/handler.h>

#include "bitmap.h"

static uint64_t kernel_page(void) {
  return (uint64_t)sysconf(_SC_PAGESIZE);
}

static int map_fresh_at(void *at, size_t bytes) {
  return mmap(at, bytes, PROT_READ | PROT_WRITE,
              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
              0) != MAP_FAILED;
}

int sluice__staging_map(sluice__staging_t *staging, uint64_t page,
                        uint64_t count, int fd, uint64_t at) {
  uint64_t offset = page << staging->page_shift;
  size_t bytes = (size_t)(count << staging->page_shift);
  uint8_t *to = staging->at + offset;

  if (at > INT64_MAX ||
      (at | bytes | (uint64_t)(uintptr_t)to) % kernel_page() != 0) {
    return SLUICE_MORE;
  }
  if (mmap(to, bytes, PROT_READ | PROT_WRITE,
           MAP_PRIVATE | MAP_NORESERVE | MAP_FIXED, fd,
           (off_t)at) == MAP_FAILED) {
    return map_fresh_at(to, bytes) ? SLUICE_MORE : UV_ENOMEM;
  }
  staging->is_mapped = 1;
  (void)sluice__bitmap_set(staging->written, page, count);
  return SLUICE_DONE;
}

void *sluice__staging_late_place(sluice__staging_t *staging, uint64_t page,
                                 uint64_t count) {
  uint8_t *to = staging->at + (page << staging->page_shift);
  uint64_t bytes = count << staging->page_shift;

  if (!staging->is_fresh || (bytes | (uint64_t)(uintptr_t)to) % kernel_page()) {
    return NULL;
  }
  (void)sluice__bitmap_set(staging->written, page, count);
  return to;
}

/* Two pages that cannot be one mapping, moved over two others. */
static int try_move(uint8_t *four, size_t page) {
  return mprotect(four, page, PROT_READ) == 0 &&
         mremap(four, 2 * page, 2 * page, MREMAP_MAYMOVE | MREMAP_FIXED,
                four + 2 * page) != MAP_FAILED;
}

int sluice__staging_can_move_mappings(void) {
  size_t page = (size_t)kernel_page();
  uint8_t *four = mmap(NULL, 4 * page, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  int can;

  if (four == MAP_FAILED) {
    return 0;
  }
  can = try_move(four, page);
  (void)munmap(four + (can ? 2 * page : 0), (can ? 2 : 4) * page);
  return can;
}

void sluice__staging_unmap(sluice__staging_t *staging) {
  if (!staging->is_own && staging->is_mapped) {
    (void)map_fresh_at(staging->at,
                       (size_t)(staging->pages << staging->page_shift));
  }
}
