/* preimage.c - see preimage.h.
 *
 * What is in the ring goes out before what is in the file: the order among
 * pages does not matter, each is there once. The file is a queue of records of
 * a page and its place; it is emptied when the last one was taken. */
#include "preimage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>
#include <uv.h>

#include <sluice/error.h>

enum { NO_FD = -1, PATH_BYTES = 4096, OWNER_ONLY = 0600 };

static void *map_memory(uint64_t bytes) {
  void *at = bytes > SIZE_MAX
                 ? MAP_FAILED
                 : mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

  return at == MAP_FAILED ? NULL : at;
}

static int open_named(const char *dir) {
  char path[PATH_BYTES];
  int n = snprintf(path, sizeof(path), "%s/sluice-XXXXXX", dir);
  int fd;

  if (n < 0 || (size_t)n >= sizeof(path)) {
    return UV_ENAMETOOLONG;
  }
  fd = mkostemp(path, O_CLOEXEC);
  if (fd < 0) {
    return -errno;
  }
  (void)unlink(path);
  return fd;
}

/* Not every file system can make a file that never had a name. */
static int open_spill(const char *dir) {
  int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, OWNER_ONLY);

  if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)) {
    return open_named(dir);
  }
  return fd < 0 ? -errno : fd;
}

static uint64_t places_bytes(const sluice__preimages_t *p) {
  return p->slots * sizeof(*p->places);
}

static uint64_t pages_bytes(const sluice__preimages_t *p) {
  return (p->slots + 1) * p->page_size;
}

int sluice__preimages_open(sluice__preimages_t *p, uint32_t page_size,
                           uint64_t bytes, const char *spill_dir) {
  int fd = NO_FD;

  memset(p, 0, sizeof(*p));
  if (spill_dir != NULL) {
    fd = open_spill(spill_dir);
    if (fd < 0) {
      p->spill = NO_FD;
      return fd;
    }
  }
  p->spill = fd;
  p->page_size = page_size;
  p->slots = bytes < page_size ? 1 : bytes / page_size;
  p->pages = map_memory(pages_bytes(p));
  p->places = map_memory(places_bytes(p));
  if (p->pages == NULL || p->places == NULL) {
    sluice__preimages_close(p);
    return UV_ENOMEM;
  }
  return 0;
}

void sluice__preimages_close(sluice__preimages_t *p) {
  uint64_t peak = p->peak;

  if (p->slots == 0) {
    return;
  }
  if (p->pages != NULL) {
    (void)munmap(p->pages, (size_t)pages_bytes(p));
  }
  if (p->places != NULL) {
    (void)munmap(p->places, (size_t)places_bytes(p));
  }
  if (p->spill >= 0) {
    (void)close(p->spill);
  }
  memset(p, 0, sizeof(*p));
  p->spill = NO_FD;
  p->peak = peak;
}

static uint8_t *slot_at(const sluice__preimages_t *p, uint64_t slot) {
  return p->pages + slot * p->page_size;
}

static void put_in_ring(sluice__preimages_t *p, const sluice__preimage_t *at,
                        const uint8_t *data) {
  uint64_t slot = (p->head + p->used) % p->slots;

  memcpy(slot_at(p, slot), data, p->page_size);
  p->places[slot] = *at;
  p->used++;
  p->held += p->page_size;
  p->peak = p->held > p->peak ? p->held : p->peak;
}

static uint64_t record_offset(const sluice__preimages_t *p, uint64_t record) {
  return record * (p->page_size + sizeof(sluice__preimage_t));
}

static int put_in_file(sluice__preimages_t *p, const sluice__preimage_t *at,
                       const uint8_t *data) {
  sluice__preimage_t place;
  struct iovec parts[2] = {
      {.iov_base = &place, .iov_len = sizeof(place)},
      {.iov_base = (void *)(uintptr_t)data, .iov_len = p->page_size}};
  ssize_t n;

  memset(&place, 0, sizeof(place)); /* what is between its members, too */
  place.region = at->region;
  place.page = at->page;
  do {
    n = pwritev(p->spill, parts, 2, (off_t)record_offset(p, p->spill_last));
  } while (n < 0 && errno == EINTR);
  if (n < 0) {
    return -errno;
  }
  if ((size_t)n != sizeof(place) + p->page_size) {
    return UV_ENOSPC;
  }
  p->spill_last++;
  return 0;
}

int sluice__preimages_put(sluice__preimages_t *p, const sluice__preimage_t *at,
                          const uint8_t *data, uint64_t limit) {
  if (p->used < p->slots && p->held + p->page_size <= limit) {
    put_in_ring(p, at, data);
    return 0;
  }
  return p->spill < 0 ? SLUICE_ELIMIT : put_in_file(p, at, data);
}

/* Into the page behind the slots. */
static int read_spilled(sluice__preimages_t *p, sluice__preimage_t *out) {
  struct iovec parts[2] = {
      {.iov_base = out, .iov_len = sizeof(*out)},
      {.iov_base = slot_at(p, p->slots), .iov_len = p->page_size}};
  ssize_t n;

  do {
    n = preadv(p->spill, parts, 2, (off_t)record_offset(p, p->spill_first));
  } while (n < 0 && errno == EINTR);
  if (n < 0) {
    return -errno;
  }
  return (size_t)n == sizeof(*out) + p->page_size ? 1 : UV_EIO;
}

int sluice__preimages_first(sluice__preimages_t *p, sluice__preimage_t *out,
                            const uint8_t **out_data) {
  p->is_from_file = p->used == 0;
  if (p->used > 0) {
    *out = p->places[p->head];
    *out_data = slot_at(p, p->head);
    return 1;
  }
  if (p->spill_first == p->spill_last) {
    return 0;
  }
  *out_data = slot_at(p, p->slots);
  return read_spilled(p, out);
}

static void pop_spilled(sluice__preimages_t *p) {
  p->spill_first++;
  if (p->spill_first == p->spill_last) {
    p->spill_first = 0;
    p->spill_last = 0;
    (void)ftruncate(p->spill, 0); /* only space on the disk is at stake */
  }
}

void sluice__preimages_pop(sluice__preimages_t *p) {
  if (p->is_from_file) {
    pop_spilled(p);
    return;
  }
  p->used--;
  p->held -= p->page_size;
  p->head = p->used == 0 ? 0 : (p->head + 1) % p->slots; /* warm ones again */
}
