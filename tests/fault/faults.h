/* faults.h - the ways of failing, one a line. `scope` says where they can
 * strike: a sweep of a save takes those of saves with its kind of sink. */
#ifndef SLUICE_FAULT_FAULTS_H
#define SLUICE_FAULT_FAULTS_H

#include <stddef.h>

#include "fault.h"
#include "scenario.h"

extern const fault_t all_faults[];
extern const size_t all_faults_count;

/* Whether `f` can strike in `s` at all. */
bool fault_concerns(const fault_t *f, const scenario_t *s);

#endif
