/* verify.h - whether a heap, which may come from a damaged file, holds a
 * database. All in one place, so that the rest may trust what it finds. */
#ifndef KVD_VERIFY_H
#define KVD_VERIFY_H

#include "heap.h"

/* The header and the root: 0 or UV_EINVAL. Takes no time, whatever the size:
 * enough for an image whose every byte has been checked by its checksums. */
int verify_root(const heap_t *h);

/* Everything: every block is free, or taken and used by exactly one thing;
 * every entry is where its key is looked for; all counts agree. 0, UV_EINVAL or
 * UV_ENOMEM (a bit for every 16 bytes). For heaps from who knows where, and for
 * tests: it finds what was forgotten, too. `what`: the first thing wrong. */
int verify_all(const heap_t *h, const char **what);

#endif
