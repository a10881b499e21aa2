/* engine.h - the pump and the sessions that share it.
 *
 * A session is one continuation of the engine's queue; its step drains the
 * session's own queue with the share of the slice that it was given. So
 * sessions are fair to each other whatever they hold, and one that fails ends
 * alone. */
#ifndef SLUICE_SESSION_ENGINE_H
#define SLUICE_SESSION_ENGINE_H

#include <sluice/engine.h>

#include "pump.h"
#include "session/thread_pool.h"

typedef struct sluice__session_s sluice__session_t;

/* Whoever uses the engine's loop and is no session: an engine that closes asks
 * it to leave, and waits until it has. */
typedef struct sluice__guest_s sluice__guest_t;
struct sluice__guest_s {
  sluice__guest_t *next;
  sluice__guest_t *prev;
  void (*leave)(sluice__guest_t *guest);
};

struct sluice_engine_s {
  sluice__pump_t pump;
  sluice__thread_pool_t threads;
  sluice_alloc_t alloc;
  sluice__clock_t clock;
  sluice__session_t *sessions;
  sluice__guest_t *guests;
  sluice_engine_close_cb close_cb;
  void *close_data;
  bool is_closing;
};

void sluice__engine_join(sluice_engine_t *engine, sluice__guest_t *guest);
void sluice__engine_part(sluice_engine_t *engine, sluice__guest_t *guest);

#endif
