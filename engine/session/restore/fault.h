/* fault.h - why a part of a restore failed; run.c tells the session. */
#ifndef SLUICE_SESSION_RESTORE_FAULT_H
#define SLUICE_SESSION_RESTORE_FAULT_H

#include <stddef.h>

#include <sluice/error.h>

#include "session/registry.h"

/* Beside a part's negative result. */
typedef struct sluice__fault_s {
  const sluice_section_t *section; /* NULL: none */
  uint64_t offset;                 /* in the stream; SLUICE_OFFSET_NONE */
  sluice_error_t error;            /* code 0: a message is made */
} sluice__fault_t;

/* Returns `code`. */
static inline int sluice__fault(sluice__fault_t *fault, int code,
                                const sluice_section_t *section,
                                uint64_t offset, const sluice_error_t *err) {
  fault->section = section;
  fault->offset = offset;
  fault->error = err != NULL ? *err : (sluice_error_t){0};
  return code;
}

#endif
