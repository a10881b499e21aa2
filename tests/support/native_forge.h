/* native_forge.h - native streams put together by hand, checksums right, sense
 * not guaranteed: what only a hostile or future writer would write. */
#ifndef SLUICE_TESTS_NATIVE_FORGE_H
#define SLUICE_TESTS_NATIVE_FORGE_H

#include <stddef.h>
#include <stdint.h>

#include "stream/native/record.h"

typedef struct native_forge_s {
  uint8_t *data;
  size_t len;
  size_t cap;
  uint64_t sequence;
  uint64_t chain;
  uint64_t pages; /* for the trailer */
  uint64_t zeros;
  uint64_t index;
} native_forge_t;

void forge_header(native_forge_t *f, uint64_t required, uint64_t optional);
void forge_done(native_forge_t *f);

void forge_record(native_forge_t *f, uint16_t type, uint16_t flags,
                  uint32_t section, const void *payload, size_t len);

/* START or FULL of a section without schema. */
void forge_section(native_forge_t *f, uint16_t type, uint32_t id,
                   const char *name, uint8_t payload);
void forge_region(native_forge_t *f, uint32_t section, uint32_t index,
                  uint64_t bytes, uint32_t page_size);
/* One run of pages, each filled with `fill`. */
void forge_pages(native_forge_t *f, uint16_t flags, uint32_t section,
                 sluice__native_run_t run, uint32_t page_size, uint8_t fill);
void forge_zeros(native_forge_t *f, uint32_t section, uint32_t region,
                 uint64_t offset, uint64_t count);
void forge_trailer(native_forge_t *f);

#endif
