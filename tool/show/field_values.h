/* field_values.h - a section's fields by name, as texts.
 *
 * Native sections by the schema that came with them, QEMU's by the description
 * that follows the stream. Knows no output. */
#ifndef SLUICE_TOOL_SHOW_FIELD_VALUES_H
#define SLUICE_TOOL_SHOW_FIELD_VALUES_H

#include "contents/image.h"

/* `path`: "state.fifo[3]"; `value`: a number, "text" in quotes, hexadecimal
 * bytes, or none. Both are borrowed for the call. */
typedef void (*field_value_cb)(void *ctx, const char *path, const char *value);

/* 1: they were told; 0: the section does not say which fields it has; a code:
 * what it says does not fit its bytes (those before that have been told). */
int field_values_of(const image_t *image, const image_section_t *section,
                    field_value_cb cb, void *ctx, failure_t *f);

#endif
