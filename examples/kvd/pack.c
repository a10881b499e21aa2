/* pack.c - see pack.h. */
#include "pack.h"

#include <stdlib.h>
#include <string.h>

enum { NUMBER_BYTES = 8, CAP_MIN = 4096 };

static bool has_room(pack_t *p, size_t n) {
  size_t cap = p->cap;
  char *at;

  if (p->failed || n <= cap - p->len) {
    return !p->failed;
  }
  cap = 2 * cap > CAP_MIN ? 2 * cap : CAP_MIN;
  cap = n > cap - p->len ? p->len + n : cap;
  at = realloc(p->at, cap);
  p->failed = at == NULL;
  if (at != NULL) {
    p->at = at;
    p->cap = cap;
  }
  return at != NULL;
}

void pack_bytes(pack_t *p, bytes_t b) {
  if (b.n > 0 && has_room(p, b.n)) {
    memcpy(p->at + p->len, b.p, b.n);
    p->len += b.n;
  }
}

void pack_number(pack_t *p, uint64_t n) {
  char bytes[NUMBER_BYTES];

  for (unsigned i = 0; i < NUMBER_BYTES; i++) {
    bytes[i] = (char)(n >> (8 * i) & 0xff);
  }
  pack_bytes(p, (bytes_t){bytes, sizeof(bytes)});
}

void pack_done(pack_t *p) {
  free(p->at);
  memset(p, 0, sizeof(*p));
}

bytes_t unpack_bytes(unpack_t *u, uint64_t n) {
  bytes_t b = {u->at, 0};

  u->failed = u->failed || n > u->left;
  if (!u->failed) {
    b.n = (size_t)n;
    u->at += n;
    u->left -= (size_t)n;
  }
  return b;
}

uint64_t unpack_number(unpack_t *u) {
  bytes_t b = unpack_bytes(u, NUMBER_BYTES);
  uint64_t n = 0;

  for (size_t i = b.n; i > 0; i--) {
    n = n << 8 | (unsigned char)b.p[i - 1];
  }
  return n;
}
