/* stash.c - see stash.h. */
#include "session/stash.h"

#include <string.h>

void sluice__stash_free(sluice__mem_t *mem, sluice__stash_t *stash) {
  sluice__mem_free(mem, stash->base, stash->cap);
  memset(stash, 0, sizeof(*stash));
}
