/* counting_alloc.c - see counting_alloc.h. Blocks remember how they were asked
 * for, so a release with another size or alignment is caught. */
#include "counting_alloc.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "require.h"

enum { FRONT = 4096 }; /* room for the note that keeps every alignment */

void counting_alloc_init(counting_alloc_t *c) {
  memset(c, 0, sizeof(*c));
  c->fail_at = SIZE_MAX;
}

static int fails(counting_alloc_t *c) {
  size_t call = c->calls++;

  if (call == c->fail_at || (c->is_sticky && call > c->fail_at)) {
    c->fired = 1;
    return 1;
  }
  return 0;
}

static void *counted(void *ctx, size_t size, size_t align) {
  counting_alloc_t *c = ctx;
  size_t front = align < 16 ? 16 : align;
  uint8_t *p;

  REQUIRE(size > 0);
  REQUIRE(align <= FRONT);
  if (fails(c)) {
    return NULL;
  }
  p = aligned_alloc(front, (front + size + front - 1) / front * front);
  memcpy(p + front - 8, &size, sizeof(size));
  memset(p + front, 0xa5, size);
  c->live += size;
  c->peak = c->live > c->peak ? c->live : c->peak;
  return p + front;
}

static void release(void *ctx, void *p, size_t size, size_t align) {
  counting_alloc_t *c = ctx;
  size_t front = align < 16 ? 16 : align;
  size_t noted;

  memcpy(&noted, (uint8_t *)p - 8, sizeof(noted));
  REQUIRE(noted == size);
  REQUIRE(c->live >= size);
  c->live -= size;
  free((uint8_t *)p - front);
}

sluice_alloc_t counting_alloc_of(counting_alloc_t *c) {
  sluice_alloc_t a = {.ctx = c, .alloc = counted, .release = release};

  return a;
}
