/* version.c - which library runs.
 *
 * The numbers are those of the header that this file was compiled with, so
 * neither can drift away from them. */
#include <sluice/version.h>

#define TEXT_OF(x)          #x
#define VERSION_OF(a, b, c) TEXT_OF(a) "." TEXT_OF(b) "." TEXT_OF(c)

const char *sluice_version(void) {
  return VERSION_OF(SLUICE_VERSION_MAJOR, SLUICE_VERSION_MINOR,
                    SLUICE_VERSION_PATCH);
}

uint32_t sluice_version_number(void) {
  return SLUICE_VERSION_NUMBER;
}
