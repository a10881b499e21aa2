/* persist.h - the one place where the server and Sluice meet: saving, restoring
 * and what INFO says about it. Nothing else in the server knows how an image is
 * made.
 *
 * An image is the bytes [0, heap_header()->top) as they are when a save begins.
 * While it runs, db->heap.before_write tells Sluice of every byte before it
 * changes: what has not been saved yet is saved first. What the heap grows by
 * meanwhile is not in the image, and nothing in it refers to that. */
#ifndef KVD_PERSIST_H
#define KVD_PERSIST_H

#include <stdbool.h>
#include <stdint.h>

#include <sluice/ram.h>
#include <sluice/sluice.h>
#include <uv.h>

#include "db.h"
#include "images.h"
#include "options.h"
#include "turn.h"

typedef void (*persist_cb)(void *ctx, int status);

/* What the server wants to be told. */
typedef struct persist_hooks_s {
  void (*writable)(void *data); /* persist_may_write() says yes again */
  void (*over)(void *data);     /* a save has ended, after its own callback */
  void *data;
} persist_hooks_t;

/* What is known of a save once it is over. */
typedef struct persist_last_s {
  int status;
  sluice_progress_t progress;
  sluice_ram_stats_t ram;
  uint64_t slices;
  uint64_t longest_ns;     /* turn of the loop */
  uint64_t longest_cpu_ns; /* less what others ran on its processor */
  char error[256];
} persist_last_t;

struct attempt_s;

typedef struct persist_s {
  uv_loop_t *loop;
  db_t *db;
  turn_t *turn;
  const options_t *options;
  persist_hooks_t hooks;
  sluice_engine_t *engine;
  images_t images;
  uv_work_t work; /* old images are deleted by a thread */
  bool is_deleting;
  bool is_newer;   /* saved since that began */
  uint64_t oldest; /* image that is kept */

  /* of the image that was restored */
  struct attempt_s *attempt;   /* while it is being restored */
  sluice_restore_t *behind;    /* being verified; NULL: not, or no more */
  sluice_restore_stats_t load; /* as it was at last */
  int verified;                /* 1: not known; 0: good; or an error */
  /* The section that it was restored by: what is known of its pages. NULL: it
   * was not mapped. */
  sluice_registry_t *origin_registry;
  sluice_ram_t *origin;

  /* the save that runs */
  sluice_save_t *save; /* NULL: none */
  sluice_registry_t *registry;
  sluice_ram_t *ram;
  sluice_ram_marks_t marks;
  uint64_t number;
  uint64_t changes_at_cut;
  uint64_t turns_at_begin;
  persist_cb done;
  void *done_ctx;
  bool is_put_off; /* no save runs: the data is being handed over */
  bool is_wanted;  /* one was asked for meanwhile */

  int64_t last_save;    /* seconds since 1970; of the start before the first */
  uint64_t last_try_ns; /* when the last save began or ended */
  uint64_t changes_saved; /* db->changes of what is on the disk */
  uint64_t saves;
  uint64_t failures; /* since the last good one */
  persist_last_t last;
  uint64_t restored; /* number of the image this server began with; 0: none */
  uint64_t restore_ms;
} persist_t;

int persist_init(persist_t *p, uv_loop_t *loop, db_t *db, turn_t *turn,
                 const options_t *options, const persist_hooks_t *hooks);
/* Ends a save that runs; the loop has to run until it ends by itself. */
void persist_close(persist_t *p);

/* Before the first client: fills the heap from the newest good image, if there
 * is one, and says what it did on stdout. UV_ENOENT: there is none. */
int persist_restore_newest(persist_t *p);

/* Starts saving the database as it is now. 0, and `done` (may be NULL) comes
 * later; or a negative code that persist_strerror() explains, and nothing has
 * begun. UV_EALREADY: one is running. */
int persist_begin_save(persist_t *p, persist_cb done, void *ctx);
/* Whoever waits for a save with `ctx` is gone. */
void persist_forget(persist_t *p, const void *ctx);
/* Ends the save that runs; its callback comes later. */
void persist_cancel(persist_t *p);

/* No save runs from now on: one that does is ended, hooks.over tells when.
 * Whatever is asked for meanwhile, and that one, begins with persist_go_on(),
 * here or in a successor; to clients it looks as if it ran. */
void persist_put_off(persist_t *p);
void persist_go_on(persist_t *p);

/* Looks again which images there are. UV codes. */
int persist_find_images(persist_t *p);

/* Every now and then: begins a save when it is time (--save-every). */
void persist_tick(persist_t *p);

static inline bool persist_is_saving(const persist_t *p) {
  return p->save != NULL || p->is_wanted;
}

/* Whether a save has room for what a command is about to change. If not, the
 * command is to be put off until hooks.writable. */
static inline bool persist_may_write(persist_t *p) {
  return p->save == NULL || sluice_ram_may_write(p->ram, 0, 0, 1) == 0;
}

/* Whether changes are to be refused because they could not be saved by
 * themselves, as was asked for. */
static inline bool persist_is_failing(const persist_t *p) {
  return p->failures > 0 && p->options->save_every > 0 &&
         p->options->stop_writes;
}

/* The section is over the heap: it is as sound as the image that this server
 * began with. */
int persist_inherit(const persist_t *p, sluice_ram_t *ram);

/* Lines for INFO, "name:value\r\n" each, NUL at the end, at most `size`. */
void persist_info(const persist_t *p, char *out, size_t size);

/* Codes of Sluice, of libuv, and UV_EALREADY. */
const char *persist_strerror(int code);

#endif
