/* jemalloc.c - a session's allocator from an arena of its own. */
#include <stddef.h>

#include <sluice/jemalloc.h>

int main(void) {
  const sluice_alloc_t *provider = sluice_alloc_jemalloc();
  sluice_alloc_t session;
  void *p;

  if (provider->open(provider->ctx, 1 << 20, &session) != 0) {
    return 1;
  }
  p = session.alloc(session.ctx, 100, 16);
  session.close(&session);
  return p != NULL ? 0 : 1;
}
