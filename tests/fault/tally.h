/* tally.h - what a suite has done, for the closing table of `./dev faults`. */
#ifndef SLUICE_FAULT_TALLY_H
#define SLUICE_FAULT_TALLY_H

/* Adds a line to the file named by $SLUICE_FAULT_TALLY, if there is one. */
void fault_tally(const char *what, unsigned scenarios, unsigned faults,
                 unsigned bad);

#endif
