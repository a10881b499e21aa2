/* converge.h - sends pages until none is left that changed since it was sent.
 *
 *   PRIME: all becomes pending, a slice a turn; then LOOK or SEND
 *   LOOK: gather what was written, a slice a turn
 *   SEND: send what is pending            LOOK <--> SEND --> CLEAN
 *   CLEAN: nothing is known to be left     ^-----------------+
 *
 * Its struct is ram_converge.c's. */
#ifndef SLUICE_RAM_CONVERGE_H
#define SLUICE_RAM_CONVERGE_H

#include "section.h"

/* Arms the tracker. After a failure nothing is held. */
int sluice__ram_converge_begin(sluice_ram_t *ram, sluice_error_t *err);
/* Results of save_step and save_finish. */
int sluice__ram_converge_step(sluice_ram_t *ram, sluice_writer_t *w,
                              sluice_error_t *err);
int sluice__ram_converge_finish(sluice_ram_t *ram, sluice_writer_t *w,
                                sluice_error_t *err);
/* Pages that are left, an estimate. */
uint64_t sluice__ram_converge_pending(sluice_ram_t *ram);
/* Memory that the tracker knows has been disarmed. */
void sluice__ram_converge_end(sluice_ram_t *ram);

#endif
