/* ram_save.c - the hooks of a save: what is common to both ways of saving, and
 * which of them it is. */
#include <inttypes.h>
#include <string.h>

#include "converge.h"
#include "hooks.h"
#include "pending.h"
#include "snapshot.h"

#define RELEASE_BYTES (UINT64_C(4) << 20) /* measured: 0.12 ms */

int sluice__ram_save_begin(void *self, sluice_section_t *section,
                           sluice_error_t *err) {
  sluice_ram_t *ram = self;

  memset(&ram->stats, 0, sizeof(ram->stats));
  sluice__ram_pending_open(ram);
  ram->section = section;
  return sluice_section_mode(section) == SLUICE_CUT
             ? sluice__ram_snapshot_begin(ram, err)
             : sluice__ram_converge_begin(ram, err);
}

int sluice__ram_save_can_cut(void *self, sluice_error_t *err) {
  return sluice__ram_snapshot_is_possible(self, err);
}

int sluice__ram_save_arm(void *self, sluice_error_t *err) {
  return sluice__ram_snapshot_arm(self, err);
}

int sluice__ram_save_cut(void *self, sluice_error_t *err) {
  return sluice__ram_snapshot_take(self, err);
}

int sluice__ram_save_start(void *self, sluice_writer_t *w,
                           sluice_error_t *err) {
  sluice_ram_t *ram = self;

  (void)err; /* the writer's errors are the engine's to tell */
  for (uint32_t i = 0; i < ram->region_count; i++) {
    sluice__ram_region_t *region = ram->regions[i];
    int r = sluice_writer_region(w, region->name, region->bytes,
                                 UINT32_C(1) << ram->page_shift, &region->wire);

    if (r != 0) {
      return r;
    }
  }
  return 0;
}

int sluice__ram_save_step(void *self, sluice_writer_t *w, sluice_error_t *err) {
  sluice_ram_t *ram = self;

  return ram->snapshot != NULL ? sluice__ram_snapshot_step(ram, w, err)
                               : sluice__ram_converge_step(ram, w, err);
}

/* Not called in a cut: the section is live. */
int sluice__ram_save_finish(void *self, sluice_writer_t *w,
                            sluice_error_t *err) {
  return sluice__ram_converge_finish(self, w, err);
}

/* In a save that converges a page that was read too late has been marked again.
 */
void sluice__ram_save_returned(void *self, uint64_t pages) {
  sluice_ram_t *ram = self;

  if (ram->state == SLUICE__RAM_SNAPSHOT) {
    sluice__ram_snapshot_returned(ram, pages);
  }
}

uint64_t sluice__ram_save_pending(void *self) {
  sluice_ram_t *ram = self;
  uint64_t pages = 0;

  if (ram->state == SLUICE__RAM_RELEASE) {
    return 0;
  }
  if (ram->snapshot != NULL) {
    pages = sluice__ram_snapshot_pending(ram);
  } else if (ram->converge != NULL) {
    pages = sluice__ram_converge_pending(ram);
  }
  return pages << ram->page_shift;
}

static void begin_release(sluice_ram_t *ram) {
  ram->released = (sluice__ram_place_t){0};
  if (ram->snapshot != NULL) {
    sluice__ram_snapshot_let_go(ram);
  } else {
    ram->state = SLUICE__RAM_RELEASE;
  }
}

static void release_slice(sluice_ram_t *ram) {
  sluice__ram_place_t *at = &ram->released;
  const sluice__ram_region_t *region = ram->regions[at->region];
  uint64_t left = region->bytes - (at->page << ram->page_shift);
  uint64_t n = left < RELEASE_BYTES ? left : RELEASE_BYTES;
  uint8_t *from = region->base + (at->page << ram->page_shift);

  if (ram->snapshot != NULL) {
    sluice__ram_snapshot_forget(ram, from, n);
  } else {
    ram->tracker->disarm(ram->tracker_state, from, n);
  }
  at->page += n >> ram->page_shift;
  if (n == left) {
    sluice__ram_next_region(at);
  }
}

int sluice__ram_save_release(void *self) {
  sluice_ram_t *ram = self;

  if (ram->state != SLUICE__RAM_RELEASE) {
    begin_release(ram);
  }
  if (ram->released.region < ram->region_count) {
    release_slice(ram);
  }
  return ram->released.region < ram->region_count ? SLUICE_MORE : SLUICE_DONE;
}

static void forget_writes(sluice_ram_t *ram) {
  for (uint32_t i = 0; i < ram->region_count; i++) {
    sluice__ram_region_saved(ram->regions[i]);
  }
}

void sluice__ram_save_end(void *self, int status) {
  sluice_ram_t *ram = self;
  int is_waited_for = 0;

  while (sluice__ram_is_asked(ram) &&
         sluice__ram_save_release(ram) == SLUICE_MORE) {
  }
  if (ram->snapshot != NULL) {
    is_waited_for = sluice__ram_snapshot_end(ram);
  } else {
    sluice__ram_converge_end(ram);
  }
  if (status == 0) {
    forget_writes(ram);
  }
  ram->state = SLUICE__RAM_IDLE;
  ram->section = NULL;
  if (is_waited_for && ram->writable != NULL) {
    ram->writable(ram->writable_data); /* may begin the next save */
  }
}
