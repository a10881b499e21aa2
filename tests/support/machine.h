/* machine.h - what a QEMU stream says of a machine, and the same stream written
 * by our encoder. */
#ifndef SLUICE_TESTS_MACHINE_H
#define SLUICE_TESTS_MACHINE_H

#include <stdbool.h>

#include <jansson.h>

#include <sluice/item.h>

#include "build.h"
#include "collect.h"

enum { MACHINE_REGIONS_MAX = 64 };

typedef struct machine_region_s {
  char name[SLUICE_NAME_MAX + 1];
  uint64_t bytes;
  uint8_t *memory; /* as the stream leaves it */
} machine_region_t;

typedef struct machine_s {
  machine_region_t regions[MACHINE_REGIONS_MAX];
  uint32_t region_count;
  json_t *devices; /* sections in full: {name, instance_id, version, size} */
  json_t *description;
  char host[SLUICE_NAME_MAX + 1];
  bool has_configuration;
  bool has_footers;
} machine_t;

/* Decodes all of the stream; `again` (may be NULL) takes the same, encoded
 * once more, with QEMU's description or, `is_described_anew`, with ours. The
 * machine must have been read before for that: it says whether there are
 * footers. */
void machine_read(machine_t *m, const build_t *stream);
void machine_rewrite(machine_t *m, const build_t *stream, collect_t *again,
                     bool is_described_anew);
void machine_done(machine_t *m);

const machine_region_t *machine_region(const machine_t *m, const char *name);

#endif
