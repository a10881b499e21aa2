/* foreign.h - a stream's schema that is not the program's own, and its plan.
 *
 * An image of an older program has the same schema in thousands of sections: it
 * is parsed for the first one, and lent to the others as long as one of them is
 * being restored. Counted; one thread. */
#ifndef SLUICE_FIELDS_FOREIGN_H
#define SLUICE_FIELDS_FOREIGN_H

#include "fields/kind.h"

struct sluice__foreign_s {
  sluice__kind_t *kind; /* which lends the latest one */
  size_t users;
  uint32_t version;
  sluice_schema_t *schema;
  sluice__plan_t plan;
};

/* The one of these bytes: lent, or made. Goes with _drop(). Errors of
 * sluice_schema_parse() and sluice__plan_make(). */
int sluice__foreign_take(sluice__foreign_t **out, sluice__kind_t *kind,
                         const void *schema, size_t len, uint32_t version,
                         sluice_error_t *err);
/* NULL is fine. */
void sluice__foreign_drop(sluice__foreign_t *foreign);

#endif
