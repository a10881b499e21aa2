/* sweep.h - moves a fault through a scenario, one operation at a time, until it
 * runs clean. After every single fault:
 *
 *   - the callback came once, from the loop, with the code that was to be
 *     expected, its section and a place in the stream
 *   - every end hook came as often as its begin hook
 *   - what claims to have succeeded did: the image is right
 *   - what failed left nothing: the former file stands, what was to be restored
 *     into is as it was, no temporary file
 *   - the host can write all of its state, and a next save, without faults, has
 *     it all
 *   - registry and loop can be closed; no block, no descriptor is left */
#ifndef SLUICE_FAULT_SWEEP_H
#define SLUICE_FAULT_SWEEP_H

#include "fault.h"
#include "scenario.h"

/* Both modes; ends the test when anything was wrong. To look at one: parts of
 * their names in $SLUICE_FAULT_SCENARIO and $SLUICE_FAULT. */
void sweep_run(const scenario_t *s, const fault_t *f);
/* Two faults: every place of the first with every one of the second. */
void sweep_pair(const scenario_t *s, const fault_t *f, const fault_t *g);
/* A single run with `f` at its `nth` operation; NULL or what is wrong. For
 * suites that have a sweep of their own. `*fired`: it struck. */
const char *sweep_once(const scenario_t *s, const fault_t *f, unsigned nth,
                       fault_mode_t mode, unsigned *fired);

/* Checked fixtures of all suites. */
void sweep_setup(void);
void sweep_folder_setup(void); /* no more than the folder for files */
void sweep_teardown(void);

#endif
