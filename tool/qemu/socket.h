/* socket.h - connections to QEMU, made or waited for.
 *
 * Blocking sockets. Must know no stream. Invariant: the name
 * of a listening unix socket goes away with the listener, or with the process.
 */
#ifndef SLUICE_TOOL_QEMU_SOCKET_H
#define SLUICE_TOOL_QEMU_SOCKET_H

#include <stdbool.h>

#include "cli/report.h"
#include "qemu/address.h"

typedef struct listener_s {
  const address_t *address; /* borrowed */
  int fd;                   /* -1: the address is a descriptor already */
  const char *path;         /* the unix socket that was made; NULL: none */
} listener_t;

/* Waits at `a`, which must stay. What is left of an earlier process under the
 * name of a unix socket is replaced. */
int listener_open(listener_t *l, const address_t *a, failure_t *f);

/* Says on standard error where, once it does: with the port that was given. */
void listener_announce(const listener_t *l);

/* The first to come; to be closed with socket_close(). */
int listener_accept(const listener_t *l, int *out, failure_t *f);

/* Did another one come? */
bool listener_has_more(const listener_t *l);

/* Fine after a failed open, and twice. */
void listener_close(listener_t *l);

int socket_connect(const address_t *a, int *out, failure_t *f);

/* A pair: one end for us, one for a QEMU on this machine. */
int socket_pair(int ends[2], const char *name, failure_t *f);

/* Closes what was accepted or connected; inherited descriptors stay. */
void socket_close(const address_t *a, int fd);

#endif
