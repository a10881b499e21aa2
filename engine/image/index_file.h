/* index_file.h - the entries of an image's index, read from its file.
 *
 * Believes what stands there without looking at a checksum, for those who only
 * want to know what is likely. Blocks: for the pool. */
#ifndef SLUICE_IMAGE_INDEX_FILE_H
#define SLUICE_IMAGE_INDEX_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "stream/native/index_cursor.h"

/* The next entry; false: there are no more, or they cannot be read. `buf` has
 * as many bytes as the cursor wants at once. */
bool sluice__index_file_next(sluice__index_cursor_t *cursor, int fd,
                             uint8_t *buf, sluice__index_entry_t *out);

#endif
