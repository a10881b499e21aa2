/* qmp.h - a client of QEMU's machine protocol.
 *
 * One command at a time, answered or failed; events in between are noted. Every
 * wait ends: with the answer, with QEMU, after a time, or by an interrupt. What
 * QEMU says is bounded and checked like any input. Must know no command's
 * meaning, but for what an event says of a migration. */
#ifndef SLUICE_TOOL_QEMU_QMP_H
#define SLUICE_TOOL_QEMU_QMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "cli/report.h"

typedef struct qmp_s {
  const char *name; /* for messages; borrowed */
  int fd;           /* -1: not connected */
  bool is_gone;     /* QEMU closed it, or broke off in the middle */
  bool is_deaf;     /* interrupts are not listened to: something is undone */
  char *line;       /* what was read of the next message */
  size_t len;
  uint64_t last_id;
  uint64_t asked_id;  /* of qmp_ask(), until it is answered; 0: none */
  json_t *answer;     /* to what was asked */
  char migration[32]; /* the last event's state; "": none came */
} qmp_t;

/* Connects to the unix socket at `path`, which must stay. */
int qmp_open(qmp_t *q, const char *path, failure_t *f);

/* Runs a command. `arguments` (may be NULL) is taken; `out` (may be NULL) takes
 * what it returns, to be released. */
int qmp_run(qmp_t *q, const char *command, json_t *arguments, json_t **out,
            failure_t *f);

/* Gives QEMU the descriptor `fd` under a name. */
int qmp_give_fd(qmp_t *q, int fd, const char *name, failure_t *f);

/* Runs a command whose answer is taken when it has come. One that is not
 * answered yet is enough: then nothing is done. */
void qmp_ask(qmp_t *q, const char *command);
/* NULL: it has not come; else to be released. */
json_t *qmp_take_answer(qmp_t *q);

/* Waits until `fd` can be read (-1: for news only), news have come, or
 * `timeout_ms` are over (-1: never). Returns the number of those that can be
 * read, or a code: interrupted. */
int qmp_wait(qmp_t *q, int fd, int timeout_ms, failure_t *f);

/* Fine after a failed open, and twice. */
void qmp_close(qmp_t *q);

#endif
