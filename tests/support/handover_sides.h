/* handover_sides.h - the host of handover_box.h, in the process of one side. */
#ifndef SLUICE_TESTS_HANDOVER_SIDES_H
#define SLUICE_TESTS_HANDOVER_SIDES_H

#include "handover_box.h"

void box_open(const box_plan_t *plan, box_board_t *board);

/* Either side, from its beginning to its end. */
void box_run_old(int socket);
void box_run_new(int socket);

#endif
