/* rig.h - a host for tests: loop, engine, registry, and a counted allocator.
 *
 * Made and taken down in checked fixtures, so the loop lives in the forked
 * child. Taking down asserts that nothing is left: no block, no handle.
 *
 * Where a test does not choose its executor, $SLUICE_TEST_EXECUTOR does: none,
 * pool1, pool3, pool7 (libuv's, with so many jobs), at_once, threads, fickle,
 * refuses or late (odd_executor.h). */
#ifndef SLUICE_TESTS_RIG_H
#define SLUICE_TESTS_RIG_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include <sluice/sluice.h>

typedef struct rig_s {
  uv_loop_t loop;
  sluice_engine_t *engine;
  sluice_registry_t *registry;
  sluice_alloc_t alloc;
  long live_blocks;
  int is_engine_gone;

  /* Of the last operation. */
  unsigned callbacks;
  int status;
  sluice_error_t error;
  sluice_progress_t progress;
  sluice_totals_t totals;
} rig_t;

/* Of the engines made from now on; NULL: what the environment says, or the
 * engine's own choice. */
extern const sluice_executor_t *rig_executor;
/* Called when the engine has been told to close; may be NULL. */
extern void (*rig_before_end)(void);
/* Of the engines made from now on; 0: the engine's own. Long where records are
 * counted, which end with a slice and so with the machine's speed. */
extern uint32_t rig_slice_us;
/* Of the engines made from now on; NULL: the engine's own. */
extern uint64_t (*rig_clock)(void *ctx);

void rig_init(rig_t *rig);
void rig_done(rig_t *rig);

/* Another engine in place of the rig's: with what was chosen since. */
void rig_renew(rig_t *rig);

/* One more registry for the same engine: state to restore into. */
sluice_registry_t *rig_registry(rig_t *rig);

/* Begins and runs to the end; returns what begin returned if it failed, else
 * the status of the callback. */
int rig_save(rig_t *rig, sluice_sink_t *sink,
             const sluice_save_options_t *options);
int rig_save_memory(rig_t *rig, const sluice_save_options_t *options,
                    void **data, size_t *len);
int rig_restore(rig_t *rig, sluice_registry_t *registry,
                sluice_source_t *source,
                const sluice_restore_options_t *options);
int rig_restore_memory(rig_t *rig, sluice_registry_t *registry,
                       const void *data, size_t len);

/* Runs the loop until nothing is left to do. */
void rig_run(rig_t *rig);

/* Callbacks for tests that begin on their own. */
void rig_on_saved(sluice_save_t *save, int status);
void rig_on_restored(sluice_restore_t *restore, int status);

#endif
