/* version.h - of the header, and of the library that runs.
 *
 * Who links to the shared library may run with a later one than the headers
 * were of: the macros are what the host was compiled with, the calls say what
 * it runs with. docs/abi.md has what is promised between the two. Any thread.
 */
#ifndef SLUICE_VERSION_H
#define SLUICE_VERSION_H

#include <stdint.h>

#include <sluice/export.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SLUICE_VERSION_MAJOR 0
#define SLUICE_VERSION_MINOR 2
#define SLUICE_VERSION_PATCH 0

/* Grows with every release: for #if, and beside sluice_version_number(). */
#define SLUICE_VERSION_NUMBER                                                  \
  ((SLUICE_VERSION_MAJOR << 16) | (SLUICE_VERSION_MINOR << 8) |                \
   SLUICE_VERSION_PATCH)

/* SLUICE_VERSION_NUMBER of the library that runs. */
SLUICE_EXTERN uint32_t sluice_version_number(void);

/* The same in words: "0.2.0". */
SLUICE_EXTERN const char *sluice_version(void);

#ifdef __cplusplus
}
#endif

#endif
