/* plain_reader.h - the least that reading a native stream into place can cost.
 *
 * Knows just enough of the format to find the pages: no checksum is looked at,
 * nothing is checked, one read() a record puts its pages where they belong
 * and fetches the next header. What a restore is measured by. */
#ifndef SLUICE_BENCH_PLAIN_READER_H
#define SLUICE_BENCH_PLAIN_READER_H

#include <stddef.h>
#include <stdint.h>

/* Into `base`, all regions as one. 0, or -1 with errno. */
int plain_read(int fd, uint8_t *base, size_t bytes);

#endif
