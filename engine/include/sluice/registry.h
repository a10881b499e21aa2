/* registry.h - the sections a host's state is made of.
 *
 * A registry is filled once and used by any number of operations, one at a
 * time: a save and a restore of the same registry exclude each other. Loop
 * thread. */
#ifndef SLUICE_REGISTRY_H
#define SLUICE_REGISTRY_H

#include <stddef.h>
#include <stdint.h>

#include <sluice/alloc.h>
#include <sluice/encoder.h>
#include <sluice/error.h>
#include <sluice/export.h>
#include <sluice/handler.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sluice_registry_s sluice_registry_t;

typedef struct sluice_section_options_s {
  uint32_t size;      /* sizeof(sluice_section_options_t) */
  uint32_t instance;  /* told apart from others of the same name by this */
  int32_t priority;   /* higher ones are declared and finished first */
  uint32_t weight;    /* share of a slice, 1..1000; 0: 100 */
  uint32_t flags;     /* SLUICE_SECTION_OPTIONAL: may be absent from a stream */
  const void *schema; /* borrowed; travels in the declaration (native) */
  size_t schema_len;
  /* Former names, ended by NULL; borrowed. A section of such a name and this
   * instance is restored here, unless one of that very name is registered. */
  const char *const *aliases;
} sluice_section_options_t;

/* `alloc` NULL: the C library's; copied. UV_ENOMEM. */
SLUICE_EXTERN int sluice_registry_new(sluice_registry_t **out,
                                      const sluice_alloc_t *alloc);

/* UV_EBUSY while an operation uses it (and nothing happened); 0 otherwise, for
 * NULL too. Handlers and their state stay the host's. */
SLUICE_EXTERN int sluice_registry_free(sluice_registry_t *registry);

/* Registers one section. `handler` is borrowed for the life of the registry,
 * `self` is handed to its hooks, `name` (1..255 printable ASCII characters, no
 * space) is copied, `options` may be NULL, `*out_section` too.
 *   UV_EINVAL       bad name, weight or options, no registry, or handler
 *                   without a mandatory hook
 *   SLUICE_EEXISTS  name and instance are taken
 *   UV_EBUSY        an operation is running
 *   UV_ENOMEM */
SLUICE_EXTERN int
sluice_registry_add(sluice_registry_t *registry, const char *name,
                    const sluice_handler_t *handler, void *self,
                    const sluice_section_options_t *options,
                    sluice_section_t **out_section, sluice_error_t *err);

/* Takes a section out. UV_EBUSY, UV_ENOENT; UV_EINVAL: a NULL. */
SLUICE_EXTERN int sluice_registry_remove(sluice_registry_t *registry,
                                         const char *name, uint32_t instance);

/* Not 0: an operation uses it, from its begin on and until its outcome is told.
 * 0 for NULL. */
SLUICE_EXTERN int sluice_registry_is_busy(const sluice_registry_t *registry);

SLUICE_EXTERN uint32_t sluice_registry_count(const sluice_registry_t *registry);

/* Writes what the registered sections would declare (names, versions, schemas)
 * as a stream without payloads, at once, calling no handler: for comparing this
 * program with others. `options` and `output` as for an encoder (encoder.h);
 * native streams only carry schemas. Errors of the encoder. */
SLUICE_EXTERN int
sluice_registry_schema(const sluice_registry_t *registry,
                       const sluice_encoder_options_t *options,
                       const sluice_output_t *output, sluice_error_t *err);

#ifdef __cplusplus
}
#endif

#endif
