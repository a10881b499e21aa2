/* late_tell.c - late pages that could not be read, told as other damage is: by
 * the names of section and region, once.
 *
 * Addresses are what the engine knows of late pages; names are kept beside
 * them, since sections are the host's again when there is something to tell. */
#include "session/restore/restore.h"

#include <stdio.h>
#include <string.h>
#include <uv.h>

/* Pieces come region by region. */
static bool is_last(const sluice__restore_file_t *f,
                    const sluice__piece_t *piece, const uint8_t *base) {
  const sluice__late_region_t *last;

  if (f->late_region_count == 0) {
    return false;
  }
  last = &f->late_regions[f->late_region_count - 1];
  return last->owner == piece->section && last->number == piece->region &&
         last->base == base;
}

int64_t sluice__restore_tag_late(sluice_restore_t *restore,
                                 const sluice__piece_t *piece, uint8_t *base) {
  sluice__restore_file_t *f = &restore->file;
  size_t bytes = f->late_region_count * sizeof(*f->late_regions);
  sluice__late_region_t *list;

  if (is_last(f, piece, base)) {
    return f->late_region_count - 1;
  }
  list = sluice__mem_resize(&restore->session.mem, f->late_regions, bytes,
                            bytes + sizeof(*list));
  if (list == NULL) {
    return sluice__mem_error(&restore->session.mem);
  }
  f->late_regions = list;
  list += f->late_region_count;
  *list = (sluice__late_region_t){.owner = piece->section,
                                  .number = piece->region,
                                  .instance = piece->section->options.instance,
                                  .base = base};
  (void)snprintf(list->section, sizeof(list->section), "%.63s",
                 sluice__section_name(piece->section));
  (void)snprintf(list->region, sizeof(list->region), "%.63s",
                 piece->region_name);
  return f->late_region_count++;
}

void sluice__restore_forget_late(sluice_restore_t *restore) {
  sluice__restore_file_t *f = &restore->file;

  sluice__late_close_losses(&f->losses);
  sluice__mem_free(&restore->session.mem, f->late_regions,
                   f->late_region_count * sizeof(*f->late_regions));
  f->late_regions = NULL;
  f->late_region_count = 0;
}

void sluice__restore_tell_damage(sluice_restore_t *restore,
                                 const sluice_damage_t *range) {
  restore->file.stats.damaged_bytes += range->bytes;
  if (restore->options.damaged != NULL) {
    restore->options.damaged(restore, range);
  }
}

void sluice__restore_on_lost(void *ctx, const sluice__late_pages_t *range) {
  sluice_restore_t *restore = ctx;
  const sluice__late_region_t *region = &restore->file.late_regions[range->tag];
  sluice_damage_t damage = {.instance = region->instance,
                            .offset = (uint64_t)(range->to - region->base),
                            .bytes = range->bytes,
                            .at = range->at};

  memcpy(damage.section, region->section, sizeof(damage.section));
  memcpy(damage.region, region->region, sizeof(damage.region));
  sluice__restore_tell_damage(restore, &damage);
}

bool sluice__restore_knows_lost(void *ctx, const sluice_damage_t *part) {
  sluice_restore_t *restore = ctx;
  const sluice__restore_file_t *f = &restore->file;

  for (uint32_t i = 0; i < f->late_region_count; i++) {
    const sluice__late_region_t *region = &f->late_regions[i];

    if (region->instance == part->instance &&
        strcmp(region->region, part->region) == 0 &&
        strcmp(region->section, part->section) == 0 &&
        sluice__late_was_lost(&f->losses, region->base + part->offset,
                              part->at)) {
      return true;
    }
  }
  return false;
}
