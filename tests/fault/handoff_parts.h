/* handoff_parts.h - what is handed over beside the world's own sections: a
 * region in a memfd, and a pipe. For handoff.c. */
#ifndef SLUICE_FAULT_HANDOFF_PARTS_H
#define SLUICE_FAULT_HANDOFF_PARTS_H

#include "handoff.h"

void handoff_parts_open(handoff_t *h);
/* The host writes to its region. */
void handoff_parts_change(handoff_t *h);
/* The sections, once their registry is gone. */
void handoff_parts_free(handoff_t *h, handoff_side_t side);
/* Memory and descriptors. */
void handoff_parts_close(handoff_t *h);

#endif
