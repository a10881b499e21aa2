/* interrupt.h - Ctrl-C as something to wait for, where work must be undone.
 *
 * Between begin and end the deadly signals do not kill: the first one makes the
 * descriptor readable. Whoever waits gives it to poll() and, told, undoes what
 * it has begun; interrupt_end() then dies of the signal after all. A second one
 * kills at once: somebody is in a hurry. */
#ifndef SLUICE_TOOL_CLI_INTERRUPT_H
#define SLUICE_TOOL_CLI_INTERRUPT_H

#include <stdbool.h>

/* Before any thread is made. */
void interrupt_begin(void);

/* For poll(). */
int interrupt_fd(void);

/* Has there been one? */
bool interrupt_came(void);

/* Kills the process if there was one; else all is as before. */
void interrupt_end(void);

#endif
