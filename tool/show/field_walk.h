/* field_walk.h - the path of the field at hand, while walking a section. */
#ifndef SLUICE_TOOL_SHOW_FIELD_WALK_H
#define SLUICE_TOOL_SHOW_FIELD_WALK_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "show/field_values.h"

enum { FIELD_WALK_DEPTH = 80 };

#define FIELD_NO_INDEX UINT32_MAX

typedef struct field_walk_s {
  field_value_cb cb;
  void *ctx;
  char path[2048];
  size_t len;
  size_t mark[FIELD_WALK_DEPTH];
  unsigned depth;
} field_walk_t;

/* With an index: an element of what was entered last. False: too deep. */
bool field_walk_enter(field_walk_t *w, const char *name, uint32_t index);
void field_walk_leave(field_walk_t *w);

/* The value at the path. */
void field_walk_tell(field_walk_t *w, const char *value);
void field_walk_number(field_walk_t *w, bool is_signed, uint64_t bits);
void field_walk_bytes(field_walk_t *w, const uint8_t *bytes, size_t len);

/* field_values_qemu.c: as field_values_of(). */
int field_walk_qemu(field_walk_t *w, const json_t *description,
                    const image_section_t *section);

#endif
