/* sections.c - see sections.h. The hash is seeded by an address, so
 * that a stream cannot be made up to collide. */
#include "stream/qemu/sections.h"

#include <assert.h>
#include <string.h>
#include <xxhash.h>

enum { SLOTS_MIN = 16 };

void sluice__qemu_sections_init(sluice__qemu_sections_t *t,
                                sluice__arena_t *arena) {
  memset(t, 0, sizeof(*t));
  t->arena = arena;
  t->seed = (uint64_t)(uintptr_t)t;
}

static size_t hash_id(const sluice__qemu_sections_t *t, uint32_t id) {
  return (size_t)XXH3_64bits_withSeed(&id, sizeof(id), t->seed);
}

static size_t hash_name(const sluice__qemu_sections_t *t, const char *name,
                        uint32_t instance) {
  return (size_t)XXH3_64bits_withSeed(name, strlen(name), t->seed + instance);
}

sluice__qemu_section_t *
sluice__qemu_sections_find(const sluice__qemu_sections_t *t, uint32_t id) {
  for (size_t at = hash_id(t, id), n = 0; n < t->slots; at++, n++) {
    sluice__qemu_section_t *s = t->by_id[at & (t->slots - 1)];

    if (s == NULL || s->decl.id == id) {
      return s;
    }
  }
  return NULL;
}

sluice__qemu_section_t *
sluice__qemu_sections_named(const sluice__qemu_sections_t *t, const char *name,
                            uint32_t instance) {
  for (size_t at = hash_name(t, name, instance), n = 0; n < t->slots;
       at++, n++) {
    sluice__qemu_section_t *s = t->by_name[at & (t->slots - 1)];

    if (s == NULL ||
        (s->decl.instance == instance && strcmp(s->decl.name, name) == 0)) {
      return s;
    }
  }
  return NULL;
}

static void put(sluice__qemu_section_t **table, size_t slots, size_t hash,
                sluice__qemu_section_t *s) {
  while (table[hash & (slots - 1)] != NULL) {
    hash++;
  }
  table[hash & (slots - 1)] = s;
}

static void index_section(sluice__qemu_sections_t *t,
                          sluice__qemu_section_t *s) {
  put(t->by_id, t->slots, hash_id(t, s->decl.id), s);
  put(t->by_name, t->slots, hash_name(t, s->decl.name, s->decl.instance), s);
}

/* At most half full, so that a search ends soon. */
static int grow(sluice__qemu_sections_t *t) {
  size_t slots = t->slots == 0 ? SLOTS_MIN : t->slots * 2;
  sluice__qemu_section_t **tables;
  int code = 0;

  if (t->count < t->slots / 2) {
    return 0;
  }
  tables = sluice__arena_alloc(t->arena, 2 * slots * sizeof(void *), &code);
  if (tables == NULL) {
    return code;
  }
  t->by_id = tables;
  t->by_name = tables + slots;
  t->slots = slots;
  for (sluice__qemu_section_t *s = t->first; s != NULL; s = s->next) {
    index_section(t, s);
  }
  return 0;
}

static void append(sluice__qemu_sections_t *t, sluice__qemu_section_t *s) {
  if (t->last == NULL) {
    t->first = s;
  } else {
    t->last->next = s;
  }
  t->last = s;
  t->count++;
  index_section(t, s);
}

sluice__qemu_section_t *sluice__qemu_sections_add(sluice__qemu_sections_t *t,
                                                  const sluice_decl_t *decl,
                                                  int *code) {
  sluice__qemu_section_t *s;

  *code = grow(t);
  if (*code < 0) {
    return NULL;
  }
  s = sluice__arena_alloc(t->arena, sizeof(*s), code);
  if (s == NULL) {
    return NULL;
  }
  s->decl = *decl;
  s->decl.type = "";
  s->decl.schema = NULL;
  s->decl.schema_len = 0;
  s->decl.name =
      sluice__arena_name(t->arena, decl->name, strlen(decl->name), code);
  if (s->decl.name == NULL) {
    return NULL;
  }
  append(t, s);
  if ((decl->flags & SLUICE_SECTION_LIVE) != 0) {
    t->live++;
    t->started++;
  }
  return s;
}

void sluice__qemu_sections_end(sluice__qemu_sections_t *t,
                               sluice__qemu_section_t *s) {
  assert(!s->is_ended && t->live > 0);
  s->is_ended = true;
  t->live--;
}
