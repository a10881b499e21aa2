/* sound_list.c - see sound_list.h. */
#include "session/restore/sound_list.h"

#include <uv.h>

#define EACH(at, list)                                                         \
  for (sluice__soundness_t *at = (list)->first; at != NULL; at = at->next)

/* Runs come section by section: mostly the first. */
static sluice__soundness_t *find(const sluice__sound_list_t *list,
                                 const sluice_section_t *section) {
  EACH(at, list) {
    if (at->section == section) {
      return at;
    }
  }
  return NULL;
}

static sluice__soundness_t *add_section(sluice__sound_list_t *list,
                                        sluice_section_t *section,
                                        const sluice_alloc_t *alloc) {
  sluice__soundness_t *s = sluice__soundness_new(alloc);

  if (s != NULL) {
    s->section = section;
    s->next = list->first;
    list->first = s;
  }
  return s;
}

int sluice__sound_list_add(sluice__sound_list_t *list,
                           sluice_section_t *section,
                           const sluice_alloc_t *alloc,
                           const sluice__index_run_t *run) {
  const sluice__sound_pages_t pages = {.region = run->region,
                                       .region_name = run->region_name,
                                       .page_size = run->page_size,
                                       .offset = run->offset,
                                       .bytes = run->bytes,
                                       .data = run->at,
                                       .hashes = run->hashes};
  sluice__soundness_t *s = find(list, section);

  if (s == NULL) {
    s = add_section(list, section, alloc);
  }
  return s == NULL ? UV_ENOMEM : sluice__soundness_add(s, &pages);
}

int sluice__sound_list_seal(sluice__sound_list_t *list,
                            const sluice__probe_t *probe) {
  const sluice__sound_file_t file = {
      .fd = probe->fd, .size = probe->size, .changed = probe->changed};
  int r = 0;

  for (sluice__soundness_t *at = list->first; at != NULL && r == 0;
       at = at->next) {
    r = sluice__soundness_seal(at, &file);
  }
  return r;
}

void sluice__sound_list_commit(sluice__sound_list_t *list,
                               sluice_section_t *section) {
  sluice__soundness_t *s = find(list, section);

  sluice__soundness_drop(section->soundness);
  section->soundness = s == NULL ? NULL : sluice__soundness_keep(s);
  if (s != NULL) {
    s->section = NULL; /* it may go any time */
  }
}

void sluice__sound_list_damage(sluice__sound_list_t *list,
                               const sluice_damage_t *part) {
  EACH(at, list) {
    sluice__soundness_damage(at, part->offset, part->at, part->bytes);
  }
}

void sluice__sound_list_scrubbed(sluice__sound_list_t *list, uint64_t end) {
  EACH(at, list) {
    sluice__soundness_scrubbed(at, end);
  }
}

void sluice__sound_list_refuse(sluice__sound_list_t *list) {
  EACH(at, list) {
    sluice__soundness_refuse(at);
  }
}

void sluice__sound_list_stats(const sluice__sound_list_t *list,
                              sluice_restore_stats_t *out) {
  EACH(at, list) {
    sluice__sound_sums_t sums;

    sluice__soundness_sums(at, &sums);
    out->sound_bytes += sums.sound;
    out->unverified_bytes += sums.unverified;
    out->unsound_bytes += sums.damaged;
  }
}

void sluice__sound_list_close(sluice__sound_list_t *list) {
  while (list->first != NULL) {
    sluice__soundness_t *at = list->first;

    list->first = at->next;
    sluice__soundness_drop(at);
  }
}
