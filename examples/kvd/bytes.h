/* bytes.h - a run of bytes that someone else owns: a key, a value, an argument.
 * Never ends with a NUL, may hold any byte. */
#ifndef KVD_BYTES_H
#define KVD_BYTES_H

#include <stddef.h>

typedef struct bytes_s {
  const char *p;
  size_t n;
} bytes_t;

#endif
