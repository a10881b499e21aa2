/* demand.h - pages of a file that get into memory after the restore has
 * committed: when somebody touches them, and else one behind the other.
 *
 * The memory is registered with userfaultfd: whoever touches a page that is not
 * there yet waits until a thread has read it. That thread fills what is left
 * meanwhile, going on behind the page that was touched last. A page that cannot
 * be read is poisoned: touching it raises SIGBUS, as with a mapping. Such pages
 * are lost; each is told once, on the loop.
 *
 * Knows files and addresses, no streams and no restores.
 *
 *   NEW -> STARTED -> KEPT -> filled
 *     \______ \______ dropped -> gone
 *
 * Invariant: once started, it ends: by itself when all is there, or by being
 * dropped before anybody relies on it. Its loop outlives that.
 *
 *   demand.c  life, on the loop
 *   pager.c   what the thread does
 *   lost.c    what was lost: noted by the thread, told on the loop
 *   extent.c  the list of what there is to come */
#ifndef SLUICE_IMAGE_DEMAND_DEMAND_H
#define SLUICE_IMAGE_DEMAND_DEMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sluice/error.h>
#include <uv.h>

typedef struct sluice__demand_s sluice__demand_t;

typedef struct sluice__demand_stats_s {
  uint64_t bytes;  /* in all */
  uint64_t left;   /* not there yet */
  uint64_t faults; /* times that somebody waited */
  uint64_t lost;   /* could not be read */
} sluice__demand_stats_t;

/* Pages at byte `at` of the file that belong to `to`; both whole pages of the
 * kernel's. */
typedef struct sluice__demand_pages_s {
  uint8_t *to;
  uint64_t at;
  uint64_t bytes;
  uint32_t gap; /* those of the same have fresh anonymous memory between them */
  uint32_t tag; /* the owner's */
} sluice__demand_pages_t;

/* Who relies on it; called from the loop. */
typedef struct sluice__demand_owner_s {
  void *ctx;
  /* These were lost; each page is told once. */
  void (*lost)(void *ctx, const sluice__demand_pages_t *range);
  /* All is there, or why pages are not. The owner is to free it in there. */
  void (*filled)(void *ctx, int code);
} sluice__demand_owner_t;

/* What was lost, beyond the end of `demand`; zeroed: nothing. */
typedef struct sluice__demand_losses_s {
  struct sluice__demand_extent_s *list; /* ascending by address */
  size_t count;
  uint64_t *map; /* a bit for each page of these */
} sluice__demand_losses_t;

/* The kernel has what it takes, and gives it. Any thread. */
bool sluice__demand_is_possible(void);

/* `fd` is borrowed until it is over. `gone`: see drop; from the loop. */
int sluice__demand_new(sluice__demand_t **out, uv_loop_t *loop, int fd,
                       void (*gone)(void *ctx), void *ctx);
int sluice__demand_add(sluice__demand_t *demand,
                       const sluice__demand_pages_t *pages);
/* From here on the pages come. After a failure nothing has changed; UV_ENOTSUP,
 * UV_EPERM: the kernel has, or gives, no userfaultfd. */
int sluice__demand_start(sluice__demand_t *demand);
/* Somebody relies on it now. What is told is told from the loop, later. */
void sluice__demand_keep(sluice__demand_t *demand,
                         const sluice__demand_owner_t *owner);
/* Nobody does, and nothing is written to memory any more. True: `demand` is
 * gone; else it is once `gone` was called. Not when it is kept; again is fine.
 */
bool sluice__demand_drop(sluice__demand_t *demand);
/* In `filled`. */
void sluice__demand_free(sluice__demand_t *demand);
/* In a forked child, which has neither the thread nor the memory: frees it,
 * whatever it is at, and closes its descriptors. */
void sluice__demand_abandon(sluice__demand_t *demand);
void sluice__demand_stats(const sluice__demand_t *demand,
                          sluice__demand_stats_t *out);

/* In `filled` only; to be closed, NULL-safe. */
void sluice__demand_take_losses(sluice__demand_t *demand,
                                sluice__demand_losses_t *out);
void sluice__demand_close_losses(sluice__demand_losses_t *losses);
/* The page at `to` that is at byte `at` of the file was lost. */
bool sluice__demand_was_lost(const sluice__demand_losses_t *losses,
                             const uint8_t *to, uint64_t at);

#endif
