/* configuration.h - what stands between QEMU's header and the sections.
 *
 *   be32 length, machine name { 0x05 str8 name be32 version fields }*
 *
 * Bytes in, verdict out; both reader and writer ask. Must know no window and no
 * stream. Subsections have no length, so one that is not known here ends all
 * understanding of what follows: it is refused by name. */
#ifndef SLUICE_STREAM_QEMU_CONFIGURATION_H
#define SLUICE_STREAM_QEMU_CONFIGURATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sluice/error.h>
#include <sluice/item.h>

typedef struct sluice__qemu_configuration_s {
  char machine[SLUICE_NAME_MAX + 1];
  uint32_t page_size; /* 0: not said */
  size_t len;         /* bytes */
} sluice__qemu_configuration_t;

/* Reads what begins at `p`. `is_all`: nothing will follow the `have` bytes.
 *   0    in `*out`
 *   > 0  so many bytes are needed for the next step
 *   < 0  SLUICE_ECORRUPT, _EFEATURE, _ETRUNCATED; `err->offset` counts from `p`
 */
int sluice__qemu_configuration_read(const uint8_t *p, size_t have, bool is_all,
                                    sluice__qemu_configuration_t *out,
                                    sluice_error_t *err);

/* May these bytes be the name of a machine, section or region? Not empty, no
 * control characters: names go into C strings and messages. */
bool sluice__qemu_is_name(const uint8_t *p, size_t len);

#endif
