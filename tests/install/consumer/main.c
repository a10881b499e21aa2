/* main.c - the smallest user of an installed sluice. */
#include <stdio.h>
#include <string.h>

#include <sluice/sluice.h>

int main(void) {
  (void)printf("sluice %s: %s\n", sluice_version(),
               sluice_strerror(SLUICE_ECORRUPT));
  return strncmp(sluice_version(), "0.2", 3) == 0 ? 0 : 1;
}
