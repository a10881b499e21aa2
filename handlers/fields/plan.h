/* plan.h - a stream's schema against the program's own tables: for each field
 * of the stream, where it goes.
 *
 * Made once for a section; fields are matched by name, so they may have been
 * added, removed or reordered. What does not fit is refused here, by name,
 * before any value is read. A plan table pairs one table of the schema with one
 * of the program. */
#ifndef SLUICE_FIELDS_PLAN_H
#define SLUICE_FIELDS_PLAN_H

#include "fields/path.h"
#include "fields/schema.h"

enum {
  SLUICE__PLAN_SKIP = UINT16_MAX, /* for a subsection: show it to nobody */
  SLUICE__PLAN_REFUSE = UINT16_MAX - 1,
  SLUICE__PLAN_TABLES_MAX = 1024
};

typedef struct sluice__step_s {
  const sluice__schema_field_t *from; /* NULL: a QEMU stream, which has none */
  const sluice_field_t *to;           /* NULL: skipped */
  uint16_t plan;                      /* of a STRUCT or LIST: its table's */
  bool is_plain; /* one scalar, the same on both sides, any value is fine */
} sluice__step_t;

typedef struct sluice__plan_table_s {
  const sluice__schema_table_t *from;
  const sluice_table_t *to;
  sluice__step_t *steps; /* from->field_count */
  uint16_t *subs;        /* from->sub_count: plan tables */
} sluice__plan_table_t;

typedef struct sluice__plan_s {
  const sluice_schema_t *schema; /* borrowed */
  sluice__plan_table_t *tables;  /* the first is the root */
  unsigned count;
  unsigned cap;
} sluice__plan_t;

/* `version` as the section's declaration says. */
int sluice__plan_make(sluice__plan_t *plan, const sluice_schema_t *schema,
                      const sluice_table_t *root, uint32_t version,
                      sluice_error_t *err);
void sluice__plan_done(sluice__plan_t *plan);

#endif
