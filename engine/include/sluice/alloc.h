/* alloc.h - where a session's memory comes from.
 *
 * A session takes all its memory through one allocator, counts it, and never
 * goes over its cap. What a handler restores belongs to the host's own
 * allocator and is not counted here. */
#ifndef SLUICE_ALLOC_H
#define SLUICE_ALLOC_H

#include <stddef.h>

#include <sluice/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A table of functions and their context; copied by whoever takes one.
 * `alloc` returns memory aligned to `align` (a power of two, at most 4096), or
 * NULL; `size` is never 0. `release` gets the size and alignment that `alloc`
 * got and never NULL. Called on the loop thread of the session only.
 *
 * `open` and `close` are optional: with them every session gets an allocator of
 * its own, at most `cap` bytes large, and gives it back whole at its end.
 * `open` fills `*out` and returns 0 or a negative code. `is_full` is optional,
 * too: whether `alloc` has just returned NULL because of that cap (which counts
 * what the allocator needs for itself), and not for lack of memory. */
typedef struct sluice_alloc_s {
  void *ctx;
  void *(*alloc)(void *ctx, size_t size, size_t align);
  void (*release)(void *ctx, void *p, size_t size, size_t align);
  int (*open)(void *ctx, size_t cap, struct sluice_alloc_s *out);
  void (*close)(struct sluice_alloc_s *session);
  int (*is_full)(void *ctx);
} sluice_alloc_t;

/* The C library's. Any thread. */
SLUICE_EXTERN const sluice_alloc_t *sluice_alloc_libc(void);

#ifdef __cplusplus
}
#endif

#endif
