/* alloc.c - the C library as a provider of memory.
 *
 * Serves every session from the process's one heap: no arenas, no cap of its
 * own (mem.c counts). Sanitizers see each block, so their builds use this one.
 */
#include <sluice/alloc.h>

#include <stdalign.h>
#include <stdlib.h>

/* posix_memalign() and not aligned_alloc(): C11 wants a size that is a multiple
 * of the alignment there, our callers promise none. */
static void *libc_alloc(void *ctx, size_t size, size_t align) {
  void *p = NULL;

  (void)ctx;
  if (align <= alignof(max_align_t)) {
    return malloc(size);
  }
  return posix_memalign(&p, align, size) == 0 ? p : NULL;
}

static void libc_release(void *ctx, void *p, size_t size, size_t align) {
  (void)ctx;
  (void)size;
  (void)align;
  free(p);
}

const sluice_alloc_t *sluice_alloc_libc(void) {
  static const sluice_alloc_t libc = {.alloc = libc_alloc,
                                      .release = libc_release};

  return &libc;
}
