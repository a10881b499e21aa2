/* section.h - what a ram section is made of, and which of its parts runs.
 *
 *   ram.c         making it, its regions, its marks: the public face
 *   ram_save.c    the hooks of a save: which of the two ways it goes
 *     converge    pages again and again, until none is left (ram_converge.c)
 *     snapshot    each page once, as it was at one instant (ram_snapshot*.c)
 *     pending.c   both: the pages that are still to be sent
 *   ram_restore.c a restore; ram_memfd.c: memory passed by its descriptor
 *
 * What only a part knows is its own, of its own files: here is what they share.
 * Loop thread, but for what snapshot.h says. */
#ifndef SLUICE_RAM_SECTION_H
#define SLUICE_RAM_SECTION_H

#include <stdint.h>

#include <sluice/handler.h>
#include <sluice/ram.h>

#include "region.h"
#include "tracker.h"

/*   PRIME, LOOK, SEND, CLEAN: converge.h
 *   ARM, SNAPSHOT: snapshot.h
 *   RELEASE: the save is over, the memory still known to the kernel */
typedef enum sluice__ram_state_e {
  SLUICE__RAM_IDLE, /* no save, no restore */
  SLUICE__RAM_PRIME,
  SLUICE__RAM_LOOK,
  SLUICE__RAM_SEND,
  SLUICE__RAM_CLEAN,
  SLUICE__RAM_ARM,
  SLUICE__RAM_SNAPSHOT,
  SLUICE__RAM_RELEASE,
  SLUICE__RAM_RESTORE
} sluice__ram_state_t;

typedef struct sluice__ram_place_s {
  uint32_t region;
  uint64_t page;
} sluice__ram_place_t;

/* Pages of one region; count 0: none. */
typedef struct sluice__ram_span_s {
  uint32_t region;
  uint64_t page;
  uint64_t count;
} sluice__ram_span_t;

/* Of one save; see pending.h. */
typedef struct sluice__ram_pending_s {
  sluice__ram_place_t cursor; /* pages before it were sent in this pass */
  uint64_t known;             /* bits set in all `pending` */
  int is_first_pass;          /* the cursor has not come round yet */
} sluice__ram_pending_t;

typedef struct sluice__ram_converge_s sluice__ram_converge_t;
typedef struct sluice__ram_snapshot_s sluice__ram_snapshot_t;
typedef struct sluice__ram_restore_s sluice__ram_restore_t;

struct sluice_ram_s {
  const sluice__tracker_t *tracker;
  void *tracker_state;
  uint32_t page_shift;
  uint64_t max_shadow;
  uint64_t max_preimage;
  sluice_ram_preimage_policy_t policy;
  char *spill_dir; /* NULL: no spilling */
  void (*writable)(void *data);
  void *writable_data;
  sluice_registry_t *registry;    /* that holds it; NULL: none does any more */
  sluice_section_t *own;          /* there */
  sluice__ram_region_t **regions; /* each stays where it is: marks are lent */
  uint32_t region_count;
  uint32_t region_capacity;
  uint64_t pages;  /* of all regions */
  uint64_t marked; /* bits set in all `marks` */
  sluice_ram_stats_t stats;

  /* Of the running operation. */
  sluice__ram_state_t state;
  sluice_section_t *section;
  sluice__ram_pending_t pending;
  sluice__ram_place_t released;     /* up to here */
  sluice__ram_converge_t *converge; /* each NULL while it does not run */
  sluice__ram_snapshot_t *snapshot;
  sluice__ram_restore_t *restore;
};

/* An operation uses the registry: not only from the section's own begin hook
 * on, which comes with the first turn. */
static inline int sluice__ram_is_busy(const sluice_ram_t *ram) {
  return ram->state != SLUICE__RAM_IDLE ||
         sluice_registry_is_busy(ram->registry);
}

/* NULL: there is none of that number. `ram` may be NULL. */
static inline sluice__ram_region_t *
sluice__ram_region_of(const sluice_ram_t *ram, uint32_t region) {
  return ram != NULL && region < ram->region_count ? ram->regions[region]
                                                   : NULL;
}

/* The kernel is asked what was written: anybody may write, at any time. */
static inline int sluice__ram_is_asked(const sluice_ram_t *ram) {
  return ram->tracker->mode == SLUICE__TRACKER_ASKED;
}

static inline void sluice__ram_next_region(sluice__ram_place_t *at) {
  at->region++;
  at->page = 0;
}

#endif
