/* heap.c - the region: address space, growth, header.
 *
 * Knows nothing of blocks and keys. Invariant: header.top <= committed <=
 * reserved, all of them whole pages. */
#include "heap.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <uv.h>

static const char magic[8] = {'K', 'V', 'D', 'H', 'E', 'A', 'P', '\n'};

/* One system call makes this much touchable; pages cost memory only when they
 * are first written. */
static const uint64_t commit_step = (uint64_t)64 << 20;

static uint64_t round_up(uint64_t n, uint64_t unit) {
  return (n + unit - 1) / unit * unit;
}

static int check_size(heap_t *h, uint64_t bytes) {
  memset(h, 0, sizeof(*h));
  h->memfd = -1;
  return bytes == 0 || bytes > HEAP_RESERVE_MAX ? UV_EINVAL : 0;
}

static int map(heap_t *h, uint64_t bytes, int flags) {
  void *p = mmap(NULL, bytes, PROT_NONE, flags | MAP_NORESERVE, h->memfd, 0);

  if (p == MAP_FAILED) {
    return UV_ENOMEM;
  }
  h->base = p;
  h->reserved = bytes;
  return 0;
}

int heap_reserve(heap_t *h, uint64_t bytes) {
  int r = check_size(h, bytes);

  return r != 0
             ? r
             : map(h, round_up(bytes, HEAP_PAGE), MAP_PRIVATE | MAP_ANONYMOUS);
}

int heap_reserve_memfd(heap_t *h, uint64_t bytes) {
  int r = check_size(h, bytes);

  if (r != 0) {
    return r;
  }
  bytes = round_up(bytes, HEAP_PAGE);
  h->memfd = memfd_create("kvd", MFD_CLOEXEC);
  if (h->memfd < 0 || ftruncate(h->memfd, (off_t)bytes) != 0 ||
      map(h, bytes, MAP_SHARED) != 0) {
    heap_release(h);
    return UV_ENOMEM;
  }
  return 0;
}

void heap_release(heap_t *h) {
  if (h->base != NULL) {
    munmap(h->base, h->reserved);
  }
  if (h->memfd >= 0) {
    (void)close(h->memfd);
  }
  memset(h, 0, sizeof(*h));
  h->memfd = -1;
}

void heap_take_memfd(heap_t *h, int fd, uint64_t bytes) {
  struct stat st;

  h->memfd = fd;
  if (fstat(fd, &st) != 0 ||
      ((uint64_t)st.st_size < h->reserved &&
       ftruncate(fd, (off_t)h->reserved) != 0) ||
      mmap(h->base + bytes, h->reserved - bytes, PROT_NONE,
           MAP_SHARED | MAP_FIXED | MAP_NORESERVE, fd,
           (off_t)bytes) == MAP_FAILED) {
    h->reserved = bytes;
  }
}

int heap_commit(heap_t *h, uint64_t bytes) {
  uint64_t end;

  if (bytes <= h->committed) {
    return 0;
  }
  if (bytes > h->reserved) {
    return UV_ENOMEM;
  }
  end = round_up(bytes, commit_step);
  if (end > h->reserved) {
    end = h->reserved;
  }
  if (mprotect(h->base + h->committed, end - h->committed,
               PROT_READ | PROT_WRITE) != 0) {
    return UV_ENOMEM;
  }
  h->committed = end;
  return 0;
}

int heap_format(heap_t *h, uint64_t seed) {
  heap_header_t *header;
  int r = heap_commit(h, HEAP_PAGE);

  if (r != 0) {
    return r;
  }
  heap_before_write(h, 0, sizeof(*header)); /* not heap_edit(): no top yet */
  header = (heap_header_t *)(void *)h->base;
  memcpy(header->magic, magic, sizeof(magic));
  header->version = HEAP_VERSION;
  header->page_bytes = HEAP_PAGE;
  header->top = HEAP_PAGE;
  header->seed = seed;
  header->root = 0;
  return 0;
}

int heap_grow(heap_t *h, uint64_t bytes) {
  uint64_t top = heap_header(h)->top;
  int r;

  if (bytes > h->reserved - top) {
    return UV_ENOMEM;
  }
  top += round_up(bytes, HEAP_PAGE); /* both ends are whole pages: it fits */
  r = heap_commit(h, top);
  if (r == 0) {
    heap_edit_header(h)->top = top;
  }
  return r;
}

int heap_check(const heap_t *h) {
  const heap_header_t *header = heap_header(h);

  if (h->committed < HEAP_PAGE ||
      memcmp(header->magic, magic, sizeof(magic)) != 0 ||
      header->version != HEAP_VERSION || header->page_bytes != HEAP_PAGE) {
    return UV_EINVAL;
  }
  if (header->top < HEAP_PAGE || header->top > h->committed ||
      header->top % HEAP_PAGE != 0) {
    return UV_EINVAL;
  }
  if (header->root % sizeof(uint64_t) != 0 || header->root >= header->top) {
    return UV_EINVAL;
  }
  return 0;
}
