/* tracker_cooperative.c - the host tells what it writes.
 *
 * The marks are the section's own (sluice_ram_dirty), so there is nothing to
 * arm and nothing to ask: a section without marks is clean. */
#include "tracker.h"

const sluice__tracker_t sluice__tracker_cooperative = {
    .mode = SLUICE__TRACKER_TOLD,
};
