/* late.h - pages of a file that get into memory after the restore has
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
 * Invariant: once started, it ends: by itself when all is there, or by being
 * stopped before anybody relies on it. The engine does not close before.
 *
 *   late.c    life, on the loop
 *   thread.c  what the thread does
 *   lost.c    what was lost: noted by the thread, told on the loop */
#ifndef SLUICE_SESSION_RESTORE_LATE_LATE_H
#define SLUICE_SESSION_RESTORE_LATE_LATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sluice/error.h>

#include "session/engine.h"

typedef struct sluice__late_s sluice__late_t;

typedef struct sluice__late_stats_s {
  uint64_t bytes;  /* in all */
  uint64_t left;   /* not there yet */
  uint64_t faults; /* times that somebody waited */
  uint64_t lost;   /* could not be read */
} sluice__late_stats_t;

/* Pages at byte `at` of the file that belong to `to`; both whole pages of the
 * kernel's. */
typedef struct sluice__late_pages_s {
  uint8_t *to;
  uint64_t at;
  uint64_t bytes;
  uint32_t gap; /* those of the same have fresh anonymous memory between them */
  uint32_t tag; /* the owner's */
} sluice__late_pages_t;

/* Who relies on it; called from the loop. */
typedef struct sluice__late_owner_s {
  void *ctx;
  /* These were lost; each page is told once. */
  void (*lost)(void *ctx, const sluice__late_pages_t *range);
  /* All is there, or why pages are not. `late` is gone behind it. */
  void (*filled)(void *ctx, int code);
} sluice__late_owner_t;

/* What was lost, beyond the end of `late`; zeroed: nothing. */
typedef struct sluice__late_losses_s {
  struct sluice__late_piece_s *list; /* ascending by address */
  size_t count;
  uint64_t *map; /* a bit for each page of these */
} sluice__late_losses_t;

/* The kernel has what it takes, and gives it. Any thread. */
bool sluice__late_is_possible(void);

/* `fd` is borrowed until it is over. */
int sluice__late_new(sluice__late_t **out, sluice_engine_t *engine, int fd);
int sluice__late_add(sluice__late_t *late, const sluice__late_pages_t *pages);
/* From here on the pages come. After a failure nothing has changed; UV_ENOTSUP,
 * UV_EPERM: the kernel has, or gives, no userfaultfd. */
int sluice__late_start(sluice__late_t *late);
/* Somebody relies on it now. What is told is told from the loop, later. */
void sluice__late_keep(sluice__late_t *late, const sluice__late_owner_t *owner);
/* Nobody does. Started or not; `late` is gone. NULL is fine. */
void sluice__late_drop(sluice__late_t *late);
void sluice__late_stats(const sluice__late_t *late, sluice__late_stats_t *out);

/* In `filled` only; to be closed, NULL-safe. */
void sluice__late_take_losses(sluice__late_t *late, sluice__late_losses_t *out);
void sluice__late_close_losses(sluice__late_losses_t *losses);
/* The page at `to` that is at byte `at` of the file was lost. */
bool sluice__late_was_lost(const sluice__late_losses_t *losses,
                           const uint8_t *to, uint64_t at);

#endif
