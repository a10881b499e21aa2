/* probe.h - a load for a server that speaks RESP2, and what it feels like.
 *
 *   schedule --> client --> server --> client --> when was it due? --> recorder
 *
 * With a rate, requests are due at fixed times, whether or not earlier ones
 * have been answered, and latency counts from when a request was due: a server
 * that stalls is not spared the requests that it kept from being sent. Without
 * one each client sends when it has its answer. */
#ifndef PROBE_PROBE_H
#define PROBE_PROBE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <uv.h>

#include "histogram.h"

typedef struct settings_s {
  int port;
  unsigned clients;
  unsigned depth; /* requests of a client under way, without a rate */
  uint64_t rate;  /* requests a second, all clients together; 0: none */
  uint64_t keys;  /* key:0 .. key:keys-1 */
  uint64_t bytes; /* of a value */
  unsigned sets;  /* percent of the requests; the others are GETs */
  const char *prefix;
  bool is_fill;   /* SET each key once, in order, and end */
  double rest_s;  /* before the save, and measured */
  double after_s; /* after it */
  bool has_save;
  const char *command;     /* in the place of a save; NULL: none */
  const char *columns;     /* file for what happened over time */
  const char *percentiles; /* file for the curve */
} settings_t;

typedef enum phase_e {
  PHASE_WARM, /* not recorded */
  PHASE_REST,
  PHASE_SAVE,
  PHASE_AFTER,
  PHASES
} phase_t;

/* What was felt. */
typedef struct recorder_s {
  histogram_t by_phase[PHASES];
  uint64_t phase_ns[PHASES]; /* how long each took */
  uint64_t begun_ns;         /* of the first phase that counts */
  FILE *columns;
  uint64_t window; /* number of the 10 ms that `now` is for */
  histogram_t now;
  uint64_t errors; /* replies that say so */
} recorder_t;

typedef struct load_s load_t;

/* load.c */
load_t *load_start(uv_loop_t *loop, const settings_t *settings,
                   recorder_t *recorder, phase_t *phase, void (*filled)(void));
void load_stop(load_t *load);

/* recorder.c. `due_ns` is when the request was to be sent. */
void recorder_open(recorder_t *r, const char *columns);
void recorder_add(recorder_t *r, phase_t phase, uint64_t due_ns,
                  uint64_t now_ns);
void recorder_tell(recorder_t *r, const settings_t *settings);

/* watch.c: a connection of its own that asks for a save and when it is over. */
void watch_start(uv_loop_t *loop, int port, void (*over)(bool ok));

/* event.c: a command of the shell's. */
void event_start(uv_loop_t *loop, const char *command, void (*over)(bool ok));

_Noreturn void probe_fail(const char *what, int code);

#endif
