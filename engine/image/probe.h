/* probe.h - can this file be mapped?
 *
 * A first look, before anything of it is believed: a native image, whole by its
 * trailer, with an index, and not too scattered. What fails here is restored
 * eagerly, so that it is refused, if it is, in the same words as ever. Blocks:
 * for the pool. */
#ifndef SLUICE_IMAGE_PROBE_H
#define SLUICE_IMAGE_PROBE_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

typedef struct sluice__probe_s {
  int fd;                /* in, as the next three */
  uint32_t max_mappings; /* 0: of what the kernel leaves; what is over */
  bool may_page;         /* ... is paged in on demand, if it can */
  bool may_fragment;     /* mapped even where reading is quicker */
  const char *reason;    /* why it cannot be mapped; NULL: it can */
  uint64_t size;
  uint64_t index; /* where it begins, as the trailer says */
  struct timespec changed;
  uint64_t mappings; /* that the kernel still leaves this process */
} sluice__probe_t;

void sluice__probe_run(void *probe);

/* Does not block: the file is as large and as old as it was. */
bool sluice__probe_holds(const sluice__probe_t *probe);

#endif
