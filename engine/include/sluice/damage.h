/* damage.h - pages of an image that cannot be had as they were saved. */
#ifndef SLUICE_DAMAGE_H
#define SLUICE_DAMAGE_H

#include <stdint.h>

/* Pages of an image that are not what was written, or could not be read. */
typedef struct sluice_damage_s {
  char section[64]; /* truncated to fit */
  uint32_t instance;
  char region[64];
  uint64_t offset; /* bytes in the region */
  uint64_t bytes;
  uint64_t at; /* byte in the file, of the first */
} sluice_damage_t;

#endif
