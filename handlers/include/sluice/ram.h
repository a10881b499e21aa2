/* ram.h - a handler for regions of memory, in pages.
 *
 * Which pages have changed is found out by a tracker:
 *
 *   cooperative   the host calls sluice_ram_dirty() for what it writes: one
 *                 predictable branch when nothing is being saved, a bit test
 *                 and set else. Works everywhere.
 *   write-protect the kernel tells (userfaultfd, asynchronous write-protect,
 * and PAGEMAP_SCAN; Linux 6.7): the host changes nothing. About 1 us for the
 * first write to a page in a round.
 *
 * Memory whose regions do not change while saving needs SLUICE_RAM_STATIC. */
#ifndef SLUICE_RAM_H
#define SLUICE_RAM_H

#include <stddef.h>
#include <stdint.h>

#include <sluice/registry.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sluice_ram_s sluice_ram_t;

typedef enum sluice_ram_tracker_e {
  SLUICE_RAM_COOPERATIVE = 0,
  SLUICE_RAM_WRITE_PROTECT,
  SLUICE_RAM_STATIC
} sluice_ram_tracker_t;

enum {
  /* Restore straight into the region: it holds nothing that matters until the
   * restore commits, and after a failed one its content is undefined. Without
   * this flag a shadow of the region is filled and takes its place at commit.
   */
  SLUICE_RAM_IN_PLACE = 1u << 0
};

typedef struct sluice_ram_options_s {
  uint32_t size; /* sizeof(sluice_ram_options_t) */
  sluice_ram_tracker_t tracker;
  uint32_t page_size;  /* bytes; 0: 4096 */
  uint64_t max_shadow; /* bytes restored beside the regions; 0: no limit */
} sluice_ram_options_t;

/* Makes a ram section and registers it. QEMU's stream wants it named "ram",
 * instance 0. Errors of sluice_registry_add(), and:
 *   UV_ENOTSUP  the kernel has no asynchronous write-protect, or forbids it */
SLUICE_EXTERN int sluice_ram_new(sluice_ram_t **out,
                                 sluice_registry_t *registry, const char *name,
                                 const sluice_section_options_t *section,
                                 const sluice_ram_options_t *options,
                                 sluice_error_t *err);
/* NULL is fine; not while an operation uses it. */
SLUICE_EXTERN void sluice_ram_free(sluice_ram_t *ram);

/* Adds a region: `bytes` at `base` (multiples of the page size; for
 * write-protect of 4096), borrowed for the life of the section. `*out_region`
 * (may be NULL) is its number for sluice_ram_dirty(), counted from 0.
 *   UV_EINVAL  misaligned, empty, or a bad name
 *   SLUICE_EEXISTS, UV_EBUSY (an operation runs), UV_ENOMEM */
SLUICE_EXTERN int sluice_ram_add_region(sluice_ram_t *ram, const char *name,
                                        void *base, uint64_t bytes,
                                        uint32_t flags, uint32_t *out_region);

/* Cooperative. The host has written, or is about to write in this same
 * callback, `len` bytes from byte `offset` of `region`. Ranges outside are cut.
 * Loop thread. */
SLUICE_EXTERN void sluice_ram_dirty(sluice_ram_t *ram, uint32_t region,
                                    uint64_t offset, uint64_t len);

/* Pages written since the last save that succeeded, by the cooperative tracker;
 * all of them before the first one. */
SLUICE_EXTERN uint64_t sluice_ram_dirty_pages(const sluice_ram_t *ram);

typedef struct sluice_ram_stats_s {
  uint64_t pages_data; /* of the running or last save */
  uint64_t pages_zero;
  uint64_t pages_again; /* sent more than once */
  uint64_t syncs;       /* times the tracker was asked */
} sluice_ram_stats_t;

SLUICE_EXTERN void sluice_ram_stats(const sluice_ram_t *ram,
                                    sluice_ram_stats_t *out);

#ifdef __cplusplus
}
#endif

#endif
