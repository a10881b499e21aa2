/* temp_file.h - a file that appears under its name whole, or not at all.
 *
 *   create --> (write through the descriptors) --> commit
 *                                             \--> discard
 *
 * Written without a name (O_TMPFILE) in the folder of NAME, held by a
 * descriptor of the folder, so that renaming the folder meanwhile does no harm.
 * For the rename it is linked to ".NAME.XXXXXX.tmp": a kill leaves that name
 * between the two calls only. Where the file system or a missing /proc does not
 * let it be linked, it has that name from the beginning. Either way it is held
 * by flock() until it has its final name, and create removes what is held by
 * nobody (leftover.h).
 *
 * Everything here blocks: it runs on the pool, one call at a time. Knows no
 * libuv loop.
 *
 * Invariant: while `temp` is not empty, that name exists and is ours. */
#ifndef SLUICE_IO_TEMP_FILE_H
#define SLUICE_IO_TEMP_FILE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "io/target.h"

typedef struct sluice__temp_file_s {
  int fd;        /* write-only; -1: none */
  int direct_fd; /* the same file, O_DIRECT; -1: not taken here */
  int held_fd;   /* `fd` again: keeps the lock when that one is closed */
  sluice__target_t target; /* of a device `fd` is open: no rename, no temp */
  char temp[NAME_MAX + 1];
  const char *failed; /* what could not be done, a phrase; static */
} sluice__temp_file_t;

typedef struct sluice__temp_options_s {
  uint32_t mode; /* less the process's umask */
  bool no_direct;
  bool no_sync;
} sluice__temp_options_t;

/* Nothing is there: what discard takes. */
void sluice__temp_file_init(sluice__temp_file_t *t);

/* `path` is absolute. 0 or a UV_E* code with `failed` set; then nothing is left
 * to discard. */
int sluice__temp_file_create(sluice__temp_file_t *t, const char *path,
                             const sluice__temp_options_t *options);

/* Syncs, closes, renames, syncs the folder. Leaves nothing open. After a
 * failure no temporary file is left; the final name holds what it held, unless
 * it was the folder's sync that failed. */
int sluice__temp_file_commit(sluice__temp_file_t *t, bool no_sync);

/* Closes and removes whatever there is. A discarded or committed one is fine.
 */
void sluice__temp_file_discard(sluice__temp_file_t *t);
/* Closes what there is, and removes nothing: in a forked child the file is the
 * parent's. One that the pool is at work on is fine there. */
void sluice__temp_file_close(sluice__temp_file_t *t);

#endif
