/* blob.h - a handler for bytes, in one go or in steps. */
#ifndef SLUICE_BLOB_H
#define SLUICE_BLOB_H

#include <stddef.h>
#include <stdint.h>

#include <sluice/registry.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sluice_blob_s sluice_blob_t;

/* What a blob is made of; all hooks get `data`. Called on the loop thread. */
typedef struct sluice_blob_options_s {
  uint32_t size;    /* sizeof(sluice_blob_options_t) */
  uint32_t version; /* of what the bytes mean */
  uint32_t min_version;
  size_t max_bytes; /* refuse to save or restore more; 0: 64 MiB */
  int is_live;      /* sent while the host runs (bytes that no longer change);
                       else with the host paused */
  void *data;
  /* The bytes to save, borrowed until `done`. */
  int (*get)(void *data, const void **out, size_t *out_len,
             sluice_error_t *err);
  void (*done)(void *data); /* optional; once for each successful `get` */
  /* Optional. Restored bytes before anything is committed: last chance to say
   * no. */
  int (*check)(void *data, const void *bytes, size_t len, uint32_t version,
               sluice_error_t *err);
  /* Takes the restored bytes, memory of malloc(). Cannot fail. */
  void (*take)(void *data, void *bytes, size_t len, uint32_t version);
} sluice_blob_options_t;

/* Makes a blob and registers it. UV_EINVAL: options of another size, without
 * `get` or `take`, or over their own version; errors of sluice_registry_add().
 */
SLUICE_EXTERN int sluice_blob_new(sluice_blob_t **out,
                                  sluice_registry_t *registry, const char *name,
                                  const sluice_section_options_t *section,
                                  const sluice_blob_options_t *options,
                                  sluice_error_t *err);
/* After the registry, or after taking the section out: UV_EBUSY while the
 * registry holds it (and nothing happened); 0 otherwise, for NULL too. */
SLUICE_EXTERN int sluice_blob_free(sluice_blob_t *blob);

#ifdef __cplusplus
}
#endif

#endif
