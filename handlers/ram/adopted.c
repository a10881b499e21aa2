/* adopted.c - see adopted.h. */
#include "adopted.h"

#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

static void *map(const sluice__adopted_t *adopted, uint8_t *at, int prot) {
  return mmap(at, (size_t)adopted->bytes, prot,
              MAP_SHARED | (at != NULL ? MAP_FIXED : 0), adopted->fd, 0);
}

static int check(int fd, uint64_t bytes, sluice_error_t *err) {
  struct stat st;

  /* What is beyond the end of a file cannot be read: SIGBUS. */
  if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size < 0 ||
      (uint64_t)st.st_size < bytes) {
    return sluice_fail(err, SLUICE_ECORRUPT,
                       "its descriptor is not of %" PRIu64 " bytes of memory",
                       bytes);
  }
  return 0;
}

int sluice__adopted_open(sluice__adopted_t *adopted, int fd, uint8_t *base,
                         uint64_t bytes, int is_in_place, sluice_error_t *err) {
  sluice__adopted_t t = {.fd = fd, .bytes = bytes, .is_in_place = is_in_place};
  int r = check(fd, bytes, err);
  void *p;

  if (r < 0) {
    return r;
  }
  p = map(&t, is_in_place ? base : NULL, PROT_READ);
  if (p == MAP_FAILED) {
    return sluice_fail(err, UV_ENOMEM, "its memory cannot be mapped");
  }
  t.at = p;
  sluice__adopted_close(adopted); /* of the takeover before */
  *adopted = t;
  return 0;
}

/* Where the kernel refuses one more mapping the region gets the bytes, and the
 * descriptor is nobody's: a commit cannot fail. Older kernels may have left a
 * hole. */
static void copy(sluice__adopted_t *adopted, uint8_t *base) {
  (void)mmap(base, (size_t)adopted->bytes, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
  memcpy(base, adopted->at, (size_t)adopted->bytes);
  (void)close(adopted->fd);
  adopted->fd = -1;
}

/* The pages need not be mapped by now: a fresh mapping costs the same faults,
 * and cannot fail half-way. */
void sluice__adopted_commit(sluice__adopted_t *adopted, uint8_t *base) {
  if (adopted->is_in_place) {
    (void)mprotect(base, (size_t)adopted->bytes, PROT_READ | PROT_WRITE);
  } else {
    if (map(adopted, base, PROT_READ | PROT_WRITE) == MAP_FAILED) {
      copy(adopted, base);
    }
    (void)munmap(adopted->at, (size_t)adopted->bytes);
  }
  adopted->at = NULL;
}

/* In place: nothing of the other process's memory may stay. */
static void unmap(const sluice__adopted_t *adopted) {
  if (adopted->is_in_place) {
    (void)mmap(adopted->at, (size_t)adopted->bytes, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
  } else {
    (void)munmap(adopted->at, (size_t)adopted->bytes);
  }
}

void sluice__adopted_close(sluice__adopted_t *adopted) {
  if (adopted->at != NULL) {
    unmap(adopted);
  }
  if (adopted->fd >= 0) {
    (void)close(adopted->fd);
  }
  memset(adopted, 0, sizeof(*adopted));
  adopted->fd = -1;
}
