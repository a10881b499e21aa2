/* temp_name.h - the names that temporary files have: ".NAME.XXXXXX.tmp".
 *
 * NAME is truncated where the whole would be too long. Any thread. */
#ifndef SLUICE_IO_TEMP_NAME_H
#define SLUICE_IO_TEMP_NAME_H

#include <limits.h>
#include <stdbool.h>

/* A new one for `name`: 0 or a UV_E* code, `out` is empty then. */
int sluice__temp_name_make(char out[NAME_MAX + 1], const char *name);

/* Whether `entry` is one for `name`. */
bool sluice__temp_name_is_for(const char *entry, const char *name);

/* Whether `entry` of the folder is the regular file that `fd` is, and the only
 * name of it. */
bool sluice__temp_name_is_of(int folder_fd, const char *entry, int fd);

#endif
