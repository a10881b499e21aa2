/* tidy.h - temporary files do not outlive the process, however it ends.
 *
 * A process that is interrupted or hung up on takes its temporary files and
 * sockets with it; only SIGKILL and a crash of the machine leave them behind.
 */
#ifndef SLUICE_TOOL_FILES_TIDY_H
#define SLUICE_TOOL_FILES_TIDY_H

/* Like mkostemp(): makes a file from the template `path`, open for reading and
 * writing, and watches over it. -1 with errno. `path` must stay until
 * tidy_forget(). */
int tidy_create(char *path);

/* Watches over a name that is about to be made; the same holds. */
void tidy_watch(const char *path);

/* What was under this name has another by now, or is gone. */
void tidy_forget(const char *path);

#endif
