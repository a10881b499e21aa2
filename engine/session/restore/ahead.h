/* ahead.h - asks the disk for the headers of an image's records, all at once.
 *
 * A walk from header to header waits for the disk at each of them, where the
 * image is not in the page cache. The index says where pages and their hashes
 * stand, and so, nearly, where the headers do. A hint: nothing of it is
 * believed, and what it misses is only slower. Blocks: for the pool. */
#ifndef SLUICE_SESSION_RESTORE_AHEAD_H
#define SLUICE_SESSION_RESTORE_AHEAD_H

#include <stddef.h>
#include <stdint.h>

/* Of the file `fd`, whose index begins at `index` and ends before `end`.
 * `buf` has `len` bytes to work with. Returns how many pieces were asked for.
 */
size_t sluice__ahead_ask(int fd, uint64_t index, uint64_t end, uint8_t *buf,
                         size_t len);

#endif
