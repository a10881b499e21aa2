/* target.h - where a result goes: a file that appears whole or not at all, or a
 * stream.
 *
 * A file is written in its own folder without a name, or where the file system
 * must have one under a temporary one, and gets its name when it is complete
 * and on disk. What exists and is no regular file (a pipe, a device) is written
 * to as it is, as is standard output; a result that needs seeking is put
 * together in an unlinked file first and copied there at the end. Invariant:
 * until target_commit() nothing is seen under the final name.
 */
#ifndef SLUICE_TOOL_FILES_TARGET_H
#define SLUICE_TOOL_FILES_TARGET_H

#include <stdbool.h>

#include "cli/report.h"

typedef struct target_s {
  const char *name; /* for messages; borrowed */
  int fd;           /* what is written to; seekable unless is_stream */
  bool is_stream;
  int stream; /* what `fd` is copied to in the end; -1: it is not */
  bool owns_stream;
  char *final;      /* NULL: has none */
  char *temp;       /* the name it has until then; NULL: is no file */
  bool is_nameless; /* has no name until then, and needs that to replace one */
} target_t;

/* `path` is borrowed until target_close(); "-" is standard output. With
 * `must_seek` the file descriptor can be read and written at any offset. */
int target_open(target_t *t, const char *path, bool must_seek, failure_t *f);

/* The same on a connection: `fd` is borrowed, `name` is what messages call it.
 */
void target_open_fd(target_t *t, int fd, const char *name);

/* A file without a name, gone after target_close(), where there will be room
 * for a result at `path`. */
int target_open_scratch(target_t *t, const char *path, failure_t *f);

/* Writes at the current end; for streams. */
int target_write(target_t *t, const void *data, size_t len, failure_t *f);

/* Everything was written: makes it last and shows it. */
int target_commit(target_t *t, failure_t *f);

/* Drops what was not committed. Fine after a failed open, and twice. */
void target_close(target_t *t);

#endif
