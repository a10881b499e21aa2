/* handover.h - the old side: a successor connects, and gets all of it.
 *
 *   listening --> [ends a save] --> state is sent while clients are served
 *       ^                                    |
 *       |                                  paused: the rest, connections
 *       |   it failed, at whatever step      |
 *       +------------------------------------+
 *                                            v
 *                                  the successor runs: the end
 *
 * One at a time; the next one that connects waits. Saves that are asked for
 * meanwhile begin afterwards, in whoever serves then. */
#ifndef KVD_HANDOVER_H
#define KVD_HANDOVER_H

#include <stdbool.h>
#include <stddef.h>

#include "estate.h"
#include "listener.h"

struct server_s;

/* What this process has got from the one before. */
typedef struct taken_s {
  uint64_t takeovers; /* until now, in the whole row; 0: it began by itself */
  bool is_memfd;      /* its memory was passed, not copied */
  uint64_t bytes;     /* of the stream */
  uint64_t clients;
  uint64_t pause_us; /* from when the old one served last to when this did */
} taken_t;

typedef struct handover_s {
  struct server_s *server;
  listener_t listener;
  int socket; /* a successor that has to wait for a save's end; -1: none */
  sluice_handover_t *running;
  estate_t estate;
  taken_t taken;
  uint64_t failures;
  char error[160]; /* of the last one that failed */
} handover_t;

void handover_init(handover_t *h, struct server_s *s);
/* As the options say, if they say so. UV codes. */
int handover_listen(handover_t *h);
/* `is_left`: a successor listens from now on. */
void handover_close(handover_t *h, bool is_left);

/* A save is over. */
void handover_go_on(handover_t *h);
/* Ends it; true: it is not over yet, shutdown_go_on() follows. */
bool handover_cancel(handover_t *h);

/* Lines for INFO, as persist_info(). */
void handover_info(const handover_t *h, char *out, size_t size);

#endif
