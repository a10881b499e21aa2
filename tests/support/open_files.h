/* open_files.h - how many descriptors this process has open: what is left open
 * shows as a difference. Opens nothing and needs no /proc: either may be what
 * is refused. */
#ifndef SLUICE_TESTS_OPEN_FILES_H
#define SLUICE_TESTS_OPEN_FILES_H

#include <fcntl.h>

enum { OPEN_FILES_LOOK = 8192 }; /* none has a higher number */

static inline unsigned count_open_files(void) {
  unsigned n = 0;

  for (int fd = 0; fd < OPEN_FILES_LOOK; fd++) {
    n += fcntl(fd, F_GETFD) >= 0;
  }
  return n;
}

#endif
