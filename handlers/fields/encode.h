/* encode.h - a structure, by its table, as the payload of a section. */
#ifndef SLUICE_FIELDS_ENCODE_H
#define SLUICE_FIELDS_ENCODE_H

#include "fields/out.h"
#include "fields/path.h"

/* Appends to `out`, whose byte order is `format`'s. */
int sluice__fields_encode(const sluice_table_t *table, sluice_format_t format,
                          void *structure, sluice__out_t *out,
                          sluice_error_t *err);

#endif
