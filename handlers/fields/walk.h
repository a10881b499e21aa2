/* walk.h - over a native payload by its schema alone. */
#ifndef SLUICE_FIELDS_WALK_H
#define SLUICE_FIELDS_WALK_H

#include "fields/in.h"
#include "fields/path.h"
#include "fields/schema.h"

typedef struct sluice__walk_s {
  const sluice_schema_t *schema;
  sluice__in_t *in;
  sluice__path_t *path;
  sluice_value_cb cb; /* NULL: to skip */
  void *data;
  unsigned opens;
} sluice__walk_t;

/* One field, what says whether it is there included. The path is at it. */
int sluice__walk_field(sluice__walk_t *w, const sluice__schema_field_t *f);

/* The fields and subsections of a table, one deeper. */
int sluice__walk_table(sluice__walk_t *w, unsigned table);

#endif
