/* image.h - images for the scenarios to restore: each is made once, kept. */
#ifndef SLUICE_FAULT_IMAGE_H
#define SLUICE_FAULT_IMAGE_H

#include "scenario.h"

typedef struct image_s {
  const scenario_t *of;
  uint8_t *data;
  size_t len;
  uint64_t digest; /* of a host with what is in it */
} image_t;

/* Sound, unless the scenario says SPOILT. */
const image_t *image_find(const scenario_t *s);
void image_forget_all(void);

#endif
