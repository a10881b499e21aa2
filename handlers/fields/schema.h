/* schema.h - a parsed schema: tables and fields by number.
 *
 * Made by sluice_schema_parse(), which checks everything that the rest relies
 * on: numbers in range, names unique and ended by NUL, structures in structures
 * at most SLUICE_FIELDS_DEPTH deep before a byte of payload is needed. So a
 * walk costs no more than its payload is long. */
#ifndef SLUICE_FIELDS_SCHEMA_H
#define SLUICE_FIELDS_SCHEMA_H

#include <stdbool.h>

#include <sluice/schema.h>

#include "fields/out.h"
#include "fields/table.h"

enum {
  SLUICE__SCHEMA_FORMAT = 1,
  SLUICE__SCHEMA_NO_TABLE = 0xffff,

  SLUICE__SCHEMA_OPTIONAL = 1u << 0,
  SLUICE__SCHEMA_PRESENCE = 1u << 1,
  SLUICE__SCHEMA_RANGE = 1u << 2,
  SLUICE__SCHEMA_EQUAL = 1u << 3,
  SLUICE__SCHEMA_ALIAS = 1u << 4,
  SLUICE__SCHEMA_FLAGS = (1u << 5) - 1
};

typedef struct sluice__schema_field_s {
  const char *name;
  const char *alias; /* or NULL */
  uint8_t type;
  uint8_t shape;
  uint8_t flags;
  uint16_t table;
  uint32_t since;
  uint32_t max;
  int64_t low;
  uint64_t high;
} sluice__schema_field_t;

typedef struct sluice__schema_table_s {
  const char *name;
  uint32_t version;
  uint32_t min_version;
  bool optional;
  uint16_t field_count;
  uint16_t sub_count;
  const sluice__schema_field_t *fields;
  const uint16_t *subs; /* tables */
} sluice__schema_table_t;

struct sluice_schema_s {
  uint8_t *bytes; /* names point into it */
  size_t len;
  sluice__schema_table_t *tables;
  sluice__schema_field_t *fields;
  uint16_t *subs;
  unsigned table_count;
  unsigned field_count;
  unsigned sub_count;
};

/* Writes the schema of the tables that `tables` holds, the first is the root.
 */
void sluice__schema_write(const sluice__tables_t *tables, sluice__out_t *out);

#endif
