/* bar.h - how far it is, on a terminal, once it has taken over a second.
 *
 * Draws on standard error; nothing at all when that is no terminal. There is
 * one bar at a time, as there is one last line of a terminal: so it is the
 * process's, not an object. */
#ifndef SLUICE_TOOL_CLI_BAR_H
#define SLUICE_TOOL_CLI_BAR_H

#include <stdint.h>

/* `total` bytes are to be done; 0: nobody knows. */
void bar_begin(uint64_t total);
/* `done` bytes of them are. Cheap: may be called for every block. */
void bar_move(uint64_t done);
/* What is said behind the numbers from now on. */
void bar_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Takes the bar off the screen, so that something else can be printed. */
void bar_clear(void);
void bar_end(void);

#endif
