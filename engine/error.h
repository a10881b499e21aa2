/* error.h - for the calls that begin something. */
#ifndef SLUICE_ENGINE_ERROR_H
#define SLUICE_ENGINE_ERROR_H

#include <sluice/error.h>

/* What an earlier operation left in the host's object is not of this one. NULL
 * is fine. */
void sluice__error_clear(sluice_error_t *err);

#endif
