/* taken.c - see taken.h. */
#include "taken.h"

#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

static void *map(const sluice__taken_t *taken, uint8_t *at, int prot) {
  return mmap(at, (size_t)taken->bytes, prot,
              MAP_SHARED | (at != NULL ? MAP_FIXED : 0), taken->fd, 0);
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

int sluice__taken_open(sluice__taken_t *taken, int fd, uint8_t *base,
                       uint64_t bytes, int is_in_place, sluice_error_t *err) {
  sluice__taken_t t = {.fd = fd, .bytes = bytes, .is_in_place = is_in_place};
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
  sluice__taken_close(taken); /* of the takeover before */
  *taken = t;
  return 0;
}

/* Where the kernel refuses one more mapping the region gets the bytes, and the
 * descriptor is nobody's: a commit cannot fail. Older kernels may have left a
 * hole. */
static void copy(sluice__taken_t *taken, uint8_t *base) {
  (void)mmap(base, (size_t)taken->bytes, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
  memcpy(base, taken->at, (size_t)taken->bytes);
  (void)close(taken->fd);
  taken->fd = -1;
}

/* The pages need not be mapped by now: a fresh mapping costs the same faults,
 * and cannot fail half-way. */
void sluice__taken_commit(sluice__taken_t *taken, uint8_t *base) {
  if (taken->is_in_place) {
    (void)mprotect(base, (size_t)taken->bytes, PROT_READ | PROT_WRITE);
  } else {
    if (map(taken, base, PROT_READ | PROT_WRITE) == MAP_FAILED) {
      copy(taken, base);
    }
    (void)munmap(taken->at, (size_t)taken->bytes);
  }
  taken->at = NULL;
}

/* In place: nothing of the other process's memory may stay. */
static void unmap(const sluice__taken_t *taken) {
  if (taken->is_in_place) {
    (void)mmap(taken->at, (size_t)taken->bytes, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
  } else {
    (void)munmap(taken->at, (size_t)taken->bytes);
  }
}

void sluice__taken_close(sluice__taken_t *taken) {
  if (taken->at != NULL) {
    unmap(taken);
  }
  if (taken->fd >= 0) {
    (void)close(taken->fd);
  }
  memset(taken, 0, sizeof(*taken));
  taken->fd = -1;
}
