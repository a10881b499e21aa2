/* type.c - see type.h. */
#include "fields/type.h"

#include <sluice/schema.h>

bool sluice__type_widens(unsigned from, unsigned to) {
  if (from == to) {
    return true;
  }
  if (sluice__type_is_unsigned(from) &&
      (sluice__type_is_unsigned(to) || sluice__type_is_signed(to))) {
    return sluice__type_bytes(to) > sluice__type_bytes(from);
  }
  return sluice__type_is_signed(from) && sluice__type_is_signed(to) &&
         sluice__type_bytes(to) > sluice__type_bytes(from);
}

const char *sluice__type_name(unsigned type) {
  static const char *const names[] = {
      "?",    "u8",   "u16",    "u32",    "u64",   "i8",
      "i16",  "i32",  "i64",    "bool",   "float", "double",
      "byte", "text", "string", "struct", "list",  "unused"};

  return type < sizeof(names) / sizeof(names[0]) ? names[type] : "?";
}

bool sluice__type_fits_shape(unsigned type, unsigned shape, bool on_wire) {
  if (type < SLUICE_FIELD_U8 || type > SLUICE_FIELD_UNUSED ||
      (on_wire &&
       (type == SLUICE_FIELD_UNUSED || shape == SLUICE_SHAPE_OWNED))) {
    return false;
  }
  if (sluice__type_is_scalar(type)) {
    return shape <= SLUICE_SHAPE_OWNED;
  }
  return shape == SLUICE_SHAPE_ONE ||
         (type == SLUICE_FIELD_STRUCT && shape <= SLUICE_SHAPE_POINTER);
}

const char *sluice_field_type_name(sluice_field_type_t type) {
  return sluice__type_name((unsigned)type);
}
