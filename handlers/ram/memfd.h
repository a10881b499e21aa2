/* memfd.h - memory that is passed instead of being copied, in a hand-over. */
#ifndef SLUICE_RAM_MEMFD_H
#define SLUICE_RAM_MEMFD_H

#include "section.h"

/* Passes what can be; the other regions' pages are to be sent. */
int sluice__ram_pass_regions(sluice_ram_t *ram, sluice_error_t *err);
void sluice__ram_unpass_regions(sluice_ram_t *ram);
/* 1 it came as a descriptor, 0 its pages will come, or an error. */
int sluice__ram_adopt_region(sluice_ram_t *ram, sluice__ram_region_t *region,
                             sluice_error_t *err);

#endif
