/* stash.h - bytes of a section that wait for something. */
#ifndef SLUICE_SESSION_STASH_H
#define SLUICE_SESSION_STASH_H

#include <stddef.h>
#include <stdint.h>

#include "memory/mem.h"

/* Of a restore, too few for what the handler wants at once; of a save in mode
 * CUT, what a section that is not live wrote at the instant. */
typedef struct sluice__stash_s {
  uint8_t *base;
  size_t cap;
  size_t len;
} sluice__stash_t;

void sluice__stash_free(sluice__mem_t *mem, sluice__stash_t *stash);

#endif
