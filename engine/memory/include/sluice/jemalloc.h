/* jemalloc.h - a private jemalloc arena for every session.
 *
 * In a library of its own (sluice::jemalloc): linking jemalloc replaces malloc
 * for the whole process, which only the host may decide. The core library
 * neither needs it nor sees it. */
#ifndef SLUICE_JEMALLOC_H
#define SLUICE_JEMALLOC_H

#include <sluice/alloc.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Every session opened from it has an arena: it maps at most `cap` bytes, in
 * whole pages and what jemalloc rounds up included, and all of it goes back to
 * the system when the session ends. jemalloc's own bookkeeping of an arena
 * comes on top: 2 MiB of addresses, of which some pages are touched. At most
 * about 4000 sessions at a time; the next one gets UV_ENOMEM.
 * Outside of sessions it allocates from jemalloc's common arenas.
 * Static storage; any thread. */
SLUICE_EXTERN const sluice_alloc_t *sluice_alloc_jemalloc(void);

#ifdef __cplusplus
}
#endif

#endif
