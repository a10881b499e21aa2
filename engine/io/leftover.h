/* leftover.h - temporary files whose writers were killed.
 *
 * Who writes one holds flock() on it from before it has a name until the name
 * is gone, so what can be locked is nobody's. Blocks: runs on the pool. */
#ifndef SLUICE_IO_LEFTOVER_H
#define SLUICE_IO_LEFTOVER_H

/* Removes those for `name`, and tells how many; a UV_E* code when the folder
 * cannot be read. One that cannot be removed stays, and is not counted. */
int sluice__leftovers_remove(int folder_fd, const char *name);

#endif
