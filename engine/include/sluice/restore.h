/* restore.h - restoring the sections of a registry from a stream.
 *
 *   LOAD --> CHECK --> COMMIT --> over
 *      \        |                  ^
 *       +-------+------------------+  first error or cancel
 *
 * Nothing of the host changes before the whole stream, trailer included, has
 * been read and every section has passed its check; then all commit in one go.
 * The callback runs exactly once, from the loop. */
#ifndef SLUICE_RESTORE_H
#define SLUICE_RESTORE_H

#include <stddef.h>
#include <stdint.h>

#include <sluice/alloc.h>
#include <sluice/engine.h>
#include <sluice/error.h>
#include <sluice/export.h>
#include <sluice/item.h>
#include <sluice/progress.h>
#include <sluice/registry.h>
#include <sluice/source.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sluice_restore_s sluice_restore_t;
typedef void (*sluice_restore_cb)(sluice_restore_t *restore, int status);

typedef struct sluice_restore_options_s {
  sluice_format_t format; /* UNKNOWN: whatever it is */
  const char *host;       /* refuse another host or machine; NULL: any */
  uint32_t page_size;     /* of QEMU streams; 0: 4096 */
  void *data;
  const sluice_alloc_t *alloc; /* NULL: the engine's; copied */
  size_t max_memory;           /* held by the session; 0: 256 MiB */
  uint64_t bandwidth;          /* bytes a second at most; 0: no limit */
  uint32_t weight;             /* share among sessions, 1..1000; 0: 100 */
  uint32_t stall_ms;           /* no byte for so long: UV_ETIMEDOUT; 0: never */
  void (*progress)(sluice_restore_t *restore,
                   const sluice_progress_t *progress);
  /* Optional. Every section has passed its check; nothing is committed before
   * sluice_restore_commit(), in here or later. */
  void (*checked)(sluice_restore_t *restore);
} sluice_restore_options_t;

/* As sluice_save_begin(). `source` is taken on success. */
SLUICE_EXTERN int sluice_restore_begin(sluice_restore_t **out,
                                       sluice_engine_t *engine,
                                       sluice_registry_t *registry,
                                       sluice_source_t *source,
                                       const sluice_restore_options_t *options,
                                       sluice_restore_cb cb);

/* After `checked`: all sections commit, from the loop. */
SLUICE_EXTERN void sluice_restore_commit(sluice_restore_t *restore);

/* Ends it with UV_ECANCELED; no-op once it commits. */
SLUICE_EXTERN void sluice_restore_cancel(sluice_restore_t *restore);

/* Frees a restore that is over; allowed inside its callback. UV_EBUSY before.
 */
SLUICE_EXTERN int sluice_restore_free(sluice_restore_t *restore);

SLUICE_EXTERN void *sluice_restore_data(const sluice_restore_t *restore);
SLUICE_EXTERN void sluice_restore_progress(const sluice_restore_t *restore,
                                           sluice_progress_t *out);
SLUICE_EXTERN const sluice_error_t *
sluice_restore_error(const sluice_restore_t *restore);

#ifdef __cplusplus
}
#endif

#endif
