/* region_names.c - see region_names.h. */
#include "session/restore/region_names.h"

#include <stdio.h>
#include <string.h>

/* Extents come region by region. */
static bool is_last(const sluice__region_names_t *names,
                    const sluice__image_extent_t *extent, const uint8_t *base) {
  const sluice__region_name_t *last;

  if (names->count == 0) {
    return false;
  }
  last = &names->list[names->count - 1];
  return last->owner == extent->owner && last->number == extent->region &&
         last->base == base;
}

int64_t sluice__region_names_tag(sluice__region_names_t *names,
                                 const sluice__image_extent_t *extent,
                                 uint8_t *base) {
  const sluice_section_t *section = extent->owner;
  size_t bytes = names->count * sizeof(*names->list);
  sluice__region_name_t *list;

  if (is_last(names, extent, base)) {
    return names->count - 1;
  }
  list =
      sluice__mem_resize(names->mem, names->list, bytes, bytes + sizeof(*list));
  if (list == NULL) {
    return sluice__mem_error(names->mem);
  }
  names->list = list;
  list += names->count;
  *list = (sluice__region_name_t){.owner = section,
                                  .number = extent->region,
                                  .instance = section->options.instance,
                                  .base = base};
  (void)snprintf(list->section, sizeof(list->section), "%.63s",
                 sluice__section_name(section));
  (void)snprintf(list->region, sizeof(list->region), "%.63s",
                 extent->region_name);
  return names->count++;
}

sluice_damage_t
sluice__region_names_damage(const sluice__region_names_t *names,
                            const sluice__demand_pages_t *range) {
  const sluice__region_name_t *region = &names->list[range->tag];
  sluice_damage_t damage = {.instance = region->instance,
                            .offset = (uint64_t)(range->to - region->base),
                            .bytes = range->bytes,
                            .at = range->at};

  memcpy(damage.section, region->section, sizeof(damage.section));
  memcpy(damage.region, region->region, sizeof(damage.region));
  return damage;
}

bool sluice__region_names_was_lost(const sluice__region_names_t *names,
                                   const sluice__demand_losses_t *losses,
                                   const sluice_damage_t *part) {
  for (uint32_t i = 0; i < names->count; i++) {
    const sluice__region_name_t *region = &names->list[i];

    if (region->instance == part->instance &&
        strcmp(region->region, part->region) == 0 &&
        strcmp(region->section, part->section) == 0 &&
        sluice__demand_was_lost(losses, region->base + part->offset,
                                part->at)) {
      return true;
    }
  }
  return false;
}

void sluice__region_names_close(sluice__region_names_t *names) {
  if (names->list != NULL) {
    sluice__mem_free(names->mem, names->list,
                     names->count * sizeof(*names->list));
  }
  names->list = NULL;
  names->count = 0;
}
