/* heap.h - one region of memory that holds all the data of the server.
 *
 * A large range of addresses is reserved at once and made usable as it is
 * needed, so the region grows without ever moving. Inside it nothing is a
 * pointer: a ref_t is a distance from the start, so that an image of the region
 * is as good at any other address.
 *
 *   0            4096                                 top      reserved
 *   +------------+------------------------------------+--------- - - -+
 *   | header     | the allocator's state and blocks   | nothing yet   |
 *   +------------+------------------------------------+--------- - - -+
 *
 * Reading goes through heap_get(), which is const. The one way to a byte that
 * can be written is heap_edit(), and it announces the change first: that is
 * where a running save learns of it, so no change can be forgotten. */
#ifndef KVD_HEAP_H
#define KVD_HEAP_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint64_t ref_t; /* bytes from the start of the heap; 0: nothing */

enum { HEAP_PAGE = 4096, HEAP_VERSION = 1 };

/* The bound comes from the allocator's size classes. */
#define HEAP_RESERVE_MAX ((uint64_t)1 << 39)

typedef struct heap_header_s {
  char magic[8];
  uint32_t version;
  uint32_t page_bytes; /* HEAP_PAGE */
  uint64_t top;        /* bytes, whole pages: all that an image has to hold */
  uint64_t seed;       /* of the hash of keys */
  ref_t root;          /* the database's own; 0 before there is one */
} heap_header_t;

/* Called before [at, at + len) changes. */
typedef void (*heap_write_cb)(void *ctx, uint64_t at, uint64_t len);

typedef struct heap_s {
  unsigned char *base;
  uint64_t reserved;  /* bytes of address space */
  uint64_t committed; /* bytes that can be touched; top <= committed */
  int memfd; /* what it is a shared mapping of, as long as the reservation; -1:
                it is this process's alone */
  heap_write_cb before_write; /* NULL: nobody has to know */
  void *before_write_ctx;
} heap_t;

/* Reserves `bytes` (rounded up to pages) of address space. UV_EINVAL when over
 * HEAP_RESERVE_MAX or no page, UV_ENOMEM. After success: heap_release(). */
int heap_reserve(heap_t *h, uint64_t bytes);
/* The same in a memfd, which a successor can take over without a copy. */
int heap_reserve_memfd(heap_t *h, uint64_t bytes);
void heap_release(heap_t *h);

/* The first `bytes` are a shared mapping of `fd` by now: so is the rest. Takes
 * `fd`. If there is no memory for that the heap cannot grow over `bytes`. */
void heap_take_memfd(heap_t *h, int fd, uint64_t bytes);

/* Makes an empty heap: a header and nothing else. UV_ENOMEM. */
int heap_format(heap_t *h, uint64_t seed);

/* Makes the first `bytes` touchable. A restore calls it before it fills them.
 * UV_ENOMEM when the reservation or the memory ends. */
int heap_commit(heap_t *h, uint64_t bytes);

/* Moves the top up by `bytes`, rounded up to pages. UV_ENOMEM. */
int heap_grow(heap_t *h, uint64_t bytes);

/* Whether the header, which may come from a file, can be believed: 0 or
 * UV_EINVAL, and then nothing else may be called on it. Looks at the header
 * only, so it takes no time however large the heap; verify.h looks at all. */
int heap_check(const heap_t *h);

static inline const heap_header_t *heap_header(const heap_t *h) {
  return (const heap_header_t *)(const void *)h->base;
}

static inline bool heap_has(const heap_t *h, ref_t at, uint64_t len) {
  uint64_t top = heap_header(h)->top;

  return at <= top && len <= top - at;
}

static inline const void *heap_get(const heap_t *h, ref_t at) {
  assert(at != 0 && heap_has(h, at, 0));
  return h->base + at;
}

static inline void heap_before_write(heap_t *h, ref_t at, uint64_t len) {
  if (h->before_write != NULL) {
    h->before_write(h->before_write_ctx, at, len);
  }
}

/* The bytes [at, at + len), to be changed before anything else happens. */
static inline void *heap_edit(heap_t *h, ref_t at, uint64_t len) {
  assert(heap_has(h, at, len));
  heap_before_write(h, at, len);
  return h->base + at;
}

static inline heap_header_t *heap_edit_header(heap_t *h) {
  return (heap_header_t *)heap_edit(h, 0, sizeof(heap_header_t));
}

/* One word: a link between two things in the heap. */
static inline uint64_t heap_get_word(const heap_t *h, ref_t at) {
  return *(const uint64_t *)heap_get(h, at);
}

static inline void heap_put_word(heap_t *h, ref_t at, uint64_t word) {
  *(uint64_t *)heap_edit(h, at, sizeof(word)) = word;
}

#endif
