/* target.h - what a host's path means, when a file is to appear under it.
 *
 *   path --> absolute, when the sink is made (the host may chdir() after)
 *        --> folder and name, when it is opened; a symbolic link is followed
 *
 * Everything here but sluice__path_absolute() blocks: it runs on the pool. */
#ifndef SLUICE_IO_TARGET_H
#define SLUICE_IO_TARGET_H

#include <limits.h>
#include <stdbool.h>

typedef struct sluice__target_s {
  int folder_fd; /* of `name`; -1: none */
  bool is_device;
  char name[NAME_MAX + 1];
  const char *failed; /* what could not be done, a phrase; static */
} sluice__target_t;

/* Memory of malloc(); `*given` is where `path` begins in it, for what is said
 * to the host. UV_ENOMEM, or why there is no working folder. An empty path
 * stays one: to open it is the failure. Any thread. */
int sluice__path_absolute(char **out, const char **given, const char *path);

/* 0: a file is to be made or replaced, in `folder_fd`; or a device, FIFO or the
 * like stands there (`is_device`). Else a UV_E* code, `failed` is set and
 * nothing is open. Without a sync the folder need not be readable. */
int sluice__target_find(sluice__target_t *t, const char *path, bool no_sync);

/* Nothing is there: what done takes. */
void sluice__target_init(sluice__target_t *t);
void sluice__target_done(sluice__target_t *t);

#endif
