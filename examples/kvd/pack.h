/* pack.h - numbers and bytes, one behind the other, and taken apart again.
 *
 * What a server tells its successor. Numbers are 64 bits, little-endian. After
 * the first failure (no memory; the end of the bytes) nothing more happens, so
 * one look in the end is enough. */
#ifndef KVD_PACK_H
#define KVD_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bytes.h"

typedef struct pack_s {
  char *at;
  size_t len;
  size_t cap;
  bool failed;
} pack_t;

void pack_number(pack_t *p, uint64_t n);
void pack_bytes(pack_t *p, bytes_t b);
void pack_done(pack_t *p);

typedef struct unpack_s {
  const char *at;
  size_t left;
  bool failed; /* it was shorter than what was asked for */
} unpack_t;

/* 0 and nothing after a failure. */
uint64_t unpack_number(unpack_t *u);
bytes_t unpack_bytes(unpack_t *u, uint64_t n); /* borrowed */

#endif
