/* machine_kinds.h - kinds of machines that a real QEMU makes: what every test
 * beside a QEMU tries. */
#ifndef SLUICE_TESTS_MACHINE_KINDS_H
#define SLUICE_TESTS_MACHINE_KINDS_H

#include <stddef.h>

typedef struct machine_kind_s {
  const char *const *args; /* for qemu_start() */
  const char *ram;         /* the region of its memory */
  size_t bytes;            /* of that */
  size_t min_devices;      /* in its stream */
  int has_footers;         /* and a configuration */
} machine_kind_t;

enum { MACHINE_KINDS = 5 };

extern const machine_kind_t machine_kinds[MACHINE_KINDS];

#endif
