/* live_blocks.c - see live_blocks.h. A table of addresses: what others have
 * allocated and we free is not in it. */
#include "live_blocks.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "require.h"

enum { SLOTS = 1 << 16, NONE = 0, GONE = 1 };

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void __real_free(void *p);
char *__real_strdup(const char *s);
char *__real_strndup(const char *s, size_t n);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void __wrap_free(void *p);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t n);

static _Atomic uintptr_t table[SLOTS];
static atomic_uint count;

static unsigned slot_of(uintptr_t p) {
  return (unsigned)(p * UINT64_C(0x9e3779b97f4a7c15) >> 48);
}

static void *note(void *p) {
  unsigned at = slot_of((uintptr_t)p);

  for (unsigned i = 0; p != NULL && i < SLOTS; i++) {
    _Atomic uintptr_t *slot = &table[(at + i) % SLOTS];
    uintptr_t was = atomic_load(slot);

    if (was <= GONE &&
        atomic_compare_exchange_strong(slot, &was, (uintptr_t)p)) {
      (void)atomic_fetch_add(&count, 1);
      return p;
    }
  }
  REQUIRE(p == NULL);
  return p;
}

static void forget(const void *p) {
  unsigned at = slot_of((uintptr_t)p);

  for (unsigned i = 0; p != NULL && i < SLOTS; i++) {
    _Atomic uintptr_t *slot = &table[(at + i) % SLOTS];
    uintptr_t was = atomic_load(slot);

    if (was == (uintptr_t)p) {
      atomic_store(slot, GONE);
      (void)atomic_fetch_sub(&count, 1);
      return;
    }
    if (was == NONE) {
      return;
    }
  }
}

unsigned live_blocks(void) {
  return atomic_load(&count);
}

void *__wrap_malloc(size_t size) {
  return note(__real_malloc(size));
}

void *__wrap_calloc(size_t n, size_t size) {
  return note(__real_calloc(n, size));
}

void *__wrap_realloc(void *p, size_t size) {
  void *q;

  forget(p); /* before somebody else may get the address */
  q = __real_realloc(p, size);
  REQUIRE(q != NULL || size == 0);
  return note(q);
}

void __wrap_free(void *p) {
  forget(p);
  __real_free(p);
}

char *__wrap_strdup(const char *s) {
  return note(__real_strdup(s));
}

char *__wrap_strndup(const char *s, size_t n) {
  return note(__real_strndup(s, n));
}
