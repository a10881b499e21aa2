/* table.h - tables that a program wrote: are they sound? and small questions.
 *
 * A table is trusted once sluice__table_check() has passed it: everything else
 * relies on that and only asserts. */
#ifndef SLUICE_FIELDS_TABLE_H
#define SLUICE_FIELDS_TABLE_H

#include <stdbool.h>

#include "fields/order.h"
#include "fields/type.h"

enum {
  SLUICE__TABLES_MAX = 256 /* that one table reaches */
};

/* All tables reached from `root`, each once, in the order they are found. */
typedef struct sluice__tables_s {
  const sluice_table_t *at[SLUICE__TABLES_MAX];
  unsigned count;
} sluice__tables_t;

/* UV_EINVAL, and why. */
int sluice__table_check(const sluice_table_t *root, sluice__tables_t *out,
                        sluice_error_t *err);

/* Where `table` is in `tables`, which reach it. */
unsigned sluice__tables_find(const sluice__tables_t *tables,
                             const sluice_table_t *table);

/* The field that holds the count of `field`. */
const sluice_field_t *sluice__table_count_of(const sluice_table_t *table,
                                             const sluice_field_t *field);

static inline bool sluice__field_is_counted(const sluice_field_t *f) {
  return f->shape == SLUICE_SHAPE_COUNTED || f->shape == SLUICE_SHAPE_OWNED;
}

static inline uint64_t sluice__field_count(const sluice_field_t *f,
                                           const void *structure) {
  return sluice__host_get((const char *)structure + f->count_offset,
                          f->count_size);
}

/* The pointer that a POINTER, OWNED or STRING field is. */
static inline void *sluice__field_pointer(const sluice_field_t *f,
                                          const void *structure) {
  void *p;

  memcpy(&p, (const char *)structure + f->offset, sizeof(p));
  return p;
}

static inline void sluice__field_set_pointer(const sluice_field_t *f,
                                             void *structure, void *p) {
  memcpy((char *)structure + f->offset, &p, sizeof(p));
}

static inline void *sluice__field_at(const sluice_field_t *f, void *structure) {
  return (char *)structure + f->offset;
}

/* A POINTER is on the wire what its `exists` is in native streams: one byte
 * that says whether it is there. */
static inline bool sluice__field_is_there(const sluice_field_t *f,
                                          const void *structure,
                                          uint32_t version) {
  return f->since <= version &&
         (f->exists == NULL || f->exists(structure, version) != 0);
}

static inline bool sluice__table_is_needed(const sluice_table_t *table,
                                           const void *structure) {
  return table->needed == NULL || table->needed(structure) != 0;
}

#endif
