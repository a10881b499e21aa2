/* engine.h - the pump, and the guests that share it: sessions, and whoever else
 * uses the engine's loop.
 *
 * The engine knows of a guest what it needs to close and to count; what a guest
 * does is its own. */
#ifndef SLUICE_SESSION_ENGINE_H
#define SLUICE_SESSION_ENGINE_H

#include <assert.h>

#include <sluice/engine.h>

#include "pump.h"
#include "session/thread_pool.h"

typedef struct sluice__guest_s sluice__guest_t;

struct sluice__guest_s {
  sluice__guest_t *next;
  sluice__guest_t *prev;
  /* The engine closes: leaves, now or later. The engine waits until it has. */
  void (*leave)(sluice__guest_t *guest);
  /* In a forked child: parts, and is freed with all that is its; see
   * sluice_engine_abandon(). Guests do not rely on each other in there, in
   * whichever order they are asked. */
  void (*abandon)(sluice__guest_t *guest);
  /* Optional. Time that callbacks of the host's took on the loop so far. */
  uint64_t (*own_ns)(const sluice__guest_t *guest);
};

struct sluice_engine_s {
  sluice__pump_t pump;
  sluice__thread_pool_t threads;
  sluice_alloc_t alloc;
  sluice__clock_t clock;
  sluice__guest_t *guests;
  sluice_engine_close_cb close_cb;
  void *close_data;
  bool is_closing;
};

/* What only the loop's thread may call says so by this; a debug build ends
 * there, with the call's name. */
#define SLUICE__ASSERT_ON_LOOP(engine)                                         \
  assert(sluice__pump_is_on_loop(&(engine)->pump) &&                           \
         "called on the loop's thread")

void sluice__engine_join(sluice_engine_t *engine, sluice__guest_t *guest);
/* The guest is gone, and calls sluice__engine_left() when nothing of it runs
 * any more: an engine that closes may go on then, and free itself. */
void sluice__engine_part(sluice_engine_t *engine, sluice__guest_t *guest);
void sluice__engine_left(sluice_engine_t *engine);

#endif
