/* kind.h - what is made of a table once, for all sections that have it.
 *
 * Checked table, schema, plan of a stream that has the very same schema (the
 * common case), bound of a payload. Counted references; one thread. */
#ifndef SLUICE_FIELDS_KIND_H
#define SLUICE_FIELDS_KIND_H

#include <sluice/handler.h>

#include "fields/plan.h"

typedef struct sluice__foreign_s sluice__foreign_t;

typedef struct sluice__kind_s {
  unsigned refs;
  const sluice_table_t *table;
  uint8_t *schema_bytes;
  size_t schema_len;
  sluice_schema_t *schema;
  sluice__plan_t plan;
  sluice__foreign_t *foreign; /* the latest one in use, or NULL; foreign.h */
  size_t max_bytes;           /* a payload of any version may have */
  sluice_handler_t handler;
} sluice__kind_t;

int sluice__kind_new(sluice__kind_t **out, const sluice_table_t *table,
                     sluice_error_t *err);
void sluice__kind_free(sluice__kind_t *kind);

#endif
