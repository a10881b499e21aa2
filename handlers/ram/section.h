/* section.h - what a ram section is made of; private to handlers/ram.
 *
 * Four bitmaps a region, a bit for each page:
 *
 *   marks    the host has written since the last gathering
 *   since    written since the last save that succeeded, without `marks`
 *   pending  still to be sent in this save
 *   lent     in a cut: sent, but not read yet, so not saved (cut.h)
 *
 *   host --mark--> marks --gather--> since and pending --send--> (clear
 * pending)
 *
 * Marks move on before a page is copied, so a write that follows sets a new
 * one. `since` outlives a failed save: nothing has to be put back. */
#ifndef SLUICE_RAM_SECTION_H
#define SLUICE_RAM_SECTION_H

#include <stdint.h>

#include <sluice/handler.h>
#include <sluice/ram.h>

#include "cut.h"
#include "shadow.h"
#include "taken.h"
#include "tracker.h"

#define SLUICE__WIRE_NONE UINT32_MAX

typedef struct sluice__ram_region_s {
  char *name;
  uint8_t *base; /* the host's */
  uint64_t bytes;
  uint64_t pages;
  uint64_t used;  /* pages from here on were never written: blank */
  uint32_t flags; /* SLUICE_RAM_* */
  uint32_t wire;  /* index in the stream of this operation, or WIRE_NONE */
  uint64_t *marks;
  uint64_t *since;
  uint64_t *pending;
  uint64_t *lent;
  int is_mapped;           /* pages of it are those of an image's file */
  sluice__shadow_t shadow; /* while restoring */
  int memfd;               /* what it is mapped from, the host's; -1: nothing */
  int is_passed;           /* saving: by its descriptor; no page is pending */
  sluice__taken_t taken;   /* restoring, and after: by its descriptor */
} sluice__ram_region_t;

/*   PRIME: all becomes pending, a slice a turn; then LOOK or SEND
 *   LOOK: gather what was written, a slice a turn
 *   SEND: send what is pending            LOOK <--> SEND --> CLEAN
 *   CLEAN: nothing is known to be left     ^-----------------+
 *   ARM, CUT: cut.h
 *   RELEASE: the save is over, the memory still known to the kernel        */
typedef enum sluice__ram_state_e {
  SLUICE__RAM_IDLE, /* no save, no restore */
  SLUICE__RAM_PRIME,
  SLUICE__RAM_LOOK,
  SLUICE__RAM_SEND,
  SLUICE__RAM_CLEAN,
  SLUICE__RAM_ARM,
  SLUICE__RAM_CUT,
  SLUICE__RAM_RELEASE,
  SLUICE__RAM_RESTORE
} sluice__ram_state_t;

typedef struct sluice__ram_save_s {
  sluice_section_t *section;
  sluice__ram_place_t cursor; /* pages before it were sent in this pass */
  sluice__ram_place_t look; /* gathered, or primed, up to here in this round */
  uint64_t known;           /* bits set in all `pending` */
  uint64_t unsure;          /* pages sent since the tracker was asked */
  int is_first_pass;        /* the cursor has not come round yet */
  int is_paused;            /* save_finish has begun */
  sluice_save_mode_t mode;
} sluice__ram_save_t;

/* Zeros still to be put: a run may be far larger than a slice. */
typedef struct sluice__ram_fill_s {
  sluice__ram_region_t *region;
  uint64_t page;
  uint64_t count;
  uint8_t byte;
} sluice__ram_fill_t;

typedef struct sluice__ram_restore_s {
  sluice_section_t *section;
  sluice__ram_region_t *last;    /* the region of the run before */
  sluice__ram_region_t *prepare; /* being discarded, or NULL */
  sluice__ram_fill_t fill;       /* count 0: none */
  uint32_t check;                /* regions settled */
} sluice__ram_restore_t;

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
  sluice__ram_region_t **regions; /* each stays where it is: marks are lent */
  uint32_t region_count;
  uint32_t region_capacity;
  uint64_t pages;  /* of all regions */
  uint64_t marked; /* bits set in all `marks` */
  sluice__ram_state_t state;
  sluice__ram_save_t save;
  sluice__ram_cut_t cut; /* while a save cuts */
  sluice__ram_restore_t restore;
  sluice_ram_stats_t stats;
};

/* region.c. `*out` is made from checked arguments; NULL: no memory. */
sluice__ram_region_t *sluice__ram_region_new(const char *name, void *base,
                                             uint64_t bytes,
                                             uint32_t page_shift,
                                             uint32_t flags);
void sluice__ram_region_free(sluice__ram_region_t *region);
/* Moves the marks of pages to `since`; how many there were. */
uint64_t sluice__ram_region_gather(sluice__ram_region_t *region, uint64_t page,
                                   uint64_t count);

/* ram_save.c: the hooks of handler.h. */
uint64_t sluice__ram_save_pending(void *self);
int sluice__ram_save_begin(void *self, sluice_section_t *section,
                           sluice_error_t *err);
int sluice__ram_save_start(void *self, sluice_writer_t *w, sluice_error_t *err);
int sluice__ram_save_step(void *self, sluice_writer_t *w, sluice_error_t *err);
int sluice__ram_save_finish(void *self, sluice_writer_t *w,
                            sluice_error_t *err);
void sluice__ram_save_returned(void *self, uint64_t pages);
void sluice__ram_save_end(void *self, int status);
/* Makes all pages pending, and all marks old. */
void sluice__ram_make_all_pending(sluice_ram_t *ram);
/* Moves the cursor to the next pending page, round the end if need be; the
 * caller knows that there is one. How many follow it, at most `max`. */
uint64_t sluice__ram_find_run(sluice_ram_t *ram, uint64_t max);
/* The most pages that one run may have. */
uint64_t sluice__ram_run_limit(const sluice_ram_t *ram,
                               const sluice_writer_t *w);
/* New marks were set: a section that waits has work again. */
void sluice__ram_save_marked(sluice_ram_t *ram);

/* ram_memfd.c: memory that is passed instead of being copied. Passes what can
 * be; the other regions' pages are sent. */
int sluice__ram_pass_regions(sluice_ram_t *ram, sluice_error_t *err);
void sluice__ram_unpass_regions(sluice_ram_t *ram);
/* 1 it came as a descriptor, 0 its pages will come, or an error. */
int sluice__ram_take_region(sluice_ram_t *ram, sluice__ram_region_t *region,
                            sluice_error_t *err);

/* ram_restore.c: the hooks of handler.h. */
int sluice__ram_restore_begin(void *self, sluice_section_t *section,
                              uint32_t version, sluice_error_t *err);
int sluice__ram_restore_step(void *self, sluice_reader_t *r,
                             sluice_error_t *err);
int sluice__ram_restore_map(void *self, const sluice_extent_t *extent,
                            sluice_error_t *err);
int sluice__ram_restore_unmappable(void *self);
uint8_t *sluice__ram_restore_place(void *self, const sluice_run_t *run);
void *sluice__ram_restore_late_place(void *self, const sluice_extent_t *extent);
int sluice__ram_restore_check(void *self, sluice_error_t *err);
void sluice__ram_restore_commit(void *self);
void sluice__ram_restore_end(void *self, int status);

#endif
