/* type.h - what the numbers of types and shapes mean on the wire.
 *
 * Shared by tables (which the program wrote) and schemas (which came with a
 * stream). Knows neither. */
#ifndef SLUICE_FIELDS_TYPE_H
#define SLUICE_FIELDS_TYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sluice/fields.h>

/* Bytes of a scalar in a stream and in memory; 0 for what is no scalar. */
static inline size_t sluice__type_bytes(unsigned type) {
  static const uint8_t bytes[] = {0, 1, 2, 4, 8, 1, 2, 4, 8, 1, 4, 8, 1};

  return type < sizeof(bytes) ? bytes[type] : 0;
}

static inline bool sluice__type_is_scalar(unsigned type) {
  return type >= SLUICE_FIELD_U8 && type <= SLUICE_FIELD_BYTE;
}

static inline bool sluice__type_is_unsigned(unsigned type) {
  return type >= SLUICE_FIELD_U8 && type <= SLUICE_FIELD_U64;
}

static inline bool sluice__type_is_signed(unsigned type) {
  return type >= SLUICE_FIELD_I8 && type <= SLUICE_FIELD_I64;
}

static inline bool sluice__type_has_range(unsigned type) {
  return type >= SLUICE_FIELD_U8 && type <= SLUICE_FIELD_DOUBLE &&
         type != SLUICE_FIELD_BOOL;
}

/* A value of `from` always fits into `to`: the same, or a wider integer. */
bool sluice__type_widens(unsigned from, unsigned to);

/* "u8", "struct", ...; "?" for no type. */
const char *sluice__type_name(unsigned type);

/* Whether a field may be so: in tables, and (`on_wire`) in schemas, which know
 * neither owned arrays nor padding. */
bool sluice__type_fits_shape(unsigned type, unsigned shape, bool on_wire);

#endif
