/* temp_file.h - a file that appears under its name whole, or not at all.
 *
 *   create --> (write through the descriptors) --> commit
 *                                             \--> discard
 *
 * Written under ".NAME.XXXXXX.tmp" in the folder of NAME, held by a descriptor
 * of the folder, so that renaming the folder meanwhile does no harm. Everything
 * here blocks: it runs on the pool, one call at a time. Knows no libuv loop.
 *
 * Invariant: while `temp` is not empty, that name exists and is ours. */
#ifndef SLUICE_IO_TEMP_FILE_H
#define SLUICE_IO_TEMP_FILE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct sluice__temp_file_s {
  int fd;        /* write-only; -1: none */
  int direct_fd; /* the same file, O_DIRECT; -1: not taken here */
  int folder_fd;
  bool is_device; /* `fd` is what was there already: no rename, no temp */
  char name[NAME_MAX + 1];
  char temp[NAME_MAX + 1];
  const char *failed; /* what could not be done, a phrase; static */
} sluice__temp_file_t;

typedef struct sluice__temp_options_s {
  uint32_t mode; /* less the process's umask */
  bool no_direct;
  bool no_sync;
} sluice__temp_options_t;

/* 0 or a UV_E* code with `failed` set; then nothing is left to discard. */
int sluice__temp_file_create(sluice__temp_file_t *t, const char *path,
                             const sluice__temp_options_t *options);

/* Syncs, closes, renames, syncs the folder. Leaves nothing open. After a
 * failure no temporary file is left; the final name holds what it held, unless
 * it was the folder's sync that failed. */
int sluice__temp_file_commit(sluice__temp_file_t *t, bool no_sync);

/* Closes and removes whatever there is. A discarded or committed one is fine.
 */
void sluice__temp_file_discard(sluice__temp_file_t *t);

#endif
