/* jemalloc.c - one arena a session, capped where it maps memory.
 *
 * The only file that names jemalloc. jemalloc has no limit per arena, so the
 * arena's extent hooks map, unmap and count. All calls on an arena carry its
 * index and MALLOCX_TCACHE_NONE: a thread's cache would hand out blocks of
 * another arena, and keep ours beyond the arena's end.
 *
 * Invariant: `mapped` is what the hooks hold, and is never over `limit`. */
#include <sluice/jemalloc.h>

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <jemalloc/jemalloc.h>
#include <uv.h>

enum {
  /* jemalloc grows an arena in ever larger steps up to this one: without the
   * limit half of the cap could be one step. 2 MiB is its first step. */
  GROW_LIMIT = 2 * 1024 * 1024
};

/* An extent that could not be unmapped, at its own beginning. */
struct stuck {
  struct stuck *next;
  size_t size;
};

/* Lives in the common heap: the arena calls its hooks until it is destroyed. */
struct arena {
  extent_hooks_t hooks; /* first: the hooks get a pointer to it */
  atomic_size_t mapped; /* bytes; atomic since jemalloc's own background */
  size_t limit;         /* thread, where the host runs one, purges as well */
  bool is_full;         /* the limit was in the way, since the last alloc */
  unsigned index;
  bool is_ending;
  struct stuck *stuck; /* what could not be unmapped then */
};

static struct arena *arena_of(extent_hooks_t *hooks) {
  return (struct arena *)(void *)hooks;
}

/* Counts `size` in, unless that would pass the limit. */
static bool take_room(struct arena *a, size_t size) {
  size_t mapped = atomic_load(&a->mapped);

  do {
    assert(mapped <= a->limit);
    if (size > a->limit - mapped) {
      return false;
    }
  } while (!atomic_compare_exchange_weak(&a->mapped, &mapped, mapped + size));
  return true;
}

static void give_room(struct arena *a, size_t size) {
  atomic_fetch_sub(&a->mapped, size);
}

/* Maps more than is needed and unmaps both ends. jemalloc's sizes end far
 * below that of the address space. */
static void *map_aligned(size_t size, size_t align) {
  size_t room = size + align;
  uintptr_t start;
  uintptr_t head;
  void *p;

  assert(room >= size);
  p = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
           0);
  if (p == MAP_FAILED) {
    return NULL;
  }
  start = (uintptr_t)p;
  head = (align - start % align) % align;
  if (head > 0) {
    (void)munmap(p, head);
  }
  if (align > head) {
    (void)munmap((char *)p + head + size, align - head);
  }
  return (char *)p + head;
}

/* `wanted` asks to grow in place; refusing that is allowed and simpler. */
static void *extent_alloc(extent_hooks_t *hooks, void *wanted, size_t size,
                          size_t align, bool *zero, bool *commit,
                          unsigned index) {
  struct arena *a = arena_of(hooks);
  void *p;

  (void)index;
  if (wanted != NULL) {
    return NULL;
  }
  if (!take_room(a, size)) {
    a->is_full = true;
    return NULL;
  }
  p = map_aligned(size, align);
  if (p == NULL) {
    give_room(a, size);
    return NULL;
  }
  *zero = true;
  *commit = true;
  return p;
}

/* At the arena's end nobody asks again: what stays is noted, at its own
 * beginning. */
static void note_stuck(struct arena *a, void *addr, size_t size) {
  struct stuck *stuck = addr;

  stuck->next = a->stuck;
  stuck->size = size;
  a->stuck = stuck;
}

static void forget_stuck(struct arena *a, const char *addr, size_t size) {
  struct stuck **at = &a->stuck;

  while (*at != NULL) {
    if ((char *)*at >= addr && (char *)*at < addr + size) {
      *at = (*at)->next;
    } else {
      at = &(*at)->next;
    }
  }
}

/* What was in the way may have gone with the others; if not, the pages are
 * given back at least. */
static void unmap_stuck(struct arena *a) {
  while (a->stuck != NULL) {
    struct stuck *stuck = a->stuck;
    size_t size = stuck->size;

    a->stuck = stuck->next;
    if (munmap(stuck, size) != 0) {
      (void)madvise(stuck, size, MADV_DONTNEED);
    }
  }
}

/* Returns true when the extent stays mapped; jemalloc keeps it then, for the
 * arena. munmap() may fail: a hole can need one mapping more than allowed. */
static bool extent_dalloc(extent_hooks_t *hooks, void *addr, size_t size,
                          bool committed, unsigned index) {
  struct arena *a = arena_of(hooks);

  (void)committed;
  (void)index;
  if (munmap(addr, size) != 0) {
    if (a->is_ending) {
      note_stuck(a, addr, size);
    }
    return true;
  }
  give_room(a, size);
  return false;
}

/* Comes for what was kept, in pieces or joined. */
static void extent_destroy(extent_hooks_t *hooks, void *addr, size_t size,
                           bool committed, unsigned index) {
  forget_stuck(arena_of(hooks), addr, size);
  (void)extent_dalloc(hooks, addr, size, committed, index);
}

/* The kernel does not care how a mapping is split or joined. */
static bool extent_split(extent_hooks_t *hooks, void *addr, size_t size,
                         size_t size_a, size_t size_b, bool committed,
                         unsigned index) {
  (void)hooks, (void)addr, (void)size, (void)size_a, (void)size_b;
  (void)committed, (void)index;
  return false;
}

static bool extent_merge(extent_hooks_t *hooks, void *addr_a, size_t size_a,
                         void *addr_b, size_t size_b, bool committed,
                         unsigned index) {
  (void)hooks, (void)addr_a, (void)size_a, (void)addr_b, (void)size_b;
  (void)committed, (void)index;
  return false;
}

/* Reads or sets "arena.<i>.<what>"; 0 or a positive errno. */
static int arena_control(const struct arena *a, const char *what, void *value,
                         size_t len) {
  char name[64];

  (void)snprintf(name, sizeof(name), "arena.%u.%s", a->index, what);
  return mallctl(name, NULL, NULL, value, len);
}

static int arena_flags(const struct arena *a, size_t align) {
  return MALLOCX_ARENA(a->index) | MALLOCX_TCACHE_NONE | MALLOCX_ALIGN(align);
}

/* Freed pages stay mapped for a while and count, so a refusal may only mean
 * that they have the wrong shape: give them back and ask once more. */
static void *arena_alloc(void *ctx, size_t size, size_t align) {
  struct arena *a = ctx;
  void *p;

  a->is_full = false;
  p = mallocx(size, arena_flags(a, align));
  if (p == NULL) {
    (void)arena_control(a, "purge", NULL, 0);
    p = mallocx(size, arena_flags(a, align));
  }
  return p;
}

static int arena_is_full(void *ctx) {
  const struct arena *a = ctx;

  return a->is_full;
}

static void arena_release(void *ctx, void *p, size_t size, size_t align) {
  sdallocx(p, size, arena_flags(ctx, align));
}

/* An arena cannot refuse to be destroyed as long as no thread is bound to it,
 * and we bind none. If it did, its hooks must live on. */
static void arena_close(sluice_alloc_t *session) {
  struct arena *a = session->ctx;

  a->is_ending = true;
  if (arena_control(a, "destroy", NULL, 0) == 0) {
    unmap_stuck(a);
    free(a);
  }
}

/* The first extent holds the arena's own bookkeeping, 2 MiB whatever the cap:
 * it is let in, and the limit put on top of it. */
static int arena_create(struct arena *a, size_t cap) {
  extent_hooks_t *hooks = &a->hooks;
  size_t len = sizeof(a->index);
  size_t grow_limit = GROW_LIMIT;
  size_t own;

  a->limit = SIZE_MAX;
  if (mallctl("arenas.create", &a->index, &len, (void *)&hooks,
              sizeof(void *)) != 0) {
    return UV_ENOMEM;
  }
  own = atomic_load(&a->mapped);
  a->limit = cap > SIZE_MAX - own ? SIZE_MAX : cap + own;
  (void)arena_control(a, "retain_grow_limit", &grow_limit, sizeof(grow_limit));
  return 0;
}

static int arena_open(void *ctx, size_t cap, sluice_alloc_t *out) {
  /* Without commit, decommit and purge an extent is mapped or gone. */
  static const extent_hooks_t hooks = {.alloc = extent_alloc,
                                       .dalloc = extent_dalloc,
                                       .destroy = extent_destroy,
                                       .split = extent_split,
                                       .merge = extent_merge};
  struct arena *a = calloc(1, sizeof(*a));
  int r;

  (void)ctx;
  if (a == NULL) {
    return UV_ENOMEM;
  }
  a->hooks = hooks;
  r = arena_create(a, cap);
  if (r < 0) {
    free(a);
    return r;
  }
  *out = (sluice_alloc_t){.ctx = a,
                          .alloc = arena_alloc,
                          .release = arena_release,
                          .close = arena_close,
                          .is_full = arena_is_full};
  return 0;
}

static void *common_alloc(void *ctx, size_t size, size_t align) {
  (void)ctx;
  return mallocx(size, MALLOCX_ALIGN(align));
}

static void common_release(void *ctx, void *p, size_t size, size_t align) {
  (void)ctx;
  sdallocx(p, size, MALLOCX_ALIGN(align));
}

const sluice_alloc_t *sluice_alloc_jemalloc(void) {
  static const sluice_alloc_t provider = {
      .alloc = common_alloc, .release = common_release, .open = arena_open};

  return &provider;
}
