/* return_path.h - what a QEMU that asked for it is told while it sends.
 *
 * With its capability 'return-path' it waits, at the end, to be told that the
 * machine has arrived: so it is told when the image is safe, and a migration
 * whose image could not be written fails over there and the machine goes on.
 *
 *   be16 kind, be16 length, be32 value */
#ifndef SLUICE_TOOL_QEMU_RETURN_PATH_H
#define SLUICE_TOOL_QEMU_RETURN_PATH_H

#include <stdbool.h>

#include <sluice/item.h>

typedef struct return_path_s {
  int fd; /* the connection; borrowed */
  bool is_open;
} return_path_t;

/* Takes every item of the stream; answers where it has to. */
void return_path_note(return_path_t *p, const sluice_item_t *item);

/* It is over: `is_safe` or not. */
void return_path_end(return_path_t *p, bool is_safe);

#endif
