/* open_files.h - how many descriptors this process has open: what is left open
 * shows as a difference. */
#ifndef SLUICE_TESTS_OPEN_FILES_H
#define SLUICE_TESTS_OPEN_FILES_H

#include <dirent.h>
#include <stddef.h>

#include "require.h"

/* With ".", ".." and the one it takes to count. */
static inline unsigned count_open_files(void) {
  DIR *d = opendir("/proc/self/fd");
  unsigned n = 0;

  REQUIRE(d != NULL);
  while (readdir(d) != NULL) {
    n++;
  }
  (void)closedir(d);
  return n;
}

#endif
