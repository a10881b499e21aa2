/* own.c - see own.h. Nothing here can fail. */
#include "fields/own.h"

#include <stdlib.h>

static void *live_pointer(const sluice_field_t *f, const void *live) {
  return live == NULL ? NULL : sluice__field_pointer(f, live);
}

static bool is_inline_struct(const sluice_field_t *f) {
  return f->type == SLUICE_FIELD_STRUCT && f->shape != SLUICE_SHAPE_OWNED &&
         f->shape != SLUICE_SHAPE_POINTER;
}

static bool is_pointer(const sluice_field_t *f) {
  return f->type == SLUICE_FIELD_STRING || f->shape == SLUICE_SHAPE_OWNED ||
         f->shape == SLUICE_SHAPE_POINTER;
}

/* Frees the memory behind an owned pointer, and what that owns. */
static void free_behind(const sluice_field_t *f, void *structure, void *p) {
  uint64_t n =
      f->shape == SLUICE_SHAPE_OWNED ? sluice__field_count(f, structure) : 1;

  if (f->type == SLUICE_FIELD_STRUCT) {
    for (uint64_t i = 0; i < n; i++) {
      sluice__own_discard(f->table, (char *)p + i * f->size, NULL);
    }
  }
  free(p);
}

static void discard_pointer(const sluice_field_t *f, void *shadow,
                            const void *live) {
  void *p = sluice__field_pointer(f, shadow);
  void *kept = live_pointer(f, live);

  if (p == NULL || p == kept) {
    return;
  }
  if (f->shape == SLUICE_SHAPE_POINTER && kept != NULL) {
    sluice__own_discard(f->table, p, kept);
    free(p);
  } else {
    free_behind(f, shadow, p);
  }
  sluice__field_set_pointer(f, shadow, NULL);
}

static void discard_field(const sluice_field_t *f, void *shadow,
                          const void *live) {
  if (is_pointer(f)) {
    discard_pointer(f, shadow, live);
  } else if (is_inline_struct(f)) {
    for (size_t i = 0; i < f->max; i++) {
      size_t at = f->offset + i * f->size;

      sluice__own_discard(f->table, (char *)shadow + at,
                          live == NULL ? NULL : (const char *)live + at);
    }
  } else if (f->type == SLUICE_FIELD_LIST && live == NULL) {
    f->list->clear(shadow);
  }
}

void sluice__own_discard(const sluice_table_t *table, void *shadow,
                         const void *live) {
  const sluice_table_t *const *sub = table->subsections;

  for (const sluice_field_t *f = table->fields; f->name != NULL; f++) {
    discard_field(f, shadow, live);
  }
  for (; sub != NULL && *sub != NULL; sub++) {
    sluice__own_discard(*sub, shadow, live);
  }
}

void sluice_fields_dispose(const sluice_table_t *table, void *structure) {
  if (table != NULL && structure != NULL) {
    sluice__own_discard(table, structure, NULL);
  }
}

void sluice__own_drop(const sluice_field_t *list, void *element) {
  sluice__own_discard(list->table, element, NULL);
  if (list->list->drop != NULL) {
    list->list->drop(element);
  } else {
    free(element);
  }
}

void sluice__own_replace(const sluice_field_t *f, void *shadow,
                         const void *live, void *p) {
  discard_pointer(f, shadow, live);
  sluice__field_set_pointer(f, shadow, p);
}

/* ---- commit ---- */

static void commit_pointer(const sluice_field_t *f, void *live, void *shadow) {
  void *old = sluice__field_pointer(f, live);
  void *p = sluice__field_pointer(f, shadow);

  if (p == old) {
    return;
  }
  if (f->shape == SLUICE_SHAPE_POINTER && old != NULL && p != NULL) {
    sluice__own_commit(f->table, old, p); /* it keeps its address */
    free(p);
    return;
  }
  if (old != NULL) {
    free_behind(f, live, old);
  }
  sluice__field_set_pointer(f, live, p);
}

static void commit_field(const sluice_field_t *f, void *live, void *shadow) {
  size_t n = f->type == SLUICE_FIELD_TEXT ? 1 : f->max;

  if (is_pointer(f)) {
    commit_pointer(f, live, shadow);
  } else if (is_inline_struct(f)) {
    for (size_t i = 0; i < n; i++) {
      size_t at = f->offset + i * f->size;

      sluice__own_commit(f->table, (char *)live + at, (char *)shadow + at);
    }
  } else if (f->type != SLUICE_FIELD_LIST && f->type != SLUICE_FIELD_UNUSED) {
    memcpy(sluice__field_at(f, live), sluice__field_at(f, shadow), n * f->size);
  }
}

/* From the last field to the first: arrays come behind their counts in a
 * table, and freeing the old array needs the old count. */
void sluice__own_commit(const sluice_table_t *table, void *live, void *shadow) {
  const sluice_table_t *const *sub = table->subsections;
  const sluice_field_t *f = table->fields;

  for (; sub != NULL && *sub != NULL; sub++) {
    sluice__own_commit(*sub, live, shadow);
  }
  while (f->name != NULL) {
    f++;
  }
  while (f != table->fields) {
    f--;
    commit_field(f, live, shadow);
  }
}

/* ---- loaded ---- */

static void tell_structs(const sluice_field_t *f, void *structure) {
  void *first = is_pointer(f) ? sluice__field_pointer(f, structure)
                              : sluice__field_at(f, structure);
  uint64_t n =
      sluice__field_is_counted(f) ? sluice__field_count(f, structure) : f->max;

  for (uint64_t i = 0; i < n && first != NULL; i++) {
    sluice__own_tell(f->table, (char *)first + i * f->size);
  }
}

static void tell_list(const sluice_field_t *f, void *owner) {
  for (void *at = f->list->next(owner, NULL); at != NULL;
       at = f->list->next(owner, at)) {
    sluice__own_tell(f->table, at);
  }
}

void sluice__own_tell(const sluice_table_t *table, void *structure) {
  const sluice_table_t *const *sub = table->subsections;

  for (const sluice_field_t *f = table->fields; f->name != NULL; f++) {
    if (f->type == SLUICE_FIELD_STRUCT) {
      tell_structs(f, structure);
    } else if (f->type == SLUICE_FIELD_LIST) {
      tell_list(f, structure);
    }
  }
  for (; sub != NULL && *sub != NULL; sub++) {
    sluice__own_tell(*sub, structure);
  }
  if (table->loaded != NULL) {
    table->loaded(structure);
  }
}
