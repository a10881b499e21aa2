/* region_names.h - what addresses that are paged in on demand are called.
 *
 * Addresses are all that the engine knows of such pages; the names of section
 * and region are kept beside them, since sections are the host's again when
 * there is something to tell. Loop thread. */
#ifndef SLUICE_SESSION_RESTORE_REGION_NAMES_H
#define SLUICE_SESSION_RESTORE_REGION_NAMES_H

#include <sluice/restore.h>

#include "image/demand/demand.h"
#include "image/extents.h"
#include "memory/mem.h"
#include "session/registry.h"

/* Copies: sections and stream may be gone when something is told of them. */
typedef struct sluice__region_name_s {
  const sluice_section_t *owner; /* until the commit */
  uint32_t number;
  uint32_t instance;
  char section[64];
  char region[64];
  uint8_t *base; /* its byte 0 */
} sluice__region_name_t;

typedef struct sluice__region_names_s {
  sluice__mem_t *mem;
  sluice__region_name_t *list; /* by tag */
  uint32_t count;
} sluice__region_names_t;

/* The tag of the extent's region, whose byte 0 is at `base`: its pages are to
 * have it; or UV_ENOMEM, SLUICE_ELIMIT. */
int64_t sluice__region_names_tag(sluice__region_names_t *names,
                                 const sluice__image_extent_t *extent,
                                 uint8_t *base);
/* Pages that were lost, by name. */
sluice_damage_t
sluice__region_names_damage(const sluice__region_names_t *names,
                            const sluice__demand_pages_t *range);
/* Is this part among the losses? */
bool sluice__region_names_was_lost(const sluice__region_names_t *names,
                                   const sluice__demand_losses_t *losses,
                                   const sluice_damage_t *part);
void sluice__region_names_close(sluice__region_names_t *names);

#endif
