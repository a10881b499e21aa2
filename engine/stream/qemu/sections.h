/* sections.h - the sections that a QEMU stream has declared so far.
 *
 * Found by id, because PART and END name nothing else, and by name and
 * instance, because that pair must be unique. Both reader and writer keep one.
 * Must know no bytes. Invariant: a section once added stays where it is until
 * _done; `live` counts the ones that were started and have not ended. */
#ifndef SLUICE_STREAM_QEMU_SECTIONS_H
#define SLUICE_STREAM_QEMU_SECTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include <sluice/item.h>

#include "stream/arena.h"

typedef struct sluice__qemu_section_s {
  sluice_decl_t decl;      /* its strings are in the arena */
  bool is_ended;           /* live ones: END was seen */
  uint64_t bytes;          /* of payload */
  const char *description; /* writer: what its handler says, JSON */
  size_t description_len;
  struct sluice__qemu_section_s *next; /* in order of declaration */
} sluice__qemu_section_t;

typedef struct sluice__qemu_sections_s {
  sluice__arena_t *arena;
  sluice__qemu_section_t **by_id;   /* open addressing, */
  sluice__qemu_section_t **by_name; /* `slots` each */
  size_t slots;                     /* a power of two, or 0 */
  uint32_t count;
  uint32_t live;    /* started and not ended */
  uint32_t started; /* live ones, ended or not */
  uint64_t seed;
  sluice__qemu_section_t *first;
  sluice__qemu_section_t *last;
} sluice__qemu_sections_t;

void sluice__qemu_sections_init(sluice__qemu_sections_t *t,
                                sluice__arena_t *arena);

/* NULL: there is none. */
sluice__qemu_section_t *
sluice__qemu_sections_find(const sluice__qemu_sections_t *t, uint32_t id);
sluice__qemu_section_t *
sluice__qemu_sections_named(const sluice__qemu_sections_t *t, const char *name,
                            uint32_t instance);

/* Adds a copy of `decl`, which must be new by id and by name. NULL with `*code`
 * UV_ENOMEM or SLUICE_ELIMIT. */
sluice__qemu_section_t *sluice__qemu_sections_add(sluice__qemu_sections_t *t,
                                                  const sluice_decl_t *decl,
                                                  int *code);

/* The live section `s` is over. */
void sluice__qemu_sections_end(sluice__qemu_sections_t *t,
                               sluice__qemu_section_t *s);

#endif
