/* inspect_fields.h - sluice inspect --fields. */
#ifndef SLUICE_TOOL_SHOW_INSPECT_FIELDS_H
#define SLUICE_TOOL_SHOW_INSPECT_FIELDS_H

#include <stdbool.h>

/* Prints the fields of all sections, or (not NULL) of those called `section`.
 * Returns TOOL_*. */
int inspect_fields(const char *path, const char *section, bool is_json);

#endif
