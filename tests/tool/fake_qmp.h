/* fake_qmp.h - a QEMU that fails when told to, seen over its control socket.
 *
 * A process that speaks the machine protocol and knows just as much of a
 * machine as a checkpoint touches: whether it runs, its capabilities and its
 * limits. The stream that it sends is a file's. */
#ifndef SLUICE_TESTS_TOOL_FAKE_QMP_H
#define SLUICE_TESTS_TOOL_FAKE_QMP_H

#include <stdbool.h>
#include <sys/types.h>

typedef enum fault_e {
  FAULT_REFUSE,   /* answers with an error, and has not done it */
  FAULT_GONE,     /* is gone before it answers */
  FAULT_GARBAGE,  /* answers with what is no JSON */
  FAULT_CUT,      /* the stream breaks off in its middle */
  FAULT_INTERRUPT /* somebody presses Ctrl-C before it answers */
} fault_t;

typedef struct fake_qmp_s {
  fault_t fault;
  int at;             /* the number of the command at which, from 1; 0: never */
  const char *stream; /* what a migration sends */
  pid_t pid;
} fake_qmp_t;

/* How it was in the end. */
typedef struct fake_end_s {
  int commands; /* how many came */
  bool is_running;
  bool is_as_it_was; /* all settings are */
  bool has_quit;
} fake_end_t;

/* Listens at "qmp" in the current folder, for one client. */
void fake_qmp_start(fake_qmp_t *q);

/* Once the client has gone. */
fake_end_t fake_qmp_end(fake_qmp_t *q);

#endif
