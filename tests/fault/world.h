/* world.h - a host with state of every kind, on a loop of its own.
 *
 * `source` is saved; `target` has the same sections with other contents, and is
 * restored into. The host writes to `source` all the time, a little each turn
 * of the loop. A world is opened, used by one scenario, looked at, closed. */
#ifndef SLUICE_FAULT_WORLD_H
#define SLUICE_FAULT_WORLD_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include <sluice/blob.h>
#include <sluice/fields.h>
#include <sluice/ram.h>
#include <sluice/sluice.h>
#include <table.h>

#include "fields_sample.h"
#include "rigs.h"

enum {
  PAGE = 4096,
  LOW_PAGES = 6,
  HIGH_PAGES = 4,
  RAM_PAGES = LOW_PAGES + HIGH_PAGES,
  DOC_BYTES = 3000,
  TAPE_BYTES = 9000,
  PLACE_KEYS = 5 /* of its table */
};

/* What a world is made of; sections come in this order. */
enum {
  WORLD_RAM = 1 << 0,
  WORLD_BLOBS = 1 << 1,
  WORLD_FIELDS = 1 << 2,
  WORLD_TABLE = 1 << 3,
  WORLD_RIGGED = 1 << 4,
  WORLD_ARMS = 1 << 5,      /* ... and one of these is armed, and released */
  WORLD_WP = 1 << 6,        /* ram is tracked by the kernel */
  WORLD_DESTROYS = 1 << 8,  /* the host frees all of it in the callback */
  WORLD_MAPS = 1 << 9,      /* all of ram may be replaced by mappings */
  WORLD_STILL = 1 << 7,     /* the host does not write by itself */
  WORLD_IN_PLACE = 1 << 10, /* some of ram is restored where it stands */
  WORLD_CREW = 1 << 11,     /* an executor of the host's copies pages */
  WORLD_BESIDE = 1 << 12,   /* a restore runs beside the save */
  WORLD_SPOILT = 1 << 13,   /* a page of the image is damaged */
  WORLD_QEMU2 = 1 << 14,    /* as a host of 2008 had it */
  WORLD_JEMALLOC = 1 << 15, /* sessions have arenas: see world_provider */
  WORLD_ALL =
      WORLD_RAM | WORLD_BLOBS | WORLD_FIELDS | WORLD_TABLE | WORLD_RIGGED
};

typedef struct place_s {
  sluice_registry_t *registry;
  sluice_ram_t *ram;
  uint8_t *low, *high;
  sluice_blob_t *doc_blob, *tape_blob;
  uint8_t doc[DOC_BYTES], tape[TAPE_BYTES];
  int doc_lent, tape_lent; /* to a save: `get` without its `done` */
  sluice_fields_t *fields;
  sample_t sample;
  table_t *table;
  rigged_t live, still;
  unsigned parts;
} place_t;

typedef struct world_s {
  uv_loop_t loop;
  uv_prepare_t prepare; /* each turn */
  sluice_engine_t *engine;
  int engine_gone;
  unsigned parts;
  place_t source, target;
  uint32_t dice;
  unsigned turns;
  unsigned changes;
  int is_frozen; /* the host may not write now */
  int is_cut;    /* the file of the image is, so what it is may not be read */

  /* Of the operation under way. */
  sluice_save_t *save;
  sluice_restore_t *restore;
  unsigned done; /* calls of its callback */
  int in_begin;  /* nothing may call back now */
  int status;
  sluice_error_t error;
  sluice_progress_t progress;
  unsigned pauses, resumes, cuts;
  uint64_t instant;         /* digest of the source at the pause, or the cut */
  int is_lost;              /* memory that was restored is gone with its file */
  uint64_t restored;        /* ... of the target in the callback */
  uint8_t first_page[PAGE]; /* of ram, at the pause */
  uint64_t instant_spoilt;  /* as `instant`, with a bit of it flipped */

  /* Of a verification behind, which follows the callback. */
  int verifies;  /* it will, if all goes well */
  int is_behind; /* it does */
  unsigned verified;
  int verified_with;
  sluice_error_t verified_error;
  sluice_restore_stats_t stats;
  unsigned damages;
  sluice_damage_t damage; /* the first */

  /* Of a restore beside the save. */
  sluice_restore_t *mate;
  unsigned mate_done;
  int mate_status;
  sluice_error_t mate_error;

  /* A save beside it, begun at one of the host's chances. */
  sluice_save_t *side;
  unsigned side_begun, side_done;
  int side_status, side_expected;
  void *side_data;
  size_t side_len;
  const char *complaint; /* of what the host met; NULL: none */
  int is_destroyed;      /* what the operation was about is no more */
} world_t;

/* Where engines have their memory from; NULL: rig_allocator(). */
extern const sluice_alloc_t *world_provider;

/* Returns 0, or the code of what failed; then it is closed again. */
int world_open(world_t *w, unsigned parts);
/* Takes all down and says what is left over; NULL: nothing. */
const char *world_close(world_t *w);

int world_open_engine(world_t *w);
void world_close_engine(world_t *w);

/* The host writes to its state, here and there. */
void world_change(world_t *w);
/* ... to all of it. */
void world_change_all(world_t *w);

void world_wake(world_t *w);

/* place.c; the second returns 0, or why the registry cannot go. */
int place_open(place_t *p, unsigned parts, unsigned seed);
int place_close(place_t *p);
const char *place_key(int i);
/* Of all of its state. */
uint64_t place_digest(place_t *p);
/* Sections whose end hooks were not called as often as their begin hooks, or
 * that lent what they did not get back; NULL: none. */
const char *place_complaint(const place_t *p);

/* Runs the loop until nothing is left to do. */
void world_run(world_t *w);

/* What the host does at each of its chances: see FAULT_HOST. */
void world_chance(world_t *w);

/* The callbacks of operations; `data` is the world. */
void world_on_saved(sluice_save_t *save, int status);
void world_on_restored(sluice_restore_t *restore, int status);
void world_on_mate(sluice_restore_t *restore, int status);
void world_on_verified(sluice_restore_t *restore, int status);
void world_on_damage(sluice_restore_t *restore, const sluice_damage_t *damage);
void world_set_hooks(world_t *w, sluice_save_options_t *o);

#endif
