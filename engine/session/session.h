/* session.h - what saves and restores have in common.
 *
 * A session is a guest of the engine, and one continuation in its queue,
 * `turn`, that drains the session's own queue with the share of the slice that
 * it was given: so sessions are fair to each other whatever they hold, and one
 * that fails ends alone. It has a latch for the first error; memory with a cap;
 * pacing; a watch that ticks for progress, stalls and grace; and the one
 * delivery of the outcome.
 *
 *   RUNNING --> ENDING (failed: undo, wait for what is under way) --> OVER
 *       \_________________________________________________________/^
 *
 * Invariant: once error.code is set no handler step runs. The outcome is
 * delivered by the turn continuation, from the loop, when nothing of the
 * session is under way; after that only _free touches it. */
#ifndef SLUICE_SESSION_SESSION_H
#define SLUICE_SESSION_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include <sluice/error.h>
#include <sluice/progress.h>
#include <sluice/registry.h>

#include "memory/mem.h"
#include "session/engine.h"
#include "session/passing.h"
#include "session/registry.h"

enum { SLUICE__TICK_MS = 100 };

typedef struct sluice__session_s sluice__session_t;

typedef enum sluice__session_state_e {
  SLUICE__SESSION_RUNNING,
  SLUICE__SESSION_ENDING,
  SLUICE__SESSION_OVER
} sluice__session_state_t;

/* What a save or a restore does of its own. All run on the loop. */
typedef struct sluice__session_ops_s {
  /* Moves on; results as a continuation's step. Not called after an error. */
  int (*run)(sluice__session_t *s, sluice__budget_t *b);
  /* Called once, when an error was latched: undo, tell the handlers. */
  void (*fail)(sluice__session_t *s);
  /* Called until it returns true: nothing is under way any more. */
  bool (*settle)(sluice__session_t *s);
  /* The outcome; may free the session. */
  void (*deliver)(sluice__session_t *s);
  /* In a forked child: frees the session, whatever it is at; see
   * sluice_engine_abandon(). Instead of all of the above. */
  void (*abandon)(sluice__session_t *s);
  /* Time that the sink's or source's callbacks took on the loop so far. */
  uint64_t (*own_ns)(const sluice__session_t *s);
  /* Optional. Fills what sluice__session_progress() cannot know. */
  void (*progress)(const sluice__session_t *s, sluice_progress_t *out);
  void (*tell)(sluice__session_t *s, const sluice_progress_t *progress);
  /* Optional. Each SLUICE__TICK_MS, while it is watched and RUNNING. */
  void (*tick)(sluice__session_t *s);
} sluice__session_ops_t;

typedef struct sluice__rate_s {
  uint64_t at_ns;
  uint64_t bytes;
  uint64_t per_s;
} sluice__rate_t;

struct sluice__session_s {
  const sluice__session_ops_t *ops;
  sluice_engine_t *engine;
  sluice__guest_t guest;
  sluice_registry_t *registry;      /* NULL: it has no sections */
  const sluice__passing_t *passing; /* of a hand-over; NULL: it is none */
  sluice__mem_t mem;
  sluice_alloc_t mem_alloc; /* `mem` as an allocator */
  sluice__queue_t queue;
  sluice__cont_t turn;
  sluice__delay_t pace;
  sluice__cont_t watch;
  sluice__delay_t watch_delay;
  sluice__session_state_t state;
  sluice_phase_t phase;
  sluice_phase_t told_phase; /* by the last progress event */
  sluice_error_t error;
  void *data;

  uint64_t begun_ns;
  uint64_t bytes_done;     /* by the stream's own count */
  uint64_t bandwidth;      /* bytes a second; 0: no limit */
  uint64_t paced_bytes;    /* bytes_done when pacing was last looked at */
  uint64_t paced_ns;       /* before this nothing more may be sent */
  uint64_t moved_ns;       /* when the outside last took or gave a byte */
  uint64_t stall_ns;       /* 0: no limit */
  uint32_t max_idle_steps; /* of a section, in a row; 0: no limit */
  bool wants_ticks;        /* somebody listens to progress */
  bool is_sealed;          /* see sluice__session_seal() */
  sluice__rate_t rate;
  uint32_t sections_done;
  const sluice_section_t *current; /* the one that moved last */
  sluice_progress_t last;          /* what is told once it is OVER */
};

typedef struct sluice__session_config_s {
  const sluice__session_ops_t *ops;
  sluice_engine_t *engine;
  sluice_registry_t *registry;
  const sluice_alloc_t *alloc;
  size_t max_memory;
  uint32_t weight;
  uint64_t bandwidth;
  uint32_t stall_ms;
  uint32_t max_idle_steps; /* as hosts say it: 0 the default, the most: none */
  bool wants_ticks;
  void *data;
} sluice__session_config_t;

/* As SLUICE__ASSERT_ON_LOOP; a session that is over may have lost its engine.
 */
#define SLUICE__ASSERT_ON_SESSION_LOOP(s)                                      \
  assert(((s)->state == SLUICE__SESSION_OVER ||                                \
          sluice__pump_is_on_loop(&(s)->engine->pump)) &&                      \
         "called on the loop's thread")

/* What every begin refuses alike: a NULL, an engine that closes, a registry
 * that is in use or empty. The message names it. */
int sluice__session_check(const sluice_engine_t *engine,
                          const sluice_registry_t *registry, bool has_cb,
                          sluice_error_t *err);
/* A weight over the most. */
int sluice__session_check_weight(uint32_t weight, sluice_error_t *err);

/* Opens the memory and takes the registry. After a failure nothing is held. */
int sluice__session_init(sluice__session_t *s,
                         const sluice__session_config_t *config);
/* Undoes init for a session that never started. */
void sluice__session_undo(sluice__session_t *s);
/* From now on it runs and will be delivered. */
void sluice__session_start(sluice__session_t *s);
/* Gives back what is left; only when OVER. */
void sluice__session_done(sluice__session_t *s);

/* Latches the first error and lets the turn handle it. `section` and `err` may
 * be NULL; a message is made when there is none. Never calls out. */
void sluice__session_fail(sluice__session_t *s, int code,
                          const sluice_section_t *section, uint64_t offset,
                          const sluice_error_t *err);
/* As fail, for what goes wrong while it ends: what it says at its end. */
void sluice__session_blame(sluice__session_t *s, int code,
                           const sluice_section_t *section,
                           const sluice_error_t *err);
void sluice__session_cancel(sluice__session_t *s);

/* What is under way cannot be undone any more: its own result is the outcome, a
 * cancel or a stall changes nothing. */
void sluice__session_seal(sluice__session_t *s);

/* It is no guest any more, and freed: its `abandon`. */
void sluice__session_abandon(sluice__session_t *s);

/* Something happened outside: run the turn. */
void sluice__session_wake(sluice__session_t *s);

/* As wake, before sessions that are not urgent; for one turn. */
void sluice__session_urgent(sluice__session_t *s);

/* The whole is done well: settle, then deliver 0. */
void sluice__session_finish(sluice__session_t *s);

/* It ticks from now on, until it is over. */
void sluice__session_watch(sluice__session_t *s);

/* The outside took or gave bytes: no stall. */
void sluice__session_moved(sluice__session_t *s);

/* True when the bandwidth is used up: the turn will be woken in time. */
bool sluice__session_is_paced(sluice__session_t *s);

void sluice__session_progress(const sluice__session_t *s,
                              sluice_progress_t *out);

#endif
