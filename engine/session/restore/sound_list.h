/* sound_list.h - the pages of a restore that are memory before they are
 * verified: one soundness object a section.
 *
 *   add()... -> seal()   all that is known of the file is in it
 *            -> commit() the sections have theirs
 *            -> verdicts, by those who follow the commit
 *            -> close()
 *
 * Loop thread. */
#ifndef SLUICE_SESSION_RESTORE_SOUND_LIST_H
#define SLUICE_SESSION_RESTORE_SOUND_LIST_H

#include <sluice/restore.h>

#include "image/probe.h"
#include "session/registry.h"
#include "soundness/soundness.h"
#include "stream/decode_hooks.h"

typedef struct sluice__sound_list_s {
  sluice__soundness_t *first; /* the last that was added to */
} sluice__sound_list_t;

/* 0 or UV_ENOMEM. */
int sluice__sound_list_add(sluice__sound_list_t *list,
                           sluice_section_t *section,
                           const sluice_alloc_t *alloc,
                           const sluice__index_run_t *run);
/* 0, UV_ENOMEM, or no descriptor is to be had. */
int sluice__sound_list_seal(sluice__sound_list_t *list,
                            const sluice__probe_t *probe);
/* Each section that was restored: what was known of its pages is no more. */
void sluice__sound_list_commit(sluice__sound_list_t *list,
                               sluice_section_t *section);

/* As soundness.h; `part` stands at its place in the file. */
void sluice__sound_list_damage(sluice__sound_list_t *list,
                               const sluice_damage_t *part);
void sluice__sound_list_scrubbed(sluice__sound_list_t *list, uint64_t end);
void sluice__sound_list_refuse(sluice__sound_list_t *list);
void sluice__sound_list_stats(const sluice__sound_list_t *list,
                              sluice_restore_stats_t *out);

void sluice__sound_list_close(sluice__sound_list_t *list);

#endif
