/* taken.h - memory of another process, taken over by its descriptor.
 *
 * Mapped shared beside the region, or in its place, and read-only: until it is
 * committed the other process may go on with it. Knows no sections. */
#ifndef SLUICE_RAM_TAKEN_H
#define SLUICE_RAM_TAKEN_H

#include <stdint.h>

#include <sluice/error.h>

typedef struct sluice__taken_s {
  int fd;      /* ours until the host asks for it; -1: none */
  uint8_t *at; /* NULL: not mapped, or committed */
  uint64_t bytes;
  int is_in_place;
} sluice__taken_t;

/* Maps the first `bytes` bytes of `fd` for the region at `base`. Takes `fd` on
 * success. */
int sluice__taken_open(sluice__taken_t *taken, int fd, uint8_t *base,
                       uint64_t bytes, int is_in_place, sluice_error_t *err);
/* Makes it the region's memory, to be written. */
void sluice__taken_commit(sluice__taken_t *taken, uint8_t *base);
/* Undoes it unless it was committed; closes the descriptor. Of none, too. */
void sluice__taken_close(sluice__taken_t *taken);

#endif
