/* survey.h - can this file be mapped?
 *
 * A first look, before anything of it is believed: a native image, whole by its
 * trailer, with an index, and not too scattered. What fails here is restored
 * eagerly, so that it is refused, if it is, in the same words as ever. Blocks:
 * for the pool. */
#ifndef SLUICE_SESSION_RESTORE_MAPPED_SURVEY_H
#define SLUICE_SESSION_RESTORE_MAPPED_SURVEY_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

typedef struct sluice__survey_s {
  int fd;                /* in, as the next three */
  uint32_t max_mappings; /* 0: of what the kernel leaves; what is over */
  bool may_be_late;      /* ... comes after the commit, if it can */
  bool may_scatter;      /* mapped even where reading is quicker */
  const char *reason;    /* why it cannot be mapped; NULL: it can */
  uint64_t size;
  uint64_t index; /* where it begins, as the trailer says */
  struct timespec changed;
  uint64_t mappings; /* that the kernel still leaves this process */
} sluice__survey_t;

void sluice__survey_run(void *survey);

/* Does not block: the file is as large and as old as it was. */
bool sluice__survey_holds(const sluice__survey_t *survey);

#endif
