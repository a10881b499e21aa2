/* build.c - see build.h. */
#include "build.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

void build_done(build_t *b) {
  free(b->data);
  memset(b, 0, sizeof(*b));
}

static uint8_t *extend(build_t *b, size_t len) {
  if (len > b->cap - b->len) {
    b->cap = (b->len + len) * 2;
    b->data = realloc(b->data, b->cap);
    if (b->data == NULL) {
      abort();
    }
  }
  b->len += len;
  return b->data + b->len - len;
}

void build_raw(build_t *b, const void *data, size_t len) {
  if (len > 0) {
    memcpy(extend(b, len), data, len);
  }
}

void build_fill(build_t *b, uint8_t byte, size_t len) {
  memset(extend(b, len), byte, len);
}

void build_u8(build_t *b, uint8_t v) {
  build_raw(b, &v, sizeof(v));
}

void build_be16(build_t *b, uint16_t v) {
  v = htobe16(v);
  build_raw(b, &v, sizeof(v));
}

void build_be32(build_t *b, uint32_t v) {
  v = htobe32(v);
  build_raw(b, &v, sizeof(v));
}

void build_be64(build_t *b, uint64_t v) {
  v = htobe64(v);
  build_raw(b, &v, sizeof(v));
}

void build_str8(build_t *b, const char *s) {
  build_u8(b, (uint8_t)strlen(s));
  build_raw(b, s, strlen(s));
}

void build_qemu3(build_t *b, const char *machine) {
  build_raw(b, "QEVM", 4);
  build_be32(b, 3);
  if (machine != NULL) {
    build_u8(b, 7);
    build_be32(b, (uint32_t)strlen(machine));
    build_raw(b, machine, strlen(machine));
  }
}

void build_section(build_t *b, uint8_t type, uint32_t id, const char *name,
                   uint32_t instance, uint32_t version) {
  build_u8(b, type);
  build_be32(b, id);
  build_str8(b, name);
  build_be32(b, instance);
  build_be32(b, version);
}

void build_part(build_t *b, uint8_t type, uint32_t id) {
  build_u8(b, type);
  build_be32(b, id);
}

void build_footer(build_t *b, uint32_t id) {
  build_u8(b, 0x7e);
  build_be32(b, id);
}

void build_description(build_t *b, const char *json) {
  build_u8(b, 6);
  build_be32(b, (uint32_t)strlen(json));
  build_raw(b, json, strlen(json));
}

static void build_item(build_t *b, uint64_t word, const char *region) {
  build_be64(b, region == NULL ? word | 0x20 : word);
  if (region != NULL) {
    build_str8(b, region);
  }
}

void build_page(build_t *b, uint64_t at, const char *region, uint8_t byte) {
  build_item(b, at | 0x08, region);
  build_fill(b, byte, 4096);
}

void build_zero(build_t *b, uint64_t at, const char *region) {
  build_item(b, at | 0x02, region);
  build_u8(b, 0);
}

void build_eos(build_t *b) {
  build_be64(b, 0x10);
}
