/* adopted.h - memory of another process, taken over by its descriptor.
 *
 * Mapped shared beside the region, or in its place, and read-only: until it is
 * committed the other process may go on with it. Knows no sections. */
#ifndef SLUICE_RAM_ADOPTED_H
#define SLUICE_RAM_ADOPTED_H

#include <stdint.h>

#include <sluice/error.h>

typedef struct sluice__adopted_s {
  int fd;      /* ours until the host asks for it; -1: none */
  uint8_t *at; /* NULL: not mapped, or committed */
  uint64_t bytes;
  int is_in_place;
} sluice__adopted_t;

/* Maps the first `bytes` bytes of `fd` for the region at `base`. Takes `fd` on
 * success. */
int sluice__adopted_open(sluice__adopted_t *adopted, int fd, uint8_t *base,
                         uint64_t bytes, int is_in_place, sluice_error_t *err);
/* Makes it the region's memory, to be written. */
void sluice__adopted_commit(sluice__adopted_t *adopted, uint8_t *base);
/* Undoes it unless it was committed; closes the descriptor. Of none, too. */
void sluice__adopted_close(sluice__adopted_t *adopted);

#endif
