/* tidy.h - temporary files do not outlive the process, however it ends.
 *
 * A process that is interrupted or hung up on takes its temporary file with it;
 * only SIGKILL and a crash of the machine leave one behind. One file at a time:
 * the tool has one output. */
#ifndef SLUICE_TOOL_TIDY_H
#define SLUICE_TOOL_TIDY_H

/* Like mkostemp(): makes a file from the template `path`, open for reading and
 * writing, and watches over it. -1 with errno. `path` must stay until
 * tidy_forget(). */
int tidy_create(char *path);
/* The file has another name by now, or none. */
void tidy_forget(void);

#endif
