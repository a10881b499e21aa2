/* collect.c - see collect.h. */
#include "collect.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static int lend(void *ctx, uint8_t **out) {
  collect_t *c = ctx;

  ck_assert(!c->is_lent);
  if (c->chunk == NULL) {
    c->chunk = aligned_alloc(SLUICE_CHUNK_ALIGN, SLUICE_CHUNK_BYTES);
    ck_assert_ptr_nonnull(c->chunk);
  }
  c->is_lent = true;
  *out = c->chunk;
  return 0;
}

static int emit(void *ctx, uint8_t *base, size_t skip, size_t len) {
  collect_t *c = ctx;

  ck_assert(c->is_lent && base == c->chunk);
  c->is_lent = false;
  if (len == 0) {
    return 0;
  }
  ck_assert_uint_eq(skip, c->out.len % SLUICE_CHUNK_ALIGN);
  build_raw(&c->out, base + skip, len);
  return c->fail_with;
}

sluice_output_t collect_output(collect_t *c) {
  sluice_output_t o = {.size = sizeof(o), .ctx = c, .lend = lend, .emit = emit};

  return o;
}

void collect_done(collect_t *c) {
  ck_assert(!c->is_lent);
  free(c->chunk);
  build_done(&c->out);
  memset(c, 0, sizeof(*c));
}
