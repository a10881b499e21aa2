/* shutdown.h - how the server ends: at once, or after a last save. */
#ifndef KVD_SHUTDOWN_H
#define KVD_SHUTDOWN_H

#include "server.h"

typedef enum shutdown_e {
  SHUTDOWN_AS_SET, /* saves if the server saves by itself */
  SHUTDOWN_SAVE,
  SHUTDOWN_NOSAVE
} shutdown_t;

/* Ends the server. If it saves first, no request runs meanwhile: whatever was
 * acknowledged is in that image. When saving fails it goes on serving, and `c`
 * (may be NULL) is told. Once more while it is saving: ends at once. */
void shutdown_begin(server_t *s, shutdown_t how, conn_t *c);

/* A save is over: one more step. `data` is the server; no shutdown may be under
 * way. */
void shutdown_go_on(void *data);

#endif
