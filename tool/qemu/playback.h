/* playback.h - an image or a stream on its way to a QEMU that waits for it.
 *
 * Images are turned into QEMU's stream; QEMU's own streams go as they are, and
 * are checked on the way. */
#ifndef SLUICE_TOOL_QEMU_PLAYBACK_H
#define SLUICE_TOOL_QEMU_PLAYBACK_H

#include <stdbool.h>

#include "files/input.h"

/* Opens `path` and finds out what it is, before a QEMU is bothered. */
typedef struct playback_s {
  input_t in;
  sluice_item_t header; /* what it points to is good until playback_run() */
} playback_t;

int playback_open(playback_t *p, const char *path, failure_t *f);

/* Sends it all; `name` is what messages call `fd`. */
int playback_run(playback_t *p, int fd, const char *name, bool is_verbose,
                 failure_t *f);

/* Fine after a failed open, and twice. */
void playback_close(playback_t *p);

#endif
