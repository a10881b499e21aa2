/* tally.c - see tally.h. A line: what, scenarios, faults, bad outcomes. */
#include "tally.h"

#include <stdio.h>
#include <stdlib.h>

void fault_tally(const char *what, unsigned scenarios, unsigned faults,
                 unsigned bad) {
  const char *path = getenv("SLUICE_FAULT_TALLY");
  FILE *file = path == NULL ? NULL : fopen(path, "a");

  if (file != NULL) {
    (void)fprintf(file, "%s\t%u\t%u\t%u\n", what, scenarios, faults, bad);
    (void)fclose(file);
  }
}
