/* late.h - pages of a file that get into memory after the restore has
 * committed: when somebody touches them, and else one behind the other.
 *
 * The memory is registered with userfaultfd: whoever touches a page that is not
 * there yet waits until a thread has read it. That thread fills what is left
 * meanwhile, going on behind the page that was touched last. A page that cannot
 * be read is poisoned: touching it raises SIGBUS, as with a mapping.
 *
 * Knows files and addresses, no streams and no restores.
 *
 * Invariant: once started, it ends: by itself when all is there, or by being
 * stopped before anybody relies on it. The engine does not close before. */
#ifndef SLUICE_SESSION_RESTORE_LATE_H
#define SLUICE_SESSION_RESTORE_LATE_H

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

/* `fd` is borrowed until it is over. */
int sluice__late_new(sluice__late_t **out, sluice_engine_t *engine, int fd);
/* Pages at byte `at` of the file belong to `to`; both whole pages of the
 * kernel's. Pieces of the same `gap` have nothing but fresh anonymous memory
 * between them. */
int sluice__late_add(sluice__late_t *late, uint8_t *to, uint64_t at,
                     uint64_t bytes, uint64_t gap);
/* From here on the pages come. After a failure nothing has changed; UV_ENOTSUP,
 * UV_EPERM: the kernel has, or gives, no userfaultfd. */
int sluice__late_start(sluice__late_t *late);
/* Somebody relies on it now; `cb` from the loop when all is there: 0, or why
 * pages were lost. `late` is gone behind it. */
void sluice__late_keep(sluice__late_t *late, void (*cb)(void *ctx, int code),
                       void *ctx);
/* Nobody does. Started or not; `late` is gone. NULL is fine. */
void sluice__late_drop(sluice__late_t *late);
void sluice__late_stats(const sluice__late_t *late, sluice__late_stats_t *out);

#endif
