/* tally.h - what a suite has done, for the closing table of `./dev faults`.
 *
 * A line on standard output: FAULTS, what, faults injected, bad outcomes. What
 * begins alike, up to a semicolon or colon, is one scenario of the table.
 * Suites that are not of this folder print such lines as well. */
#ifndef SLUICE_FAULT_TALLY_H
#define SLUICE_FAULT_TALLY_H

/* `scenarios` that were gone through under this name. */
void fault_tally(const char *what, unsigned scenarios, unsigned faults,
                 unsigned bad);

#endif
