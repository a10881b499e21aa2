/* ram_memfd.c - regions that are handed over by their descriptor.
 *
 * What the host writes to such a region while a hand-over runs is there at the
 * other end already: it is noted for the next save only. */
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include "memfd.h"

int sluice_ram_region_memfd(sluice_ram_t *ram, uint32_t region, int fd) {
  sluice__ram_region_t *in = sluice__ram_region_of(ram, region);
  uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
  struct stat st;

  if (in == NULL || (uintptr_t)in->base % page != 0 || in->bytes % page != 0) {
    return UV_EINVAL;
  }
  if (fd >= 0 && (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) ||
                  st.st_size < 0 || (uint64_t)st.st_size < in->bytes)) {
    return UV_EINVAL;
  }
  if (sluice__ram_is_busy(ram)) {
    return UV_EBUSY;
  }
  in->memfd = fd >= 0 ? fd : -1;
  return 0;
}

int sluice_ram_take_memfd(sluice_ram_t *ram, uint32_t region) {
  sluice__ram_region_t *in = sluice__ram_region_of(ram, region);
  int fd;

  if (in == NULL) {
    return UV_EINVAL;
  }
  if (sluice__ram_is_busy(ram)) {
    return UV_EBUSY;
  }
  fd = in->adopted.fd;
  in->adopted.fd = -1;
  return fd;
}

static int pass(sluice_ram_t *ram, sluice__ram_region_t *region,
                sluice_error_t *err) {
  int r = sluice_section_pass_memory(ram->section, region->name, region->memfd);

  if (r == 0) {
    region->is_passed = 1;
    ram->stats.bytes_passed += region->bytes;
  } else if (r != UV_ENOTSUP) {
    return sluice_fail(err, r, "region \"%.64s\": its memfd cannot be passed",
                       region->name);
  }
  return 0;
}

int sluice__ram_pass_regions(sluice_ram_t *ram, sluice_error_t *err) {
  int r = 0;

  for (uint32_t i = 0; i < ram->region_count && r == 0; i++) {
    if (ram->regions[i]->memfd >= 0) {
      r = pass(ram, ram->regions[i], err);
    }
  }
  if (r < 0) {
    sluice__ram_unpass_regions(ram);
  }
  return r;
}

void sluice__ram_unpass_regions(sluice_ram_t *ram) {
  for (uint32_t i = 0; i < ram->region_count; i++) {
    ram->regions[i]->is_passed = 0;
  }
}

int sluice__ram_adopt_region(sluice_ram_t *ram, sluice__ram_region_t *region,
                             sluice_error_t *err) {
  int fd = sluice_section_passed(ram->section, region->name);
  int r = 0;

  if (fd < 0) {
    return 0;
  }
  if ((region->flags & SLUICE_RAM_REMAP) == 0) {
    r = sluice_fail(
        err, SLUICE_EKIND,
        "region \"%.64s\" is passed as a descriptor, and its memory "
        "may not be replaced",
        region->name);
  }
  if (r == 0) {
    r = sluice__adopted_open(&region->adopted, fd, region->base, region->bytes,
                             (region->flags & SLUICE_RAM_IN_PLACE) != 0, err);
  }
  if (r < 0) {
    (void)close(fd);
    return r;
  }
  return 1;
}
