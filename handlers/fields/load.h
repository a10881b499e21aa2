/* load.h - a payload into the shadow of a structure.
 *
 *   run --> reserve --> commit        or, at any time: discard
 *
 * run answers SLUICE_WAIT when input is missing; it has then thrown the shadow
 * away, and begins anew when called again with the same bytes and more. */
#ifndef SLUICE_FIELDS_LOAD_H
#define SLUICE_FIELDS_LOAD_H

#include "fields/in.h"
#include "fields/plan.h"
#include "fields/walk.h"

/* The elements of one list of the structure, until the commit. */
typedef struct sluice__staged_s {
  const sluice_field_t *field;
  void *owner; /* in the structure, not in its shadow */
  void **elements;
  size_t count;
  size_t cap;
} sluice__staged_t;

typedef struct sluice__load_s {
  const sluice_table_t *table;
  const sluice__plan_t *plan; /* NULL: a payload of QEMU's */
  uint32_t version;
  sluice__in_t in;
  sluice__path_t path;
  void *live;
  void *shadow;
  sluice__staged_t *staged;
  size_t staged_count;
  size_t staged_cap;
} sluice__load_t;

/* 0, SLUICE_WAIT, or an error; nothing is held but after 0. */
int sluice__load_run(sluice__load_t *load, sluice_error_t *err);
int sluice__load_reserve(sluice__load_t *load, sluice_error_t *err);
void sluice__load_commit(sluice__load_t *load);
void sluice__load_discard(sluice__load_t *load);

/* load_value.c. `step` is where the value goes; 0, SLUICE_WAIT or an error. */
int sluice__load_bytes(sluice__load_t *l, size_t n, const uint8_t **out);
int sluice__load_flag(sluice__load_t *l, bool *out);
int sluice__load_u32(sluice__load_t *l, uint32_t *out);
int sluice__load_scalars(sluice__load_t *l, const sluice__step_t *step,
                         void *first, size_t n);
int sluice__load_text(sluice__load_t *l, const sluice_field_t *f, char *to);
int sluice__load_string(sluice__load_t *l, const sluice_field_t *f,
                        void *shadow, const void *live);

/* load_list.c. Where elements go, and what becomes of them. */
int sluice__load_list(sluice__load_t *l, const sluice__step_t *step, void *to,
                      void *live);
void sluice__load_drop_lists(sluice__load_t *l);
void sluice__load_put_lists(sluice__load_t *l);

/* load_qemu.c. What a structure consists of, in QEMU's streams. */
int sluice__load_qemu_fields(sluice__load_t *l, const sluice_table_t *table,
                             uint32_t version, void *to, void *live);
int sluice__load_qemu_subs(sluice__load_t *l, const sluice_table_t *table,
                           void *to, void *live);

/* load.c. One field; a structure, by its plan or (QEMU) its table; the
 * structure that `step` is of, one deeper. */
int sluice__load_value(sluice__load_t *l, const sluice__step_t *step, void *to,
                       void *live);
int sluice__load_table(sluice__load_t *l, unsigned plan,
                       const sluice_table_t *table, uint32_t version, void *to,
                       void *live);
int sluice__load_nested(sluice__load_t *l, const sluice__step_t *step, void *to,
                        void *live);

#endif
