/* build.h - puts byte arrays together for tests, big-endian as QEMU's are.
 *
 * Grows as needed and aborts without memory: tests only. */
#ifndef SLUICE_TESTS_BUILD_H
#define SLUICE_TESTS_BUILD_H

#include <stddef.h>
#include <stdint.h>

typedef struct build_s {
  uint8_t *data;
  size_t len;
  size_t cap;
} build_t;

void build_done(build_t *b);
void build_raw(build_t *b, const void *data, size_t len);
void build_fill(build_t *b, uint8_t byte, size_t len);
void build_u8(build_t *b, uint8_t v);
void build_be16(build_t *b, uint16_t v);
void build_be32(build_t *b, uint32_t v);
void build_be64(build_t *b, uint64_t v);
void build_str8(build_t *b, const char *s);

/* QEMU's version 3. `machine` NULL: no configuration. */
void build_qemu3(build_t *b, const char *machine);
/* START (1) or FULL (4). */
void build_section(build_t *b, uint8_t type, uint32_t id, const char *name,
                   uint32_t instance, uint32_t version);
/* PART (2) or END (3). */
void build_part(build_t *b, uint8_t type, uint32_t id);
void build_footer(build_t *b, uint32_t id);
void build_description(build_t *b, const char *json);
/* A page of ram, or none of it (`region` NULL: the same as before). */
void build_page(build_t *b, uint64_t at, const char *region, uint8_t byte);
void build_zero(build_t *b, uint64_t at, const char *region);
void build_eos(build_t *b);

#endif
