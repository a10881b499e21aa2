/* qemu.h - a real QEMU for tests, driven over its machine protocol.
 *
 * One process each, under TCG, without a display, told what to do over one end
 * of a socket pair that it inherits: no path, no waiting for it to listen. It
 * dies with the test. Every failure fails the test, a missing QEMU too. */
#ifndef SLUICE_TESTS_QEMU_H
#define SLUICE_TESTS_QEMU_H

#include <stdint.h>
#include <sys/types.h>

#include <jansson.h>

#include "build.h"

typedef struct qemu_s {
  pid_t pid;
  int fd;
  char *line; /* what was read of the next reply */
  size_t len;
} qemu_t;

/* `args` ends with NULL; `extra` (may be NULL) are three more at most. */
void qemu_start(qemu_t *q, const char *const *args, const char *const *extra);

/* Ends it and waits for it. */
void qemu_quit(qemu_t *q);

/* The reply's "return", to be released with json_decref. `format` and what
 * follows make the arguments, as json_pack does; NULL: none. */
json_t *qemu_command(qemu_t *q, const char *name, const char *format, ...);

/* The same, the reply thrown away. */
void qemu_do(qemu_t *q, const char *name, const char *format, ...);

/* What `info ...` of the human monitor says; to be freed. */
char *qemu_info(qemu_t *q, const char *line);

/* Begins to migrate; what it answers comes with the events. */
void qemu_migrate(qemu_t *q, const char *uri);

/* Waits until a migration, in or out, has come to its end: "completed",
 * "failed" or "cancelled". */
const char *qemu_await(qemu_t *q);

/* Both wait for the end: "completed" or "failed". The machine is sent through
 * a FIFO made in folder `dir`, because QEMU says "completed" before the command
 * it feeds has written everything; it is taken from file `path` ("-incoming
 * defer"). */
const char *qemu_save(qemu_t *q, const char *dir, build_t *out);
const char *qemu_load(qemu_t *q, const char *path);

/* The same from anywhere. */
const char *qemu_load_from(qemu_t *q, const char *uri);

/* `size` bytes of the guest's physical memory from 0, to be freed. */
uint8_t *qemu_memory(qemu_t *q, const char *dir, size_t size);

#endif
