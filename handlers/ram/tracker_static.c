/* tracker_static.c - the host promises not to write while it is saved.
 *
 * One pass over the pages, and the section has nothing more to say. */
#include "tracker.h"

const sluice__tracker_t sluice__tracker_static = {
    .mode = SLUICE__TRACKER_NEVER,
};
